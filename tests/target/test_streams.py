"""What streams hold for their consumers, in moto's server and in ministack."""

from __future__ import annotations

import json
import tempfile
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from benchmarks.ministack import running
from pytest_storagefirst.stack.topology import EventSourceMapping, Pipe, Stream, Table, Topology
from pytest_storagefirst.target import streams
from pytest_storagefirst.target.effects import id_pattern
from pytest_storagefirst.target.observe import Observer
from pytest_storagefirst.target.streams import Failed, Record, Source
from tests.target.observed_stack import built, moto_server

RUN = "r7f"
PATTERN = id_pattern(RUN)


def ids(*numbers):
    return [f"{RUN}-0-{number}" for number in numbers]


@pytest.fixture(scope="module", params=["moto", "ministack"])
def endpoint(request):
    if request.param == "moto":
        with moto_server() as url:
            yield url
    else:
        with tempfile.TemporaryDirectory() as folder, running(folder) as url:
            yield url


@pytest.fixture
def target(endpoint):
    return built(endpoint, uuid.uuid4().hex[:8])


@pytest.fixture
def stream(target):
    client, name = target.client("kinesis"), f"s-{uuid.uuid4().hex[:8]}"
    client.create_stream(StreamName=name, ShardCount=1)
    client.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    arn = client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    return Stream("Telemetry", name, arn)


def put(target, stream, *messages, key="k"):
    for message in messages:
        data = json.dumps({"id": message, "text": "é"}).encode()
        target.client("kinesis").put_record(
            StreamName=stream.name, Data=data, PartitionKey=key.format(message)
        )


def records_of(target, source, since=None):
    return streams.records_of(target.session(), source, PATTERN, since)


def test_what_comes_behind_the_last_processed_record_waits(target, stream):
    put(target, stream, *ids(0, 1), "of no run", *ids(2, 3, 4))
    records = records_of(target, Source("Telemetry", stream.arn))

    assert [sorted(record.ids) for record in records] == [[one] for one in ids(0, 1, 2, 3, 4)]
    # 0 was come past and left nothing: it does not wait.
    assert streams.behind(records, set(ids(1, 2))) == set(ids(3, 4))
    assert streams.behind(records, set()) == set(ids(0, 1, 2, 3, 4))
    assert streams.behind(records, set(ids(4))) == set()


def test_records_of_before_are_left_out(target, stream):
    put(target, stream, *ids(0))
    source = Source("Telemetry", stream.arn)

    assert records_of(target, source, datetime.now(UTC) - timedelta(minutes=5))
    assert records_of(target, source, datetime.now(UTC) + timedelta(minutes=5)) == ()


def test_where_batches_of_a_shard_run_at_once_only_a_key_is_in_order(target, stream):
    put(target, stream, *ids(0, 1, 2), key="{}")
    put(target, stream, *ids(3, 4), key="same")
    records = records_of(target, Source("Telemetry", stream.arn, concurrent=True))

    assert streams.behind(records, set(ids(2, 4))) == set(ids(0, 1))


def test_the_changes_of_a_table_are_read_too(target):
    client, name = target.client("dynamodb"), f"t-{uuid.uuid4().hex[:8]}"
    client.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    arn = client.describe_table(TableName=name)["Table"]["LatestStreamArn"]
    for one in ids(0, 1, 2):
        target.put(name, id=one)
    records = records_of(target, Source("Orders", arn))

    assert streams.behind(records, set(ids(0))) == set(ids(1, 2))


def test_an_observer_tells_what_waits_and_what_was_given_up(target, stream):
    """A mapping's destination is told a batch's numbers, and none of its content."""
    mapping = EventSourceMapping("FromStream", "u", "arn:f", stream.arn, 10)
    made = replace(target.made, streams=(stream,), mappings=(*target.made.mappings, mapping))
    target = replace(target, made=made)
    put(target, stream, *ids(0, 1, 2, 3))
    numbers = [record.sequence for record in records_of(target, Source("Telemetry", stream.arn))]
    batch = {
        "shardId": "shardId-000000000000",
        "startSequenceNumber": str(numbers[1]),
        "endSequenceNumber": str(numbers[1]),
        "streamArn": stream.arn,
        "batchSize": 1,
    }
    target.send("Letters", {"requestContext": {"condition": "x"}, "KinesisBatchInfo": batch})
    observer = Observer(target, RUN)

    assert observer.held(ids(0)) == {
        **dict.fromkeys(ids(1), "Letters"),
        **dict.fromkeys(ids(2, 3), "Telemetry"),
    }
    assert observer.behind == {"Telemetry": 2}
    assert "Telemetry holds 2 messages that its consumers have not come past" in observer.doubts()
    assert "Telemetry" in observer.waiting_places
    assert "Letters" not in observer.waiting_places
    assert observer.in_queues() == {}
    assert observer.held(ids(0, 3)) == dict.fromkeys(ids(1), "Letters")
    assert not observer.behind


def test_whose_streams_are_read():
    arn, table = "arn:aws:kinesis:r:1:stream/s", "arn:aws:dynamodb:r:1:table/t/stream/2026"
    piped = "arn:aws:kinesis:r:1:stream/p"
    queue = "arn:aws:sqs:r:1:q"
    topology = Topology(
        "s",
        "1",
        "r",
        streams=(Stream("S", "s", arn), Stream("P", "p", piped), Stream("Unread", "u", "arn:u")),
        tables=(Table("T", "t", "arn:t", ("id",), stream_arn=table),),
        mappings=(
            EventSourceMapping("A", "a", "arn:f", f"{arn}/consumer/own:1", 1),
            EventSourceMapping("B", "b", "arn:f", table, 1, parallelization_factor=4),
            EventSourceMapping("C", "c", "arn:f", queue, 1),
        ),
        pipes=(Pipe("D", "d", "arn:d", piped, "arn:target"), Pipe("E", "e", "arn:e", queue, "x")),
    )

    assert set(streams.sources_of(topology)) == {
        Source("S", arn),
        Source("T", table, concurrent=True),
        Source("P", piped),
    }


@pytest.mark.parametrize(
    "body",
    ["plain", "[]", "{}", '{"KinesisBatchInfo": 3}', '{"KinesisBatchInfo": {"shardId": "s"}}'],
)
def test_a_message_that_is_about_no_batch(body):
    assert streams.failed_in(body) is None


def test_a_batch_of_a_tables_stream_and_only_of_its_shard():
    arn = "arn:aws:dynamodb:r:1:table/t/stream/2026"
    about = {"shardId": "s-1", "startSequenceNumber": "2", "endSequenceNumber": "3"}
    batch = streams.failed_in(json.dumps({"DDBStreamBatchInfo": {**about, "streamArn": arn}}))
    records = [
        Record(shard, shard, number, frozenset({f"{shard} {number}"}))
        for shard in ("s-1", "s-2")
        for number in (1, 2, 3, 4)
    ]

    assert batch == Failed(arn, "s-1", 2, 3)
    assert streams.given_up(Source("T", arn), records, batch) == {"s-1 2", "s-1 3"}
    assert streams.given_up(Source("U", "arn:u"), records, batch) == set()
