"""Calls are known by botocore's own models."""

from __future__ import annotations

import pytest

from pytest_storagefirst.errors import FaultError
from pytest_storagefirst.faults.operations import check_operation
from pytest_storagefirst.faults.plan import parse_fault


@pytest.mark.parametrize(
    "text",
    [
        "Worker: dynamodb.PutItem #1: slow",
        "Worker: stepfunctions.StartExecution #1: slow",
        "Worker: events.PutEvents #1: partial",
        "Worker: http POST https://payments.example #1: slow",
        "Worker: invocation #1: crash",
        "OrdersQueue: delivery #1: duplicate",
    ],
)
def test_what_there_is(text):
    check_operation(parse_fault(text))


@pytest.mark.parametrize(
    ("point", "problem", "remedy"),
    [
        ("dynamodb.PutItems", "dynamodb has no operation 'PutItems'", "write 'PutItem'"),
        ("dynamodb.Putitem", "dynamodb has no operation 'Putitem'", "write 'PutItem'"),
        ("dynamo.PutItem", "AWS has no service 'dynamo'", "write 'dynamodb'"),
        ("zzzz.PutItem", "AWS has no service 'zzzz'", ""),
    ],
)
def test_what_there_is_not(point, problem, remedy):
    with pytest.raises(FaultError) as raised:
        check_operation(parse_fault(f"Worker: {point} #1: slow"))

    error = raised.value
    assert error.problem == problem
    assert error.found == f"Worker: {point} #1: slow"
    assert "dynamodb.PutItem" in error.expected
    assert error.remedy == remedy
