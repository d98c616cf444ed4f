"""Who goes next, by choice: the scheduler of interleavings.

What is pending may be late: a call may be slow, a poll may come later than it could, a sleeper may
be woken late. So while invocations are at work any of what is pending can go first, at its moment
or after it. A function's timeout alone is never late, and nothing is delayed beyond the earliest
one: to end an invocation is a fault's work.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import greenlet

from pytest_storagefirst.simulation import isolation
from pytest_storagefirst.simulation.scheduler import EPOCH_MS, Scheduler, Timer

TIME_PASSES = -1  # a choice: all who could go on do so as late as their timeouts let them
# How close to its timeout an invocation may be brought: when it is passed over, and when time
# passes, so that it can still do the rest of its work.
BEFORE_TIMEOUT_MS = 100
REST_BEFORE_TIMEOUT_MS = 500

OUTSIDE = 0  # the process of who acts between two steps: a redrive, a test
CLOCK = 1  # the process that lets time pass
EVERYTHING = ("", "", None)  # touched by who may have changed anything


@dataclass
class Step:
    """What one process did from where it went on to where it handed control back.

    `made_in` is the number of the step that let it go on, -1 when it was made before the first.
    `could` are the processes among which it was chosen, none where there was no choice. `touched`
    is what others could see of it: service, operation, subject.
    """

    process: int
    made_in: int
    could: Sequence[int] = ()
    touched: list[tuple[str, str, Any]] = field(default_factory=list)


class Names:
    """Numbers for processes, equal in all runs that share this object and come to the process.

    A process is known by who made it, in which of its steps, and as the how-manieth thing there.
    """

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, int, int], int] = {}

    def number(self, maker: int, step: int, count: int) -> int:
        return self._numbers.setdefault((maker, step, count), len(self._numbers) + CLOCK + 1)


class Recording:
    """Who went when in a run, and the choices that bring it about again.

    `wanted` are the processes that go first, in this order; after them, where `stays`, the one at
    work goes on for as long as it can, and otherwise the earliest.
    """

    def __init__(self, names: Names, wanted: Sequence[int] = (), *, stays: bool = False) -> None:
        self.names = names
        self.steps: list[Step] = []
        self._picks: list[int] = []
        self._could: Sequence[int] = ()
        self._wanted = list(reversed(wanted))
        self._stays = stays

    @property
    def choices(self) -> tuple[int, ...]:
        """As a schedule holds them: the earliest goes first where there is no choice left."""
        count = len(self._picks)
        while count and not self._picks[count - 1]:
            count -= 1
        return tuple(self._picks[:count])

    def pick(self, processes: Sequence[int]) -> int:
        """Which of these goes next; the first is the earliest."""
        picked = 0
        wanted = self._wanted[-1] if self._wanted else None
        if wanted == CLOCK:
            picked = TIME_PASSES
        elif wanted in processes:
            picked = processes.index(wanted)
        elif wanted is not None:
            self._wanted.clear()  # it can't go here: a timeout is near
        elif self._stays and self.steps and self.steps[-1].process in processes:
            picked = processes.index(self.steps[-1].process)
        self._picks.append(picked)
        self._could = processes
        return picked

    def note(self, process: int, made_in: int) -> None:
        """A step begins."""
        self.steps.append(Step(process, made_in, self._could))
        self._could = ()
        if self._wanted and self._wanted[-1] == process:
            self._wanted.pop()
        elif self._wanted:
            self._wanted.clear()


class Holding(Recording):
    """A run in which one process stops after some of its steps, while another can go on."""

    def __init__(self, names: Names, process: int, after: int) -> None:
        super().__init__(names)
        self._process, self._after = process, after

    def pick(self, processes: Sequence[int]) -> int:
        made = sum(step.process == self._process for step in self.steps)
        others = [at for at, one in enumerate(processes) if one != self._process]
        picked = others[0] if made >= self._after and others else 0
        self._picks.append(picked)
        self._could = processes
        return picked


class ChoosingScheduler(Scheduler):
    """Takes `choices` one after the other, or what a recording picks; then the earliest first."""

    def __init__(
        self,
        choices: Sequence[int] = (),
        epoch_ms: int = EPOCH_MS,
        who: Callable[[], greenlet.greenlet] = greenlet.getcurrent,
        recording: Recording | None = None,
    ) -> None:
        super().__init__(epoch_ms, who)
        self.choices_offered = 0
        self._choices = list(reversed(choices))
        self._recording = recording or Recording(Names())
        self._records = recording is not None
        self._made: dict[int, tuple[int, int]] = {}  # by sequence: process, and the step it is of
        self._numbers: dict[greenlet.greenlet, int] = {}
        self._steps_of: Counter[int] = Counter()
        self._at_work = OUTSIDE  # whose step is under way
        self._count = 0  # of what it has made

    # -- what becomes pending -----------------------------------------------------------------

    def at(self, at_ms: int, do: Callable[[], None], deadline: bool = False) -> Timer:
        timer = super().at(at_ms, do, deadline)
        self._note(self._new())
        return timer

    def resume_at(self, at_ms: int, waiting: greenlet.greenlet) -> None:
        super().resume_at(at_ms, waiting)
        self._note(self._number(waiting))

    def pause(self, milliseconds: int) -> None:
        self.resume_at(self.now_ms + milliseconds, self._who())
        self._hub.switch()

    def sleep(self, milliseconds: int) -> None:
        current = self._who()
        super().at(self.now_ms + milliseconds, lambda: self._switch(current))
        self._note(self._number(current))
        self._hub.switch()

    def touch(self, service: str, operation: str, subject: Any = None) -> None:
        if self._records:
            if self._at_work == OUTSIDE:
                self._come_between()
            if self._recording.steps:
                self._recording.steps[-1].touched.append((service, operation, subject))

    def _new(self) -> int:
        maker = self._at_work
        self._count += 1
        return self._recording.names.number(maker, self._steps_of[maker], self._count)

    def _number(self, waiting: greenlet.greenlet) -> int:
        if waiting not in self._numbers:
            self._numbers[waiting] = self._new()
        return self._numbers[waiting]

    def _note(self, process: int) -> None:
        if self._at_work == OUTSIDE:
            self._come_between()
        self._made[self._sequence] = process, len(self._recording.steps) - 1

    def _come_between(self) -> None:
        """Who acts between two steps comes after all before it, and before all after it."""
        steps = self._recording.steps
        if steps and steps[-1].process != OUTSIDE:
            steps.append(Step(OUTSIDE, -1, touched=[EVERYTHING]))

    # -- who goes next ------------------------------------------------------------------------

    def step(self) -> bool:
        if self.next_ms() is None:
            return False
        could = self._could()
        picked = self._pick(could) if len(could) > 1 else 0
        while picked == TIME_PASSES:
            self._let_time_pass()
            could = self._could()
            picked = self._pick(could) if len(could) > 1 else 0
        when, sequence, what = could[picked]
        agenda: list[Any] = self._timers if isinstance(what, Timer) else self._ready
        agenda.remove(could[picked])
        heapq.heapify(agenda)
        self._begin(*self._made.pop(sequence))
        self.advance_to(when)
        if isinstance(what, Timer):
            what.do()
        else:
            self._switch(what)
        self._at_work = OUTSIDE
        return True

    def _could(self) -> list[tuple[int, int, Any]]:
        """What could go next: the earliest, and while invocations are at work all that may be."""
        first = min(
            (agenda[0] for agenda in (self._timers, self._ready) if agenda),
            key=lambda entry: entry[:2],
        )
        limit_ms = self._earliest_deadline_ms() - BEFORE_TIMEOUT_MS
        others = [
            entry
            for agenda in (self._ready, self._timers)
            for entry in agenda
            if entry[0] <= limit_ms and entry is not first and not _is_out(entry[2])
        ]
        if isinstance(first[2], Timer) and first[2].deadline:
            return [first]
        return [first, *sorted(others, key=lambda entry: entry[:2])]

    def _earliest_deadline_ms(self) -> int:
        """-1 when no invocation is at work: then nothing is late."""
        return min(
            (when for when, _, timer in self._timers if timer.deadline and not timer.cancelled),
            default=-1,
        )

    def _pick(self, could: Sequence[tuple[int, int, Any]]) -> int:
        self.choices_offered += 1
        if self._records:
            return self._recording.pick([self._made[sequence][0] for _, sequence, _ in could])
        choice = self._choices.pop() if self._choices else 0
        return TIME_PASSES if choice < 0 else choice % len(could)

    def _let_time_pass(self) -> None:
        late_ms = self._earliest_deadline_ms() - REST_BEFORE_TIMEOUT_MS
        self._begin(CLOCK, len(self._recording.steps) - 1)
        self.touch(*EVERYTHING)
        self._ready = sorted(
            (max(when, late_ms), sequence, waiting) for when, sequence, waiting in self._ready
        )

    def _begin(self, process: int, made_in: int) -> None:
        self._at_work, self._count = process, 0
        self._steps_of[process] += 1
        self._recording.note(process, made_in)


def scheduler_of(
    choices: Sequence[int], epoch_ms: int, recording: Recording | None = None
) -> Scheduler:
    """The scheduler of a run's invocations: the plain one where nothing is chosen."""
    who = isolation.invocation_greenlet
    if choices or recording is not None:
        return ChoosingScheduler(choices, epoch_ms, who, recording)
    return Scheduler(epoch_ms, who)


def _is_out(what: Any) -> bool:
    return isinstance(what, Timer) and (what.cancelled or what.deadline)
