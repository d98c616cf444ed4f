"""A user's file: what mypy --strict accepts of the public API."""

from __future__ import annotations

from typing import Any

from hypothesis import given

from pytest_storagefirst import StorageFirst, StorageFirstError, __version__, schedules, stateful

TestOrders = stateful("template.yaml", max_faults=1)


def worker(event: dict[str, Any], context: object) -> dict[str, Any]:
    return {"handled": len(event["Records"]), "by": str(context)}


def test_by_hand(storagefirst: StorageFirst) -> None:
    with storagefirst("blueprint:api-queue-table", handlers={"Worker": worker}) as stack:
        reply = stack.send("POST /messages", {"id": "m-1"})
        stack.inject("Worker: dynamodb.PutItem #1: response-lost", "Worker: crash")
        stack.run()
        item = stack.table("Table").item(id="m-1")
        assert reply.status == 200
        assert item is None or item["id"] == "m-1"
        stack.verify("no-message-loss", "drains")


@given(schedule=schedules("template.yaml", max_faults=2))
def test_no_loss(storagefirst: StorageFirst, schedule: Any) -> None:
    storagefirst.verify(schedule, "no-message-loss")


def told(error: StorageFirstError) -> str:
    return f"{__version__}: {error.problem}; {error.remedy}"
