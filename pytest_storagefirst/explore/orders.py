"""All orders in which processes may take their steps, each that differs from the others once.

Stateless: every order is a run from the beginning. A run tells which of its steps touched the same
thing (a race); for each race a run is planned in which it ends the other way round, unless one of
those before has it so. That is dynamic partial-order reduction by reversal of races (Abdulla,
Aronis, Jonsson, Sagonas: "Optimal dynamic partial order reduction", POPL 2014), only that it goes
breadth first: orders that differ in one race from one of two simple ones, all in turn and one after
the other, then those that differ in two. Few are enough for most defects (Musuvathi, Qadeer:
"Iterative context bounding", PLDI 2007), and none is left out for differing in many.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

from pytest_storagefirst.explore.footprints import Footprint, conflict
from pytest_storagefirst.simulation.choosing import CLOCK, OUTSIDE, Names, Recording, Step

Result = TypeVar("Result")
MOST_PAUSES = 8  # moments at which one base schedule tries what a pause brings


class _Planned(NamedTuple):
    """An order to try: `wanted` goes first. Sorted by races turned, then by when it was found."""

    turned: int
    number: int
    wanted: tuple[int, ...]
    marks: frozenset[int]
    stays: bool


class _Analysed(NamedTuple):
    """A run as a partial order.

    For each step: the steps before it that it depends on, the ones whose order with it may be the
    other way round, all steps in its past (bits), and a mark that stands for it and its past.
    """

    steps: Sequence[Step]
    before: list[set[int]]
    races: list[list[int]]
    past: list[int]
    marks: list[int]


class Orders(Generic[Result]):
    """Iterate for the results of `play`, one for each order. It may be left at any time.

    `footprints` tells what a step touched; `tried` and `left` count orders, `left` those known of
    so far. With `pauses`, also what comes of a time that passes after a write, while another is at
    work.
    """

    def __init__(
        self,
        play: Callable[[Recording], Result],
        footprints: Callable[[Step], frozenset[Footprint]],
        *,
        pauses: bool = False,
    ) -> None:
        self.tried = 0
        self._play = play
        self._footprints = footprints
        self._pauses = pauses
        self._names = Names()
        self._marks: dict[Hashable, int] = {}
        self._runs_with: dict[int, int] = {}  # mark -> the runs that have it, as bits
        self._planned: list[_Planned] = [_Planned(0, 0, (), frozenset(), False)]
        self._known: set[frozenset[int]] = set()
        self._found = 0
        self._flows: set[Hashable] = set()

    @property
    def next_turned(self) -> int | None:
        """In how many races the next one differs from a simple order; None when all are tried."""
        while self._planned and self._is_covered(self._planned[0].marks):
            heapq.heappop(self._planned)
        return self._planned[0].turned if self._planned else None

    @property
    def left(self) -> int:
        return sum(not self._is_covered(planned.marks) for planned in self._planned)

    def __iter__(self) -> Iterator[Result]:
        while self.next_turned is not None:
            planned = heapq.heappop(self._planned)
            recording = Recording(self._names, planned.wanted, stays=planned.stays)
            result = self._play(recording)
            self._learn(recording.steps, planned)
            self.tried += 1
            yield result

    # -- what is tried next -------------------------------------------------------------------

    def _learn(self, steps: Sequence[Step], planned: _Planned) -> None:
        analysed = self._analyse(steps)
        for mark in analysed.marks:
            self._runs_with[mark] = self._runs_with.get(mark, 0) | 1 << self.tried
        flow = self._flow_of(analysed)
        if CLOCK not in planned.wanted:
            self._flows.add(flow)
        elif flow in self._flows:
            return  # nobody minded the pause
        turned = [
            self._reverse(analysed, earlier, later, planned.turned + 1)
            for later, races in enumerate(analysed.races)
            for earlier in races
        ]
        if any(turned) and not planned.turned:
            if _is_mixed(analysed):
                self._plan((), frozenset({-1}), 0)  # one after the other
            if self._pauses:
                self._plan_pauses(analysed)

    def _plan(
        self, wanted: tuple[int, ...], marks: frozenset[int], turned: int, *, stays: bool = True
    ) -> None:
        if marks in self._known:
            return
        self._known.add(marks)
        self._found += 1
        heapq.heappush(self._planned, _Planned(turned, self._found, wanted, marks, stays))

    def _is_covered(self, marks: frozenset[int]) -> bool:
        """Whether one run has all of these steps with the same past."""
        runs = -1
        for mark in marks:
            runs &= self._runs_with.get(mark, 0)
            if not runs:
                return False
        return bool(marks)

    def _reverse(self, analysed: _Analysed, earlier: int, later: int, turned: int) -> bool:
        """Plan an order in which `later` comes before `earlier`, and nothing else is different.

        False when there is none: what would have to go first was not there yet.
        """
        steps, past = analysed.steps, analysed.past
        between = [
            number for number in range(earlier + 1, later) if not past[number] >> earlier & 1
        ]
        first = steps[between[0] if between else later].process
        if first not in steps[earlier].could:
            return False
        kept = [*range(earlier), *between]
        pasts = {analysed.marks[number] for number in kept}
        there = set(kept)
        mark = self._mark(steps, later, analysed.before[later] & there, analysed.marks)
        order = [*kept, later]
        wanted = tuple(steps[n].process for n in order if steps[n].process != OUTSIDE)
        self._plan(wanted, frozenset(pasts | {mark}), turned)
        return True

    def _plan_pauses(self, analysed: _Analysed) -> None:
        steps = analysed.steps
        moments = [
            number
            for number in range(1, len(steps))
            if len(steps[number].could) > 1
            and any(writes for *_, writes in self._footprints(steps[number - 1]))
        ]
        for number in moments[:MOST_PAUSES]:
            wanted = tuple(step.process for step in steps[:number] if step.process != OUTSIDE)
            marks = frozenset({*analysed.marks[:number], -2 - number})
            self._plan((*wanted, CLOCK), marks, 1, stays=False)

    # -- what a run shows ---------------------------------------------------------------------

    def _analyse(self, steps: Sequence[Step]) -> _Analysed:
        found = _Analysed(steps, [], [], [], [])
        prints = [self._footprints(step) for step in steps]
        touching: list[int] = []
        last: dict[int, int] = {}
        for number, step in enumerate(steps):
            own = {one for one in (step.made_in, last.get(step.process, -1)) if one >= 0}
            others = {one for one in touching if conflict(prints[one], prints[number])}
            before = own | others
            found.before.append(before)
            past = 0
            for one in before:
                past |= found.past[one] | 1 << one
            found.races.append(self._races(found, number, others - own, before))
            found.past.append(past)
            found.marks.append(self._mark(steps, number, before, found.marks))
            last[step.process] = number
            if prints[number]:
                touching.append(number)
        return found

    def _races(
        self, found: _Analysed, number: int, others: set[int], before: set[int]
    ) -> list[int]:
        """Those of `others` that nothing but their own order with this step holds before it."""
        return [
            one
            for one in sorted(others)
            if found.steps[one].process not in (OUTSIDE, CLOCK, found.steps[number].process)
            and found.steps[number].process not in (OUTSIDE, CLOCK)
            and not any(found.past[two] >> one & 1 for two in before)
        ]

    def _mark(
        self, steps: Sequence[Step], number: int, before: set[int], marks: Sequence[int]
    ) -> int:
        process = steps[number].process
        count = sum(step.process == process for step in steps[:number])
        key = (process, count, frozenset(marks[one] for one in before))
        return self._marks.setdefault(key, len(self._marks))

    def _flow_of(self, analysed: _Analysed) -> Hashable:
        """What each process called, in its order, wherever time went."""
        calls: dict[int, list[tuple[str, str]]] = {}
        for step in analysed.steps:
            if step.process not in (OUTSIDE, CLOCK):
                calls.setdefault(step.process, []).extend(
                    (service, operation) for service, operation, _ in step.touched
                )
        return tuple(sorted((process, tuple(said)) for process, said in calls.items()))


def _is_mixed(analysed: _Analysed) -> bool:
    """Whether two processes each come before the other somewhere: neither goes first as a whole."""
    pairs = {
        (analysed.steps[earlier].process, analysed.steps[later].process)
        for later, races in enumerate(analysed.races)
        for earlier in races
    }
    return any((two, one) in pairs for one, two in pairs)
