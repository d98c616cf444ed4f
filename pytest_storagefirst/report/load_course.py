"""The course of a load run: charts that share one time axis, under the band of the circuit.

All are tinted while the circuit was open or half open, so that cause and consequence stand above
each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pytest_storagefirst.ledger.circuit import CLOSED, HALF_OPEN, OPEN
from pytest_storagefirst.report.load_story import (
    Document,
    Stand,
    column,
    duration,
    ends,
    in_queues,
    moment,
    moments,
    number,
    stands,
)
from pytest_storagefirst.report.page import Markup, element, section
from pytest_storagefirst.report.plots import Axis, Chart, Curve, Span, axis_labels, figure

_LOOKS = {CLOSED: "closed", OPEN: "open", HALF_OPEN: "half", "": "gap"}
_WORDS = {CLOSED: "closed", OPEN: "open", HALF_OPEN: "half-open", "": "no reading"}
ROOM_FOR_WORDS = 0.09  # of the axis, below which a part of a band says nothing itself


def course(document: Document) -> Markup:
    """The phases, the circuit and all charts, one above the other."""
    at = moments(document)
    axis = Axis(*ends(document))
    circuit = stands(document)
    if not at:
        return section("Course", element("p", "The run has no timeline.", class_="soft"))
    spans = [
        Span(one.from_s, one.to_s, _LOOKS[one.state])
        for one in circuit
        if one.state in (OPEN, HALF_OPEN)
    ]
    marks = [float(one["from_s"]) for one in document.get("phases", ())][1:]
    labels = axis_labels(axis)
    return section(
        "Course of the run",
        _phases(document, axis),
        band(circuit, axis),
        labels,
        *(figure(chart, axis, spans, marks) for chart in _charts(document, at)),
        labels,
    )


def _charts(document: Document, at: list[float]) -> Iterator[Chart]:
    def curve(name: str, key: str, look: str) -> Curve:
        return Curve(name, column(document, key), look)

    def any_of(name: str, key: str, look: str) -> list[Curve]:
        found = curve(name, key, look)
        return [found] if any(found.values) else []

    rate: Callable[[float], str] = lambda value: f"{value:,.4g}/s"  # noqa: E731
    whole: Callable[[float], str] = lambda value: f"{value:,.0f}"  # noqa: E731
    cap = document.get("caps", {}).get("downstream_per_s")
    yield Chart(
        "Arrivals",
        at,
        [
            curve("accepted", "accepted", "one area"),
            curve("offered", "offered", "plain dashed"),
            *any_of("rejected", "rejected", "bad"),
            *any_of("unknown", "unknown", "unsure"),
            *any_of("not sent", "not_sent", "two"),
            *any_of("dropped", "dropped", "two dashed"),
        ],
        rate,
        "nothing was offered",
    )
    yield Chart(
        "In the queues",
        at,
        [
            Curve("in all", in_queues(document), "one area"),
            curve("of these in flight", "in_flight", "two"),
        ],
        whole,
        "the stack has no queue that could be asked",
    )
    yield Chart(
        "Oldest unprocessed message",
        at,
        [curve("age", "oldest_age_s", "one area")],
        lambda value: f"{value:,.4g} s",
        "not to be had",
    )
    yield Chart(
        "Calls to the downstream",
        at,
        [curve("calls", "downstream", "one area")],
        rate,
        "not counted on this target",
        ("cap", float(cap)) if cap else None,
    )
    yield Chart(
        "Messages processed so far",
        at,
        [curve("processed", "processed", "one area")],
        whole,
        "not to be had",
    )
    dead = column(document, "dead")
    yield Chart(
        "Dead letters",
        at,
        [Curve("dead", dead, "bad area" if any(dead) else "plain")],
        whole,
        "no dead-letter queue was seen",
    )
    yield Chart(
        "Answer times, 99th percentile",
        at,
        [
            curve("from the intended start", "latency_p99_ms", "one area"),
            curve("from sending", "service_p99_ms", "two"),
        ],
        lambda value: f"{value:,.4g} ms",
        "no answers",
        gap="",
    )


def _phases(document: Document, axis: Axis) -> Markup | None:
    phases = document.get("phases", ())
    if not phases:
        return None
    parts = [
        _part(axis, float(one["from_s"]), float(one["to_s"]), str(one["name"])) for one in phases
    ]
    return element("div", *parts, class_="strip phases")


def band(circuit: list[Stand], axis: Axis) -> Markup:
    """The circuit's states one behind the other."""
    if not circuit:
        return element(
            "div",
            element("h3", "Circuit"),
            element("p", "No circuit breaker was seen.", class_="soft small"),
            class_="row",
        )
    parts = [
        _part(
            axis,
            one.from_s,
            one.to_s,
            f"{_word(one.state)} {duration(one.seconds)}",
            _LOOKS.get(one.state, "other"),
        )
        for one in circuit
    ]
    keys = [
        element("span", element("i", class_="block"), _word(state), class_=f"key {look}")
        for state in dict.fromkeys(one.state for one in circuit)
        for look in [_LOOKS.get(state, "other")]
    ]
    told = ", ".join(f"{_word(one.state)} from {moment(one.from_s)}" for one in circuit[:12])
    more = f", and {len(circuit) - 12} changes more" if len(circuit) > 12 else ""
    return element(
        "div",
        element(
            "div",
            element("h3", "Circuit"),
            *keys,
            element("span", told + more, class_="peak"),
            class_="keys",
        ),
        element(
            "div", *parts, class_="strip circuit", role="img", aria_label=f"Circuit: {told}{more}"
        ),
        class_="row",
    )


def _word(state: str) -> str:
    return _WORDS.get(state, state)


def _part(axis: Axis, from_s: float, to_s: float, word: str, look: str = "") -> Markup:
    """A part of a strip. Of a band, which has a key, a short one says nothing itself."""
    left, width = axis.share(from_s), axis.share(to_s) - axis.share(from_s)
    has_room = width > ROOM_FOR_WORDS or not look
    return element(
        "span",
        word if has_room else None,
        class_=f"{look}{'' if has_room else ' thin'}" if look else None,
        style=f"left:{left * 100:.2f}%;width:{width * 100:.2f}%",
        title=f"{word}: {number(from_s)} to {moment(to_s)}",
    )
