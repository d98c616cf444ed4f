"""A fault strikes at a place that the stack has, and of the right sort."""

from __future__ import annotations

import pytest

from pytest_storagefirst.errors import FaultError
from pytest_storagefirst.faults.places import check_place
from pytest_storagefirst.faults.plan import parse_fault

PLACES = {"Worker": "function", "OrdersQueue": "queue", "POST /orders": "entry"}


@pytest.mark.parametrize(
    "text",
    [
        "Worker: dynamodb.PutItem #1: response-lost",
        "Worker: http POST https://a.b/c #1: http-500",
        "Worker: invocation #1: crash",
        "OrdersQueue: delivery #1: duplicate",
        "POST /orders: request #1: sender-resends",
    ],
)
def test_these_are_there(text):
    check_place(parse_fault(text), PLACES)


@pytest.mark.parametrize(
    ("text", "problem", "remedy"),
    [
        ("Wroker: invocation #1: crash", "no function 'Wroker'", "write 'Worker'"),
        ("Worker: delivery #1: duplicate", "no queue 'Worker'", ""),
        ("OrdersQueue: dynamodb.PutItem #1: refused", "no function 'OrdersQueue'", ""),
        ("POST /order: request #1: sender-resends", "no entry 'POST /order'", "'POST /orders'"),
    ],
)
def test_others_are_not(text, problem, remedy):
    with pytest.raises(FaultError) as raised:
        check_place(parse_fault(text), PLACES)

    assert problem in raised.value.problem
    assert raised.value.found == text
    assert raised.value.expected
    assert remedy in raised.value.remedy


def test_a_stack_may_have_no_place_of_the_sort():
    with pytest.raises(FaultError, match="expected: a stack with a queue"):
        check_place(parse_fault("Q: delivery #1: duplicate"), {})
