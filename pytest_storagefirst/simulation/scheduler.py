"""Virtual time and who runs next.

One OS thread. The hub (the greenlet that called `run`) fires timers in order of virtual time;
invocations are greenlets that hand control back at each boundary crossing and each sleep. Here the
earliest goes first; `choosing.py` has the scheduler of runs where a choice decides.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

import greenlet
import time_machine

# Every run starts at this moment, so that histories are equal wherever and whenever they are made.
EPOCH_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z


class Timer:
    """A thing to do at a moment; `cancelled` timers are passed over. A `deadline` is never late."""

    __slots__ = ("cancelled", "deadline", "do")

    def __init__(self, do: Callable[[], None], deadline: bool = False) -> None:
        self.do = do
        self.cancelled = False
        self.deadline = deadline


class Scheduler:
    """The clock and the agenda of one run. Times are milliseconds since the run began."""

    choices_offered = 0

    def __init__(
        self,
        epoch_ms: int = EPOCH_MS,
        who: Callable[[], greenlet.greenlet] = greenlet.getcurrent,
    ) -> None:
        self.now_ms = 0
        self.epoch_ms = epoch_ms
        self._timers: list[tuple[int, int, Timer]] = []
        self._ready: list[tuple[int, int, greenlet.greenlet]] = []
        self._sequence = 0
        self._hub = greenlet.getcurrent()
        self._who = who  # the invocation that the running code belongs to
        self._switch: Callable[[greenlet.greenlet], Any] = lambda target: target.switch()
        # In whole seconds: a float can't hold a moment of this century to the microsecond, and a
        # datetime sets the time zone at each start.
        self._travel = time_machine.travel(epoch_ms // 1000, tick=False)
        self._traveller: time_machine.Traveller | None = None

    def start(self, switch: Callable[[greenlet.greenlet], Any]) -> None:
        """Move the wall clock to this run's time; `switch` enters an invocation's greenlet."""
        self._switch = switch
        self._hub = greenlet.getcurrent()
        self._traveller = self._travel.start()
        since_ms = self.epoch_ms % 1000 + self.now_ms
        if since_ms:
            self._traveller.shift(since_ms / 1000)

    def stop(self) -> None:
        if self._traveller is not None:
            self._travel.stop()
            self._traveller = None

    @property
    def wall_ms(self) -> int:
        """Virtual wall-clock time in milliseconds since the Unix epoch."""
        return self.epoch_ms + self.now_ms

    def advance_to(self, at_ms: int) -> None:
        if at_ms > self.now_ms:
            if self._traveller is not None:
                self._traveller.shift((at_ms - self.now_ms) / 1000)
            self.now_ms = at_ms

    def at(self, at_ms: int, do: Callable[[], None], deadline: bool = False) -> Timer:
        timer = Timer(do, deadline)
        self._sequence += 1
        heapq.heappush(self._timers, (max(at_ms, self.now_ms), self._sequence, timer))
        return timer

    def resume_at(self, at_ms: int, waiting: greenlet.greenlet) -> None:
        """Let `waiting` go on at a moment; it takes part in the choice of who goes first."""
        self._sequence += 1
        heapq.heappush(self._ready, (max(at_ms, self.now_ms), self._sequence, waiting))

    def pause(self, milliseconds: int) -> None:
        """Called in an invocation's greenlet: let others run for this long."""
        wake_ms = self.now_ms + milliseconds
        # Nobody else has anything to do before then: no need to leave the greenlet.
        if (not self._ready) and (not self._timers or self._timers[0][0] > wake_ms):
            self.advance_to(wake_ms)
            return
        self.resume_at(wake_ms, self._who())
        self._hub.switch()

    def sleep(self, milliseconds: int) -> None:
        """Like `pause`, but for a time that the handler named."""
        current = self._who()
        self.at(self.now_ms + milliseconds, lambda: self._switch(current))
        self._hub.switch()

    def wait(self) -> Any:
        """Called in an invocation's greenlet: until someone calls `wake` on it."""
        return self._hub.switch()

    def wake(self, waiting: greenlet.greenlet) -> None:
        self.resume_at(self.now_ms, waiting)

    def touch(self, service: str, operation: str, subject: Any = None) -> None:
        """Something that another invocation could see or change is used now; see `choosing`."""

    def in_hub(self) -> bool:
        return greenlet.getcurrent() is self._hub

    def next_ms(self) -> int | None:
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
        moments = [queue[0][0] for queue in (self._timers, self._ready) if queue]
        return min(moments) if moments else None

    def step(self) -> bool:
        """Do the next thing on the agenda; False when there is none."""
        at_ms = self.next_ms()
        if at_ms is None:
            return False
        if self._ready and (not self._timers or self._ready[0][:2] < self._timers[0][:2]):
            when, _, waiting = heapq.heappop(self._ready)
            self.advance_to(when)
            self._switch(waiting)
            return True
        when, _, timer = heapq.heappop(self._timers)
        self.advance_to(when)
        timer.do()
        return True
