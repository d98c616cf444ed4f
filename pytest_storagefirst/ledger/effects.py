"""What messages leave at the system of record, in a form in which two runs can be compared."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pytest_storagefirst.ledger.circuit import Circuit
from pytest_storagefirst.ledger.events import Event
from pytest_storagefirst.ledger.history import History
from pytest_storagefirst.ledger.load import Load


@dataclass(frozen=True)
class Effect:
    """One thing found at the final read, or one call that left the stack.

    `place` names the table, bucket, queue or callee by logical id ("Orders", "http POST https://…",
    "ses.SendEmail"). `key` and `value` are JSON values. `kind` is "item", "object", "message" (in a
    queue that nothing in the stack reads) or "emission". An emission with an `idempotency_key`
    counts once however often it is sent.
    """

    kind: str
    place: str
    key: Any
    value: Any
    idempotency_key: str | None = None


@dataclass(frozen=True)
class Held:
    """A message that storage still holds when the run is over."""

    message: str  # id in the history's names ("m1"); "" when no attempt explains it
    where: str  # logical id of the queue or DLQ
    # "visible" | "in flight" | "delayed" | "dead-lettered" | "set aside" |
    # "failed execution" | "under way"
    state: str
    until_ms: int  # virtual time at which its retention ends
    text: str = field(default="", compare=False)  # as it lies there, where it lies in a queue


@dataclass(frozen=True)
class Observation:
    """All that judging looks at: one run's history, the final read, and what storage still holds.

    `names` maps every id that the system or the test gave (the token in a body, SQS message ids,
    receipt handles, …) to its name ("<m1>", "<m1.messageId>"). `quiet` is False when the run was
    ended by its bound on virtual time instead of by quiescence; `why_not_quiet` then says by what.
    """

    messages: tuple[str, ...]
    history: tuple[Event, ...]
    effects: tuple[Effect, ...]
    held: tuple[Held, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    quiet: bool = True
    why_not_quiet: str = ""
    circuit: Circuit | None = None  # what was seen of the stack's breaker, where it has one
    load: Load | None = None  # what third parties were asked, where any is listed or work is capped
    faults_required: tuple[str, ...] = ()  # texts of the plan's faults
    faults_fired: tuple[str, ...] = ()

    @cached_property
    def told(self) -> History:
        """The history, indexed once for all who ask it."""
        return History(self.history)


Tree = Any  # a JSON value after names were put in and JSON inside strings was opened
JSON_TEXT = "(json)"


@dataclass(frozen=True)
class Canonical:
    """An effect with names for ids: `tree` is [key, value, idempotency key].

    `named` holds the ids of the messages whose names stand in it.
    """

    kind: str
    place: str
    tree: Tree
    named: frozenset[str]
    idempotency_key: str | None
    seen_as: dict[str, str] = field(default_factory=dict, compare=False, repr=False)  # see masks.py


def canonical(observation: Observation) -> list[Canonical]:
    """The effects of a run in the form that is compared, in the order of the final read."""
    naming = Naming(observation.names)
    return [naming.canonical(effect) for effect in observation.effects]


_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)


_MARK = 0xF0000
_FEW_NAMES = 64  # of so many, looking for each in every text is quickest
_BEGINNING = 8  # characters by which one of many is found


def _lengths_by_beginning(ids: Iterable[str]) -> dict[int, dict[str, tuple[int, ...]]]:
    """By width of beginning, and beginning: how long the ids are that begin so."""
    found: dict[int, dict[str, tuple[int, ...]]] = {}
    for raw in ids:
        known = found.setdefault(min(_BEGINNING, len(raw)), {})
        lengths = known.get(raw[:_BEGINNING], ())
        if len(raw) not in lengths:
            known[raw[:_BEGINNING]] = (*lengths, len(raw))
    return found


# Runs of one stack leave the same effects again and again, ids and all. Nobody changes a tree.
_named_before: dict[tuple[Any, ...], Canonical] = {}
_MOST_NAMED = 4096


class Naming:
    """Puts names in the place of raw ids, for one observation.

    Longest ids first, in one pass per string, so that "m1" never tears "m10" apart and no name is
    named again. An id also counts where it stands as a whole number (a sequence number that the
    handler turned into an int). Ids differ from run to run, so compiling them into one regular
    expression would cost more than it saves.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        ordered = [raw for raw in names if raw]
        self._few = len(ordered) <= _FEW_NAMES
        if self._few:
            ordered.sort(key=len, reverse=True)
            self._all = [(raw, chr(_MARK + at), names[raw]) for at, raw in enumerate(ordered)]
        else:
            self._lengths = _lengths_by_beginning(ordered)
        self._numbers = {raw: names[raw] for raw in ordered if raw.isdigit()}

    def _marks(self, text: str) -> list[tuple[str, str, str]]:
        """The ids that stand in a text, each with its mark and its name.

        A mark is one character of a private plane: nothing of it can be taken for an id again.
        """
        if self._few:
            return [mark for mark in self._all if mark[0] in text]
        found: dict[str, None] = {}
        for width, known in self._lengths.items():
            beginnings = [text[at : at + width] for at in range(len(text) - width + 1)]
            for beginning in known.keys() & beginnings:
                at = text.find(beginning)
                while at >= 0:
                    found.update((text[at : at + length], None) for length in known[beginning])
                    at = text.find(beginning, at + 1)
        ordered = sorted(found.keys() & self._names.keys(), key=lambda raw: (-len(raw), raw))
        return [(raw, chr(_MARK + at), self._names[raw]) for at, raw in enumerate(ordered)]

    def canonical(self, effect: Effect) -> Canonical:
        content = [effect.key, effect.value, effect.idempotency_key]
        text = _ENCODER.encode(content)
        marks = self._marks(text)
        if not self._few or self._numbers:
            return self._named(effect, content, marks)
        key = (effect.kind, effect.place, text, *marks)
        found = _named_before.get(key)
        if found is None:
            if len(_named_before) >= _MOST_NAMED:
                _named_before.clear()
            found = _named_before[key] = self._named(effect, content, marks)
        return found

    def _named(self, effect: Effect, content: Any, marks: list[tuple[str, str, str]]) -> Canonical:
        named: set[str] = set()
        tree = self._put(content, marks, named)
        return Canonical(effect.kind, effect.place, tree, frozenset(named), tree[2])

    def _put(self, node: Any, marks: list[tuple[str, str, str]], named: set[str]) -> Tree:
        kind = type(node)
        if kind is str:
            if node[:1] in ("{", "["):
                with contextlib.suppress(RecursionError):  # too deep to look into: it stays a text
                    opened = _opened(node)
                    if opened is not None:
                        return self._put(opened, marks, named)
            return _put_names(node, marks, named) if marks else node
        if kind is dict:
            put = self._put
            if not marks:
                return {str(name): put(value, marks, named) for name, value in node.items()}
            return {
                _put_names(str(name), marks, named): put(value, marks, named)
                for name, value in node.items()
            }
        if kind is list or kind is tuple:
            return [self._put(value, marks, named) for value in node]
        if kind is int and self._numbers and (name := self._numbers.get(str(node))):
            named.add(_message_of(name))
            return name
        if node is None or kind in (int, float, bool):
            return node
        return self._put(str(node), marks, named)  # a Decimal or bytes, as a report would print it


def _put_names(text: str, marks: list[tuple[str, str, str]], named: set[str]) -> str:
    found = []
    for raw, mark, name in marks:
        if raw in text:
            text = text.replace(raw, mark)
            found.append((mark, name))
    for mark, name in found:
        text = text.replace(mark, name)
        named.add(_message_of(name))
    return text


def _message_of(name: str) -> str:
    return name.strip("<>").partition(".")[0]


def _opened(text: str) -> dict[str, Any] | None:
    """JSON, or JSON lines, inside a string: opened, so that a volatile field masks only itself."""
    try:
        return {JSON_TEXT: [json.loads(text)]}
    except ValueError:
        pass
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1:
        try:
            return {JSON_TEXT: [json.loads(line) for line in lines]}
        except ValueError:
            pass
    return None
