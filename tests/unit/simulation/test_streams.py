"""Streams of Kinesis and of tables: what is read, when, whose it is, and what is left.

What AWS's documentation says of it outright is in tests/conformance/test_streams.py.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import boto3
import pytest

from pytest_storagefirst.errors import TemplateError
from pytest_storagefirst.explore.judge import Judge
from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.explore.sweep import faults_once, outage_ms
from pytest_storagefirst.faults.plan import parse_plan
from pytest_storagefirst.ledger.events import OF_RECORD, to_bytes
from pytest_storagefirst.settings import Entry, Settings
from pytest_storagefirst.simulation.deployed import Deployed
from pytest_storagefirst.simulation.environment import Code
from pytest_storagefirst.simulation.playing import Played, play
from pytest_storagefirst.simulation.schedule import Schedule, Send

TEMPLATE = """
Resources:
  In: {Type: AWS::SQS::Queue}
  Stream: {Type: AWS::Kinesis::Stream, Properties: {Name: stream, ShardCount: 1}}
  Unread: {Type: AWS::Kinesis::Stream, Properties: {Name: unread, ShardCount: 1}}
  Orders:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: orders
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      StreamSpecification: {StreamViewType: NEW_AND_OLD_IMAGES}
  Fed:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: fed
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      KinesisStreamSpecification: {StreamArn: !GetAtt Stream.Arn}
  Done:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: done
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
  Writer:
    Type: AWS::Lambda::Function
    Properties: &function
      Runtime: python3.12
      Handler: app.handler
      Role: arn:aws:iam::123456789012:role/worker
      Timeout: 30
      Code: {ZipFile: "def handler(event, context): pass"}
  Reader: {Type: AWS::Lambda::Function, Properties: *function}
  InMapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {FunctionName: !Ref Writer, EventSourceArn: !GetAtt In.Arn}
  StreamMapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      FunctionName: !Ref Reader
      EventSourceArn: !GetAtt Stream.Arn
      StartingPosition: LATEST
  OrdersMapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      FunctionName: !Ref Reader
      EventSourceArn: !GetAtt Orders.StreamArn
      StartingPosition: LATEST
"""

Write = Callable[[dict[str, Any]], Any]


@dataclass
class Rig:
    """The stack; its Writer does `write` with each body, its Reader notes what it gets."""

    deployed: Deployed
    write: Write = lambda body: None
    read: Callable[[Any], Any] = lambda event: None
    events: list[Any] = field(default_factory=list)

    def with_mapping(self, **attributes: Any) -> Rig:
        """Both mappings of streams, so changed."""
        mappings = tuple(
            replace(one, **attributes) if one.logical_id != "InMapping" else one
            for one in self.deployed.topology.mappings
        )
        topology = replace(self.deployed.topology, mappings=mappings)
        return replace(self, deployed=replace(self.deployed, topology=topology, lookups={}))

    def play(self, write: Write, *plan: str, messages: int = 1, **more: Any) -> Played:
        def writer(event: Any, context: Any) -> None:
            for record in event["Records"]:
                write(json.loads(record["body"]))

        def reader(event: Any, context: Any) -> Any:
            self.events.append(event)
            return self.read(event)

        code = {
            **self.deployed.code,
            "Writer": Code("Writer", "app.handler", override=writer),
            "Reader": Code("Reader", "app.handler", override=reader),
        }
        sends = tuple(Send(f"m{n}", "In", {"id": "{unique}"}) for n in range(1, messages + 1))
        to_expiry = more.pop("to_expiry", False)
        schedule = Schedule(sends, parse_plan(plan), **more)
        return play(replace(self.deployed, code=code), schedule, to_expiry=to_expiry)

    @property
    def records(self) -> list[Any]:
        return [record for event in self.events for record in event["Records"]]


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    path = tmp_path_factory.mktemp("streams") / "template.yaml"
    path.write_text(TEMPLATE)
    return prepare(path, Settings(entries=(Entry("queue", "In"),))).deployed


@pytest.fixture
def rig(deployed: Deployed) -> Rig:
    return Rig(deployed)


def put(body: dict[str, Any]) -> None:
    data = json.dumps(body).encode()
    boto3.client("kinesis").put_record(StreamName="stream", Data=data, PartitionKey="k")


def put_item(body: dict[str, Any]) -> None:
    boto3.client("dynamodb").put_item(TableName="orders", Item={"id": {"S": body["id"]}})


def done(event: Any) -> None:
    for record in event["Records"]:
        text = json.dumps(record.get("dynamodb")) if "dynamodb" in record else ""
        data = base64.b64decode(record["kinesis"]["data"]).decode() if "kinesis" in record else text
        boto3.client("dynamodb").put_item(
            TableName="done", Item={"id": {"S": record["eventID"]}, "data": {"S": data}}
        )


def kinds(played: Played, *wanted: str) -> list[tuple[str, tuple[str, ...], str]]:
    return [
        (event.kind, event.messages, event.where)
        for event in played.observation.history
        if event.kind in wanted
    ]


# What is told of a record


def test_a_record_is_its_messages_own(rig: Rig) -> None:
    rig.read = done
    played = rig.play(put, messages=2)
    stored = [one for one in kinds(played, "stored") if one[2] == "Stream"]
    assert stored == [("stored", ("m1",), "Stream"), ("stored", ("m2",), "Stream")]
    assert kinds(played, "passed") == [("passed", ("m1", "m2"), "Stream")]
    first, second = (record["kinesis"]["sequenceNumber"] for record in rig.records)
    assert first < second
    assert played.observation.names[first] == "<m1.sequenceNumber>"
    assert played.observation.names[rig.records[1]["eventID"]] == "<m2.eventID>"
    assert not [effect for effect in played.observation.effects if effect.kind == "emission"]


def test_the_answer_to_a_put_names_the_record(rig: Rig) -> None:
    answers = []

    def several(body: dict[str, Any]) -> None:
        entry = {"Data": json.dumps(body).encode(), "PartitionKey": "k"}
        arn = "arn:aws:kinesis:us-east-1:123456789012:stream/stream"
        answers.append(boto3.client("kinesis").put_records(StreamARN=arn, Records=[entry] * 2))

    rig.play(several)
    told = [record["SequenceNumber"] for record in answers[0]["Records"]]
    assert told == [record["kinesis"]["sequenceNumber"] for record in rig.records]


def test_a_run_leaves_nothing_in_the_streams_for_the_next(rig: Rig) -> None:
    def write(body: dict[str, Any]) -> None:
        put(body)
        put_item(body)

    first = rig.play(write, messages=2)
    again = rig.play(write, messages=2)
    assert to_bytes(first.observation.history) == to_bytes(again.observation.history)
    half = len(rig.events) // 2
    assert rig.events[:half] == rig.events[half:]


def test_a_handler_can_read_the_stream_itself(rig: Rig) -> None:
    found = []

    def read(event: Any) -> None:
        kinesis = boto3.client("kinesis")
        number = event["Records"][0]["kinesis"]["sequenceNumber"]
        iterator = kinesis.get_shard_iterator(
            StreamName="stream",
            ShardId=event["Records"][0]["eventID"].partition(":")[0],
            ShardIteratorType="AT_SEQUENCE_NUMBER",
            StartingSequenceNumber=number,
        )["ShardIterator"]
        found.extend(kinesis.get_records(ShardIterator=iterator)["Records"])

    rig.read = read
    rig.play(put)
    assert [one["SequenceNumber"] for one in found] == [rig.records[0]["kinesis"]["sequenceNumber"]]


# Tables


def test_each_change_of_an_item_is_one_record(rig: Rig) -> None:
    def write(body: dict[str, Any]) -> None:
        table, key = boto3.resource("dynamodb").Table("orders"), {"id": body["id"]}
        table.update_item(  # moto writes two records for this one
            Key=key, UpdateExpression="SET #s = :s", **named("new")
        )
        table.update_item(Key=key, UpdateExpression="SET #s = :s", **named("paid"))
        table.update_item(Key=key, UpdateExpression="SET #s = :s", **named("paid"))  # no change
        table.delete_item(Key=key)

    def named(status: str) -> dict[str, Any]:
        return {
            "ExpressionAttributeNames": {"#s": "status"},
            "ExpressionAttributeValues": {":s": status},
        }

    rig.play(write)
    assert [record["eventName"] for record in rig.records] == ["INSERT", "MODIFY", "REMOVE"]
    insert, modify, remove = (record["dynamodb"] for record in rig.records)
    assert insert["NewImage"]["status"] == {"S": "new"}
    assert "OldImage" not in insert
    assert (modify["OldImage"]["status"], modify["NewImage"]["status"]) == (
        {"S": "new"},
        {"S": "paid"},
    )
    assert "NewImage" not in remove
    record = rig.records[0]
    assert record["eventSource"] == "aws:dynamodb"
    assert record["eventSourceARN"].startswith("arn:aws:dynamodb:us-east-1:123456789012:table/")
    assert record["dynamodb"]["Keys"].keys() == {"id"}
    assert record["dynamodb"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    assert isinstance(record["dynamodb"]["ApproximateCreationDateTime"], int)


def test_a_transaction_that_fails_leaves_no_record(rig: Rig) -> None:
    def write(body: dict[str, Any]) -> None:
        client = boto3.client("dynamodb")
        items = [{"id": {"S": body["id"]}}, {"id": {"S": "there"}}]
        client.put_item(TableName="orders", Item=items[1])
        puts = [{"Put": {"TableName": "orders", "Item": item}} for item in items]
        puts[1]["Put"]["ConditionExpression"] = "attribute_not_exists(id)"  # type: ignore[assignment]
        with pytest.raises(client.exceptions.TransactionCanceledException):
            client.transact_write_items(TransactItems=puts)
        client.transact_write_items(TransactItems=puts[:1])

    rig.play(write)
    assert [record["dynamodb"]["Keys"]["id"]["S"][:2] for record in rig.records] == ["th", "m1"]


def test_an_old_image_does_not_make_it_anothers(rig: Rig) -> None:
    def write(body: dict[str, Any]) -> None:
        item = {"id": {"S": "one"}, "last": {"S": body["id"]}}
        boto3.client("dynamodb").put_item(TableName="orders", Item=item)

    played = rig.play(write, messages=2)
    stored = [one[1] for one in kinds(played, "stored") if one[2] == "Orders"]
    assert stored == [("m1",), ("m2",)]
    assert played.keys["Orders", '{"id": {"S": "one"}}'] == ("m1", "m2")


def test_a_table_puts_its_changes_into_a_data_stream(rig: Rig) -> None:
    """DynamoDB developer guide, "Using Kinesis Data Streams to capture changes to DynamoDB"."""
    [fed] = [table for table in rig.deployed.topology.tables if table.logical_id == "Fed"]
    assert fed.stream_arn is None
    assert fed.kinesis_stream_arn == "arn:aws:kinesis:us-east-1:123456789012:stream/stream"

    def write(body: dict[str, Any]) -> None:
        table = boto3.resource("dynamodb").Table("fed")
        table.put_item(Item={"id": body["id"]})
        table.delete_item(Key={"id": body["id"]})

    played = rig.play(write)
    told = [json.loads(base64.b64decode(record["kinesis"]["data"])) for record in rig.records]
    assert [(one["eventName"], one["tableName"]) for one in told] == [
        ("INSERT", "fed"),
        ("REMOVE", "fed"),
    ]
    assert told[0]["dynamodb"]["NewImage"] == told[1]["dynamodb"]["OldImage"]
    assert kinds(played, "passed") == [("passed", ("m1",), "Stream")]


# Reading


def test_a_window_waits_for_more(rig: Rig) -> None:
    rig = rig.with_mapping(batching_window_seconds=20)
    rig.play(put, messages=3, batch_limit=0)
    assert [len(event["Records"]) for event in rig.events] == [3]
    played = rig.with_mapping(batch_size=1).play(put)
    [event] = [
        e for e in played.observation.history if e.where == "Reader" and e.kind == "delivered"
    ]
    assert event.at_ms < 5000  # full before its window is over


def test_records_that_follow_do_not_put_a_read_off(rig: Rig) -> None:
    played = rig.with_mapping(batch_size=1).play(put, messages=3)
    history = played.observation.history
    stored = [e.at_ms for e in history if (e.kind, e.where) == ("stored", "Stream")]
    read = [e.at_ms for e in history if (e.kind, e.where) == ("delivered", "Reader")]
    assert stored[0] < stored[2]
    assert read[0] - stored[0] == 1001


def test_a_batch_is_no_larger_than_an_invocation_takes(rig: Rig) -> None:
    def large(body: dict[str, Any]) -> None:
        data = json.dumps({**body, "x": "x" * 900_000}).encode()
        boto3.client("kinesis").put_record(StreamName="stream", Data=data, PartitionKey="k")

    rig.play(large, messages=7)
    assert [len(event["Records"]) for event in rig.events] == [5, 2]


def test_what_matches_no_filter_is_passed_over(rig: Rig) -> None:
    pattern = json.dumps({"data": {"kind": ["order"]}, "partitionKey": ["k"]})
    rig = rig.with_mapping(filters=(pattern,))

    def write(body: dict[str, Any]) -> None:
        for content in ({**body, "kind": "order"}, body, "no JSON"):
            data = content if isinstance(content, str) else json.dumps(content)
            boto3.client("kinesis").put_record(
                StreamName="stream", Data=data.encode(), PartitionKey="k"
            )

    played = rig.play(write)
    assert len(rig.records) == 1
    assert kinds(played, "filtered") == [("filtered", ("m1",), "Stream")] * 2


def test_a_filter_sees_the_whole_record_of_a_table(rig: Rig) -> None:
    rig = rig.with_mapping(filters=(json.dumps({"eventName": ["REMOVE"]}),))

    def write(body: dict[str, Any]) -> None:
        put_item(body)
        boto3.client("dynamodb").delete_item(TableName="orders", Key={"id": {"S": body["id"]}})

    rig.play(write)
    assert [record["eventName"] for record in rig.records] == ["REMOVE"]


def test_a_disabled_mapping_leaves_its_records(rig: Rig) -> None:
    played = rig.with_mapping(enabled=False).play(put)
    [held] = played.observation.held
    assert (held.message, held.where, held.state) == ("m1", "Stream", "visible")
    assert played.observation.quiet


def test_what_nothing_reads_is_an_effect(rig: Rig) -> None:
    def write(body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        boto3.client("kinesis").put_record(StreamName="unread", Data=data, PartitionKey="k")

    played = rig.play(write)
    [effect] = played.observation.effects
    assert (effect.kind, effect.place, set(effect.value)) == ("message", "Unread", {"id"})
    assert [held.state for held in played.observation.held] == ["set aside"]


# Faults


def test_a_lost_checkpoint_delivers_a_batch_again(rig: Rig) -> None:
    played = rig.play(put, "Stream: delivery #1: duplicate", messages=2)
    assert [len(event["Records"]) for event in rig.events] == [2, 2]
    assert kinds(played, "passed") == [("passed", ("m1", "m2"), "Stream")]


def test_a_delayed_batch_comes_later(rig: Rig) -> None:
    played = rig.play(put, "Stream: delivery #1: delayed")
    [at_ms] = [
        e.at_ms for e in played.observation.history if (e.kind, e.where) == ("delivered", "Reader")
    ]
    assert at_ms > 900_000
    assert len(rig.events) == 1


def test_only_what_a_stream_can_do_is_tried_on_it(deployed: Deployed) -> None:
    for place in ("Stream", "Orders"):
        tried = {fault.kind for fault in faults_once(deployed, place, "delivery", 1)}
        assert tried == {"duplicate", "delayed"}


def test_an_outage_outlasts_the_limits_in_its_way(rig: Rig) -> None:
    day_ms = 86_400_000
    assert outage_ms(rig.deployed, "refused") > 24 * 3_600_000
    capped = rig.with_mapping(maximum_retry_attempts=3)
    in_ = replace(capped.deployed.topology.queues[0], dead_letter_arn="x", max_receive_count=1)
    topology = replace(capped.deployed.topology, queues=(in_,))
    assert outage_ms(replace(capped.deployed, topology=topology, lookups={}), "refused") < day_ms


def test_more_retries_than_are_played_end_when_their_time_is_over(rig: Rig) -> None:
    def fail(event: Any) -> None:
        raise ValueError

    rig.read = fail
    played = rig.with_mapping(maximum_retry_attempts=100).play(put, to_expiry=True)
    assert [kind for kind, _, _ in kinds(played, "skipped", "expired")] == ["skipped"]
    assert len(rig.events) < 60


def test_a_record_that_is_never_done_expires_as_a_record(rig: Rig) -> None:
    def fail(event: Any) -> None:
        raise ValueError

    rig.read = fail
    played = rig.with_mapping().play(put, to_expiry=True)
    told = [event.detail for event in played.observation.history if event.kind == "expired"]
    assert told == [OF_RECORD]


def test_a_tumbling_window_is_refused(rig: Rig) -> None:
    with pytest.raises(TemplateError, match="TumblingWindowInSeconds"):
        rig.with_mapping(tumbling_window_seconds=30).play(put)


def test_streams_are_consumers_and_keep_an_order(deployed: Deployed) -> None:
    facts = Judge(deployed).facts()
    assert facts.consumed
    assert facts.ordered


def test_a_stack_without_streams_pays_nothing_for_them() -> None:
    code = """
import sys, tempfile, pathlib
from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.settings import Entry, Settings
from pytest_storagefirst.simulation.playing import play
from pytest_storagefirst.simulation.schedule import Schedule, Send
folder = pathlib.Path(tempfile.mkdtemp())
(folder / "template.yaml").write_text("Resources: {Queue: {Type: AWS::SQS::Queue}}")
settings = Settings(entries=(Entry("queue", "Queue"),))
deployed = prepare(folder / "template.yaml", settings).deployed
play(deployed, Schedule((Send("m1", "Queue", {"id": "{unique}"}),)))
from pytest_storagefirst.simulation import stream_seams
assert not stream_seams._streams_installed and not stream_seams._tables_installed
assert not deployed.world._has_streams()
"""
    path = os.pathsep.join(one for one in sys.path if one)
    environment = {**os.environ, "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


# Others' consumers


@pytest.mark.parametrize("source", ["KinesisDataStreams", "DynamoDBStreams"])
def test_powertools_batch_processor(rig: Rig, source: str) -> None:
    batch = pytest.importorskip("aws_lambda_powertools.utilities.batch")
    failed: list[str] = []

    def handle(record: Any) -> None:
        kinesis = source == "KinesisDataStreams"
        text = record.kinesis.data_as_text() if kinesis else str(record.dynamodb.keys)
        if len(rig.events) == 1 and "second" in text:
            failed.append(text)
            raise ValueError
        boto3.client("dynamodb").put_item(TableName="done", Item={"id": {"S": record.event_id}})

    def read(event: Any) -> Any:
        processor = batch.BatchProcessor(event_type=batch.EventType[source])
        return batch.process_partial_response(
            event=event, record_handler=handle, processor=processor, context=None
        )

    def write(body: dict[str, Any]) -> None:
        for name in ("first", "second", "third"):
            if source == "DynamoDBStreams":
                item = {"id": {"S": f"{name} {body['id']}"}}
                boto3.client("dynamodb").put_item(TableName="orders", Item=item)
            else:
                boto3.client("kinesis").put_record(
                    StreamName="stream", Data=name.encode(), PartitionKey="k"
                )

    rig = rig.with_mapping(reports_batch_item_failures=True)
    rig.read = read
    played = rig.play(write)
    assert [len(event["Records"]) for event in rig.events] == [3, 2]
    assert len(failed) == 1
    stood = [one for one in played.observation.effects if one.place == "Done"]
    assert len(stood) == 3
