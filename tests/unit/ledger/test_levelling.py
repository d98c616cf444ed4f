"""The property `load-levelled`: caps kept and broken, on runs of a few calls."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_storagefirst.ledger.accounting import balance
from pytest_storagefirst.ledger.effects import Held, Observation
from pytest_storagefirst.ledger.events import Event
from pytest_storagefirst.ledger.levelling import judge_load
from pytest_storagefirst.ledger.load import (
    CALLS,
    FAILED,
    INVOCATIONS,
    RATE,
    TAKEN,
    THROTTLED,
    Call,
    Cap,
    Load,
    Span,
    peak_at_once,
    peak_rate,
)
from pytest_storagefirst.ledger.properties import Context
from pytest_storagefirst.ledger.verdict import NOT_APPLICABLE, OK, VIOLATED

URL = "https://a.example/"
CLEAN = balance(attempted={"m1"}, acknowledged={"m1"}, rejected=set(), effective={"m1"}, held=set())


def call(began_ms, ended_ms=None, message="m1", answer=TAKEN):
    return Call(began_ms, began_ms + 5 if ended_ms is None else ended_ms, URL, (message,), answer)


def seen(*calls, cap, history=(), **more):
    return Observation(("m1",), tuple(history), (), load=Load((cap,), calls), **more)


def judged(observation):
    return judge_load(CLEAN, observation, Context())


def rate(most):
    return Cap(RATE, most, URL, "per_second under [[downstream]]")


def test_the_window_slides():
    calls = [call(at) for at in (0, 600, 900, 1100, 1599, 1600)]
    assert peak_rate(calls) == (4, 600, ("m1",))
    assert peak_rate([call(0), call(1000), call(2000)]).most == 1


def test_what_ends_as_another_begins_is_not_at_once():
    assert peak_at_once([Span(0, 5, ("a",)), Span(5, 9, ("b",))]).most == 1
    assert peak_at_once([Span(0, 6, ("a",)), Span(5, 9, ("b",))]) == (2, 5, ("a", "b"))
    assert peak_at_once([Span(5, 5, ("a",)), Span(5, 9, ("b",))]) == (2, 5, ("b", "a"))


@pytest.mark.parametrize(("most", "value"), [(3, OK), (2, VIOLATED)])
def test_a_rate_is_judged_by_all_that_arrive(most, value):
    calls = [call(0), call(300), call(900, answer=THROTTLED)]
    verdict = judged(seen(*calls, cap=rate(most)))
    assert verdict.value == value
    if value == VIOLATED:
        assert verdict.why == (
            f"{URL}: 3 calls within one second at 0.000, where per_second under [[downstream]] "
            "allows 2"
        )
        assert verdict.messages == ("m1",)


@pytest.mark.parametrize(("most", "value"), [(2, OK), (1, VIOLATED)])
def test_calls_at_once(most, value):
    cap = Cap(CALLS, most, URL, "at_once under [[downstream]]")
    assert judged(seen(call(0, 50), call(20, 70), call(50, 60), cap=cap)).value == value


@pytest.mark.parametrize(("source", "value"), [("Queue", VIOLATED), ("Other", OK), ("", VIOLATED)])
def test_invocations_at_once_from_the_capped_queue(source, value):
    history = [
        Event(0, "delivered", ("m1",), "Worker", "receive 1 from Queue", 1),
        Event(5, "delivered", ("m2",), "Worker", "receive 1 from Queue", 2),
        Event(9, "succeeded", ("m1",), "Worker", "", 1),
        Event(9, "succeeded", ("m2",), "Worker", "", 2),
    ]
    cap = Cap(INVOCATIONS, 1, "Worker", "MaximumConcurrency of M", source)
    assert judged(seen(cap=cap, history=history)).value == value


@pytest.mark.parametrize(
    ("fault", "value"),
    [
        ("Worker: http POST https://a.example/ #1: http-500 3 times", VIOLATED),
        ("Worker: http POST https://a.example/ #1: flapping for 90 s", VIOLATED),
        ("Worker: http POST https://a.example/ #1: refused(connect-timeout)", NOT_APPLICABLE),
        ("Worker: invocation #1: crash", NOT_APPLICABLE),
    ],
)
def test_a_fault_that_ends_waits_is_no_run_to_judge_by(fault, value):
    observation = seen(call(0), call(1), cap=rate(1), faults_fired=(fault,))
    assert judged(observation).value == value


LETTER = Event(90_000, "dead-lettered", ("m1",), "Dead", "Queue")
REFUSED = Event(10, "throttled", ("m1",), "Worker")


@pytest.mark.parametrize(
    ("calls", "history", "value"),
    [
        ([call(0, answer=THROTTLED)], [LETTER], VIOLATED),
        ([], [REFUSED, LETTER], VIOLATED),
        ([], [LETTER], OK),  # its handler refuses it
        ([call(0, answer=THROTTLED), call(9000, answer=FAILED)], [LETTER], OK),  # it was down
        ([call(0, answer=THROTTLED)], [], OK),
    ],
)
def test_good_messages_that_are_set_aside_for_the_load_alone(calls, history, value):
    verdict = judged(seen(*calls, cap=rate(5), history=history))
    assert verdict.value == value
    if value == VIOLATED:
        assert verdict.messages == ("m1",)
        assert "went to Dead" in verdict.why


def test_a_bad_message_may_be_set_aside():
    observation = seen(call(0, answer=THROTTLED), cap=rate(5), history=[LETTER])
    assert judge_load(CLEAN, observation, Context(bad=frozenset({"m1"}))).value == OK


@pytest.mark.parametrize(("last_ms", "value"), [(900, NOT_APPLICABLE), (100, VIOLATED)])
def test_a_backlog_drains_or_is_still_on_its_way(last_ms, value):
    history = [
        Event(last_ms, "effected", ("m1",), "Worker", "x"),
        Event(1000, "released", ("m2",), "Queue"),
    ]
    held = (Held("m2", "Queue", "visible", 99),)
    verdict = judged(seen(cap=rate(5), history=history, quiet=False, held=held))
    assert verdict.value == value
    assert ("m2" in verdict.messages) == (value == VIOLATED)


def test_without_a_cap_it_does_not_apply():
    nothing = Observation(("m1",), (), ())
    assert judged(nothing).value == NOT_APPLICABLE
    assert judged(replace(nothing, load=Load((), (call(0),)))).value == NOT_APPLICABLE
