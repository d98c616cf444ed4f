"""What differs from run to run: found by comparing runs, and hidden to compare the rest."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_storagefirst.ledger.effects import Canonical, Tree

Path = tuple[str | int, ...]

# How a volatile value is masked; of two findings on one path the later wins.
_NAMES_KEPT, WHOLE, _OPTIONAL = 1, 2, 3
MASKED = "~"
_NAME = re.compile(r"<[^<>\s]+>")


class Mask:
    """Which paths of an effect differ from run to run, and how they are hidden.

    A string keeps the names in it ("2026-11-21/<m1>.json" becomes "~<m1>~"), a field that is
    sometimes absent is left out, a node whose structure differs is masked whole.
    """

    def __init__(self, modes: Mapping[Path, int] | None = None) -> None:
        self.modes: Mapping[Path, int] = dict(modes or {})
        self.id = repr(sorted(self.modes.items(), key=repr))
        self._steps = _steps(self.modes)
        # Where several messages share a list, an element's number says nothing: any will do.
        self._steps_anywhere = _steps(
            {
                tuple(
                    "*" if isinstance(step, int) and at else step for at, step in enumerate(path)
                ): mode
                for path, mode in self.modes.items()
            }
        )

    def merged(self, modes: Mapping[Path, int]) -> Mask:
        joined = dict(self.modes)
        for path, mode in modes.items():
            joined[path] = max(mode, joined.get(path, 0))
        return Mask(joined)

    def apply(self, tree: Tree) -> Tree:
        return _masked(tree, self._steps) if self.modes else tree

    def apply_anywhere(self, tree: Tree) -> Tree:
        """As `apply`, with what holds for one element of a list holding for all."""
        return _masked(tree, self._steps_anywhere) if self.modes else tree


def _steps(modes: Mapping[Path, int]) -> dict[str | int, Tree]:
    root: dict[str | int, Tree] = {}
    for path, mode in sorted(modes.items(), key=lambda entry: len(entry[0])):
        node = root
        for step in path[:-1]:
            node = node.setdefault(step, {})
            if not isinstance(node, dict):
                break  # an ancestor is masked already
        else:
            if path:
                node[path[-1]] = mode
    return root


def _masked(node: Tree, steps: dict[str | int, Tree]) -> Tree:
    if isinstance(node, dict):
        changed: Tree = dict(node)
        places = [(step, step) for step in steps if step in node]
    elif isinstance(node, list):
        changed = list(node)
        anywhere = [(at, "*") for at in range(len(node))] if "*" in steps else []
        places = anywhere + [
            (step, step) for step in steps if isinstance(step, int) and step < len(node)
        ]
    else:
        return node
    for at, step in places:
        what = steps[step]
        if isinstance(what, dict):
            changed[at] = _masked(node[at], what)
        elif what == _OPTIONAL and isinstance(changed, dict):
            del changed[at]
        elif what == _NAMES_KEPT and isinstance(node[at], str):
            changed[at] = MASKED + "".join(name + MASKED for name in _NAME.findall(node[at]))
        else:
            changed[at] = MASKED
    return changed


def differences(one: Tree, other: Tree, path: Path = ()) -> dict[Path, int]:
    """The paths on which two canonical trees differ, with how to mask each."""
    if one == other:
        return {}
    if isinstance(one, dict) and isinstance(other, dict):
        missing, added = one.keys() - other.keys(), other.keys() - one.keys()
        if missing and added:  # keys themselves are volatile
            return {path: WHOLE}
        found = {(*path, name): _OPTIONAL for name in missing | added}
        for name in one.keys() & other.keys():
            found |= differences(one[name], other[name], (*path, name))
        return found
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        found = {}
        for at, (left, right) in enumerate(zip(one, other, strict=True)):
            found |= differences(left, right, (*path, at))
        return found
    if isinstance(one, str) and isinstance(other, str):
        names = _NAME.findall(one)
        if names and names == _NAME.findall(other):
            return {path: _NAMES_KEPT}
    return {path: WHOLE}


@dataclass(frozen=True)
class Slot:
    """One effect that a message should have, with its volatile paths masked."""

    kind: str
    place: str
    mask: Mask
    tree: Tree
    named: frozenset[str]
    text: str
    id: str  # equal ids: effects that can't be told apart

    @classmethod
    def of(cls, effect: Canonical, mask: Mask) -> Slot:
        tree = mask.apply(effect.tree)
        text = dumped(tree)
        identity = f"{effect.kind} {effect.place} {mask.id} {text}"
        return cls(effect.kind, effect.place, mask, tree, effect.named, text, identity)

    @property
    def has_new_key(self) -> bool:
        """Whether each processing writes under a key of its own, so that nothing is overwritten."""
        return any(path[0] == 0 for path in self.mask.modes)

    @property
    def home(self) -> tuple[str, str, str]:
        """Where it stands: two slots with one home write to the same item, object or callee."""
        return self._home(self.tree, self.named)

    def home_of(self, effect: Canonical) -> tuple[str, str, str]:
        """Where an effect stands, seen through this slot's mask."""
        return self._home(self.mask.apply(effect.tree), effect.named)

    def _home(self, tree: Tree, named: frozenset[str]) -> tuple[str, str, str]:
        whose = f" of {sorted(named)}" if self.has_new_key else ""
        return (self.kind, self.place, dumped(tree[0]) + whose)

    @property
    def appends(self) -> bool:
        """Whether a second one would stand beside it: an emission, or an item under a new key."""
        return self.kind in ("emission", "message") or self.has_new_key


_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def seen_through(mask: Mask, effect: Canonical) -> str:
    """An effect's tree as text, less what the mask hides; of one effect worked out once."""
    text = effect.seen_as.get(mask.id)
    if text is None:
        text = effect.seen_as[mask.id] = dumped(mask.apply(effect.tree))
    return text


def dumped(tree: Tree) -> str:
    """A tree as text; equal trees have equal texts."""
    return _ENCODER.encode(tree)


def leaves(tree: Tree) -> frozenset[tuple[Path, str]]:
    """Each leaf's path and value, elements of lists taken together: how alike are two trees."""
    found: set[tuple[Path, str]] = set()

    def walk(node: Tree, path: Path) -> None:
        if isinstance(node, dict):
            for name, value in node.items():
                walk(value, (*path, name))
        elif isinstance(node, list):
            for value in node:
                walk(value, (*path, "*"))
        else:
            found.add((path, repr(node)))

    walk(tree, ())
    return frozenset(found)


def shape(tree: Tree) -> frozenset[Path]:
    """The paths of a tree's leaves, elements of lists taken together."""
    return frozenset(path for path, _ in leaves(tree))
