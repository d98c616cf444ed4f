"""Batch APIs that answer HTTP 200 and list what they did not take.

Each splits a request into what the service takes and an edit of its answer. Shapes are botocore's:
sqs (SendMessageBatch, DeleteMessageBatch, ChangeMessageVisibilityBatch), dynamodb (BatchWriteItem),
events (PutEvents), kinesis (PutRecords), firehose (PutRecordBatch), sns (PublishBatch), s3
(DeleteObjects).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode

Merge = Callable[[bytes], bytes]
Split = tuple[bytes | None, Merge]

_WHY = "fault of the plan"


def split(point: str, body: bytes) -> Split:
    """The request's body less its last entry, and what to do with the service's answer to it.

    None instead of a body when nothing is left: the answer to edit is then b"".
    """
    if point == "sns.PublishBatch":
        return _sns(body)
    if point == "s3.DeleteObjects":
        return _s3(body)
    request = json.loads(body)
    if point == "dynamodb.BatchWriteItem":
        kept, edit = _batch_write(request)
    elif point in _POSITIONAL:
        kept, edit = _positional(request, *_POSITIONAL[point])
    else:
        kept, edit = _sqs(request)

    def merge(answer: bytes) -> bytes:
        said = json.loads(answer or b"{}")
        edit(said)
        return json.dumps(said).encode()

    return (json.dumps(kept).encode() if kept else None), merge


_Edit = Callable[[dict[str, Any]], None]


def _sqs(request: Any) -> tuple[Any | None, _Edit]:
    *kept, left_out = request["Entries"]
    failed = {
        "Id": left_out["Id"],
        "SenderFault": False,
        "Code": "InternalError",
        "Message": _WHY,
    }

    def edit(answer: dict[str, Any]) -> None:
        answer.setdefault("Successful", [])
        answer["Failed"] = [*answer.get("Failed", []), failed]

    return ({**request, "Entries": kept} if kept else None), edit


def _batch_write(request: Any) -> tuple[Any | None, _Edit]:
    table = list(request["RequestItems"])[-1]
    *kept, left_out = request["RequestItems"][table]
    items = {name: writes for name, writes in request["RequestItems"].items() if name != table}
    if kept:
        items[table] = kept

    def edit(answer: dict[str, Any]) -> None:
        answer.setdefault("UnprocessedItems", {}).setdefault(table, []).append(left_out)

    return ({**request, "RequestItems": items} if items else None), edit


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
) -> tuple[Any | None, _Edit]:
    *kept, _ = request[asked]

    def edit(answer: dict[str, Any]) -> None:
        failed = {"ErrorCode": code, "ErrorMessage": _WHY}
        answer[answered] = [*answer.get(answered, []), failed]
        answer[count] = int(answer.get(count, 0)) + 1

    return ({**request, asked: kept} if kept else None), edit


_SNS_ENTRY = re.compile(r"PublishBatchRequestEntries\.member\.(\d+)\.(.+)")


def _sns(body: bytes) -> Split:
    fields = parse_qsl(body.decode(), keep_blank_values=True)
    numbers = {name: _SNS_ENTRY.match(name) for name, _ in fields}
    last = max(int(found[1]) for found in numbers.values() if found)
    kept, left_out = [], ""
    for name, value in fields:
        found = numbers[name]
        if found is None or int(found[1]) != last:
            kept.append((name, value))
        elif found[2] == "Id":
            left_out = value
    failed = (
        f"<member><Id>{left_out}</Id><Code>InternalError</Code><Message>{_WHY}</Message>"
        "<SenderFault>false</SenderFault></member>"
    )

    def merge(answer: bytes) -> bytes:
        if not answer:
            return (
                "<PublishBatchResponse><PublishBatchResult><Successful/>"
                f"<Failed>{failed}</Failed></PublishBatchResult></PublishBatchResponse>"
            ).encode()
        text = answer.decode().replace("<Failed/>", "<Failed></Failed>")
        return text.replace("</Failed>", f"{failed}</Failed>").encode()

    return (urlencode(kept).encode() if last > 1 else None), merge


_S3_OBJECT = re.compile(r"<Object>.*?</Object>", re.DOTALL)


def _s3(body: bytes) -> Split:
    text = body.decode()
    objects = _S3_OBJECT.findall(text)
    key = re.sub(r"</?Object>|<(ETag|Size|LastModifiedTime)>.*?</\1>", "", objects[-1])
    failed = f"<Error>{key}<Code>InternalError</Code><Message>{_WHY}</Message></Error>"
    before, _, after = text.rpartition(objects[-1])

    def merge(answer: bytes) -> bytes:
        said = answer.decode() or "<DeleteResult></DeleteResult>"
        said = re.sub(r"<DeleteResult([^>]*)/>", r"<DeleteResult\1></DeleteResult>", said)
        return said.replace("</DeleteResult>", f"{failed}</DeleteResult>").encode()

    return ((before + after).encode() if len(objects) > 1 else None), merge
