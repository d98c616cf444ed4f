"""Beyond what is tried in order: schedules drawn from a seed, within what time is left.

Most are drawn near those whose runs showed something new. Hypothesis draws the bodies where the
user gave a strategy; why not the rest is in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from pytest_storagefirst.explore.body_strategies import some_bodies
from pytest_storagefirst.explore.drawing import draw_schedule, one_of
from pytest_storagefirst.explore.ground import Crossings, Ground
from pytest_storagefirst.explore.judge import Judged, OutOfTime
from pytest_storagefirst.explore.mutation import Neighbourhood
from pytest_storagefirst.ledger.properties import not_applicable
from pytest_storagefirst.ledger.verdict import UNKNOWN
from pytest_storagefirst.simulation.deployed import Deployed
from pytest_storagefirst.simulation.schedule import Schedule, Send

if TYPE_CHECKING:
    from pytest_storagefirst.explore.exploration import Exploration

MOST_RUNS = 100_000
BLINDLY = 4  # one schedule in so many; the others are near to what is known
MOST_DRAWN_AGAIN = 1000  # known schedules in a row: then hardly another is left


class Draws:
    """Schedules, each one once, drawn with what the runs so far have shown.

    `counts` are the crossings of a run of these messages without faults. The same seed and runs
    give the same schedules.
    """

    def __init__(
        self,
        deployed: Deployed,
        messages: tuple[Send, ...],
        counts: Crossings,
        max_faults: int,
        seed: int,
    ) -> None:
        self._ground = Ground.of(deployed, messages, counts)
        self._near = Neighbourhood(counts)
        self._max_faults = max_faults
        self._seed = seed
        self._pick = Random(seed).randrange
        self._known: set[Schedule] = set()
        self._bodies: dict[str, list[object]] = {}

    def learn(self, judged: Judged) -> None:
        """Take note of a run, drawn or not."""
        self._known.add(judged.schedule)
        self._ground.learn(judged.played)
        self._near.learn(judged)

    def fresh(self) -> Schedule | None:
        """A schedule that was neither drawn nor learnt of; None when none is found any more."""
        for _ in range(MOST_DRAWN_AGAIN):
            schedule = self._draw()
            if schedule not in self._known:
                self._known.add(schedule)
                return schedule
        return None

    def _draw(self) -> Schedule:
        if self._pick(BLINDLY):
            schedule = self._near.draw(self._pick, self._ground, self._max_faults)
            if schedule is not None:
                return schedule
        return draw_schedule(self._pick, self._ground, self._max_faults, self._body)

    def _body(self, send: Send) -> Send:
        entry = self._ground.deployed.entry(send.entry)
        if entry.bodies is None or not self._pick(2):
            return send
        if entry.name not in self._bodies:
            self._bodies[entry.name] = some_bodies(entry.bodies, self._seed)
        return replace(send, body=one_of(self._pick, self._bodies[entry.name]))


def search(exploration: Exploration, draws: Draws, ends: Callable[[], bool]) -> int:
    """Judge drawn schedules until the time is over; returns how many.

    Every run is counted in. What it violates is kept by the exploration, the smallest run of each
    property; so a search does not end at the first finding.
    """
    for count in range(MOST_RUNS):
        schedule = None if ends() else draws.fresh()
        if schedule is None:
            return count
        try:
            judged = exploration.judge.judge(schedule)
        except OutOfTime:
            return count
        draws.learn(judged)
        exploration.take(without_the_unfinished(judged))
    return MOST_RUNS


def without_the_unfinished(judged: Judged) -> Judged:
    """A drawn run that ended while a fault lasted says nothing but what it violates.

    An outage that is drawn may be just shorter than a retention, with a retry each half minute in
    it: what comes of that is shown by single faults, whose outages are watched to their end.
    """
    observation = judged.played.observation
    if not observation.why_not_quiet or observation.told.healed_at is not None:
        return judged
    idle = not_applicable("this run was ended while a fault lasted")
    verdicts = judged.verdicts.items()
    return replace(
        judged, verdicts={name: idle if one.value == UNKNOWN else one for name, one in verdicts}
    )
