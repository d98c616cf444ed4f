"""A fault's text says all of it, and a wrong one is answered with the nearest right word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_storagefirst.errors import FaultError
from pytest_storagefirst.faults import catalogue
from pytest_storagefirst.faults.plan import Fault, check_fault, parse_fault, parse_plan

POINTS = {
    catalogue.CALL: ["dynamodb.PutItem", "sqs.SendMessageBatch", "cognito-idp.AdminGetUser"],
    catalogue.HTTP: ["http POST https://payments.example/charge", "http GET http://a.b/<m1>"],
    catalogue.INVOCATION: ["invocation"],
    catalogue.DELIVERY: ["delivery"],
    catalogue.REQUEST: ["request"],
}
CRASH = ("invocation", 1, "crash")


@st.composite
def faults(draw):
    kind = draw(st.sampled_from(sorted(catalogue.KINDS.values(), key=lambda kind: kind.name)))
    sort = draw(st.sampled_from(kind.strikes))
    lasts = draw(st.booleans())
    return Fault(
        place="POST /orders" if sort == catalogue.REQUEST else "Worker",
        point=draw(st.sampled_from(POINTS[sort])),
        number=draw(st.integers(1, 10_000)),
        kind=kind.name,
        variant=draw(st.sampled_from(["", *kind.variants])),
        message=draw(st.sampled_from(["", "m1", "m12"])),
        times=1 if lasts else draw(st.integers(1, 1000)),
        for_ms=draw(st.integers(1, 10**10)) if lasts else 0,
    )


@given(faults())
def test_a_text_says_all_of_a_fault(fault):
    assert parse_fault(str(fault)) == fault


@given(st.text(max_size=60))
def test_any_text_is_a_fault_or_a_fault_error(text):
    try:
        fault = parse_fault(text)
    except FaultError:
        return
    assert parse_fault(str(fault)) == fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            " Worker: dynamodb.PutItem #2 under message m1: refused(throttle) for 90 s ",
            Fault("Worker", "dynamodb.PutItem", 2, "refused", "throttle", "m1", for_ms=90_000),
        ),
        ("Worker: invocation #1: crash once", Fault("Worker", *CRASH)),
        ("Worker: invocation #1: crash 3 times", Fault("Worker", *CRASH, times=3)),
        (
            "POST /orders: request #1: throttled",
            Fault("POST /orders", "request", 1, "gateway-throttled"),
        ),
        (
            "Worker: http POST https://a.b/c #1: outage",
            Fault("Worker", "http POST https://a.b/c", 1, "refused", for_ms=300_000),
        ),
        (
            "Worker: http POST https://a.b/c #1: outage for 0.5 s",
            Fault("Worker", "http POST https://a.b/c", 1, "refused", for_ms=500),
        ),
    ],
)
def test_other_ways_to_write_it(text, fault):
    assert parse_plan([text]) == (fault,)


@pytest.mark.parametrize(
    ("text", "problem", "remedy"),
    [
        ("nonsense", "this is not a fault", "Worker: dynamodb.PutItem #1: response-lost"),
        (7, "this is not a fault", "Worker: dynamodb.PutItem #1: response-lost"),
        ("Worker: invocation #1: crashh", "no fault 'crashh' strikes at 'inv", "write 'crash'"),
        ("Queue: delivery #1: crash", "no fault 'crash' strikes at 'delivery'", "choose one"),
        ("Worker: sqs.SendMessage #1: duplicate", "no fault 'duplicate' strikes", "choose one"),
        (
            "Worker: dynamodb.PutItem #1: refused(throtle)",
            "'refused' has no variant 'throtle'",
            "write 'throttle'",
        ),
        ("Worker: invocation #1: crash(hard)", "no variant 'hard'", "write 'crash' alone"),
        ("Worker: invocaton #1: crash", "a point named 'invocaton'", "write 'invocation'"),
        ("Worker: PutItem #1: refused", "a point named 'PutItem'", "dynamodb.PutItem"),
        ("Worker: invocation #0: crash", "crossings are counted from 1", ""),
        ("Worker: invocation #1: crash 0 times", "crossings are counted from 1", ""),
        ("Worker: invocation #1: crash for 0 s", "a span of no time", ""),
    ],
)
def test_a_wrong_text_is_answered_with_what_to_write(text, problem, remedy):
    with pytest.raises(FaultError) as raised:
        parse_fault(text)

    assert problem in raised.value.problem
    assert str(text) in str(raised.value)
    assert raised.value.expected
    assert remedy in raised.value.remedy


def test_every_kind_strikes_somewhere_and_says_what_it_stands_for():
    for kind in catalogue.KINDS.values():
        assert kind.strikes
        assert kind.stands_for
        for sort in kind.strikes:
            check_fault(Fault("x", POINTS[sort][0], 1, kind.name))


def test_it_lasts_when_it_strikes_more_than_once():
    once = Fault("Worker", "invocation", 1, "crash")

    assert not once.lasts
    assert Fault("Worker", "invocation", 1, "crash", times=2).lasts
    assert Fault("Worker", "invocation", 1, "crash", for_ms=1).lasts
