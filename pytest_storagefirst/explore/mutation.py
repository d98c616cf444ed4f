"""What a search learns from its runs: which were new, and schedules near to those."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pytest_storagefirst.explore.drawing import (
    MOST_AT_ONCE,
    REDRIVES,
    Pick,
    draw_choices,
    one_of,
    vary_extent,
)
from pytest_storagefirst.explore.ground import Crossings, Ground
from pytest_storagefirst.explore.judge import Judged
from pytest_storagefirst.simulation.schedule import Schedule

MOST_KEPT = 200  # runs that others are drawn from
MOST_COUNTED = 4  # of a kind of event in a run: more of them is nothing new
NEW_GROUND = 8  # is worth so much more than something else that is new
# What a handler sees as an error. On the way back from one it seldom expects another.
REFUSALS = frozenset({"refused", "http-500"})
ALSO_LATE = 4  # crossings before the last that count as the end of a run

Point = tuple[str, str, int]


@dataclass
class _Kept:
    """A run that showed something new: how much that is worth, and how often it was drawn from.

    `points` is what it crossed, each (place, point) with the number of the last time; `beyond` are
    those that a run without faults crosses less often, or never.
    """

    schedule: Schedule
    points: tuple[Point, ...]
    beyond: tuple[Point, ...]
    worth: int
    drawn: float


class Neighbourhood:
    """Runs that showed something no earlier one did, and what lies near them.

    A fault opens new ground (a redelivery, a compensation, a dead-letter queue's consumer), and a
    second one counts where it strikes there. That is seldom drawn blindly. `usual` are the
    crossings of a run without faults.
    """

    def __init__(self, usual: Crossings) -> None:
        self._usual = usual
        self._seen: set[tuple[object, ...]] = set()
        self._kept: deque[_Kept] = deque(maxlen=MOST_KEPT)

    def learn(self, judged: Judged) -> None:
        counts = judged.played.strikable or judged.played.counts
        points = tuple((*site, count) for site, count in sorted(counts.items()))
        opened = set(self._opened(judged, points)) - self._seen
        shown = set(_shown(judged)) - self._seen
        if not opened and not shown:
            return
        self._seen |= opened | shown
        beyond = tuple(
            (place, point, count)
            for place, point, count in points
            if count > self._usual.get((place, point), 0)
        )
        worth = 1 + NEW_GROUND * len(opened)
        share = min((kept.drawn / kept.worth for kept in self._kept), default=0)
        self._kept.append(_Kept(judged.schedule, points, beyond or points, worth, share * worth))

    def _opened(self, judged: Judged, points: Iterable[Point]) -> Iterator[tuple[object, ...]]:
        """Sites that no run without faults comes by, with the faults that led there."""
        for place, point, _ in points:
            if (place, point) not in self._usual:
                for fault in judged.schedule.plan:
                    yield place, point, fault.place, fault.point, fault.kind

    def draw(self, pick: Pick, ground: Ground, max_faults: int) -> Schedule | None:
        """A schedule near one that is kept; None while there is none."""
        if not self._kept:
            return None
        chosen = min(self._kept, key=lambda kept: kept.drawn / kept.worth)
        chosen.drawn += 1
        return _near(pick, ground, chosen, max_faults)


def _shown(judged: Judged) -> Iterator[tuple[object, ...]]:
    """What happened in a run and where, with how often up to a few times."""
    history = judged.played.observation.history
    for (kind, where), count in Counter((event.kind, event.where) for event in history).items():
        yield kind, where, min(count, MOST_COUNTED)
    for (place, point), count in judged.played.counts.items():
        yield place, point, min(count, MOST_COUNTED)


def _near(pick: Pick, ground: Ground, kept: _Kept, max_faults: int) -> Schedule:
    schedule = kept.schedule
    change = pick(8)
    if change < 4 or not schedule.plan:
        return _with_fault_at_the_end(pick, ground, kept, max_faults)
    index = pick(len(schedule.plan))
    fault = schedule.plan[index]
    if change == 4:
        fault = replace(fault, number=max(1, fault.number - 1 + 2 * pick(2)))
    elif change == 5:
        # With its own extent: not every kind can last.
        other = one_of(pick, ground.at_point(fault.place, fault.point))
        fault = replace(other, number=fault.number, message=fault.message)
    elif change == 6:
        fault = vary_extent(pick, ground.deployed, replace(fault, times=1))
    else:
        return replace(
            schedule,
            choices=draw_choices(pick, ground.choices),
            concurrency=1 + pick(MOST_AT_ONCE),
            batch_limit=pick(3),
            redrives=one_of(pick, REDRIVES),
        )
    plan = dict.fromkeys((*schedule.plan[:index], fault, *schedule.plan[index + 1 :]))
    return replace(schedule, plan=tuple(plan))


def _with_fault_at_the_end(pick: Pick, ground: Ground, kept: _Kept, max_faults: int) -> Schedule:
    """One more fault, or another in place of the last, at a late crossing of a point."""
    plan = kept.schedule.plan
    if len(plan) >= max_faults:
        plan = plan[: max_faults - 1]
    if kept.points:
        place, point, count = one_of(pick, kept.beyond if pick(2) else kept.points)
        at_point = ground.at_point(place, point)
        refusals = [fault for fault in at_point if fault.kind in REFUSALS]
        fault = one_of(pick, refusals if refusals and pick(2) else at_point)
        number = max(1, count - pick(ALSO_LATE))
        plan = tuple(dict.fromkeys((*plan, replace(fault, number=number))))
    return replace(kept.schedule, plan=plan)
