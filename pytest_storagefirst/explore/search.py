"""Beyond single faults: Hypothesis draws workload, plan and choices within what time is left."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_storagefirst.errors import StorageFirstError
from pytest_storagefirst.explore.strategies import schedules_over
from pytest_storagefirst.simulation.schedule import Schedule, Send

if TYPE_CHECKING:
    from pytest_storagefirst.explore.exploration import Exploration

MOST_EXAMPLES = 100_000


class _OutOfTime(BaseException):
    """Ends the search; no Exception, so that Hypothesis does not take it for a finding."""


class _Refused(BaseException):
    """Carries an error that the user can mend out of Hypothesis, unchanged."""

    def __init__(self, error: StorageFirstError) -> None:
        super().__init__()
        self.error = error


def search(
    exploration: Exploration,
    messages: tuple[Send, ...],
    counts: Mapping[tuple[str, str], int],
    seconds: float,
) -> None:
    """Draw schedules until the time is over; every run is judged and counted in.

    What a run violates is kept by the exploration, the smallest run of each property; so a search
    does not end at the first finding.
    """
    from hypothesis import HealthCheck, Phase, given, seed, settings

    ends = time.perf_counter() + seconds

    @seed(exploration.settings.seed)
    @settings(
        max_examples=MOST_EXAMPLES,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        # No targeting: its hill climbing replays examples in Hypothesis's own head for minutes,
        # without a run of ours in between that could see that the time is over.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        schedules_over(
            exploration.judge.deployed, messages, counts, exploration.settings.max_faults
        )
    )
    def draw(schedule: Schedule) -> None:
        if time.perf_counter() > ends:
            raise _OutOfTime
        try:
            judged = exploration.judge.judge(schedule)
        except StorageFirstError as error:
            raise _Refused(error) from None
        exploration.take(judged)

    try:
        draw()
    except _OutOfTime:
        pass
    except _Refused as refused:
        raise refused.error from None
