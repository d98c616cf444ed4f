"""A batch request less its last entry, and the answer that says so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_storagefirst.simulation.calls.partial import split


def said(point: str, request: Any, answer: Any) -> tuple[Any, Any]:
    kept, merge = split(point, json.dumps(request).encode())
    return (json.loads(kept) if kept is not None else None), json.loads(
        merge(json.dumps(answer).encode() if answer is not None else b"")
    )


def test_batch_write_over_several_tables_leaves_out_the_last_ones_last() -> None:
    request = {"RequestItems": {"a": [1, 2], "b": [3]}, "ReturnConsumedCapacity": "TOTAL"}
    kept, answer = said("dynamodb.BatchWriteItem", request, {"UnprocessedItems": {}})
    assert kept == {"RequestItems": {"a": [1, 2]}, "ReturnConsumedCapacity": "TOTAL"}
    assert answer == {"UnprocessedItems": {"b": [3]}}


def test_what_the_service_itself_refused_stays_refused() -> None:
    request = {"QueueUrl": "q", "Entries": [{"Id": "1"}, {"Id": "2"}]}
    _, answer = said("sqs.SendMessageBatch", request, {"Failed": [{"Id": "1"}]})
    assert [entry["Id"] for entry in answer["Failed"]] == ["1", "2"]
    _, answer = said("events.PutEvents", {"Entries": [1, 2]}, {"Entries": [{"ErrorCode": "x"}],
                                                             "FailedEntryCount": 1})  # fmt: skip
    assert answer["FailedEntryCount"] == 2


@pytest.mark.parametrize(
    ("point", "request_", "failures"),
    [
        ("sqs.DeleteMessageBatch", {"Entries": [{"Id": "1"}]}, "Failed"),
        ("dynamodb.BatchWriteItem", {"RequestItems": {"t": [1]}}, "UnprocessedItems"),
        ("kinesis.PutRecords", {"Records": [1]}, "Records"),
        ("firehose.PutRecordBatch", {"Records": [1]}, "RequestResponses"),
    ],
)
def test_a_batch_of_one_is_not_sent_at_all(point: str, request_: Any, failures: str) -> None:
    kept, answer = said(point, request_, None)
    assert kept is None
    assert len(answer[failures]) == 1


def test_sns_by_the_query_protocol() -> None:
    body = (
        b"Action=PublishBatch&PublishBatchRequestEntries.member.1.Id=a"
        b"&PublishBatchRequestEntries.member.1.Message=%C3%A9%26"
        b"&PublishBatchRequestEntries.member.2.Id=b&PublishBatchRequestEntries.member.2.Message=x"
    )
    kept, merge = split("sns.PublishBatch", body)
    assert kept == body.partition(b"&PublishBatchRequestEntries.member.2")[0]
    merged = merge(b"<R><Successful/><Failed/></R>").decode()
    assert "<Failed><member><Id>b</Id>" in merged
    merged = merge(b"<R><Failed><member>1</member></Failed></R>").decode()
    assert merged.count("<member>") == 2


def test_s3_by_xml() -> None:
    body = (
        b"<Delete><Object><Key>a</Key></Object><Object><Key>b</Key><VersionId>1</VersionId>"
        b"<ETag>x</ETag></Object><Quiet>true</Quiet></Delete>"
    )
    kept, merge = split("s3.DeleteObjects", body)
    assert kept == b"<Delete><Object><Key>a</Key></Object><Quiet>true</Quiet></Delete>"
    for answer in (b'<DeleteResult xmlns="x"/>', b'<DeleteResult xmlns="x"></DeleteResult>', b""):
        merged = merge(answer).decode()
        assert "<Error><Key>b</Key><VersionId>1</VersionId><Code>InternalError</Code>" in merged
        assert merged.endswith("</DeleteResult>")
