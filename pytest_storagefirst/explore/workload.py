"""What is sent: plain messages, messages with awkward characters, and bad ones, from one body."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_storagefirst.simulation.deployed import Entry
from pytest_storagefirst.simulation.producers import is_event
from pytest_storagefirst.simulation.schedule import UNIQUE, Send

# Characters that forms, URLs, JSON and templates each treat as their own.
AWKWARD = 'a&b+c%41"d\\é\nf'
PLAIN = "plain text"
ADDED_FIELD = "note"

# Fits into a message (1 MiB) and into no item of DynamoDB (400 KB).
VERY_LONG = "x" * 500_000

MOST_CHARACTERS = 4000  # of a body that is guessed


def plain(entries: Sequence[Entry], count: int) -> tuple[Send, ...]:
    """`count` messages m1, m2, … over the entries in turn."""
    return tuple(
        Send(f"m{number + 1}", entry.name, entry.body)
        for number in range(count)
        for entry in [entries[number % len(entries)]]
    )


@dataclass(frozen=True)
class Marked:
    """A body whose string fields carry a value to look for; `fields` maps their paths to it."""

    body: Any
    fields: dict[str, str]


def with_text(body: Any, text: str, kind: str = "") -> Marked | None:
    """The body with `text` behind its string fields, or in a field added where there is none.

    Fields that hold {unique} stay as they are: they are keys. None when the body is no JSON object.
    `kind` is the entry's.
    """
    if kind == "bus" and is_event(body):
        inner = with_text(body["detail"], text)
        return inner and Marked({**body, "detail": inner.body}, inner.fields)
    if not isinstance(body, dict):
        return None
    marked = copy.deepcopy(body)
    fields: dict[str, str] = {}
    for path, holder, name in _string_fields(marked):
        holder[name] = holder[name] + text
        fields[path] = holder[name]
    if not fields:
        marked[ADDED_FIELD] = text
        fields[ADDED_FIELD] = text
    return Marked(marked, fields)


def _string_fields(body: Any, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    pairs = body.items() if isinstance(body, dict) else enumerate(body)
    for name, value in list(pairs):
        path = f"{prefix}.{name}" if prefix else str(name)
        if isinstance(value, str) and UNIQUE not in value:
            yield path, body, name
        elif isinstance(value, dict | list):
            yield from _string_fields(value, path)


def bad_bodies(body: Any, kind: str = "") -> Iterator[tuple[str, Any]]:
    """Bodies derived from a good one that a handler may refuse: (what is wrong, body).

    `kind` is the entry's.
    """
    if kind == "bus" and is_event(body):
        for what, inner in bad_bodies(body["detail"]):
            yield what, {**body, "detail": inner}
        return
    yield "no JSON", f"this is no JSON: {UNIQUE}"
    yield "JSON, but a bare number", "17"
    yield "empty", ""
    if not isinstance(body, dict):
        yield "very long", f"{UNIQUE} {VERY_LONG}"
        return
    yield "very long", {**body, ADDED_FIELD: VERY_LONG}
    for name, value in list(body.items())[:6]:
        holds_id = isinstance(value, str) and UNIQUE in value
        without = {key: inner for key, inner in body.items() if key != name}
        yield f"{name} is missing", without
        if holds_id:
            continue
        if value is None:
            continue
        yield f"{name} is null", {**body, name: None}
        if isinstance(value, bool):
            yield f"{name} is no boolean", {**body, name: "neither"}
        elif isinstance(value, int | float):
            yield f"{name} is text", {**body, name: "not a number"}
            yield f"{name} is a float", {**body, name: value + 0.25}
        elif isinstance(value, str):
            yield f"{name} is a list", {**body, name: ["a", "list"]}
        else:
            yield f"{name} is text", {**body, name: "text"}


def first_guess() -> dict[str, Any]:
    """The body of an entry that nobody described: extended by what the handler asks for."""
    return {"id": UNIQUE}


def extended(body: Any, wants: Sequence[tuple[str, ...]]) -> Any | None:
    """The body with the fields at these paths and likely values; None when that adds nothing.

    A text on the way gives place to an object: a handler that asks it for a field expects one.
    """
    if not isinstance(body, dict) or len(json.dumps(body)) > MOST_CHARACTERS:
        return None
    better = copy.deepcopy(body)
    for path in wants:
        holder = better
        for name in path[:-1]:
            if not isinstance(holder.get(name), dict):
                holder[name] = {}
            holder = holder[name]
        holder.setdefault(path[-1], _likely_value(path[-1]))
    return better if better != body else None


def alternatives(body: Any) -> Iterator[Any]:
    """The body with one guessed text after the other replaced by what else a handler may expect."""
    fields = list(_string_fields(body)) if isinstance(body, dict) else []
    others: tuple[Any, ...] = (12, 12.5, [], {}, True, "2026-01-01T00:00:00Z")
    for other in others:
        for number in range(len(fields)):
            changed = copy.deepcopy(body)
            _, holder, name = list(_string_fields(changed))[number]
            holder[name] = other
            yield changed


def is_id(name: str) -> bool:
    """Whether a field's name says that its value tells one message from another."""
    lowered = name.lower()
    return lowered.endswith("id") or "key" in lowered or "uuid" in lowered


# Whole words: a message is no age, and an account no count.
_NUMBERS = frozenset(("amount", "price", "quantity", "total", "count", "qty", "number", "age"))


def _words(name: str) -> list[str]:
    """The words of orderCount, order_count and ORDER-COUNT."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def _likely_value(name: str) -> Any:
    lowered = name.lower()
    if is_id(name):
        return UNIQUE
    if _NUMBERS.intersection(_words(name)):
        return 12
    if lowered.endswith("s") and any(
        word in lowered for word in ("items", "lines", "products", "records")
    ):
        return []
    if "email" in lowered:
        return f"{UNIQUE}@example.com"
    return "text"


def as_sent(body: Any) -> str:
    return body if isinstance(body, str) else json.dumps(body)
