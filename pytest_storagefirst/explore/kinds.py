"""Messages of one kind: through one entry, with bodies that differ in some values only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_storagefirst.ledger.likeness import MOST_VALUES, Values
from pytest_storagefirst.simulation.schedule import Send

# A field that takes so few values in a workload may decide what a handler does: each is a kind.
MOST_CHOICES = 8
MOST_KINDS = 64

_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class Kind:
    """Like messages, in the order in which they are sent; `values` are where each differs."""

    messages: tuple[str, ...]
    values: tuple[Values, ...]


def kinds(sends: Iterable[Send]) -> tuple[Kind, ...]:
    """The kinds of a workload's messages."""
    groups: dict[tuple[str, str], list[tuple[str, Values]]] = {}
    known: dict[int, tuple[Any, str]] = {}  # a body that is sent again and again, read once
    for send in sends:
        body = send.body
        again = known.get(id(body))
        if again is not None:
            skeleton, leaves = again[1], again[0]
        else:
            found: list[Any] = []
            skeleton = _ENCODER.encode(_without_leaves(_opened(body), found))
            leaves = tuple(found)
            if len(known) < MOST_KINDS:
                known[id(body)] = (leaves, skeleton)
        groups.setdefault((send.entry, skeleton), []).append((send.message, leaves))
    return tuple(kind for members in groups.values() for kind in _split(members))


def _opened(body: Any) -> Any:
    """A text that is a JSON object or list, as that."""
    if isinstance(body, str) and body[:1] in ("{", "["):
        try:
            return {"(json)": json.loads(body)}
        except ValueError:
            pass
    return body


def _without_leaves(node: Any, leaves: list[Any]) -> Any:
    if isinstance(node, dict):
        return {str(name): _without_leaves(node[name], leaves) for name in sorted(node, key=str)}
    if isinstance(node, list):
        return [_without_leaves(value, leaves) for value in node]
    if isinstance(node, str | int | float) and not isinstance(node, bool):
        leaves.append(node)
        return f"({type(node).__name__})"
    return node


def _split(members: Sequence[tuple[str, Values]]) -> list[Kind]:
    """By the values that choose; of the others only those that differ within the kind are kept."""
    width = len(members[0][1])
    distinct = [_distinct(members, at) for at in range(width)]
    choosing = [at for at in range(width) if 1 < distinct[at] <= MOST_CHOICES]
    differing = [at for at in range(width) if distinct[at] > MOST_CHOICES]
    groups: dict[Values, list[tuple[str, Values]]] = {}
    for message, values in members:
        chosen = tuple(values[at] for at in choosing)
        groups.setdefault(chosen, []).append((message, tuple(values[at] for at in differing)))
    if len(groups) > MOST_KINDS or len(differing) > MOST_VALUES:
        kept = [at for at in range(width) if distinct[at] > 1][:MOST_VALUES]
        groups = {(): [(m, tuple(values[at] for at in kept)) for m, values in members]}
    return [
        Kind(tuple(message for message, _ in group), tuple(values for _, values in group))
        for group in groups.values()
    ]


def _distinct(members: Sequence[tuple[str, Values]], at: int) -> int:
    seen = set()
    for _, values in members:
        seen.add(values[at])
        if len(seen) > MOST_CHOICES:
            break
    return len(seen)
