"""Batch APIs that answer HTTP 200 and list what they did not take.

Each splits a request into what the service takes and an edit of its answer. Shapes are botocore's:
sqs (SendMessageBatch, DeleteMessageBatch, ChangeMessageVisibilityBatch), dynamodb (BatchWriteItem),
events (PutEvents), kinesis (PutRecords), firehose (PutRecordBatch).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Merge = Callable[[bytes], bytes]


def split(point: str, request: Any) -> tuple[Any | None, Merge]:
    """The request less its last entry (None when nothing is left), and what to do with the answer."""
    if point == "dynamodb.BatchWriteItem":
        return _batch_write(request)
    if point in _POSITIONAL:
        return _positional(request, *_POSITIONAL[point])
    return _sqs(request)


def _edited(body: bytes, edit: Callable[[dict[str, Any]], None]) -> bytes:
    answer = json.loads(body or b"{}")
    edit(answer)
    return json.dumps(answer).encode()


def _sqs(request: Any) -> tuple[Any | None, Merge]:
    *kept, left_out = request["Entries"]
    failed = {
        "Id": left_out["Id"],
        "SenderFault": False,
        "Code": "InternalError",
        "Message": "fault of the plan",
    }

    def edit(answer: dict[str, Any]) -> None:
        answer.setdefault("Successful", [])
        answer["Failed"] = [*answer.get("Failed", []), failed]

    return ({**request, "Entries": kept} if kept else None), lambda body: _edited(body, edit)


def _batch_write(request: Any) -> tuple[Any | None, Merge]:
    table = list(request["RequestItems"])[-1]
    *kept, left_out = request["RequestItems"][table]
    items = {name: writes for name, writes in request["RequestItems"].items() if name != table}
    if kept:
        items[table] = kept

    def edit(answer: dict[str, Any]) -> None:
        answer.setdefault("UnprocessedItems", {}).setdefault(table, []).append(left_out)

    return ({**request, "RequestItems": items} if items else None), lambda body: _edited(body, edit)


# operation -> (list in the request, list in the answer, its count of failures, error code)
_POSITIONAL = {
    "events.PutEvents": ("Entries", "Entries", "FailedEntryCount", "InternalFailure"),
    "kinesis.PutRecords": (
        "Records",
        "Records",
        "FailedRecordCount",
        "ProvisionedThroughputExceededException",
    ),
    "firehose.PutRecordBatch": (
        "Records",
        "RequestResponses",
        "FailedPutCount",
        "ServiceUnavailableException",
    ),
}


def _positional(
    request: Any, asked: str, answered: str, count: str, code: str
) -> tuple[Any | None, Merge]:
    *kept, _ = request[asked]

    def edit(answer: dict[str, Any]) -> None:
        answer[answered] = [
            *answer.get(answered, []),
            {"ErrorCode": code, "ErrorMessage": "fault of the plan"},
        ]
        answer[count] = int(answer.get(count, 0)) + 1

    return ({**request, asked: kept} if kept else None), lambda body: _edited(body, edit)
