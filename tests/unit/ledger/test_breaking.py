"""Every rule of the property `circuit`, broken and kept, on runs of a few steps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_storagefirst.ledger.accounting import balance
from pytest_storagefirst.ledger.breaking import (
    FEWEST_FAILURES,
    MOST_FAILURES,
    MOST_SUCCESSES,
    judge_circuit,
)
from pytest_storagefirst.ledger.circuit import (
    ANSWERED,
    CALLED,
    CLOSED,
    DIED,
    HALF_OPEN,
    OPEN,
    READ,
    UNREAD,
    UNWRITTEN,
    WROTE,
    Circuit,
    Step,
)
from pytest_storagefirst.ledger.effects import Held, Observation
from pytest_storagefirst.ledger.events import Event
from pytest_storagefirst.ledger.properties import Context
from pytest_storagefirst.ledger.verdict import NOT_APPLICABLE, OK, UNKNOWN, VIOLATED, Verdict

CONTEXT = Context()


def step(at_ms, kind, environment=1, state="", good=False, message="m1", place="Worker"):
    return Step(at_ms, kind, place, environment, environment, (message,), state, good)


def wrote(at_ms, state, environment=1, **more):
    return step(at_ms, WROTE, environment, state, **more)


def read(at_ms, state, environment=1, **more):
    return step(at_ms, READ, environment, state, **more)


def call(at_ms, environment=1, good=False, message="m1"):
    """A call and its answer, five milliseconds later."""
    return (
        step(at_ms, CALLED, environment, message=message),
        step(at_ms + 5, ANSWERED, environment, good=good, message=message),
    )


FAILED_TWICE = (*call(0), *call(10))
OPENED = (*FAILED_TWICE, wrote(20, OPEN))
TRIED = (read(60_000, OPEN), wrote(60_001, HALF_OPEN))
RECOVERED = (*OPENED, *TRIED, *call(60_010, good=True), wrote(60_020, CLOSED))


def judged(*steps, history=(), held=(), lost=(), context=CONTEXT, **circuit) -> Verdict:
    effective = {"m1", "m2"} - set(lost)
    account = balance(
        attempted={"m1", "m2"},
        acknowledged={"m1", "m2"},
        rejected=set(),
        effective=effective,
        held={one.message for one in held},
    )
    observation = Observation(
        ("m1", "m2"), tuple(history), (), held=tuple(held), circuit=Circuit("Circuit", steps)
    )
    observation = replace(observation, circuit=replace(observation.circuit, **circuit))
    return judge_circuit(account, observation, context)


def test_a_breaker_that_opens_tries_and_closes_is_ok():
    assert judged(*RECOVERED).value == OK


def test_a_run_in_which_it_stays_closed_shows_nothing():
    assert judged(*call(0, good=True)).value == NOT_APPLICABLE
    none = Observation(("m1",), (), ())
    account = balance(
        attempted={"m1"}, acknowledged={"m1"}, rejected=set(), effective={"m1"}, held=set()
    )
    assert judge_circuit(account, none, CONTEXT).value == NOT_APPLICABLE


def test_a_word_that_is_no_state_is_asked_for():
    verdict = judged(wrote(0, "PAUSED"))
    assert verdict.value == UNKNOWN
    assert "'PAUSED'" in verdict.why
    assert "[circuit]" in verdict.why


BROKEN = {
    "closed to half open": ((*FAILED_TWICE, wrote(20, HALF_OPEN)), "from CLOSED to HALF_OPEN"),
    "opened for nothing": (
        (*RECOVERED, wrote(60_030, OPEN, 2), *call(60_040, 3)),
        "no call had failed since it closed",
    ),
    "closed by the clock": (
        (*OPENED, read(60_000, OPEN), wrote(60_001, CLOSED), *call(60_010)),
        "CLOSED before any call had succeeded",
    ),
    "called while open": (
        (*OPENED, *call(60_010, 2), *RECOVERED[len(OPENED) :]),
        None,  # this environment has not looked since
    ),
    "knows and calls": (
        (*OPENED, read(30_000, OPEN, 2), *call(30_010, 2), *RECOVERED[len(OPENED) :]),
        "without a probe's leave",
    ),
    "knows and calls at once": (
        (*OPENED, read(30, OPEN, 2), *call(40, 2)),
        "0.020 s after the circuit had opened",
    ),
    "never looks": ((*OPENED, *call(100_000, 2)), "without a look at the circuit"),
    "two probes": (
        (*OPENED, *TRIED, read(60_002, HALF_OPEN, 2), *call(60_010), *call(60_020, 2)),
        "two probes at once",
    ),
    "a claim that runs out amid the probe": (
        (*OPENED, *TRIED, step(60_010, CALLED), wrote(61_000, HALF_OPEN, 2), *call(61_010, 2)),
        "at 61.010 Worker called for m1 while m1 was the probe, since 60.010: two probes at once",
    ),
    "two trials of a breaker without half open": (
        (*OPENED, read(60_000, OPEN), read(60_000, OPEN, 2), *call(60_010), *call(60_020, 2)),
        "two probes at once",
    ),
    "a probe goes on though it failed": (
        (*OPENED, *TRIED, *call(60_010), *call(60_020)),
        "though its probe had just failed",
    ),
    "never opens": (
        tuple(one for at in range(MOST_FAILURES) for one in call(at * 10)),
        f"{MOST_FAILURES} failed calls in a row",
    ),
}


def test_two_probes_one_after_the_other_are_one_at_a_time():
    probes = (*call(60_010, good=True), *call(60_020, 2, good=True))
    assert judged(*OPENED, *TRIED, read(60_002, HALF_OPEN, 2), *probes).value == OK


def failures(*between):
    """Four failed calls, with a step between the first two."""
    return (*call(0), *between, *call(10), *call(20), *call(30))


@pytest.mark.parametrize("kind", [UNREAD, UNWRITTEN, DIED])
def test_a_failure_that_could_not_be_counted_opens_nothing(kind):
    assert judged(*failures(), wrote(40, OPEN), threshold=3).value == VIOLATED
    assert judged(*failures(step(7, kind)), wrote(40, OPEN), threshold=3).value == OK
    assert judged(*failures(step(7, kind)), *call(37), threshold=3).value == VIOLATED


def test_a_failure_that_was_counted_twice_opens_it_early():
    twice = (wrote(11, CLOSED), wrote(12, CLOSED), wrote(13, OPEN))
    assert judged(*call(0), *call(5), *twice, threshold=3).value == OK
    assert judged(*call(0), *call(5), *twice[1:], threshold=3).value == VIOLATED
    good = call(8, good=True)
    assert judged(*call(0), *twice[:2], *good, *call(14), wrote(20, OPEN), threshold=3).value == (
        VIOLATED
    )


def test_failures_that_come_now_and_then_open_nothing():
    apart = MOST_FAILURES * 2
    rare = [one for at in range(apart) for one in call(at * 16_000)]
    assert judged(*rare).value == NOT_APPLICABLE
    assert judged(*rare, threshold=5).value == NOT_APPLICABLE
    dense = [one for at in range(FEWEST_FAILURES) for one in call(apart * 16_000 + at * 10_000)]
    assert judged(*rare, *dense).value == VIOLATED


def test_it_closes_after_so_many_probes_as_it_is_said_to_take():
    one, two = call(60_010, good=True), call(60_020, good=True)
    counted = wrote(60_016, HALF_OPEN)
    closed = wrote(60_030, CLOSED)
    assert judged(*OPENED, *TRIED, *one, counted, *two, closed, successes=2).value == OK
    early = judged(*OPENED, *TRIED, *one, closed, successes=2)
    assert "CLOSED after 1 call had succeeded, and it takes 2" in early.why
    again = wrote(60_017, HALF_OPEN)  # the count's answer was lost
    assert judged(*OPENED, *TRIED, *one, counted, again, closed, successes=2).value == OK


def test_slow_answers_may_open_it():
    slow = [one._replace(is_slow=one.kind == ANSWERED) for one in (*call(0, good=True),)]
    again = [one._replace(at_ms=one.at_ms + 10) for one in slow]
    assert judged(*slow, *again, wrote(30, OPEN), threshold=2).value == OK
    assert judged(*call(0, good=True), wrote(30, OPEN)).value == VIOLATED


def test_an_execution_of_a_state_machine_tries_again_and_again():
    tries = [one for at in (60_000, 120_000) for one in call(at, 0)]
    assert judged(*OPENED, *tries).value == OK
    assert judged(*OPENED, *call(60_000, 0), *call(60_100, 0)).value == VIOLATED


def test_what_stands_instead_of_a_state_is_told():
    steps = BROKEN["never opens"][0]
    assert judged(*steps, unlike="; its item has id").why.endswith("still closed; its item has id")


@pytest.mark.parametrize("name", BROKEN)
def test_what_no_breaker_does(name):
    steps, why = BROKEN[name]
    verdict = judged(*steps)
    assert verdict.value == (OK if why is None else VIOLATED)
    assert why is None or why in verdict.why


def test_a_claim_to_try_is_no_opening():
    """Some breakers have no half open: who tries puts the time off that the others wait for."""
    claimed = (read(60_000, OPEN), wrote(60_001, OPEN))
    assert judged(*OPENED, *claimed, *call(60_010, good=True), wrote(60_020, CLOSED)).value == OK
    again = (*claimed, *call(60_010), wrote(60_020, OPEN), read(60_030, OPEN, 2), *call(60_040, 2))
    assert "0.020 s after the circuit had opened" in judged(*OPENED, *again).why


def test_a_probe_whose_environment_died_is_replaced():
    died = step(60_012, DIED)
    again = (read(120_000, HALF_OPEN, 2), *call(120_010, 2, good=True), wrote(120_020, CLOSED, 2))
    assert judged(*OPENED, *TRIED, *call(60_010)[:1], died, *again).value == OK
    assert judged(*OPENED, *TRIED, *call(60_010)[:1], *again).value == VIOLATED


def test_a_health_check_opens_without_a_call_of_its_own():
    by_health = wrote(20, OPEN, 0, place="Health")
    assert judged(*call(0, good=True), by_health).value == OK


def test_a_state_that_is_lost_accuses_nobody():
    lost = wrote(30_000, CLOSED, 0, place="")
    again = (*call(30_010, 2), *call(30_020, 2), wrote(30_030, OPEN, 2))
    assert judged(*OPENED, lost, *again).value == OK
    assert judged(*OPENED, wrote(30_000, CLOSED), *again).value == VIOLATED


def test_its_threshold_is_kept_where_it_is_known():
    assert judged(*RECOVERED, threshold=2).value == OK
    early = judged(*RECOVERED, threshold=3)
    assert early.value == VIOLATED
    assert "after 2 failed calls, and its threshold is 3" in early.why
    late = judged(*(one for at in range(4) for one in call(at * 10)), threshold=3)
    assert "4 failed calls in a row" in late.why


def delivered(at_ms, message="m1", invocation=7):
    return Event(at_ms, "delivered", (message,), "Worker", "", invocation)


def test_a_message_acknowledged_while_open_is_not_only_lost():
    history = [delivered(30), Event(35, "deleted", ("m1",), "Queue")]
    verdict = judged(*OPENED, history=history, lost=["m1"])
    assert "m1 was acknowledged while the circuit was open" in verdict.why
    assert judged(*OPENED, history=history).value == OK
    called = step(31, CALLED, 2)._replace(invocation=7)  # by one that had not looked
    assert judged(*OPENED, called, history=history, lost=["m1"]).value == OK  # its call was made


def test_receives_are_not_spent_on_an_open_circuit():
    dead = Event(90_000, "dead-lettered", ("m1",), "DeadLetters")
    verdict = judged(*OPENED, history=[delivered(30), delivered(60_000), dead])
    assert "m1 went to DeadLetters at 90.000: it was received twice" in verdict.why
    assert judged(*OPENED, history=[dead]).value == OK  # it was never received meanwhile
    late = dead._replace(at_ms=1_000_000)
    assert judged(*OPENED, history=[delivered(30), late]).value == OK  # a longer outage than borne


@pytest.mark.parametrize("kind", ["skipped", "expired"])
def test_a_record_that_a_stream_gives_up_is_not_acknowledged(kind):
    gone = Event(90_000, kind, ("m1",), "Feed")
    verdict = judged(*OPENED, history=[delivered(30), delivered(60_000), gone], lost=["m1"])
    assert f"m1 was {kind} in Feed at 90.000: it was received twice" in verdict.why
    late = gone._replace(at_ms=1_000_000)
    assert judged(*OPENED, history=[delivered(30), late], lost=["m1"]).value == OK


HEALED = Event(100_000, "healed", (), "")
CAME = Event(200_000, "acknowledged", ("m2",), "Queue")


def test_it_does_not_stay_open_for_good():
    assert judged(*OPENED, history=[HEALED]).value == OK  # nobody came
    stuck = judged(*OPENED, history=[HEALED, CAME])
    assert "the circuit is OPEN since 0.020, though the faults ended at 100.000" in stuck.why
    waits = judged(*OPENED, history=[HEALED], held=[Held("m1", "Queue", "visible", 10**9)])
    assert "m1 waits for good" in waits.why
    dead = judged(*OPENED, history=[HEALED], held=[Held("m1", "Dead", "dead-lettered", 10**9)])
    assert dead.value == OK


def test_probes_that_succeed_close_it_after_some():
    some = (*OPENED, *TRIED, *call(60_010, good=True))
    assert judged(*some, history=[HEALED, CAME]).value == OK
    many = (
        *some,
        *(one for at in range(MOST_SUCCESSES) for one in call(70_000 + at * 10, good=True)),
    )
    assert judged(*many, history=[HEALED, CAME]).value == VIOLATED
    assert judged(*many, history=[HEALED, CAME], successes=20).value == OK
