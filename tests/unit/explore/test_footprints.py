"""What a call is about, as its request tells, and which calls may change places."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_storagefirst.explore.footprints import EVERYTHING, Footprint, conflict, footprints

KEYS = {"orders": ("id",), "lines": ("id", "at")}


def of(service: str, operation: str, subject: Any = None) -> frozenset[Footprint]:
    return footprints([(service, operation, subject)], KEYS)


def call(operation: str, **said: Any) -> frozenset[Footprint]:
    return of("dynamodb", operation, {"body": json.dumps(said).encode()})


def key(identity: str) -> dict[str, Any]:
    return {"id": {"S": identity}}


GET_A = call("GetItem", TableName="orders", Key=key("a"))
PUT_A = call("PutItem", TableName="orders", Item={**key("a"), "amount": {"N": "1"}})
PUT_B = call("PutItem", TableName="orders", Item={**key("b"), "amount": {"N": "1"}})
UPDATE_A = call("UpdateItem", TableName="orders", Key=key("a"), UpdateExpression="ADD n :one")
SCAN = call("Scan", TableName="orders")
QUERY_LINES = call("Query", TableName="lines", KeyConditionExpression="id = :id")
PUT_LINE = call("PutItem", TableName="lines", Item={**key("a"), "at": {"N": "1.0"}, "x": {"S": ""}})
BOTH = call(
    "TransactWriteItems",
    TransactItems=[
        {"ConditionCheck": {"TableName": "orders", "Key": key("a")}},
        {"Put": {"TableName": "orders", "Item": key("b")}},
    ],
)
BATCH = call("BatchWriteItem", RequestItems={"orders": [{"PutRequest": {"Item": key("a")}}]})
BATCH_GET = call("BatchGetItem", RequestItems={"orders": {"Keys": [key("a"), key("b")]}})
STATEMENT = call("ExecuteStatement", Statement="UPDATE orders SET n=1 WHERE id='a'")
SEND = of("sqs", "SendMessage", {"body": b'{"QueueUrl": "https://x/1/jobs", "MessageBody": ""}'})
OTHER_SEND = of("sqs", "SendMessage", {"body": b'{"QueueUrl": "https://x/1/mail"}'})
LOOK = of("queue", "receive", ("jobs", []))
RECEIVE = of("queue", "receive", ("jobs", ["1"]))
DELETE_1 = of("queue", "delete", ("jobs", ["1"]))
DELETE_2 = of("queue", "delete", ("jobs", ["2"]))
HANDLER_DELETES = of("sqs", "DeleteMessage", {"body": b'{"QueueUrl": "https://x/1/jobs"}'})
OBJECT = of("s3", "PutObject", SimpleNamespace(url="https://b.s3.amazonaws.com/k/1?x=1"))
SAME_OBJECT = of("s3", "GetObject", {"url": "https://s3.us-east-1.amazonaws.com/b/k/1"})
OTHER_OBJECT = of("s3", "PutObject", SimpleNamespace(url="https://b.s3.amazonaws.com/k/2"))
LISTING = of("s3", "ListObjectsV2", SimpleNamespace(url="https://b.s3.amazonaws.com/?list-type=2"))
PUBLISH = of("sns", "Publish", {"body": {}})
PARAMETER = of("ssm", "GetParameter", {"body": b"{}"})
HTTP = of("http", "POST", "https://payments.example/charge")
TAKE = of("environments", "take", "Worker")
FREE = of("environments", "free", "Worker")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (GET_A, PUT_A),
        (PUT_A, PUT_A),
        (PUT_A, UPDATE_A),
        (SCAN, PUT_B),
        (QUERY_LINES, PUT_LINE),
        (BOTH, PUT_A),
        (BOTH, PUT_B),
        (BATCH, GET_A),
        (BATCH_GET, PUT_B),
        (STATEMENT, GET_A),
        (STATEMENT, PUT_LINE),
        (SEND, SEND),
        (SEND, LOOK),
        (SEND, RECEIVE),
        (RECEIVE, DELETE_1),
        (HANDLER_DELETES, DELETE_1),
        (OBJECT, SAME_OBJECT),
        (OBJECT, LISTING),
        (PUBLISH, SEND),
        (PUBLISH, PUT_A),
        (TAKE, FREE),
        (TAKE, TAKE),
        ({EVERYTHING}, GET_A),
        (call("PutItem", TableName="unknown", Item=key("a")), GET_A),
        (of("dynamodb", "PutItem", {"body": b"not JSON"}), GET_A),
    ],
)
def test_they_conflict(one: frozenset[Footprint], other: frozenset[Footprint]) -> None:
    assert conflict(one, other)
    assert conflict(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (GET_A, GET_A),
        (GET_A, SCAN),
        (PUT_A, PUT_B),
        (PUT_A, PUT_LINE),
        (BOTH, GET_A),
        (BATCH_GET, SCAN),
        (SEND, OTHER_SEND),
        (SEND, PUT_A),
        (SEND, DELETE_1),
        (LOOK, LOOK),
        (LOOK, DELETE_1),
        (DELETE_1, DELETE_2),
        (OBJECT, OTHER_OBJECT),
        (SAME_OBJECT, LISTING),
        (PARAMETER, PARAMETER),
        (HTTP, HTTP),
        (HTTP, PUT_A),
        (FREE, FREE),
        (of("logs", "PutLogEvents", {"body": b"{}"}), PUBLISH),
        (frozenset(), {EVERYTHING}),
    ],
)
def test_they_may_change_places(one: frozenset[Footprint], other: frozenset[Footprint]) -> None:
    assert not conflict(one, other)
    assert not conflict(other, one)


def test_a_number_is_the_same_key_however_it_is_written() -> None:
    again = call("DeleteItem", TableName="lines", Key={**key("a"), "at": {"N": "1"}})
    assert again == PUT_LINE
    assert again != call("DeleteItem", TableName="lines", Key={**key("a"), "at": {"N": "10"}})


def test_a_table_is_the_same_by_its_arn() -> None:
    arn = "arn:aws:dynamodb:us-east-1:123456789012:table/orders"
    assert call("GetItem", TableName=arn, Key=key("a")) == GET_A
