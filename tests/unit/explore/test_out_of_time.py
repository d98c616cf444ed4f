"""The budget ends amid a judgement: its run is not counted, and accuses nobody."""

from __future__ import annotations

import pytest

from pytest_storagefirst.explore.judge import OutOfTime
from pytest_storagefirst.explore.search import search
from pytest_storagefirst.simulation.schedule import Schedule, Send

SENDS = tuple(Send(f"m{number}", "Orders", {"id": "{unique}"}) for number in (1, 2, 3))


@pytest.fixture
def judge(workshop):
    return workshop.judge(workshop.write())


def test_a_judgement_that_needs_more_runs_ends_with_the_budget(judge):
    judge.is_over = lambda: True
    with pytest.raises(OutOfTime):
        judge.judge(Schedule(SENDS))


def test_what_is_known_already_is_judged_all_the_same(judge):
    judge.judge(Schedule(SENDS))
    judge.is_over = lambda: True

    assert judge.judge(Schedule(SENDS, one_by_one=True)).account is not None


def test_a_search_counts_no_run_that_was_not_judged(judge):
    class Draws:
        def fresh(self):
            return Schedule(SENDS)

    class Exploration:
        pass

    exploration = Exploration()
    exploration.judge = judge
    judge.is_over = lambda: True

    assert search(exploration, Draws(), lambda: False) == 0
