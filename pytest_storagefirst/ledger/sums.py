"""Totals: how often a message was counted in, told from the numbers themselves.

Two attempts at one time can leave what no run of one after the other does: a check that both
pass, then two additions. A total that is too high or too low by a message's own share tells whose
it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

from pytest_storagefirst.ledger.effects import Canonical, Tree
from pytest_storagefirst.ledger.history import History
from pytest_storagefirst.ledger.masks import Slot
from pytest_storagefirst.ledger.matching import Expected


def times_added(expected: Tree, observed: Tree, share: Tree) -> int | None:
    """The k of observed = expected + k × share, in every number that differs; all else is equal.

    None where nothing differs, or no such k is there.
    """
    found: set[int | None] = set()
    _compare(expected, observed, share, found)
    return next(iter(found)) if len(found) == 1 else None


def _compare(expected: Tree, observed: Tree, share: Tree, found: set[int | None]) -> None:
    if expected == observed:
        return
    if (
        isinstance(expected, dict)
        and isinstance(observed, dict)
        and isinstance(share, dict)
        and expected.keys() == observed.keys()
    ):
        for name, value in expected.items():
            _compare(value, observed[name], share.get(name), found)
    elif (
        isinstance(expected, list)
        and isinstance(observed, list)
        and isinstance(share, list)
        and len(expected) == len(observed) == len(share)
    ):
        for one, other, part in zip(expected, observed, share, strict=True):
            _compare(one, other, part, found)
    else:
        found.add(_multiple(expected, observed, share))


def _multiple(expected: Tree, observed: Tree, share: Tree) -> int | None:
    base, now, part = _number(expected), _number(observed), _number(share)
    if base is None or now is None or not part:
        return None
    times = (now - base) / part
    return int(times) if times == times.to_integral_value() else None


def _number(node: Tree) -> Decimal | None:
    """A JSON number, or the text in which DynamoDB keeps one."""
    if isinstance(node, bool) or not isinstance(node, int | float | str):
        return None
    try:
        number = Decimal(str(node))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def counted(
    state: Expected,
    effects: Sequence[Canonical],
    shares: Mapping[str, Sequence[Slot]],
    history: History,
) -> Counter[str] | None:
    """How often each message was counted in, where one message's share explains all that differs.

    `state` is what stands when each of `shares` is counted once. Of messages with equal shares the
    one that was delivered most is taken for a surplus, and for what is missing the one delivered
    least.
    """
    differing = []
    for slot in state.slots:
        at_home = [effect for effect in effects if slot.home_of(effect) == slot.home]
        if len(at_home) != 1:
            return None
        tree = slot.mask.apply(at_home[0].tree)
        if tree != slot.tree:
            differing.append((slot, tree))
    if not differing or len(effects) != len(state.slots):
        return None
    found: list[tuple[int, str, int]] = []
    for message, slots in shares.items():
        parts = {slot.home: slot.tree for slot in slots}
        times = {times_added(slot.tree, tree, parts.get(slot.home)) for slot, tree in differing}
        if len(times) == 1 and (added := next(iter(times))) is not None and added >= -1:
            likely = history.deliveries(message) * (1 if added > 0 else -1)
            found.append((-likely, message, added))
    if not found:
        return None
    _, message, added = min(found)
    copies = Counter(dict.fromkeys(shares, 1))
    copies[message] += added
    return +copies
