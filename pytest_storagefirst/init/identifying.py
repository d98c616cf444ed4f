"""Where in a sample message its own id goes: the field that effects are told apart by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pytest_storagefirst.errors import EntryError
from pytest_storagefirst.explore import workload
from pytest_storagefirst.explore.bodies import describe_entries
from pytest_storagefirst.explore.fields import with_value
from pytest_storagefirst.explore.judge import Judge
from pytest_storagefirst.ledger.effects import Effect, Observation
from pytest_storagefirst.simulation.deployed import Entry
from pytest_storagefirst.simulation.producers import is_event
from pytest_storagefirst.simulation.schedule import UNIQUE, Send

MOST_FIELDS = 12  # tried in one body


def with_unique(judge: Judge, entry: Entry, body: dict[str, Any] | str) -> Any:
    """The body with {unique} in the field that makes two messages two; a text with it at its end.

    Each field that may be one is played: that which is the key of what a message leaves goes before
    that which is only in it. Raises EntryError where the stack takes none of them.
    """
    best: tuple[int, Any] | None = None
    refusal: EntryError | None = None
    for candidate in _candidates(entry, body):
        try:
            (described,) = describe_entries(judge, (replace(entry, body=candidate, chosen=True),))
        except EntryError as error:
            refusal = refusal or error
            continue
        rank = _rank(judge.alone(Send("m1", entry.name, described.body))[0])
        if best is None or rank > best[0]:
            best = rank, candidate
        if rank == _IS_KEY:
            break
    if best is None:
        raise refusal or EntryError("its fields hold no text that could be an id")
    return best[1]


def effects_of(judge: Judge, entry: Entry) -> tuple[Effect, ...]:
    """What one message leaves when it comes alone."""
    return judge.alone(Send("m1", entry.name, entry.body))[0].effects


_IS_KEY, _IS_HELD, _IS_GONE = 2, 1, 0


def _rank(seen: Observation) -> int:
    tokens = [text for text, name in seen.names.items() if name == "<m1>"]

    def holds(value: Any) -> bool:
        text = json.dumps(value, default=str)
        return any(token in text for token in tokens)

    if any(holds(effect.key) for effect in seen.effects if effect.kind == "item"):
        return _IS_KEY
    return _IS_HELD if any(holds(effect.value) for effect in seen.effects) else _IS_GONE


def _candidates(entry: Entry, body: dict[str, Any] | str) -> Iterator[Any]:
    """The body with {unique} in one field: those that are named like ids first; then as it is.

    Of an event it is the detail that tells one message from another: what stands round it, and what
    a rule's pattern asks for, says who gets it. A detail without such a field gets one.
    """
    if isinstance(body, str):
        yield from (f"{body} {UNIQUE}", UNIQUE, body)
        return
    paths = list(_fields(body))
    if is_event(body):
        patterns = [json.loads(text) for text in getattr(entry.store, "patterns", ())]
        paths = [
            path
            for path in paths
            if path[0] == "detail" and not any(_asks_for(one, path) for one in patterns)
        ]
        if not paths and isinstance(body["detail"], dict):
            yield {**body, "detail": {"id": UNIQUE, **body["detail"]}}
    likely = [path for path in paths if workload.is_id(str(path[-1]))]
    others = [path for path in paths if path not in likely]
    for path in (*likely, *others)[:MOST_FIELDS]:
        yield with_value(body, path, UNIQUE)
    yield body


def _asks_for(pattern: Any, path: tuple[str | int, ...]) -> bool:
    """Whether an event pattern says what stands at this path of an event.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
    """
    if not isinstance(pattern, dict):
        return pattern is not None
    either = pattern.get("$or")
    below = pattern.get(str(path[0])) if path else None
    return any(_asks_for(one, path) for one in either or ()) or (
        below is not None and _asks_for(below, path[1:])
    )


def _fields(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Paths of texts, and of numbers that are named like ids; the shallow ones first."""
    pairs: list[tuple[Any, Any]] = list(
        value.items() if isinstance(value, dict) else enumerate(value)
    )
    for name, inner in pairs:
        numbered = isinstance(inner, int) and not isinstance(inner, bool)
        if isinstance(inner, str) or (numbered and workload.is_id(str(name))):
            yield (*path, name)
    for name, inner in pairs:
        if isinstance(inner, dict | list):
            yield from _fields(inner, (*path, name))
