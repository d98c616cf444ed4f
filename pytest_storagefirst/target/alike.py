"""Whether a message leaves the same effect several times: the contents are compared."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

Paths = dict[str, str]
_ID, _VARIES = "<id>", "<varies>"


def alike(contents: Iterable[tuple[str, Any]]) -> int:
    """How many effects of a message are alike, in most of the messages; 1: each is of its own.

    `contents` are of one place: message id -> what an effect of it holds, without its key; a text,
    or what JSON can hold. A message's own id counts for nothing, nor does what is like in no other
    message: a time, a random id.
    """
    effects: dict[str, list[Paths]] = defaultdict(list)
    for message, content in contents:
        effects[message].append(_paths(content, message))
    others = Counter(
        pair for left in effects.values() for pair in {pair for one in left for pair in one.items()}
    )
    varies = len(effects) > 1
    times = Counter(
        max(Counter(_masked(one, others if varies else None) for one in left).values())
        for left in effects.values()
    )
    return _of_most(times)


def _masked(one: Paths, others: Mapping[tuple[str, str], int] | None) -> frozenset[tuple[str, str]]:
    return frozenset(
        (path, value if others is None or others[path, value] > 1 else _VARIES)
        for path, value in one.items()
    )


def _of_most(times: Counter[int]) -> int:
    """The number that more than half have or exceed."""
    total, seen = sum(times.values()), 0
    for number in sorted(times, reverse=True):
        seen += times[number]
        if 2 * seen > total:
            return number
    return 1


def _paths(content: Any, message: str) -> Paths:
    if isinstance(content, str):
        with suppress(ValueError):
            content = json.loads(content)
    return {path: str(value).replace(message, _ID) for path, value in _leaves(content, "")}


def _leaves(content: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(content, Mapping):
        for name, inner in content.items():
            yield from _leaves(inner, f"{path}.{name}")
    elif isinstance(content, list):
        for number, inner in enumerate(content):
            yield from _leaves(inner, f"{path}[{number}]")
    else:
        yield path, content
