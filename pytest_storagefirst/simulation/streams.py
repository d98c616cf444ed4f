"""The stack's streams as a run sees them: whose record is where, and what is left of it.

A data stream of Kinesis, or the stream of a table. moto keeps the records; here is the log of what
was put in a run, and what its readers have made of it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_storagefirst.ledger.effects import Held
from pytest_storagefirst.simulation import stream_seams
from pytest_storagefirst.simulation.calls import seams
from pytest_storagefirst.simulation.permissions.permissions import may_poll
from pytest_storagefirst.stack.topology import Stream, Table

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation
    from pytest_storagefirst.simulation.sources.streams import StreamMapping

_OF_TABLE_STREAMS = frozenset({"SequenceNumber", "StreamViewType"})
SHARD_OF_TABLE = "shardId-00000001541626099285-f35f62ef"  # moto's one


@dataclass(frozen=True, eq=False)
class Record:
    """One record of a stream. `event` is its form in Lambda's event, but for what a mapping adds;
    `key` is that whose order is kept: the partition key, or the item's key."""

    stream: Stream
    shard_id: str
    key: str
    sequence_number: str
    arrived_ms: int
    event: dict[str, Any]
    messages: tuple[str, ...]

    @property
    def expires_ms(self) -> int:
        return self.arrived_ms + self.stream.retention_hours * 3_600_000


class Streams:
    """The streams of one run, and those who read them."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._log: list[Record] = []
        self._aside: list[Held] = []
        self.keys: dict[tuple[str, str], list[str]] = {}
        self.lanes: dict[tuple[str, str], list[str]] = {}
        self.mappings: list[StreamMapping] = []

    def begin(self) -> None:
        """Take hold of the streams and start their readers. The world must be attached."""
        deployed = self._simulation.deployed
        if not deployed.streams:
            return
        feeding = [table for table in deployed.topology.tables if table.kinesis_stream_arn]
        if feeding or any(stream.is_of_table for stream in deployed.streams):
            stream_seams.install_for_tables(seams.here)
        if any(not stream.is_of_table for stream in deployed.streams):
            stream_seams.install_for_kinesis(seams.here)
        from pytest_storagefirst.simulation.sources.streams import StreamMapping

        for mapping in deployed.topology.mappings:
            stream = deployed.stream_by_arn(mapping.source_arn)
            function = deployed.function_by_arn(mapping.function_arn)
            if stream is not None and function is not None:
                if not may_poll(self._simulation, mapping, function):
                    continue
                self.mappings.append(StreamMapping(self._simulation, mapping, stream, function))

    # -- what moto tells ----------------------------------------------------------------------

    def put(self, name: str, shard_id: str, record: Any) -> None:
        """A record was put into a data stream (event: services-kinesis, "Example event")."""
        stream = self._simulation.deployed.stream_by_name(name)
        if stream is None:
            return
        number = str(record.sequence_number)
        event = {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": record.partition_key,
                "sequenceNumber": number,
                "data": record.data,
                "approximateArrivalTimestamp": self._simulation.wall_ms / 1000,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{shard_id}:{number}",
            "eventName": "aws:kinesis:record",
        }
        text = record.partition_key + base64.b64decode(record.data).decode("utf-8", "replace")
        self._log_record(stream, shard_id, record.partition_key, number, event, text)

    def changed(self, table_name: str, record: dict[str, Any]) -> None:
        """An item of a table has changed (event: with-ddb, "Example event")."""
        told = json.loads(json.dumps(record, default=_as_json))
        change = told["dynamodb"]
        change["ApproximateCreationDateTime"] = self._simulation.wall_ms // 1000
        key = json.dumps(change["Keys"], sort_keys=True)
        old, new = (json.dumps(change.get(image, {})) for image in ("OldImage", "NewImage"))
        change["SizeBytes"] = len(key) + len(old) + len(new)
        text = key + (new if change.get("NewImage") else old)
        stream = self._simulation.deployed.stream_by_name(table_name, of_table=True)
        if stream is not None:
            self._log_record(stream, SHARD_OF_TABLE, key, change["SequenceNumber"], told, text)
        for table in self._simulation.deployed.topology.tables:
            if table.name == table_name and table.kinesis_stream_arn:
                self._pass_on(table, told, key)

    def _pass_on(self, table: Table, told: dict[str, Any], key: str) -> None:
        """Put a change into the table's data stream (DynamoDB developer guide, kds)."""
        deployed = self._simulation.deployed
        stream = deployed.stream_by_arn(table.kinesis_stream_arn or "")
        if stream is None:
            return
        change = {k: v for k, v in told["dynamodb"].items() if k not in _OF_TABLE_STREAMS}
        change["ApproximateCreationDateTime"] = self._simulation.wall_ms
        record = {
            "awsRegion": told["awsRegion"],
            "eventID": told["eventID"],
            "eventName": told["eventName"],
            "userIdentity": None,
            "recordFormat": "application/json",
            "tableName": table.name,
            "dynamodb": change,
            "eventSource": "aws:dynamodb",
        }
        data = base64.b64encode(json.dumps(record).encode()).decode()
        backend = deployed.world.backend("kinesis")
        backend.streams[stream.name].put_record(key[:256], "", data)

    def _log_record(
        self, stream: Stream, shard_id: str, key: str, number: str, event: Any, text: str
    ) -> None:
        simulation = self._simulation
        ids = self._whose(text)
        if len(ids) == 1:
            simulation.identities.name(ids[0], number, f"<{ids[0]}.sequenceNumber>")
            simulation.identities.name(ids[0], event["eventID"], f"<{ids[0]}.eventID>")
        record = Record(stream, shard_id, key, number, simulation.now_ms, event, ids)
        self._log.append(record)
        simulation.scheduler.touch("stream", "put", stream.logical_id)
        readers = [one for one in self.mappings if one.stream is stream]
        if readers:
            for message_id in ids:
                self._line_up(self.keys, (stream.logical_id, key), message_id)
                self._line_up(self.lanes, (stream.logical_id, shard_id), message_id)
        simulation.record("stored", ids, stream.logical_id)
        for mapping in readers:
            mapping.offer(record)

    @staticmethod
    def _line_up(lines: dict[tuple[str, str], list[str]], line: Any, message_id: str) -> None:
        members = lines.setdefault(line, [])
        if message_id not in members:
            members.append(message_id)

    def _whose(self, text: str) -> tuple[str, ...]:
        """The tokens in it tell, those of who writes it first; else it is the writer's.

        An old image names whoever wrote before.
        """
        simulation = self._simulation
        identities = simulation.identities
        ids = identities.messages_in(text)
        current = simulation.current
        writers = current.messages if current is not None else simulation.sender.sending
        own = tuple(one for one in ids if one in writers)
        if ids or not writers:
            return own or ids
        if current is not None:
            return identities.nobody_named(writers)
        identities.nameless.update(writers)
        return writers

    def has(self, said: Any) -> bool:
        """Whether a call's parameters name a data stream of the stack."""
        deployed = self._simulation.deployed
        if not isinstance(said, dict):
            return False
        arn, name = str(said.get("StreamARN", "")), str(said.get("StreamName", ""))
        found = deployed.stream_by_arn(arn) or deployed.stream_by_name(name)
        return found is not None

    # -- what is left -------------------------------------------------------------------------

    def set_aside(self, held: Iterable[Held]) -> None:
        """Note what a failure destination keeps that is no queue."""
        self._aside.extend(held)

    def held(self) -> Iterator[Held]:
        """What the streams still hold for someone, and what was set aside outside of queues."""
        now_ms = self._simulation.now_ms
        for mapping in self.mappings:
            for record, state in mapping.waiting():
                yield from self._held(record, state)
        for record in self.unread():
            yield from self._held(record, "set aside")
        yield from (held for held in self._aside if held.until_ms > now_ms)

    def _held(self, record: Record, state: str) -> Iterator[Held]:
        if record.expires_ms > self._simulation.now_ms:
            for message_id in record.messages or ("",):
                yield Held(message_id, record.stream.logical_id, state, record.expires_ms)

    def unread(self) -> Iterator[Record]:
        """What lies in data streams that nothing in the stack reads."""
        read = {mapping.stream.logical_id for mapping in self.mappings}
        for record in self._log:
            if not record.stream.is_of_table and record.stream.logical_id not in read:
                yield record

    def ends_ms(self) -> Iterator[int]:
        """When each record that is still tried will be given up, if nothing heals."""
        for mapping in self.mappings:
            yield from mapping.ends_ms()


def _as_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.to_json() if hasattr(value, "to_json") else str(value)
