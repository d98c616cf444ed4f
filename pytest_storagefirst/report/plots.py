"""Curves over one time axis as inline SVG, made so that a page can be of any width.

An SVG here has its own units, WIDE by HIGH, and is stretched to its place; lines keep their width.
What has to be read stands beside it as HTML, placed in per cent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pytest_storagefirst.report.page import Markup, element

WIDE, HIGH = 1000, 100
MOST_COLUMNS = 240  # that tell their values when pointed at
# Two readings so much farther apart than usual have something missing between them.
APART = 3.0
# From one tick of the axis to the next: whole minutes, and whole hours, where it is long.
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400)
_ROUND = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)

Value = float | None


@dataclass(frozen=True)
class Axis:
    """Seconds of a run, from `from_s` to `to_s`."""

    from_s: float
    to_s: float

    def x(self, at_s: float) -> float:
        """Where a moment stands, in units of the SVG."""
        return self.share(at_s) * WIDE

    def share(self, at_s: float) -> float:
        return min(1.0, max(0.0, (at_s - self.from_s) / (self.to_s - self.from_s)))

    def ticks(self, about: int = 8) -> list[float]:
        step = nice((self.to_s - self.from_s) / about, _STEPS_S)
        first = math.ceil(self.from_s / step)
        return [step * n for n in range(first, math.floor(self.to_s / step + 1e-9) + 1)]


@dataclass(frozen=True)
class Curve:
    """One thing that is measured, at each of the chart's moments; None: no reading.

    `look` are classes of the style: "one area", "two", "plain dashed", …
    """

    name: str
    values: Sequence[Value]
    look: str


@dataclass(frozen=True)
class Span:
    """A part of the axis that all charts tint: how the circuit stood."""

    from_s: float
    to_s: float
    look: str


@dataclass(frozen=True)
class Chart:
    """`moments` are seconds, in order; `say` writes a value with its unit.

    `gap` is what stands for a moment without a reading: "" where there was nothing to be read.
    """

    title: str
    moments: Sequence[float]
    curves: Sequence[Curve]
    say: Callable[[float], str]
    absent: str  # what is said where there is no reading at all
    cap: tuple[str, float] | None = None
    gap: str = "no reading"


def figure(chart: Chart, axis: Axis, spans: Sequence[Span], marks: Sequence[float]) -> Markup:
    """A chart with title, key and scale; `marks` are moments at which a phase begins."""
    present = [one for one in chart.curves if any(value is not None for value in one.values)]
    name = element("h3", chart.title)
    if not present:
        return element(
            "figure",
            element("figcaption", name, element("span", chart.absent, class_="soft")),
            class_="chart",
        )
    top = scale(chart, present)
    gaps = list(_gaps(chart, present)) if chart.gap else []
    keys = [_key(one) for one in present if len(present) > 1 or chart.cap]
    if chart.cap:
        text = f"{chart.cap[0]} {chart.say(chart.cap[1])}"
        keys.append(element("span", element("i", class_="dashed"), text, class_="key bad"))
    if gaps:
        keys.append(element("span", element("i", class_="block gap"), chart.gap, class_="key gap"))
    told = describe(chart, present)
    svg = element(
        "svg",
        element("title", f"{chart.title}: {told}"),
        *(_rect(axis, one.from_s, one.to_s, f"tint-{one.look}") for one in spans),
        *(_rect(axis, *one, "tint-gap") for one in gaps),
        *(_upright(axis.x(at), "grid") for at in axis.ticks()),
        *(_level(share * HIGH, "grid") for share in (0, 0.5)),
        _level(HIGH, "base"),
        *(_upright(axis.x(at), "phase") for at in marks),
        *(part for one in present for part in _drawn(one, chart.moments, axis, top)),
        _level(HIGH - chart.cap[1] / top * HIGH, "cap") if chart.cap else None,
        *_columns(chart, present, axis),
        viewBox=f"0 0 {WIDE} {HIGH}",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"{chart.title}: {told}",
    )
    scales = [
        element("span", chart.say(top * (1 - share)), class_="y", style=f"top:{share * 100:.0f}%")
        for share in (0, 0.5, 1)
    ]
    return element(
        "figure",
        element("figcaption", name, *keys, element("span", told, class_="peak")),
        element("div", svg, *scales, class_="plot"),
        class_="chart",
    )


def axis_labels(axis: Axis) -> Markup:
    """The times under the charts, since the run began: in minutes where it took long."""
    step = axis.ticks()[1] if len(axis.ticks()) > 1 else 1

    def say(at_s: float) -> str:
        return f"{at_s / 60:g} min" if step >= 60 else f"{at_s:g} s"

    return element(
        "div",
        *(
            element(
                "span",
                say(at),
                style=f"left:{axis.share(at) * 100:.2f}%",
                class_="last" if axis.share(at) > 0.97 else None,
            )
            for at in axis.ticks()
        ),
        class_="axis",
        aria_hidden="true",
    )


def describe(chart: Chart, curves: Sequence[Curve]) -> str:
    """What a reader is to see, in words: each curve's highest value and when it was."""
    told = []
    for one in curves[:2]:
        read = [(v, at) for v, at in zip(one.values, chart.moments, strict=True) if v is not None]
        most, at_s = max(read, key=lambda pair: (pair[0], -pair[1]))
        name = f"{one.name} " if len(curves) > 1 else ""
        told.append(
            f"{name}at most {chart.say(most)} at {at_s:g} s" if most else f"{name}never above 0"
        )
    return "; ".join(told)


def scale(chart: Chart, curves: Sequence[Curve]) -> float:
    """The round number at the top."""
    values = [value for one in curves for value in one.values if value is not None]
    highest = max((*values, chart.cap[1] * 1.1 if chart.cap else 0, 0))
    return nice(highest / 2) * 2 if highest > 0 else 2.0


def nice(least: float, steps: Sequence[float] = ()) -> float:
    """The next round number: of `steps`, or of a power of ten and _ROUND; 1 at least."""
    for step in steps:
        if step >= least:
            return step
    power = 10.0 ** math.floor(math.log10(max(least, 1e-9)))
    found = next(step * power for step in _ROUND if step * power >= least * (1 - 1e-9))
    return max(1.0, math.ceil(found))


def runs(values: Sequence[Value], moments: Sequence[float]) -> Iterator[list[tuple[float, float]]]:
    """The parts of a curve without a gap: (moment, value) of each reading."""
    limit = APART * usual_step(moments)
    part: list[tuple[float, float]] = []
    for at_s, value in zip(moments, values, strict=True):
        if part and (value is None or at_s - part[-1][0] > limit):
            yield part
            part = []
        if value is not None:
            part.append((at_s, value))
    if part:
        yield part


def usual_step(moments: Sequence[float]) -> float:
    """Seconds from one moment to the next, as most are."""
    steps = sorted(b - a for a, b in pairwise(moments))
    return max(steps[len(steps) // 2], 0.001) if steps else 1.0


def _gaps(chart: Chart, curves: Sequence[Curve]) -> Iterator[tuple[float, float]]:
    """From the last reading before a gap to the first one after it, of the first curve."""
    parts = list(runs(curves[0].values, chart.moments))
    first, last = chart.moments[0], chart.moments[-1]
    ends = [first, *(part[-1][0] for part in parts)]
    begins = [*(part[0][0] for part in parts), last]
    for from_s, to_s in zip(ends, begins, strict=True):
        if to_s > from_s:
            yield from_s, to_s


def _key(curve: Curve) -> Markup:
    return element("span", element("i", class_=curve.look), curve.name, class_=f"key {curve.look}")


def _drawn(curve: Curve, moments: Sequence[float], axis: Axis, top: float) -> Iterator[Markup]:
    for part in runs(curve.values, moments):
        points = [(axis.x(at_s), HIGH - value / top * HIGH) for at_s, value in part]
        line = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        if "area" in curve.look.split() and len(points) > 1:
            under = f"M{points[0][0]:.1f} {HIGH}L{line}L{points[-1][0]:.1f} {HIGH}Z"
            yield element("path", d=under, class_=f"{curve.look} fill")
        # A reading with gaps on both sides is a dot: a line of no length, with round ends.
        drawn, shape = (f"M{line}", "line") if len(points) > 1 else (f"M{line}h0", "line dot")
        yield element("path", d=drawn, class_=f"{curve.look} {shape}")


def _columns(chart: Chart, curves: Sequence[Curve], axis: Axis) -> Iterator[Markup]:
    """What is told when one points at a moment."""
    every = math.ceil(len(chart.moments) / MOST_COLUMNS)
    step = usual_step(chart.moments) * every
    for number in range(0, len(chart.moments), every):
        at_s = chart.moments[number]
        told = [
            f"{one.name} {chart.gap or 'none' if one.values[number] is None else chart.say(value)}"
            for one in curves
            for value in [one.values[number] or 0]
        ]
        left, right = axis.x(at_s - step / 2), axis.x(at_s + step / 2)
        yield element(
            "rect",
            element("title", f"{at_s:g} s: {', '.join(told)}"),
            x=f"{left:.1f}",
            y=0,
            width=f"{right - left:.1f}",
            height=HIGH,
            class_="hit",
        )


def _rect(axis: Axis, from_s: float, to_s: float, look: str) -> Markup:
    left = axis.x(from_s)
    width = max(axis.x(to_s) - left, 2)
    return element("rect", x=f"{left:.1f}", y=0, width=f"{width:.1f}", height=HIGH, class_=look)


def _upright(x: float, look: str) -> Markup:
    return element("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=0, y2=HIGH, class_=look)


def _level(y: float, look: str) -> Markup:
    return element("line", x1=0, x2=WIDE, y1=f"{y:.1f}", y2=f"{y:.1f}", class_=look)
