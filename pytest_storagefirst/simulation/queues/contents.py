"""What is in one simulated queue at a moment, and the moves between its states.

Every message is waiting (visible), delayed or in flight. Nothing here knows the clock, moto or the
rules for who may do what; every move costs O(log n) amortised, and a deep copy is a snapshot.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_storagefirst.simulation.queues.lines import Agenda, FifoLine, StandardLine
from pytest_storagefirst.simulation.queues.messages import (
    DELAYED,
    IN_FLIGHT,
    WAITING,
    SimulatedMessage,
)

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.queues.moves import MoveTask


@dataclass
class Duplicates:
    """A FIFO queue's deduplication ids of the last interval and what their first sender got."""

    _first: dict[tuple[str, str], tuple[str, str | None]] = field(default_factory=dict)
    _until: deque[tuple[int, tuple[str, str]]] = field(default_factory=deque)

    def forget_until(self, now_ms: int) -> None:
        while self._until and self._until[0][0] <= now_ms:
            del self._first[self._until.popleft()[1]]

    def first(self, key: tuple[str, str]) -> tuple[str, str | None] | None:
        """Message id and sequence number of the message that used this key first, if one did."""
        return self._first.get(key)

    def note(self, key: tuple[str, str], message: SimulatedMessage, until_ms: int) -> None:
        self._first[key] = (message.id, message.sequence_number)
        self._until.append((until_ms, key))


@dataclass
class QueueContents:
    """The messages of one queue, and all else that a rewind takes back."""

    line: StandardLine | FifoLine
    wakes: Agenda
    expiries: Agenda = field(default_factory=Agenda)
    messages: dict[str, SimulatedMessage] = field(default_factory=dict)
    delayed: int = 0
    in_flight: int = 0
    arrivals: int = 0
    duplicates: Duplicates = field(default_factory=Duplicates)
    dead_lettered: set[str] = field(default_factory=set)
    last_purged_at_ms: int | None = None
    move_tasks: list[MoveTask] = field(default_factory=list)

    @classmethod
    def empty(cls, *, fifo: bool) -> QueueContents:
        wakes = Agenda()
        return cls(FifoLine() if fifo else StandardLine(wakes), wakes)

    @property
    def untouched(self) -> bool:
        return not (self.arrivals or self.move_tasks or self.last_purged_at_ms is not None)

    @property
    def waiting(self) -> int:
        return len(self.messages) - self.delayed - self.in_flight

    def settle(self, now_ms: int, retention_ms: int) -> Sequence[tuple[str, SimulatedMessage]]:
        """End the delays, visibility timeouts and retentions that are over, in their order.

        Returns what happened: "released" or "expired", and the message.
        """
        if not (self.wakes.is_due(now_ms) or self.expiries.is_due(now_ms - retention_ms)):
            return ()
        happened: list[tuple[str, SimulatedMessage]] = []
        while True:
            wake, oldest = self.wakes.first(), self.expiries.first()
            wake_at = wake[0] if wake else now_ms + 1
            if oldest and oldest[0] + retention_ms <= min(now_ms, wake_at):
                message = self.messages[oldest[1]]
                self.remove(message)
                happened.append(("expired", message))
            elif wake and wake_at <= now_ms:
                message = self.messages[wake[1]]
                if message.state == IN_FLIGHT:
                    happened.append(("released", message))
                self._wake(message)
            else:
                return happened

    def add(self, message: SimulatedMessage, delayed_until_ms: int | None) -> None:
        """Take in a message that has its number and its time of sending."""
        assert message.sent_timestamp is not None
        self.messages[message.id] = message
        self.expiries.set(message.id, message.sent_timestamp)
        if delayed_until_ms is None:
            message.state = WAITING
            self.line.put(message.id, message.group_id or "", message.number)
        else:
            message.state = DELAYED
            self.delayed += 1
            self.delay(message, delayed_until_ms)

    def delay(self, message: SimulatedMessage, until_ms: int) -> None:
        """Set when a delayed message's delay ends."""
        message.delayed_until = until_ms
        self.wakes.set(message.id, until_ms)
        self.line.delay(message.id, message.group_id or "", until_ms)

    def take(self, message: SimulatedMessage) -> None:
        """Take a waiting message out of the line; `hold` or `remove` must follow."""
        self.line.discard(message.id, message.group_id or "")

    def hold(self, message: SimulatedMessage, until_ms: int) -> None:
        """Put a taken message in flight, or change when its visibility timeout ends."""
        if message.state != IN_FLIGHT:
            message.state = IN_FLIGHT
            self.in_flight += 1
        message.visible_at = until_ms
        self.wakes.set(message.id, until_ms)
        self.line.hold(message.id, message.group_id or "", until_ms)

    def remove(self, message: SimulatedMessage) -> None:
        """Take a message out, whatever its state."""
        del self.messages[message.id]
        self.expiries.discard(message.id)
        self.wakes.discard(message.id)
        self.line.discard(message.id, message.group_id or "")
        if message.state == DELAYED:
            self.delayed -= 1
        elif message.state == IN_FLIGHT:
            self.in_flight -= 1

    def _wake(self, message: SimulatedMessage) -> None:
        self.wakes.discard(message.id)
        was, message.state = message.state, WAITING
        if was == DELAYED:
            self.delayed -= 1
            self.line.put(message.id, message.group_id or "", message.number)
        else:
            self.in_flight -= 1
            self.line.give_back(message.id, message.group_id or "", message.number)
