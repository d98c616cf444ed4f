"""A transaction that is cancelled for another one, as the handler sees it.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
"""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from pytest_storagefirst.faults import catalogue

KEY = {"TableName": "keys", "Key": {"id": {"S": "x"}}}
PUT = {"TableName": "keys", "Item": {"id": {"S": "x"}}}


def write(client: Any) -> None:
    other = {"TableName": "keys", "Item": {"id": {"S": "y"}}}
    client.transact_write_items(TransactItems=[{"Put": PUT}, {"Put": other}])


def get(client: Any) -> None:
    client.transact_get_items(TransactItems=[{"Get": KEY}])


def execute(client: Any) -> None:
    client.execute_transaction(TransactStatements=[{"Statement": "SELECT * FROM keys"}])


CALLS = {
    "dynamodb.TransactWriteItems": (write, ["TransactionConflict", "None"]),
    "dynamodb.TransactGetItems": (get, ["TransactionConflict"]),
    "dynamodb.ExecuteTransaction": (execute, ["TransactionConflict"]),
}


def test_all_transactions_are_tried() -> None:
    assert set(CALLS) == set(catalogue.TRANSACTIONS)


@pytest.mark.parametrize("mode", ["legacy", "standard"])
@pytest.mark.parametrize("point", CALLS)
def test_it_is_cancelled_with_a_reason_for_each_item_and_not_tried_again(
    rig: Any, items: Any, point: str, mode: str
) -> None:
    act, codes = CALLS[point]
    errors: list[ClientError] = []

    def worker(event: Any, context: Any) -> None:
        client = boto3.client("dynamodb", config=Config(retries={"mode": mode}))
        with pytest.raises(client.exceptions.TransactionCanceledException) as raised:
            act(client)
        errors.append(raised.value)

    played = rig.with_handlers(Worker=worker).play(f"Worker: {point} #1: conflict")

    assert played.errors == ()
    [error] = errors
    assert [one["Code"] for one in error.response["CancellationReasons"]] == codes
    assert error.response["Error"]["Message"].endswith(f"[{', '.join(codes)}]")
    assert len([e for e in played.observation.history if e.kind == "called"]) == 1
    assert items(played) == []


def test_nothing_else_is_cancelled(rig: Any, items: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        boto3.client("dynamodb").put_item(**PUT)

    played = rig.with_handlers(Worker=worker).play("Worker: dynamodb.PutItem #1: conflict")

    assert played.observation.faults_fired == ()
    assert len(items(played)) == 1
