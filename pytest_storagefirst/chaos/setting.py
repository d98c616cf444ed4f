"""What a drill changes, as data: a setting of a resource, and the value that it is given.

Plan, journal, undo, proof and recovery are one engine over these: a kind of setting says how it is
read and written, and nothing else knows which service it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_storagefirst.target.target import Target

Value = Any  # what JSON can hold; None where the setting is absent
Address = Mapping[str, Any]  # which one, as the service names it: {"uuid": "…"}
SHOWS_WITHIN_S = 90.0  # on AWS: a queue's attributes take a minute


class Moved(Exception):
    """Someone else changed the setting meanwhile: what stands there now is neither ours nor old."""

    def __init__(self, current: Value) -> None:
        super().__init__("changed meanwhile by someone else")
        self.current = current


def plainly(address: Address, current: Value, before: Value, value: Value) -> Value:
    """What undo has to write: the value before, where ours still stands. Raises Moved."""
    if current in (before, value):
        return before
    raise Moved(current)


def whatever_is_left(address: Address, current: Value, before: Value, value: Value) -> Value:
    """What undo has to write where only the drill can have put there what stands there."""
    return before


@dataclass(frozen=True)
class Setting:
    """A kind of setting.

    `read` says what stands there, settled. `write` takes the new value and the one that was read
    just before, which has to be still there: where the service can compare and swap, raises Moved.
    `shows` says whether a value is in effect: by default whether it can be read. `undone` says what
    to write instead of the current value, of (address, current, before, value). Of a setting with
    parts that others change too, `stands` says of (address, current, value, other) whether this
    value stands there and not the other one; by default they are compared in whole. One that
    `moves_itself` is also changed by the stack's own code, which is no one's mistake. One that is
    put back only `after_judging` is evidence until then. `felt` says why a value that was in effect
    since a moment, in seconds of the epoch, was felt by nobody; "" where it was felt.
    """

    name: str
    told: str  # for people: "enabled"
    read: Callable[[Target, Address], Value]
    write: Callable[[Target, Address, Value, Value], None]
    shows: Callable[[Target, Address, Value], bool] | None = None
    undone: Callable[[Address, Value, Value, Value], Value] = plainly
    stands: Callable[[Address, Value, Value, Value], bool] | None = None
    moves_itself: bool = False
    after_judging: bool = False
    shows_within_s: float = SHOWS_WITHIN_S
    felt: Callable[[Target, Address, Value, float], str] | None = None

    def in_effect(self, target: Target, address: Address, value: Value, other: Value) -> bool:
        """Whether a value is in effect; `other` is the one that it has taken the place of."""
        if self.shows is not None:
            return self.shows(target, address, value)
        current = self.read(target, address)
        if self.stands is not None:
            return self.stands(address, current, value, other)
        return bool(current == value)


@dataclass(frozen=True)
class Change:
    """One setting's value before and during a fault. `place` is a logical id, for people.

    `reach` says who feels it. `not_tried` is what the same fault was not made for, and why.
    """

    setting: str
    place: str
    address: Address
    before: Value
    value: Value
    reach: str = ""
    not_tried: tuple[str, ...] = ()
