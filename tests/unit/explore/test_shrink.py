"""A failing schedule becomes the smallest one that still fails."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_storagefirst.errors import SimulationError
from pytest_storagefirst.explore.judge import Judged
from pytest_storagefirst.explore.shrink import shrink
from pytest_storagefirst.faults.plan import Fault, parse_fault
from pytest_storagefirst.ledger.effects import Observation
from pytest_storagefirst.ledger.verdict import OK, VIOLATED, Verdict
from pytest_storagefirst.simulation.deployed import Deployed, Entry
from pytest_storagefirst.simulation.schedule import Schedule, Send
from pytest_storagefirst.simulation.world.world import World
from pytest_storagefirst.stack.topology import Topology

CRASH = parse_fault("Worker: invocation #1: crash")
LONG_CRASH = parse_fault("Worker: invocation #3 under m2: crash for 90 s")
OTHER = parse_fault("Worker: dynamodb.PutItem #2: response-lost 8 times")
WORKLOAD = tuple(Send(f"m{number}", "Orders", {"id": "{unique}"}) for number in range(1, 6))


class OneDefect:
    """Judges by what a schedule holds; plays nothing."""

    deployed = Deployed(
        World("us-east-1"),
        Topology("stack", "123456789012", "us-east-1"),
        {},
        (Entry("Orders", {"id": "{unique}"}),),
    )

    def __init__(self, fails, fired=None, refuses=lambda schedule: False):
        self.fails, self.fired, self.refuses = fails, fired, refuses
        self.judged = 0

    def judge(self, schedule, bad=frozenset()):
        self.judged += 1
        if self.refuses(schedule):
            raise SimulationError("can't be followed")
        texts = tuple(str(fault) for fault in schedule.plan)
        observation = Observation(
            messages=(),
            history=(),
            effects=(),
            held=(),
            faults_required=texts,
            faults_fired=texts if self.fired is None else self.fired(schedule),
        )
        verdict = Verdict(VIOLATED if self.fails(schedule, bad) else OK)
        played = SimpleNamespace(observation=observation)
        return Judged(schedule, played, None, {"drains": verdict})


def shrunk(schedule, fails, bad=frozenset(), **options):
    judge = OneDefect(fails, **options)
    start = judge.judge(schedule, bad)
    return shrink(judge, start, "drains", bad).schedule


LARGE = Schedule(
    WORKLOAD,
    plan=(LONG_CRASH, OTHER),
    choices=(1, 2, 3, 4),
    seed=3,
    concurrency=3,
    batch_limit=1,
    one_by_one=True,
    redrives=("during", "after", "after"),
)


def test_everything_goes_that_is_not_needed():
    assert shrunk(LARGE, lambda schedule, bad: True) == Schedule(WORKLOAD[:1])


def test_what_is_needed_stays():
    def fails(schedule, bad):
        return len(schedule.workload) >= 2 and any(f.kind == "crash" for f in schedule.plan)

    assert shrunk(LARGE, fails) == Schedule(WORKLOAD[:2], plan=(CRASH,))


@given(
    messages=st.integers(1, 5),
    times=st.integers(1, 8),
    choices=st.integers(0, 4),
    concurrency=st.integers(1, 3),
)
def test_the_smallest_is_reached(messages, times, choices, concurrency):
    def fails(schedule, bad):
        return (
            len(schedule.workload) >= messages
            and any(f.kind == "response-lost" and f.times >= times for f in schedule.plan)
            and bool(schedule.choices) >= bool(choices)
            and schedule.concurrency >= concurrency
        )

    found = shrunk(LARGE, fails)

    assert fails(found, frozenset())
    assert len(found.workload) == messages
    assert len(found.plan) == 1
    assert found.plan[0].times < 2 * times
    assert found.plan[0].number == 1
    assert len(found.choices) == (1 if choices else 0)
    assert found.redrives == ("after",)


def test_a_bad_message_stays_when_the_verdict_is_about_it():
    def fails(schedule, bad):
        return "m4" in bad

    odd = Send("m4", "Orders", {"id": 4})
    workload = (*WORKLOAD[:3], odd, *WORKLOAD[4:])
    found = shrunk(replace(LARGE, workload=workload), fails, bad=frozenset({"m4"}))

    assert found == Schedule((odd,))


def test_a_good_message_that_stands_for_a_bad_one_keeps_what_makes_it_bad():
    found = shrunk(LARGE, lambda schedule, bad: "m4" in bad, bad=frozenset({"m4"}))

    assert found == Schedule(WORKLOAD[3:4], plan=LARGE.plan)


def test_a_fault_that_no_longer_strikes_is_no_shorter_story():
    start = Schedule(WORKLOAD[:1], plan=(Fault("Worker", "invocation", 2, "crash"),))

    found = shrunk(
        start,
        lambda schedule, bad: bool(schedule.plan),
        fired=lambda schedule: [str(f) for f in schedule.plan if f.number == 2],
    )

    assert found == start


def test_a_run_that_cannot_be_followed_is_passed_over():
    found = shrunk(LARGE, lambda s, bad: True, refuses=lambda s: s.plan == (OTHER,))

    assert found == Schedule(WORKLOAD[:1])


@pytest.mark.parametrize("size", [50])
def test_it_gives_up_in_time(size):
    workload = tuple(Send(f"m{number}", "Orders", {}) for number in range(200))
    judge = OneDefect(lambda schedule, bad: True)
    start = judge.judge(Schedule(workload))

    shrink(judge, start, "drains", frozenset())

    assert judge.judged < 250


def test_drawn_bodies_give_place_to_the_entrys_own():
    drawn = tuple(Send(send.message, "Orders", {"id": "{unique}", "n": 7}) for send in WORKLOAD[:2])

    found = shrunk(Schedule(drawn), lambda s, bad: len(s.workload) == 2 and drawn[1] in s.workload)

    assert found.workload == (WORKLOAD[0], drawn[1])


def test_choices_are_lowered_one_by_one():
    found = shrunk(
        Schedule(WORKLOAD[:1], choices=(0, 3, -1, 2, 1)),
        lambda schedule, bad: len(schedule.choices) >= 4 and schedule.choices[3] != 0,
    )

    assert found.choices == (0, 0, 0, 1)


def test_a_plainer_kind_tells_the_same():
    lost = parse_fault("Worker: dynamodb.PutItem #1: response-lost")

    found = shrunk(Schedule(WORKLOAD[:1], plan=(lost,)), lambda schedule, bad: bool(schedule.plan))

    assert [str(fault) for fault in found.plan] == [
        "Worker: dynamodb.PutItem #1: refused(access-denied)"
    ]


def test_no_fault_gives_place_to_one_that_cannot_strike_there(workshop):
    """A FIFO queue delivers nothing twice, so a duplicate there would accuse falsely."""
    template = workshop.template.replace(
        "  Orders:\n    Type: AWS::SQS::Queue\n    Properties:\n",
        "  Orders:\n    Type: AWS::SQS::Queue\n    Properties:\n      FifoQueue: true\n"
        "      ContentBasedDeduplication: true\n",
    ).replace("  Dead:\n    Type: AWS::SQS::Queue\n", FIFO_DEAD)
    judge = OneDefect(lambda schedule, bad: bool(schedule.plan))
    judge.deployed = workshop.judge(workshop.write(template=template), described=False).deployed
    expired = parse_fault("Orders: delivery #1: visibility-expired")
    start = judge.judge(Schedule(WORKLOAD[:1], plan=(expired,)))

    assert shrink(judge, start, "drains", frozenset()).schedule.plan == (expired,)


FIFO_DEAD = "  Dead:\n    Type: AWS::SQS::Queue\n    Properties: {FifoQueue: true}\n"


def test_what_a_run_showed_is_kept_for_the_next_property():
    judge = OneDefect(lambda schedule, bad: len(schedule.workload) >= 2)
    start, shown = judge.judge(LARGE), {}
    first = shrink(judge, start, "drains", frozenset(), shown)
    judged = judge.judged

    assert shrink(judge, start, "drains", frozenset(), shown) == first
    assert judge.judged == judged + 1  # the run that is told
