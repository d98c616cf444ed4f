"""AWS's rules 21 to 25 for Lambda's event source mappings on streams, played end to end.

Pages are of the Lambda developer guide unless named.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.errors import TemplateError
from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.faults.plan import parse_plan
from pytest_storagefirst.ledger.effects import Held
from pytest_storagefirst.settings import Entry, Settings
from pytest_storagefirst.simulation.deployed import Deployed
from pytest_storagefirst.simulation.environment import Code
from pytest_storagefirst.simulation.playing import Played, play
from pytest_storagefirst.simulation.schedule import Schedule, Send

HOUR_MS = 3_600_000
ROUTE = "POST /records"
PARTIAL = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}
TO_QUEUE = {"DestinationConfig": {"OnFailure": {"Destination": {"Fn::GetAtt": ["Aside", "Arn"]}}}}
TO_TOPIC = {"DestinationConfig": {"OnFailure": {"Destination": {"Ref": "Topic"}}}}
TO_BUCKET = {"DestinationConfig": {"OnFailure": {"Destination": {"Fn::GetAtt": ["Kept", "Arn"]}}}}
StandUp = Callable[..., Deployed]


def template(**mapping: Any) -> dict[str, Any]:
    """An HTTP API that puts what it gets into a data stream, and a function that reads it."""
    integration = {
        "type": "aws_proxy",
        "integrationSubtype": "Kinesis-PutRecord",
        "credentials": "arn:aws:iam::123456789012:role/api",
        "payloadFormatVersion": "1.0",
        "requestParameters": {
            "StreamName": {"Ref": "Stream"},
            "Data": "$request.body",
            "PartitionKey": "$request.body.key",
        },
    }
    paths = {"/records": {"post": {"x-amazon-apigateway-integration": integration}}}
    return {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {
            "Api": {
                "Type": "AWS::Serverless::HttpApi",
                "Properties": {
                    "DefinitionBody": {
                        "openapi": "3.0.1",
                        "info": {"title": "records", "version": "1"},
                        "paths": paths,
                    }
                },
            },
            "Stream": {"Type": "AWS::Kinesis::Stream", "Properties": {"ShardCount": 2}},
            "Aside": {"Type": "AWS::SQS::Queue"},
            "Topic": {"Type": "AWS::SNS::Topic"},
            "Kept": {"Type": "AWS::S3::Bucket"},
            "Worker": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Handler": "app.handler",
                    "Runtime": "python3.13",
                    "Role": "arn:aws:iam::123456789012:role/worker",
                    "Timeout": 10,
                    "Code": {"ZipFile": "def handler(event, context): pass"},
                },
            },
            "Mapping": {
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {
                    "EventSourceArn": {"Fn::GetAtt": ["Stream", "Arn"]},
                    "FunctionName": {"Ref": "Worker"},
                    "StartingPosition": "TRIM_HORIZON",
                    **mapping,
                },
            },
        },
    }


@pytest.fixture
def stand_up(tmp_path: Path) -> StandUp:
    def make(**mapping: Any) -> Deployed:
        path = tmp_path / "template.json"
        path.write_text(json.dumps(template(**mapping)))
        return prepare(path, Settings(entries=(Entry("route", ROUTE),))).deployed

    return make


@dataclass
class Reader:
    """A handler that notes each batch, and does what it is told with it."""

    respond: Callable[[list[str], int], Any] = lambda tags, call: None
    events: list[Any] = field(default_factory=list)

    def __call__(self, event: Any, context: Any) -> Any:
        self.events.append(event)
        return self.respond(tags_of(event), len(self.events))

    @property
    def batches(self) -> list[list[str]]:
        return [tags_of(event) for event in self.events]


def tags_of(event: Any) -> list[str]:
    datas = [base64.b64decode(record["kinesis"]["data"]) for record in event["Records"]]
    return [json.loads(data)["tag"] for data in datas]


def run(
    deployed: Deployed, reader: Reader, *tags: str, plan: tuple[str, ...] = (), **more: Any
) -> Played:
    """One message for each "tag" or "tag/key"; the key of those without is k."""
    sends = []
    for number, text in enumerate(tags, 1):
        tag, _, key = text.partition("/")
        body = {"id": "{unique}", "tag": tag, "key": key or "k"}
        sends.append(Send(f"m{number}", ROUTE, body))
    to_expiry = more.pop("to_expiry", False)
    code = {**deployed.code, "Worker": Code("Worker", "app.handler", override=reader)}
    schedule = Schedule(tuple(sends), parse_plan(plan), **more)
    return play(replace(deployed, code=code), schedule, to_expiry=to_expiry)


def poison(tags: list[str], call: int) -> None:
    if "bad" in tags:
        raise ValueError("bad")


def kinds_of(played: Played, message: str, *kinds: str) -> list[str]:
    return [event.kind for _, event in played.observation.told.of(message, *kinds)]


def held(played: Played) -> dict[str, Held]:
    return {one.message: one for one in played.observation.held}


# Rule 21


def test_21_a_failing_batch_blocks_its_shard_and_no_other(stand_up: StandUp) -> None:
    """with-kinesis: "If the function returns an error, … Lambda retries … no new records are read
    from the shard"."""
    reader = Reader(lambda tags, call: 1 / 0 if "bad" in tags and call < 6 else None)
    deployed = stand_up(BatchSize=1)
    run(deployed, reader, "bad/a", "behind/a", "beside/b")
    order = [tag for [tag] in reader.batches]
    assert order.index("beside") < order.index("behind")
    assert order.index("behind") == len(order) - 1


def test_21_records_of_one_key_stay_in_order_in_one_slot(stand_up: StandUp) -> None:
    """with-kinesis: with a ParallelizationFactor "Lambda still ensures in-order processing at the
    partition-key level"."""
    deployed = stand_up(BatchSize=1, ParallelizationFactor=10)
    reader = Reader(lambda tags, call: 1 / 0 if "a1" in tags and call < 5 else None)
    played = run(deployed, reader, "a1/a", "a2/a", "b1/b", "b2/b", concurrency=4)
    order = [tag for [tag] in reader.batches]
    assert len(order) == len(set(order)) + order.count("a1") - 1
    assert order.index("b2") < order.index("a2")
    assert played.keys["Stream", "a"] == ("m1", "m2")


# Rule 22


def test_22_without_a_cap_a_record_is_tried_until_it_expires(stand_up: StandUp) -> None:
    """kinesis-on-failure-destination: "With the default settings, … a bad record can block
    processing on the affected shard"; services-kinesis-parameters: -1 is infinite."""
    played = run(stand_up(), Reader(poison), "bad", "good", to_expiry=True)
    assert kinds_of(played, "m1", "expired", "skipped") == ["expired"]
    assert kinds_of(played, "m2", "expired", "skipped") == ["expired"]
    [event] = [e for e in played.observation.history if e.kind == "expired"]
    assert event.at_ms >= 24 * HOUR_MS


def test_22_what_is_still_tried_is_held_and_not_lost(stand_up: StandUp) -> None:
    played = run(stand_up(), Reader(poison), "bad")
    assert not played.observation.quiet
    assert held(played)["m1"] == Held("m1", "Stream", "visible", 24 * HOUR_MS)


@pytest.mark.parametrize("retries", [0, 2])
def test_22_a_capped_batch_is_skipped_and_dropped(stand_up: StandUp, retries: int) -> None:
    reader = Reader(poison)
    played = run(stand_up(MaximumRetryAttempts=retries), reader, "bad")
    assert len(reader.batches) == 1 + retries
    assert kinds_of(played, "m1", "skipped", "dead-lettered") == ["skipped"]
    assert played.observation.held == ()


def test_22_an_old_record_is_skipped(stand_up: StandUp) -> None:
    reader = Reader(poison)
    played = run(stand_up(MaximumRecordAgeInSeconds=60), reader, "bad")
    [event] = [e for e in played.observation.history if e.kind == "skipped"]
    assert event.at_ms >= 60_000
    assert event.detail.startswith("RecordAgeExceeded")


def test_22_a_throttle_uses_up_no_retry(stand_up: StandUp) -> None:
    """kinesis-on-failure-destination: before invocation "it retries until the records expire or
    exceed the maximum age"."""
    reader = Reader()
    plan = ("Worker: invocation #1: throttled 5 times",)
    played = run(stand_up(MaximumRetryAttempts=0), reader, "good", plan=plan)
    assert len(reader.batches) == 1
    assert kinds_of(played, "m1", "passed", "skipped") == ["passed"]


# Rule 23


def test_23_a_queue_gets_metadata_for_as_long_as_the_record_lives(stand_up: StandUp) -> None:
    """kinesis-on-failure-destination, "Example invocation record: SQS and SNS"."""
    played = run(stand_up(MaximumRetryAttempts=1, **TO_QUEUE), Reader(poison), "bad")
    record = json.loads(held(played)["m1"].text)
    assert not played.observation.effects
    assert "payload" not in record
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["responseContext"]["functionError"] == "Unhandled"
    batch = record["KinesisBatchInfo"]
    assert batch["batchSize"] == 1
    assert batch["startSequenceNumber"] == batch["endSequenceNumber"]
    assert batch["approximateArrivalOfFirstRecord"] == "2026-01-01T00:00:00.000Z"
    assert held(played)["m1"] == Held("m1", "Aside", "set aside", 24 * HOUR_MS)
    assert kinds_of(played, "m1", "dead-lettered") == ["dead-lettered"]


def test_23_a_topic_gets_metadata(stand_up: StandUp) -> None:
    played = run(stand_up(MaximumRetryAttempts=0, **TO_TOPIC), Reader(poison), "bad")
    assert held(played)["m1"] == Held("m1", "Topic", "dead-lettered", 24 * HOUR_MS)


def test_23_a_bucket_gets_the_payload_and_keeps_it(stand_up: StandUp) -> None:
    """kinesis-on-failure-destination: for S3 "the entire invocation record along with the
    metadata", under aws/lambda/<ESM-UUID>/<shardID>/YYYY/MM/DD/…"""
    played = run(stand_up(MaximumRetryAttempts=0, **TO_BUCKET), Reader(poison), "bad")
    [effect] = played.observation.effects
    assert effect.key.startswith("aws/lambda/")
    assert "/2026/01/01/2026-01-01T00.00.01-" in effect.key
    assert tags_of(json.loads(effect.value["payload"])) == ["bad"]
    assert held(played)["m1"].where == "Kept"
    assert held(played)["m1"].until_ms > 365 * 24 * HOUR_MS


# Rule 24


def test_24_a_batch_is_split_and_that_uses_up_no_retry(stand_up: StandUp) -> None:
    """kinesis-on-failure-destination: "Splitting batches doesn't consume the retry quota"."""
    reader = Reader(poison)
    deployed = stand_up(BisectBatchOnFunctionError=True, MaximumRetryAttempts=1, **TO_QUEUE)
    played = run(deployed, reader, "one", "two", "bad", "four")
    assert reader.batches == [
        ["one", "two", "bad", "four"],
        ["one", "two"],
        ["bad", "four"],
        ["bad"],
        ["bad"],
        ["four"],
    ]
    assert set(held(played)) == {"m3"}


def test_24_the_lowest_number_is_the_checkpoint(stand_up: StandUp) -> None:
    """services-kinesis-batchfailurereporting: "Lambda uses the record with the lowest sequence
    number as the checkpoint. Lambda then retries all records starting from that checkpoint"."""
    reader = Reader()

    def report(tags: list[str], call: int) -> Any:
        records = reader.events[-1]["Records"]
        failed = [records[3], records[1]] if call == 1 else []
        numbers = [record["kinesis"]["sequenceNumber"] for record in failed]
        return {"batchItemFailures": [{"itemIdentifier": number} for number in numbers]}

    reader.respond = report
    played = run(stand_up(**PARTIAL), reader, "one", "two", "three", "four")
    assert reader.batches == [["one", "two", "three", "four"], ["two", "three", "four"]]
    failed = [one for one in played.observation.history if one.kind == "failed"]
    assert [(one.messages, one.detail) for one in failed] == [
        (("m2", "m4"), "reported by the handler"),
        (("m3",), "behind a reported one"),
    ]


def test_24_a_report_splits_the_batch_where_it_says(stand_up: StandUp) -> None:
    """services-kinesis-batchfailurereporting: with both turned on "the batch is bisected at the
    returned sequence number, and Lambda retries only the remaining records"."""
    reader = Reader()

    def report(tags: list[str], call: int) -> Any:
        numbers = [record["kinesis"]["sequenceNumber"] for record in reader.events[-1]["Records"]]
        return {"batchItemFailures": [{"itemIdentifier": numbers[1]}] if call == 1 else []}

    reader.respond = report
    deployed = stand_up(BisectBatchOnFunctionError=True, MaximumRetryAttempts=0, **PARTIAL)
    run(deployed, reader, "one", "two", "three", "four")
    assert reader.batches == [["one", "two", "three", "four"], ["two", "three", "four"]]


@pytest.mark.parametrize(
    ("response", "batches"),
    [
        ({"batchItemFailures": []}, 1),
        ({"batchItemFailures": None}, 1),
        ({}, 1),
        (None, 1),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, 2),
        ({"batchItemFailures": [{"itemIdentifier": None}]}, 2),
        ({"batchItemFailures": [{"identifier": "1"}]}, 2),
    ],
)
def test_24_complete_success_and_complete_failure(
    stand_up: StandUp, response: Any, batches: int
) -> None:
    """services-kinesis-batchfailurereporting, "success and failure conditions"."""
    reader = Reader(lambda tags, call: response if call == 1 else None)
    run(stand_up(**PARTIAL), reader, "one", "two")
    assert reader.batches == [["one", "two"]] * batches


def test_24_without_the_flag_a_report_means_nothing(stand_up: StandUp) -> None:
    reader = Reader()
    reader.respond = lambda tags, call: {"batchItemFailures": [{"itemIdentifier": ""}]}
    run(stand_up(), reader, "one")
    assert len(reader.batches) == 1


# Rule 25


@pytest.mark.parametrize("position", ["LATEST", "TRIM_HORIZON"])
def test_25_the_mapping_stands_before_the_first_message(stand_up: StandUp, position: str) -> None:
    """with-kinesis: LATEST may miss what is written "during event source mapping creation". A stack
    is tried as it stands, when that is over."""
    reader = Reader()
    run(stand_up(StartingPosition=position), reader, "one")
    assert reader.batches == [["one"]]


# What AWS refuses (Lambda API reference, CreateEventSourceMapping; services-kinesis-parameters)


@pytest.mark.parametrize(
    ("mapping", "named"),
    [
        ({"BatchSize": 10_001}, "BatchSize"),
        ({"ParallelizationFactor": 11}, "ParallelizationFactor"),
        ({"MaximumRetryAttempts": 10_001}, "MaximumRetryAttempts"),
        ({"MaximumRecordAgeInSeconds": 59}, "MaximumRecordAgeInSeconds"),
        ({"MaximumRecordAgeInSeconds": 604_801}, "MaximumRecordAgeInSeconds"),
        ({"MaximumBatchingWindowInSeconds": 301}, "MaximumBatchingWindowInSeconds"),
        ({"StartingPosition": "NOW"}, "StartingPosition"),
        ({"StartingPosition": "AT_TIMESTAMP"}, "StartingPositionTimestamp"),
        ({"TumblingWindowInSeconds": 30}, "TumblingWindowInSeconds"),
    ],
)
def test_a_mapping_that_aws_refuses(stand_up: StandUp, mapping: Any, named: str) -> None:
    with pytest.raises(TemplateError, match=named) as caught:
        stand_up(**mapping)
    assert "Mapping" in str(caught.value)


def test_what_a_mapping_says_is_found_again(stand_up: StandUp) -> None:
    deployed = stand_up(
        BatchSize=7,
        BisectBatchOnFunctionError=True,
        MaximumBatchingWindowInSeconds=3,
        MaximumRecordAgeInSeconds=90,
        MaximumRetryAttempts=0,
        ParallelizationFactor=2,
        **TO_QUEUE,
    )
    [mapping] = deployed.topology.mappings
    [stream] = deployed.topology.streams
    assert (stream.logical_id, stream.shards, stream.retention_hours) == ("Stream", 2, 24)
    assert mapping.source_arn == stream.arn
    assert mapping.batch_size == 7
    assert mapping.batching_window_seconds == 3
    assert mapping.bisects_on_error
    assert mapping.maximum_record_age_seconds == 90
    assert mapping.maximum_retry_attempts == 0
    assert mapping.parallelization_factor == 2
    assert mapping.on_failure_arn == deployed.topology.queues[0].arn
    [plain] = stand_up(MaximumRetryAttempts=-1, MaximumRecordAgeInSeconds=-1).topology.mappings
    assert plain.maximum_retry_attempts is None
    assert plain.maximum_record_age_seconds is None
    assert plain.batch_size == 100


def test_the_event_is_the_one_that_lambda_delivers(stand_up: StandUp) -> None:
    """with-kinesis, "Example Kinesis Data Streams event"."""
    reader = Reader()
    run(stand_up(), reader, "one/a")
    [[record]] = [event["Records"] for event in reader.events]
    kinesis = record.pop("kinesis")
    number = kinesis["sequenceNumber"]
    assert kinesis.keys() == {
        "kinesisSchemaVersion",
        "partitionKey",
        "sequenceNumber",
        "data",
        "approximateArrivalTimestamp",
    }
    assert len(number) == 56
    shard, _, rest = record["eventID"].partition(":")
    assert shard.startswith("shardId-00000000000")
    assert rest == number
    assert record["eventSource"] == "aws:kinesis"
    assert record["eventName"] == "aws:kinesis:record"
    assert record["invokeIdentityArn"] == "arn:aws:iam::123456789012:role/worker"
    assert record["eventSourceARN"].startswith("arn:aws:kinesis:us-east-1:123456789012:stream/")
