"""What like messages leave: from what a few of them left alone, a pattern that fits them all.

Messages whose bodies differ in some values only (an id, an amount) are of one kind. A pattern is
the effect of such a message with a place for its name and for each of those values. What in an
effect depends on a message in any other way stays out of the comparison, and is told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pytest_storagefirst.ledger.effects import Tree
from pytest_storagefirst.ledger.masks import MASKED, WHOLE, Mask, Path, Slot, dumped

Value = str | int | float
Values = tuple[Value, ...]

# Places in a pattern: characters of a private plane, one for the message's name, one for each value
# within a text, and one for each value that is a number.
_NAME, _TEXT, _NUMBER = 0xE000, 0xE001, 0xF000
MOST_VALUES = 0x700
_NONE: frozenset[str] = frozenset()
_PLACE = re.compile('"([\uf000-\uf7ff])"|([\ue000-\ue7ff])')
_PRIVATE = re.compile("[\ue000-\uf7ff]")
_ENCODER = json.JSONEncoder(ensure_ascii=False)


class UnlikeError(Exception):
    """These messages do not leave effects of one shape."""


@dataclass(frozen=True)
class Example:
    """One message of a kind and what it left alone."""

    message: str
    values: Values
    slots: tuple[Slot, ...]


@dataclass(frozen=True)
class Pattern:
    """One effect that every message of a kind should have.

    `pieces` are its text, of which every second is the number of what belongs there: 0 is the
    message, `n` the value n - 1, `-n` that value as a number. `key_pieces` are those of its key.
    """

    kind: str
    place: str
    mask: Mask
    pieces: tuple[Any, ...]
    key_pieces: tuple[Any, ...]
    is_named: bool  # whether its message's name stands in it

    def text(self, message: str, values: Values) -> str:
        return _filled(self.pieces, message, values)

    def key_text(self, message: str, values: Values) -> str:
        return _filled(self.key_pieces, message, values)

    @property
    def meets_nobody(self) -> bool:
        """Whether each message writes to a place of its own, whatever its values are."""
        return self.kind in ("emission", "message") or 0 in self.key_pieces[1::2]

    def slot(self, message: str, values: Values) -> Slot:
        text = self.text(message, values)
        named = frozenset({message}) if self.is_named else _NONE
        identity = f"{self.kind} {self.place} {self.mask.id} {text}"
        return Slot(self.kind, self.place, self.mask, json.loads(text), named, text, identity)


def patterns(examples: Sequence[Example]) -> tuple[tuple[Pattern, ...], tuple[str, ...]]:
    """The effects of a kind, and the places in them that no value of a message explains.

    Raises UnlikeError where the examples left effects that can't be laid upon each other.
    """
    if len({len(example.slots) for example in examples}) != 1:
        raise UnlikeError
    found = [_pattern(examples, number) for number in range(len(examples[0].slots))]
    return tuple(p for p, _ in found), tuple(path for _, paths in found for path in paths)


def _pattern(examples: Sequence[Example], number: int) -> tuple[Pattern, list[str]]:
    slots = [example.slots[number] for example in examples]
    kind, place = slots[0].kind, slots[0].place
    if any((slot.kind, slot.place) != (kind, place) for slot in slots):
        raise UnlikeError
    if any(_PRIVATE.search(slot.text) for slot in slots):
        raise UnlikeError
    own = [frozenset({example.message}) for example in examples]
    is_named = slots[0].named == own[0]
    if any(
        slot.named != (one if is_named else _NONE) for slot, one in zip(slots, own, strict=True)
    ):
        raise UnlikeError
    mask = Mask()
    for slot in slots:
        mask = mask.merged(slot.mask.modes)
    if any(isinstance(step, str) and "<" in step for path in mask.modes for step in path):
        raise UnlikeError  # a path that holds a message's name
    unexplained: list[Path] = []
    trees = [mask.apply(slot.tree) for slot in slots]
    tree = _common(trees, examples, (), unexplained)
    if any(not path or _PRIVATE.search(repr(path)) for path in unexplained):
        raise UnlikeError
    mask = mask.merged(dict.fromkeys(unexplained, WHOLE))
    told = [f"{place}: {_spelled(path)}" for path in unexplained]
    pieces, key_pieces = _pieces(dumped(tree)), _pieces(dumped(tree[0]))
    return Pattern(kind, place, mask, pieces, key_pieces, is_named), told


def _common(
    trees: Sequence[Tree], examples: Sequence[Example], path: Path, unexplained: list[Path]
) -> Tree:
    """What the trees have in common, with places for what differs; else it is masked and noted."""
    first = trees[0]
    kinds = {type(tree) for tree in trees}
    if kinds == {dict}:
        named = [
            {_renamed(name, example.message): value for name, value in tree.items()}
            for tree, example in zip(trees, examples, strict=True)
        ]
        if all(tree.keys() == named[0].keys() for tree in named):
            if len(first) > 1 and any(_PRIVATE.search(name) for name in named[0]):
                raise UnlikeError  # their order depends on the name
            return {
                name: _common([tree[name] for tree in named], examples, (*path, name), unexplained)
                for name in named[0]
            }
    elif kinds == {list}:
        if all(len(tree) == len(first) for tree in trees):
            return [
                _common([tree[at] for tree in trees], examples, (*path, at), unexplained)
                for at in range(len(first))
            ]
    elif kinds == {str}:
        text = _common_text(trees, examples)
        if text is not None:
            return text
    elif all(tree == first for tree in trees) and len(kinds) == 1:
        return first
    elif kinds <= {int, float}:
        for at in range(len(examples[0].values)):
            if all(_same_number(t, e.values[at]) for t, e in zip(trees, examples, strict=True)):
                return chr(_NUMBER + at)
    unexplained.append(path)
    return MASKED


def _common_text(texts: Sequence[str], examples: Sequence[Example]) -> str | None:
    named = [_renamed(text, example.message) for text, example in zip(texts, examples, strict=True)]
    if len(set(named)) == 1:
        return named[0]
    numbers = range(len(examples[0].values))
    said = [[_said(example.values[at]) for at in numbers] for example in examples]
    for at in numbers:
        if all(text == values[at] for text, values in zip(named, said, strict=True)):
            return chr(_TEXT + at)
    for at in sorted(numbers, key=lambda at: -min(len(values[at]) for values in said)):
        if all(values[at] and values[at] in t for t, values in zip(named, said, strict=True)):
            named = [
                text.replace(values[at], chr(_TEXT + at))
                for text, values in zip(named, said, strict=True)
            ]
    return named[0] if len(set(named)) == 1 else None


def _renamed(text: str, message: str) -> str:
    return text.replace(f"<{message}>", f"<{chr(_NAME)}>").replace(
        f"<{message}.", f"<{chr(_NAME)}."
    )


def _same_number(node: Tree, value: Value) -> bool:
    return type(node) is type(value) and node == value


def _said(value: Value) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _spelled(path: Path) -> str:
    return ".".join(str(step) for step in path[1:]) or ("its key" if path[0] == 0 else "all")


def _pieces(text: str) -> tuple[Any, ...]:
    pieces: list[Any] = []
    at = 0
    for place in _PLACE.finditer(text):
        number, within = place.groups()
        which = -(ord(number) - _NUMBER + 1) if number else ord(within) - _NAME
        pieces += [text[at : place.start()], which]
        at = place.end()
    return (*pieces, text[at:])


def _filled(pieces: tuple[Any, ...], message: str, values: Values) -> str:
    parts = list(pieces)
    for at in range(1, len(parts), 2):
        which = parts[at]
        if which == 0:
            parts[at] = message
        elif which > 0:
            parts[at] = _ENCODER.encode(_said(values[which - 1]))[1:-1]
        else:
            parts[at] = json.dumps(values[-which - 1])
    return "".join(parts)
