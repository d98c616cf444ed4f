"""The order in which a queue hands out its messages, without any scan.

A `StandardLine` gives the message that has been receivable longest; a `FifoLine` keeps the order
within each message group and blocks a group while one of its messages is in flight. Both know
messages only by id, and every operation costs O(log n) amortised.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from dataclasses import dataclass, field


class Agenda:
    """When each key falls due: set, move and cancel in O(log n), the earliest in O(1) amortised."""

    __slots__ = ("_due", "_heap", "_order")

    def __init__(self) -> None:
        self._due: dict[str, tuple[int, int]] = {}
        self._heap: list[tuple[int, int, str]] = []
        self._order = 0

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, key: str) -> bool:
        return key in self._due

    def set(self, key: str, at: int) -> None:
        """`key` falls due at `at` and at no other time."""
        known = self._due.get(key)
        if known is not None and known[0] == at:
            return
        self._order += 1
        self._due[key] = (at, self._order)
        heapq.heappush(self._heap, (at, self._order, key))
        self._compact()

    def discard(self, key: str) -> None:
        if self._due.pop(key, None) is not None:
            self._compact()

    def is_due(self, now: int) -> bool:
        """Whether anything may fall due by `now`; a key that was cancelled counts for a while."""
        return bool(self._heap) and self._heap[0][0] <= now

    def first(self) -> tuple[int, str] | None:
        """The earliest time and its key; among equals, the one that was set first."""
        heap = self._heap
        while heap:
            at, order, key = heap[0]
            if self._due.get(key) == (at, order):
                return at, key
            heapq.heappop(heap)
        return None

    def _compact(self) -> None:
        # Cancelled entries stay in the heap until they reach its top; a bound on their number keeps
        # memory and the height of the heap proportional to what is alive.
        if len(self._heap) > 2 * len(self._due) + 64:
            self._heap = [(at, order, key) for key, (at, order) in self._due.items()]
            heapq.heapify(self._heap)


class StandardLine:
    """A standard queue's receivable messages, in the order in which they became so.

    AWS promises no order; this one is the same in every run and starves nobody.
    """

    def __init__(self, wakes: Agenda) -> None:
        self._wakes = wakes
        self._waiting: OrderedDict[str, None] = OrderedDict()

    @property
    def receivable(self) -> int:
        return len(self._waiting)

    def peek(self, preferred_group: str | None = None) -> str | None:
        return next(iter(self._waiting), None)

    def put(self, message_id: str, group: str, number: int) -> None:
        self._waiting[message_id] = None

    def give_back(self, message_id: str, group: str, number: int) -> None:
        self._waiting[message_id] = None

    def delay(self, message_id: str, group: str, until_ms: int) -> None:
        """Nothing to note: the queue's own agenda knows when the delay ends."""

    def hold(self, message_id: str, group: str, until_ms: int) -> None:
        """Nothing to note: the queue's own agenda knows when the visibility timeout ends."""

    def discard(self, message_id: str, group: str) -> None:
        self._waiting.pop(message_id, None)

    def next_change_ms(self) -> int | None:
        first = self._wakes.first()
        return first[0] if first else None


@dataclass
class _Group:
    waiting: OrderedDict[str, int] = field(default_factory=OrderedDict)
    returned: dict[str, int] = field(default_factory=dict)
    in_flight: dict[str, int] = field(default_factory=dict)
    delayed: OrderedDict[str, int] = field(default_factory=OrderedDict)
    receivable: int = 0


class FifoLine:
    """A FIFO queue's messages by group (page `FIFO-queues-understanding-logic`).

    The group with the oldest receivable message comes first, and as many messages of one group as
    possible are given before those of another.
    """

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}
        self._ready = Agenda()
        self._unblocks = Agenda()
        self.receivable = 0

    def peek(self, preferred_group: str | None = None) -> str | None:
        group = preferred_group
        if group is None or group not in self._ready:
            first = self._ready.first()
            if first is None:
                return None
            group = first[1]
        return next(iter(self._groups[group].waiting))

    def put(self, message_id: str, group: str, number: int) -> None:
        self._of(group).delayed.pop(message_id, None)
        self._of(group).waiting[message_id] = number
        self._refresh(group)

    def give_back(self, message_id: str, group: str, number: int) -> None:
        members = self._of(group)
        members.in_flight.pop(message_id, None)
        members.returned[message_id] = number
        self._refresh(group)

    def delay(self, message_id: str, group: str, until_ms: int) -> None:
        self._of(group).delayed[message_id] = until_ms
        self._refresh(group)

    def hold(self, message_id: str, group: str, until_ms: int) -> None:
        self._of(group).in_flight[message_id] = until_ms
        self._refresh(group)

    def discard(self, message_id: str, group: str) -> None:
        members = self._groups[group]
        for part in (members.waiting, members.returned, members.in_flight, members.delayed):
            part.pop(message_id, None)
        self._refresh(group)

    def next_change_ms(self) -> int | None:
        first = self._unblocks.first()
        return first[0] if first else None

    def _of(self, group: str) -> _Group:
        members = self._groups.get(group)
        if members is None:
            members = self._groups[group] = _Group()
        return members

    def _refresh(self, group: str) -> None:
        members = self._groups[group]
        receivable = 0
        if members.in_flight:
            self._ready.discard(group)
            self._unblocks.set(group, max(members.in_flight.values()))
        else:
            if members.returned:
                # What was in flight is older than all that waited behind it, but its parts come
                # back in any order.
                returned = sorted(members.returned.items(), key=lambda item: item[1], reverse=True)
                for message_id, number in returned:
                    members.waiting[message_id] = number
                    members.waiting.move_to_end(message_id, last=False)
                members.returned.clear()
            if members.waiting:
                receivable = len(members.waiting)
                self._ready.set(group, next(iter(members.waiting.values())))
            else:
                self._ready.discard(group)
            if members.delayed:
                self._unblocks.set(group, next(iter(members.delayed.values())))
            else:
                self._unblocks.discard(group)
                if not members.waiting:
                    del self._groups[group]
        self.receivable += receivable - members.receivable
        members.receivable = receivable
