"""Schedules that are drawn: from a seed, near to what showed something new, each once."""

from __future__ import annotations

import itertools
from random import Random

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from pytest_storagefirst.explore.drawing import draw_choices, draw_schedule
from pytest_storagefirst.explore.ground import Ground
from pytest_storagefirst.explore.search import Draws, without_the_unfinished
from pytest_storagefirst.explore.strategies import schedules_over
from pytest_storagefirst.explore.sweep import single_faults
from pytest_storagefirst.faults.catalogue import KINDS
from pytest_storagefirst.faults.plan import check_fault, parse_fault, parse_plan
from pytest_storagefirst.ledger.verdict import NOT_APPLICABLE, OK, UNKNOWN, VIOLATED
from pytest_storagefirst.simulation import run
from pytest_storagefirst.simulation.schedule import Schedule, Send

SENDS = tuple(Send(f"m{number}", "Orders", {"id": "{unique}"}) for number in (1, 2, 3))

SET_ASIDE = "Worker: sqs.SendMessage #1: refused(access-denied)"


def ground_of(judge):
    return Ground.of(judge.deployed, SENDS, judge.play(Schedule(SENDS)).counts)


def draws_of(judge, seed=0, max_faults=2):
    counts = judge.play(Schedule(SENDS)).counts
    return Draws(judge.deployed, SENDS, counts, max_faults, seed)


def test_the_ground_is_what_the_sweep_tries(gives_up):
    counts = gives_up.play(Schedule(SENDS)).counts
    assert set(ground_of(gives_up).faults) == set(single_faults(gives_up.deployed, counts))


def test_the_ground_grows_by_what_a_fault_opens(gives_up):
    ground = ground_of(gives_up)
    before = len(ground.faults)
    assert SET_ASIDE not in map(str, ground.faults)

    refused = parse_plan(["Worker: dynamodb.PutItem #1: refused(access-denied)"])
    for _ in range(2):  # the second time there is nothing new
        ground.learn(gives_up.play(Schedule(SENDS, plan=refused)))

    assert SET_ASIDE in map(str, ground.beyond)
    assert {fault.point for fault in ground.beyond} == {"sqs.SendMessage"}
    assert len(ground.faults) == before + len(ground.beyond) == len(set(ground.faults))


def test_a_seed_gives_the_same_schedules_and_none_twice(gives_up):
    first, second = (
        [draws.fresh() for _ in range(300)] for draws in (draws_of(gives_up), draws_of(gives_up))
    )

    assert first == second
    assert len(set(first)) == 300
    assert first != [draws_of(gives_up, seed=1).fresh() for _ in range(300)]


def test_what_was_tried_before_is_not_drawn(gives_up):
    wanted = draws_of(gives_up).fresh()
    draws = draws_of(gives_up)
    draws.learn(gives_up.judge(wanted))

    assert wanted not in [draws.fresh() for _ in range(200)]


def test_an_end_of_what_can_be_drawn_ends_the_search(gives_up, monkeypatch):
    draws = draws_of(gives_up)
    monkeypatch.setattr(draws, "_draw", lambda: Schedule(SENDS))

    assert draws.fresh() == Schedule(SENDS)
    assert draws.fresh() is None


@pytest.mark.parametrize("seed", range(3))
def test_two_faults_that_only_meet_in_a_handler_of_errors_are_found(gives_up, seed):
    """Blindly drawn it takes ten times as many."""
    draws = draws_of(gives_up, seed)
    for fault in ground_of(gives_up).faults:
        judged = gives_up.judge(Schedule(SENDS, plan=(fault,)))
        assert judged.verdicts["no-message-loss"].value != VIOLATED
        draws.learn(judged)

    for _ in range(300):
        judged = gives_up.judge(draws.fresh())
        draws.learn(judged)
        if judged.verdicts["no-message-loss"].value == VIOLATED:
            break
    else:
        pytest.fail("not found")
    assert "sqs.SendMessage" in {fault.point for fault in judged.schedule.plan}


def test_plans_hold_faults_that_belong_together(gives_up):
    ground = ground_of(gives_up)
    randomness = Random(0)
    plans = [
        draw_schedule(randomness.randrange, ground, 3, lambda send: send).plan for _ in range(2000)
    ]

    pairs = [pair for plan in plans for pair in itertools.pairwise(plan)]
    assert max(map(len, plans)) == 3
    same_point = [
        one for one, other in pairs if (one.place, one.point) == (other.place, other.point)
    ]
    assert len(same_point) > len(pairs) / 4
    one_message = [1 for one, other in pairs if one.message and one.message == other.message]
    assert len(one_message) > len(pairs) / 7
    for fault in {fault for plan in plans for fault in plan}:
        check_fault(fault)
        assert parse_fault(str(fault)) == fault


@given(st.integers(1, 60), st.integers())
def test_choices_fit_into_what_is_offered(offered, seed):
    choices = draw_choices(Random(seed).randrange, offered)

    assert len(choices) <= offered
    assert not choices or choices[-1]


@pytest.fixture
def quick():
    return settings(database=None, derandomize=True, max_examples=2000, deadline=None)


def test_hypothesis_shrinks_to_one_message_and_one_fault(gives_up, quick):
    drawn = schedules_over(ground_of(gives_up), 3)

    assert find(drawn, lambda _: True, settings=quick) == Schedule(SENDS[:1])
    found = find(
        drawn, lambda one: any("PutItem" in fault.point for fault in one.plan), settings=quick
    )
    assert (found.messages, len(found.plan), found.choices) == (("m1",), 1, ())
    assert not found.plan[0].lasts
    assert found.plan[0].number == 1


def test_only_what_can_last_is_drawn_to_last(gives_up):
    draws = draws_of(gives_up)
    lasting = parse_plan(["OrdersQueue: delivery #1: ack-lost for 600 s"])
    for fault in single_faults(gives_up.deployed, gives_up.play(Schedule(SENDS)).counts):
        draws.learn(gives_up.judge(Schedule(SENDS, plan=(fault,))))
    draws.learn(gives_up.judge(Schedule(SENDS, plan=lasting)))

    drawn = {fault for _ in range(600) for fault in draws.fresh().plan}

    assert any(fault.for_ms for fault in drawn)
    assert {f.kind for f in drawn if f.for_ms and not KINDS[f.kind].lasts} == set()


def test_a_drawn_outage_that_was_not_seen_to_its_end_is_no_doubt(gives_up, monkeypatch):
    """Three days of an outage, with a retry each few seconds in it."""
    gives_up.judge(Schedule(SENDS))  # what messages should leave is known
    for name, most in (("MOST_EVENTS", 20), ("EVENTS_A_MESSAGE", 1), ("EVENTS_A_RECEIVE", 0)):
        monkeypatch.setattr(run, name, most)
    plan = parse_plan(["Worker: dynamodb.PutItem #1: refused(throttle) for 259200 s"])
    judged = gives_up.judge(Schedule(SENDS, plan=plan))
    assert judged.verdicts["drains"].value == UNKNOWN

    drawn = without_the_unfinished(judged)
    assert {one.value for one in drawn.verdicts.values()} <= {NOT_APPLICABLE, OK, VIOLATED}
    assert drawn.verdicts["drains"].value == NOT_APPLICABLE


def test_what_goes_round_when_all_faults_have_ended_stays_in_doubt(gives_up):
    judged = gives_up.judge(Schedule(SENDS))

    assert without_the_unfinished(judged) is judged
