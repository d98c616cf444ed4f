"""What streams still hold for their consumers: of a stream no API tells how far they have read.

A consumer reads a shard in order. Whatever came before a record that was processed, or set aside,
has been read; what came behind the last such record may wait for its turn yet.
https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html
"""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pytest_storagefirst.stack.topology import Topology
from pytest_storagefirst.target.effects import as_text, ids_in_text

EMPTY_ANSWERS = 5  # in a row: records come late, and a shard's answers may be empty amid them
PAUSE_S = 0.25  # on AWS, where a shard is read five times a second, by all that share it


@dataclass(frozen=True)
class Source:
    """A stream that functions read: of Kinesis, or a table's. `concurrent`: several batches of a
    shard at once, in order by partition key alone."""

    logical_id: str
    arn: str
    concurrent: bool = False

    @property
    def is_of_table(self) -> bool:
        return self.arn.split(":")[2] == "dynamodb"


def sources_of(topology: Topology) -> tuple[Source, ...]:
    """The streams that mappings and pipes read."""
    named = {stream.arn: stream.logical_id for stream in topology.streams}
    named |= {table.stream_arn: table.logical_id for table in topology.tables if table.stream_arn}
    read = {
        # A consumer of its own, with enhanced fan-out, reads the stream that it is registered with.
        mapping.source_arn.partition("/consumer/")[0]: mapping.parallelization_factor
        for mapping in topology.mappings
    }
    read |= {pipe.source_arn: 1 for pipe in topology.pipes if pipe.source_arn in named}
    return tuple(
        Source(named[arn], arn, factor > 1) for arn, factor in read.items() if arn in named
    )


@dataclass(frozen=True)
class Record:
    """One of a run's, in the order of its lane: a shard, or in it a partition key."""

    shard: str
    lane: str
    sequence: int
    ids: frozenset[str]


def records_of(
    session: Any, source: Source, pattern: re.Pattern[str], since: datetime | None
) -> tuple[Record, ...]:
    """A run's records, shard by shard. Those before `since` are left out; None: all that are kept.

    Raises botocore's errors.
    """
    of_table = source.is_of_table
    pages = _of_table(session, source) if of_table else _of_kinesis(session, source, since)
    found = []
    for shard, page in pages:
        for one in page:
            content = one.get("dynamodb", one)
            ids = ids_in_text(json.dumps(content, default=as_text), pattern)
            if ids:
                lane = f"{shard} {one.get('PartitionKey', '')}" if source.concurrent else shard
                sequence = int(content["SequenceNumber"])
                found.append(Record(shard, lane, sequence, frozenset(ids)))
    return tuple(found)


def behind(records: Iterable[Record], done: Container[str]) -> set[str]:
    """The messages that no consumer is known to have come past; `done` are those that are processed
    or set aside."""
    lanes: dict[str, list[frozenset[str]]] = defaultdict(list)
    for record in records:
        lanes[record.lane].append(record.ids)
    found: set[str] = set()
    for lane in lanes.values():
        read = [at for at, ids in enumerate(lane) if any(one in done for one in ids)]
        found |= {one for ids in lane[max(read, default=-1) + 1 :] for one in ids}
    return {one for one in found if one not in done}


@dataclass(frozen=True)
class Failed:
    """A batch that a mapping has given up: what its destination is told are numbers alone."""

    stream_arn: str
    shard: str
    first: int
    last: int


def failed_in(body: str) -> Failed | None:
    """The batch that a message to a failure destination is about; None for any other message.

    https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
    """
    try:
        told = json.loads(body)
        about = told.get("KinesisBatchInfo") or told["DDBStreamBatchInfo"]
        numbers = int(about["startSequenceNumber"]), int(about["endSequenceNumber"])
        return Failed(about["streamArn"], about["shardId"], *numbers)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def given_up(source: Source, records: Iterable[Record], batch: Failed) -> set[str]:
    """The messages of a batch that was given up."""
    return {
        one
        for record in records
        for one in record.ids
        if (batch.stream_arn, batch.shard) == (source.arn, record.shard)
        and batch.first <= record.sequence <= batch.last
    }


def _of_kinesis(
    session: Any, source: Source, since: datetime | None
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """(shard, records), shard by shard."""
    client, name = session.client("kinesis"), source.arn.rpartition("/")[2]
    begin: dict[str, Any] = {"ShardIteratorType": "TRIM_HORIZON"}
    if since is not None:
        begin = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": since}
    token: dict[str, str] = {"StreamName": name}
    while True:
        said = client.list_shards(**token)
        for shard in said["Shards"]:
            place = {"StreamName": name, "ShardId": shard["ShardId"]}
            iterator = client.get_shard_iterator(**place, **begin)["ShardIterator"]
            pause_s = PAUSE_S if since is not None else 0.0
            for records in _records(client, iterator, pause_s):
                yield shard["ShardId"], records
        if not said.get("NextToken"):
            return
        token = {"NextToken": said["NextToken"]}


def _of_table(session: Any, source: Source) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """(shard, records), shard by shard. A table's stream keeps records for a day, and has no way to
    begin at a time."""
    client = session.client("dynamodbstreams")
    asked: dict[str, str] = {"StreamArn": source.arn}
    while True:
        said = client.describe_stream(**asked)["StreamDescription"]
        for shard in said["Shards"]:
            place = {"StreamArn": source.arn, "ShardId": shard["ShardId"]}
            iterator = client.get_shard_iterator(**place, ShardIteratorType="TRIM_HORIZON")
            for records in _records(client, iterator["ShardIterator"], 0.0):
                yield shard["ShardId"], records
        if not said.get("LastEvaluatedShardId"):
            return
        asked["ExclusiveStartShardId"] = said["LastEvaluatedShardId"]


def _records(client: Any, iterator: str | None, pause_s: float) -> Iterator[list[dict[str, Any]]]:
    empty = 0
    while iterator and empty < EMPTY_ANSWERS:
        said = client.get_records(ShardIterator=iterator)
        iterator = said.get("NextShardIterator")
        if said["Records"]:
            yield said["Records"]
        if said.get("MillisBehindLatest") == 0 and not said["Records"]:
            return  # the tip, by Kinesis' own word; a table's stream does not say
        empty = 0 if said["Records"] else empty + 1
        time.sleep(pause_s)
