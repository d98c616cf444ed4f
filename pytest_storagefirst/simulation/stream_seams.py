"""Where records reach moto's streams: a run is told of each, and moto invokes no function itself.

Patched once per process; while no simulation is active each of them is the original. A table's
stream gets one record for each change of an item, none for a write that changes nothing, and none
from a transaction that fails (DynamoDB developer guide, Streams; moto 5.2.5 writes two for an
UpdateItem that makes the item, and keeps what a cancelled transaction wrote).
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

# In the form of AWS's own: longer than any other number in a message.
_FIRST_OF_TABLE = 1_100_000_000_017_454_423_009
_FIRST_OF_SHARD = 49_590_338_271_490_256_608_559_692_538_361_571_095_921_575_989_136_588_898

_tables_installed = False
_streams_installed = False


def install_for_tables(here: Any) -> None:
    """Tell the simulation that `here()` gives of every change in a table that has a stream."""
    global _tables_installed
    if _tables_installed:
        return
    _tables_installed = True
    from moto.dynamodb.models import DynamoDBBackend
    from moto.dynamodb.models.table import StreamShard

    add = StreamShard.add
    update, transact = DynamoDBBackend.update_item, DynamoDBBackend.transact_write_items
    under_way: list[list[Any]] = []  # records of calls that have not ended, the innermost last

    def told(self: Any, old: Any, new: Any) -> None:
        simulation = here()
        if getattr(simulation, "streams", None) is None:
            add(self, old, new)
        elif old is None or new is None or old.to_json() != new.to_json():
            record = _record(simulation, self, old, new)
            if under_way:
                under_way[-1].append((self.table.name, record))
            else:
                simulation.streams.changed(self.table.name, record)

    def as_one(call: Any, *, last_only: bool) -> Any:
        def whole(self: Any, *args: Any, **named: Any) -> Any:
            simulation = here()
            if getattr(simulation, "streams", None) is None:
                return call(self, *args, **named)
            under_way.append([])
            try:
                answer = call(self, *args, **named)
            except BaseException:
                under_way.pop()
                raise
            records = under_way.pop()[-1 if last_only else 0 :]
            if under_way:
                under_way[-1].extend(records)
            else:
                for table, record in records:
                    simulation.streams.changed(table, record)
            return answer

        return whole

    StreamShard.add = told  # type: ignore[method-assign]
    DynamoDBBackend.update_item = as_one(update, last_only=True)  # type: ignore[method-assign]
    DynamoDBBackend.transact_write_items = as_one(  # type: ignore[method-assign]
        transact, last_only=False
    )


def _record(simulation: Any, shard: Any, old: Any, new: Any) -> Any:
    """moto's own record, kept where a handler that reads the stream by itself finds it."""
    from moto.dynamodb.models.table import StreamRecord

    kind = "INSERT" if old is None else "REMOVE" if new is None else "MODIFY"
    if not shard.items:
        shard.starting_sequence_number = _FIRST_OF_TABLE + crc32(shard.table.name.encode()) * 10**9
    number = shard.starting_sequence_number + len(shard.items)
    # A table that feeds a data stream alone has no view type: both images go there.
    view = shard.table.stream_specification.get("StreamViewType", "NEW_AND_OLD_IMAGES")
    record = StreamRecord(shard.table, view, kind, old, new, number)
    record.record["eventID"] = simulation.identities.new_id().replace("-", "")
    record.record["awsRegion"] = simulation.deployed.topology.region
    shard.items.append(record)
    return record.record


def install_for_kinesis(here: Any) -> None:
    """Tell the simulation that `here()` gives of every record put into a data stream."""
    global _streams_installed
    if _streams_installed:
        return
    _streams_installed = True
    from moto.kinesis.models import KinesisBackend, Record, Stream

    put, count = Stream.put_record, KinesisBackend._send_stream_metrics

    def told(self: Any, partition_key: str, explicit_hash_key: str, data: str) -> tuple[str, str]:
        simulation = here()
        if getattr(simulation, "streams", None) is None:
            return put(self, partition_key, explicit_hash_key, data)
        shard: Any = self.get_shard_for_key(partition_key, explicit_hash_key)
        first = _FIRST_OF_SHARD + crc32(shard.shard_id.encode() + self.arn.encode()) * 10**12
        number = shard.get_max_sequence_number() + 1 if shard.records else first
        shard.records[number] = Record(partition_key, data, number, explicit_hash_key)
        simulation.streams.put(self.stream_name, shard.shard_id, shard.records[number])
        return str(number), shard.shard_id

    def counted(self: Any, *args: Any, **named: Any) -> None:
        if getattr(here(), "streams", None) is None:
            count(self, *args, **named)

    Stream.put_record = told  # type: ignore[method-assign]
    KinesisBackend._send_stream_metrics = counted  # type: ignore[method-assign]
