"""What is sent: plain messages, messages with awkward characters, and bad ones, from one body."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_storagefirst.simulation.deployed import Entry
from pytest_storagefirst.simulation.schedule import UNIQUE, Send

# Characters that forms, URLs, JSON and templates each treat as their own.
AWKWARD = 'a&b+c%41"d\\é\nf'
PLAIN = "plain text"
ADDED_FIELD = "note"

# Fits into a message (1 MiB) and into no item of DynamoDB (400 KB).
VERY_LONG = "x" * 500_000


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


def with_text(body: Any, text: str) -> Marked | None:
    """The body with `text` behind its string fields, or in a field added where there is none.

    Fields that hold {unique} stay as they are: they are keys. None when the body is no JSON object.
    """
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


def bad_bodies(body: Any) -> Iterator[tuple[str, Any]]:
    """Bodies derived from a good one that a handler may refuse: (what is wrong, body)."""
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
        yield f"{name} is null", {**body, name: None}
        if isinstance(value, bool):
            yield f"{name} is no boolean", {**body, name: "neither"}
        elif isinstance(value, int | float):
            yield f"{name} is text", {**body, name: "not a number"}
            yield f"{name} is a float", {**body, name: 12.34}
        elif isinstance(value, str):
            yield f"{name} is a list", {**body, name: ["a", "list"]}
        else:
            yield f"{name} is text", {**body, name: "text"}


def first_guess() -> dict[str, Any]:
    """The body of an entry that nobody described: extended by what the handler asks for."""
    return {"id": UNIQUE}


def extended(body: Any, errors: Sequence[BaseException]) -> Any | None:
    """The body with what a handler's last error says is missing; None when it doesn't say."""
    if not isinstance(body, dict) or not errors:
        return None
    error = errors[-1]
    if isinstance(error, KeyError) and error.args and isinstance(error.args[0], str):
        name = error.args[0]
        if name not in body and len(body) < 30:
            return {**body, name: _likely_value(name)}
    return None


def _likely_value(name: str) -> Any:
    lowered = name.lower()
    if lowered.endswith("id") or "key" in lowered or "uuid" in lowered:
        return UNIQUE
    if any(
        word in lowered
        for word in ("amount", "price", "quantity", "total", "count", "qty", "number", "age")
    ):
        return 12
    if lowered.endswith("s") and any(
        word in lowered for word in ("items", "lines", "products", "records")
    ):
        return []
    if "email" in lowered:
        return "someone@example.com"
    return "text"


def as_sent(body: Any) -> str:
    return body if isinstance(body, str) else json.dumps(body)
