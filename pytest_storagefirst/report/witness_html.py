"""A witness on the page: how the circuit stood, its story drawn and in words, how to replay it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from pytest_storagefirst.report.again import told_again
from pytest_storagefirst.report.covered import counted
from pytest_storagefirst.report.load_course import band
from pytest_storagefirst.report.load_story import Stand
from pytest_storagefirst.report.page import Markup, bounded, element, names
from pytest_storagefirst.report.plots import Axis, axis_labels
from pytest_storagefirst.report.sequence import sequence

OPEN_STORY_LINES = 40  # a longer one is folded away at first; the drawing never is
SIGNS = {
    "ok": ("✓", "ok"),
    "violated": ("✗", "violated"),
    "unknown": ("?", "unknown"),
    "not-applicable": ("–", "soft"),
}

Property = Mapping[str, Any]


def tone(verdict: str) -> Markup:
    """A verdict with its sign: by more than its colour."""
    sign, look = SIGNS.get(verdict, ("?", "unknown"))
    return element("span", f"{sign} {verdict}", class_=f"tone {look}")


def witness(one: Property, topology: Mapping[str, Any], order: Sequence[str]) -> Iterator[Markup]:
    """All that is told of a property's smallest failing run. `order` is that of lifelines."""
    lost = list(one.get("lost", ()))
    if lost:
        about = element("span", "About", class_="soft small")
        yield element("div", about, names(lost), class_="about")
    yield from _circuit(one)
    drawn = sequence(one.get("steps", ()), topology, order, one["name"])
    if drawn is not None:
        yield drawn
    yield story(one["story"])
    if one.get("witness"):
        yield _replay(one)


def story(lines: Sequence[str]) -> Markup:
    """The story in words; a long one is folded away."""
    text = element(
        "pre", "\n".join(bounded(line, 1_000) for line in lines), class_="story", tabindex=0
    )
    told = f"The story in words ({counted(len(lines), 'line')})"
    is_open = {"open": "open"} if len(lines) <= OPEN_STORY_LINES else {}
    return element("details", element("summary", told), text, **is_open)


def _replay(one: Property) -> Markup:
    where, command = told_again(one)
    return element("p", f"{where} ", element("code", command), class_="replay")


def _circuit(one: Property) -> Iterator[Markup]:
    """How the breaker's circuit stood in this run, above the drawing."""
    changes = one.get("transitions", ())
    if not changes:
        return
    times = [step["at"] for step in one.get("steps", ()) if "at" in step]
    end = max([*times, changes[-1]["at"] * 1.1, 1.0])
    moments = [0.0, *(change["at"] for change in changes), end]
    states = [changes[0]["from"], *(change["to"] for change in changes)]
    stands = [
        Stand(state, from_s, to_s)
        for state, (from_s, to_s) in zip(states, pairwise(moments), strict=True)
        if to_s > from_s
    ]
    axis = Axis(0, end)
    yield element("div", band(stands, axis), axis_labels(axis), class_="of-circuit")
