"""A story drawn: a lifeline for each that takes part, virtual time running down.

It is a list of rows, so that texts wrap, a printer breaks it between two of them, and what is read
aloud is the story. Rows are `steps` of report.json.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_storagefirst.report.load_story import duration
from pytest_storagefirst.report.narrative import ONE_SUBSCRIPTION
from pytest_storagefirst.report.page import Markup, breakable, element, joined

SENDER = "sender"
LONG_GAP_S = 5.0  # of virtual time, from which on it is told
LONGEST_LABEL, LONGEST_BAND, SHORT_LABEL = 160, 1_000, 18  # characters
MOST_LANES = 14
LONG = 45  # rows, beyond which the drawing scrolls within itself, below the names of its lifelines
_ANSWERS = ("acknowledged", "rejected", "indeterminate")
_STORES = ("stored", "dead-lettered")
_ENDS = ("never-struck", "circuit-stood", "ledger", "verdict")
_BANDS = ("about", "again", "left-out", "healed", *_ENDS)
# What stands at one lifeline, and how it looks.
_AT_ONE = {
    "deduplicated": ("unsure", "{messages} dropped as a duplicate"),
    "filtered": ("unsure", "{messages} filtered away by {detail}"),
    "effected": ("good", "✓ {messages} took effect"),
    "denied": ("bad", "✗ denied: {detail}"),
    "succeeded": ("good", "✓ success{messages_for}"),
    "failed": ("bad", "✗ failed{messages_for}{why}"),
    "returned": ("plain", "returned{detail}"),
    "throttled": ("bad", "✗ throttled{messages_for}"),
    "released": ("plain", "{messages} visible again"),
    "deleted": ("plain", "{messages} deleted"),
    "passed": ("plain", "read on, past {messages}"),
    "skipped": ("bad", "✗ {messages} skipped and dropped{why}"),
    "dropped": ("bad", "✗ drops {messages}: {detail}"),
    "expired": ("bad", "✗ {messages} expired and is gone"),
    "circuit": ("unsure", "circuit: {detail}"),
    "errored": ("bad", "✗ {detail}"),
}


@dataclass(frozen=True)
class Row:
    """What one step is drawn as: an arrow between lifelines, a word at one, or a band over all."""

    step: Mapping[str, Any]
    label: str
    look: str = "plain"
    source: str = ""  # of an arrow; at one lifeline both are the same
    target: str = ""

    @property
    def is_band(self) -> bool:
        return not self.target


@dataclass
class _Holders:
    """Where each message was last: in which store, and with whom."""

    links: Sequence[Mapping[str, Any]]
    fault: str = ""  # that struck last
    store: dict[str, str] = field(default_factory=dict)
    actor: dict[str, str] = field(default_factory=dict)

    def source_of(self, messages: Sequence[str], where: str) -> str:
        """Whom a function has messages from: a store that hands on to it, of those they are in."""
        before = [
            one["source"]
            for one in self.links
            if one.get("target") == where and one.get("kind") == "hands on"
        ]
        held = [self.store[message] for message in messages if message in self.store]
        return next((one for one in held if one in before), "") or next(
            iter(before if len(before) == 1 else held), ""
        )


def rows_of(steps: Sequence[Mapping[str, Any]], links: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Each step as what it is drawn as. `links` are those of the stack's topology."""
    holders = _Holders(links)
    return [_row(step, holders) for step in steps]


def lanes_of(rows: Sequence[Row], order: Sequence[str]) -> list[str]:
    """Who takes part: the sender, then as the topology is ordered, then as they come."""
    there = dict.fromkeys(id for row in rows for id in (row.source, row.target) if id)
    known = [SENDER, *order]
    return [id for id in known if id in there] + [id for id in there if id not in known]


def sequence(
    steps: Sequence[Mapping[str, Any]],
    topology: Mapping[str, Any],
    order: Sequence[str],
    name: str,
) -> Markup | None:
    """The drawing, or None where a story has no steps to draw. `order` is of the lifelines."""
    rows = rows_of(steps, topology.get("links", ()))
    lanes = lanes_of(rows, order)
    if not lanes:
        return None
    lanes, left_out = lanes[:MOST_LANES], lanes[MOST_LANES:]
    kinds = {one["id"]: one["kind"] for one in topology.get("nodes", ())}
    at = {lane: number for number, lane in enumerate(lanes)}
    heads = [
        element(
            "div",
            element("b", breakable(_short(lane, 60))),
            element("span", kinds.get(lane, ""), class_="soft") if lane in kinds else None,
            class_="head",
        )
        for lane in lanes
    ]
    lines = [
        element("i", style=f"--at:{number}", class_="lifeline", aria_hidden="true")
        for number in range(len(lanes))
    ]
    body = element("ol", *lines, *_drawn(rows, at), class_="steps")
    told = element("p", f"Not drawn, for want of room: {', '.join(left_out)}.", class_="soft small")
    return joined(
        element(
            "div",
            element("div", element("div", "time", class_="clock soft"), *heads, class_="heads"),
            body,
            class_="scrolls sequence long" if len(rows) > LONG else "scrolls sequence",
            style=f"--lanes:{len(lanes)};--clock:{_clock_width(rows)}rem",
            tabindex=0,
            role="region",
            aria_label=f"Sequence diagram of {name}",
        ),
        told if left_out else None,
    )


# --- from steps to rows ---------------------------------------------------------------------------


def _row(step: Mapping[str, Any], holders: _Holders) -> Row:
    kind, where, detail = step["kind"], step.get("where", ""), step.get("detail", "")
    messages = step.get("messages", ())
    names = _few(messages)
    if kind in _BANDS or not where:
        return Row(step, step["text"], _look_of_band(kind, step["text"]))
    if kind == "attempted":
        holders.actor.update(dict.fromkeys(messages, where))
        again = f", request {detail.rpartition(' ')[2]}" if detail not in ("", "request 1") else ""
        return Row(step, names + again, "plain", SENDER, where)
    if kind in _ANSWERS:
        sign = {"acknowledged": "✓ ", "rejected": "✗ "}.get(kind, "? ")
        look = {"acknowledged": "good", "rejected": "bad"}.get(kind, "unsure")
        word = "left in doubt" if kind == "indeterminate" else kind
        told = f"{sign}{names} {word}" + (f" ({detail})" if detail else "")
        return Row(step, told, f"{look} answer", where, SENDER)
    if kind in _STORES or kind == "redriven":
        return _moved(step, holders, names)
    if kind == "delivered":
        source = holders.source_of(messages, where) or where
        holders.actor.update(dict.fromkeys(messages, where))
        return Row(step, _delivery(names, detail), "plain", source, where)
    if kind == "called":
        to = step.get("to") or _service(detail)
        return Row(step, _join(_call(detail), names), "plain", where, to)
    if kind in ("effected", "errored") and "#" in detail:
        to = step.get("to") or _service(detail)
        call, _, error = detail.partition(": ") if kind == "errored" else (detail, "", "")
        if kind == "effected":
            return Row(step, f"✓ {_join(_call(call), names)} took effect", "good", to, to)
        return Row(step, f"✗ {error or 'failed'}", "bad answer", to, where)
    if kind == "faulted":
        again, holders.fault = detail == holders.fault, detail
        told = "the same again" if again else detail
        return Row(step, f"⚡\ufe0e FAULT {told}", "fault", where, where)
    look, phrase = _AT_ONE.get(kind, ("plain", ""))
    if kind == "filtered" and detail.startswith(ONE_SUBSCRIPTION):
        phrase = "{messages} not given to {detail}"  # the others may get it
    if not phrase:
        return Row(step, step["text"], look, where, where)
    text = phrase.format(
        messages=names or "a message",
        messages_for=f" with {names}" if names else "",
        detail=detail,
        why=f": {detail}" if detail else "",
    )
    return Row(step, text, look, where, where)


def _moved(step: Mapping[str, Any], holders: _Holders, names: str) -> Row:
    """From where it was to where it is now."""
    kind, where, detail = step["kind"], step.get("where", ""), step.get("detail", "")
    messages = step.get("messages", ())
    if kind == "redriven":
        holders.store.update(dict.fromkeys(messages, detail))
        return Row(step, f"{names} redriven", "plain", where, detail or where)
    if kind == "dead-lettered":
        source = detail if detail in holders.store.values() else ""
    else:
        source = next((holders.actor[one] for one in messages if one in holders.actor), "")
    holders.store.update(dict.fromkeys(messages, where))
    holders.actor.update(dict.fromkeys(messages, where))
    if kind == "dead-lettered":
        return Row(step, f"{names} set aside", "unsure", source or where, where)
    return Row(step, f"{names} stored", "plain", source or where, where)


def _look_of_band(kind: str, text: str) -> str:
    if kind == "verdict":
        return f"verdict {text.partition(':')[0]}"
    return {"again": "again", "left-out": "again", "ledger": "ledger"}.get(kind, "plain")


def _few(messages: Sequence[str]) -> str:
    if len(messages) <= 4:
        return " ".join(messages)
    return f"{' '.join(messages[:3])} and {len(messages) - 3} more"


def _delivery(names: str, detail: str) -> str:
    parts = [
        part
        for part in detail.split(", ")
        for part in [part.partition(" from ")[0]]
        if part and part != "receive 1" and not part.startswith("invocation")
    ]
    return f"{names or 'invoked'}" + (f" ({', '.join(parts)})" if parts else "")


def _call(detail: str) -> str:
    """ "PutItem #1, attempt 2" of "dynamodb.PutItem #1, attempt 2"."""
    head, dot, operation = detail.partition(".")
    if dot and head.replace("-", "").isalnum() and " " not in head:
        return operation
    method = detail.removeprefix("http ").split(" ")
    number = detail.rpartition(" #")[2]
    return f"{method[0]} #{number}" if "://" in detail else detail


def _service(detail: str) -> str:
    return detail.partition(".")[0] if " " not in detail.partition(".")[0] else detail.split()[0]


def _join(call: str, names: str) -> str:
    return f"{call} for {names}" if names else call


def _short(text: str, most: int = LONGEST_LABEL) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


# --- from rows to markup --------------------------------------------------------------------------


def _drawn(rows: Sequence[Row], at: Mapping[str, int]) -> Iterator[Markup]:
    before: float | None = None
    told = ""
    for row in rows:
        moment = row.step.get("at")
        if moment is not None:
            if before is not None and moment - before >= LONG_GAP_S:
                gap = f"{duration(moment - before)} later"
                empty = element("span", class_="clock")
                yield element("li", empty, element("span", gap, class_="later"), class_="gap")
            before = moment
        clock = "" if moment is None else f"{moment:.3f}"
        shown = clock if clock != told else ""
        told = clock or told
        if row.look == "fault":  # which may strike where a narrow screen does not reach
            shown = f"⚡\ufe0e {clock}"
        yield _item(row, at, element("span", shown, class_="clock"))


def _item(row: Row, at: Mapping[str, int], clock: Markup) -> Markup:
    text = row.label if row.is_band else _short(row.label)
    label = element("span", breakable(_short(text, LONGEST_BAND)), class_="label")
    known = [at[one] for one in (row.source, row.target) if one in at]
    if row.is_band or not known:
        return element("li", clock, element("div", label, class_="band"), class_=row.look)
    if len(known) < 2 or known[0] == known[1]:
        return element(
            "li",
            clock,
            _at_one(label, len(row.label), known[-1], len(at)),
            class_=f"{row.look} at-one",
        )
    left, right = min(known), max(known)
    inset = 50 / (right - left + 1)
    shaft = element(
        "i",
        class_=f"shaft {'right' if known[0] < known[1] else 'left'}",
        style=f"margin-inline:{inset:.3f}%",
        aria_hidden="true",
    )
    return element(
        "li",
        clock,
        element("div", label, shaft, class_="arrow", style=_columns(left, right)),
        class_=row.look,
    )


def _clock_width(rows: Sequence[Row]) -> float:
    """Room for the longest time, in rem."""
    return max(4.0, 1.2 + 0.45 * max(len(f"{row.step.get('at', 0):.3f}") for row in rows))


def _at_one(label: Markup, letters: int, lane: int, lanes: int) -> Markup:
    """Beside its lifeline as far as there is room on both sides; at an edge on one."""
    spread = min(1, lane, lanes - 1 - lane)
    left, right, side = lane - spread, lane + spread, "middle"
    if not spread and lanes > 1 and letters > SHORT_LABEL:
        left, right, side = (0, 1, "first") if lane == 0 else (lane - 1, lane, "last")
    return element("div", label, class_=f"word {side}", style=_columns(left, right))


def _columns(left: int, right: int) -> str:
    return f"grid-column:{left + 2}/{right + 3}"
