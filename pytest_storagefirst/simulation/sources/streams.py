"""Lambda's event source mapping for streams: Kinesis, and tables of DynamoDB.

Rules from the Lambda developer guide: with-kinesis, services-kinesis-batchfailurereporting,
kinesis-on-failure-destination, with-ddb, services-ddb-batchfailurereporting,
services-dynamodb-errors, invocation-eventsourcemapping (AWS_SEMANTICS.md, rules 21 to 25).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from zlib import crc32

from pytest_storagefirst.errors import TemplateError
from pytest_storagefirst.simulation.sources import sqs_filters
from pytest_storagefirst.simulation.sources.stream_reader import Reader
from pytest_storagefirst.stack.topology import EventSourceMapping, Function, Stream

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation
    from pytest_storagefirst.simulation.streams import Record

KINESIS_POLL_MS = 1000  # once a second (with-kinesis, polling and batching streams)
TABLE_POLL_MS = 250  # four times a second (with-ddb, polling and batching streams)


class StreamMapping:
    """One mapping: a reader for each shard, or for each of its parallel slots."""

    def __init__(
        self,
        simulation: Simulation,
        mapping: EventSourceMapping,
        stream: Stream,
        function: Function,
    ) -> None:
        if mapping.tumbling_window_seconds:
            raise TemplateError(
                "tumbling windows are not simulated",
                where=f"{mapping.logical_id}, property TumblingWindowInSeconds",
                found=str(mapping.tumbling_window_seconds),
                expected="no window: a mapping without state between its invocations",
            )
        self.simulation = simulation
        self.mapping = mapping
        self.stream = stream
        self.function = function
        self.patterns = sqs_filters.read(mapping.filters, mapping.logical_id)
        self.enabled = mapping.enabled
        self.changing = ""  # "Enabling" or "Disabling", see mappings_api.py
        self._readers: dict[tuple[str, int], Reader] = {}
        self._at_work = 0

    def wake(self) -> None:
        """Read on, after a while in which the mapping was disabled."""
        for reader in self._readers.values():
            reader.look()

    def offer(self, record: Record) -> None:
        """A record has come into the stream."""
        # One key stays in one slot, and so in order (invocation-eventsourcemapping, batching).
        slot = crc32(record.key.encode()) % self.mapping.parallelization_factor
        place = (record.shard_id, slot)
        if place not in self._readers:
            self._readers[place] = Reader(self)
        self._readers[place].offer(record)

    def waiting(self) -> Iterator[tuple[Record, str]]:
        """The records that this mapping has not done with, and how each is held."""
        for reader in self._readers.values():
            yield from reader.waiting()

    def ends_ms(self) -> Iterator[int]:
        """When each of these will be given up if nothing heals."""
        for reader in self._readers.values():
            yield from reader.ends_ms()

    def given_up_ms(self, record: Record) -> int:
        """When it is too old: for its stream, or for the mapping's own limit."""
        oldest = self.mapping.maximum_record_age_seconds
        ends_ms = record.expires_ms
        if oldest is not None:
            ends_ms = min(ends_ms, record.arrived_ms + oldest * 1000)
        return ends_ms

    def take(self) -> bool:
        """Whether one more of its invocations may be at work."""
        self.simulation.scheduler.touch("pollers", "take", self.mapping.logical_id)
        if self._at_work >= max(1, self.simulation.schedule.concurrency):
            return False
        self._at_work += 1
        return True

    def give_back(self) -> None:
        self._at_work -= 1
        self.simulation.scheduler.touch("pollers", "free", self.mapping.logical_id)
        for reader in self._readers.values():
            reader.go_on()

    @property
    def poll_ms(self) -> int:
        return TABLE_POLL_MS if self.stream.is_of_table else KINESIS_POLL_MS

    @property
    def batch_size(self) -> int:
        limit = self.simulation.schedule.batch_limit
        return min(self.mapping.batch_size, limit) if limit else self.mapping.batch_size
