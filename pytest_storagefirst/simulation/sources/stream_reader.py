"""One reader of a stream: of a shard, or of one of its parallel slots.

It delivers one batch at a time, in order; a batch that fails blocks it until it is done with.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pytest_storagefirst.ledger.events import OF_RECORD
from pytest_storagefirst.simulation.functions import Outcome
from pytest_storagefirst.simulation.sources import stream_failures, stream_filters
from pytest_storagefirst.simulation.sources.batch_responses import reported_failures

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.sources.streams import StreamMapping
    from pytest_storagefirst.simulation.streams import Record

FIRST_RETRY_MS = 1000  # doubled each time; AWS names no figures
LAST_RETRY_MS = 60_000
DELAYED_MS = 900_000  # what the fault "delayed" adds, as for a queue
LARGEST_PAYLOAD_BYTES = 6 * 1024 * 1024  # of a synchronous invocation (gettingstarted-limits)
# So many retries are played one by one. Of more than that, the time that they take is awaited.
MOST_RETRIES_PLAYED = 60

_DELIVERY_FAULTS = frozenset({"duplicate", "delayed"})


@dataclass(frozen=True)
class Batch:
    """Records that are delivered together; `errors` are the retries that count, `tries` all."""

    records: tuple[Record, ...]
    errors: int = 0
    tries: int = 0
    again: str = ""
    first_error_ms: int | None = None

    @property
    def messages(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one for record in self.records for one in record.messages))


@dataclass(eq=False)
class Reader:
    """One slot: what it reads next, one batch at a time."""

    owner: StreamMapping
    _unread: deque[Record] = field(default_factory=deque)
    _work: list[Batch] = field(default_factory=list)  # before what is unread, the first first
    _in_flight: Batch | None = None
    _timer: Any = None  # a poll, or the end of a pause before a retry
    _timer_ms: int = 0
    _waits_for_turn: bool = False

    def offer(self, record: Record) -> None:
        self._unread.append(record)
        poll_ms = self.owner.poll_ms
        if self._timer is None:
            self._poll_after(poll_ms)
        elif (
            not self._work
            and self._is_full()
            and self._timer_ms > self.owner.simulation.now_ms + poll_ms
        ):
            self._timer.cancelled = True  # of a window that need not end
            self._poll_after(poll_ms)

    def waiting(self) -> Iterator[tuple[Record, str]]:
        if self._in_flight is not None:
            yield from ((record, "in flight") for record in self._in_flight.records)
        for batch in self._work:
            if batch is not self._in_flight:
                yield from ((record, "visible") for record in batch.records)
        yield from ((record, "visible") for record in self._unread)

    def ends_ms(self) -> Iterator[int]:
        for batch in self._work:
            retries_end_ms = self._retries_end_ms(batch)
            for record in batch.records:
                end_ms = self.owner.given_up_ms(record)
                yield end_ms if retries_end_ms is None else min(end_ms, retries_end_ms)
        yield from (self.owner.given_up_ms(record) for record in self._unread)

    # When to look.

    def _poll_after(self, wait_ms: int) -> None:
        if self._in_flight is not None or not self.owner.enabled:
            return
        scheduler = self.owner.simulation.scheduler
        self._timer_ms = scheduler.now_ms + wait_ms
        self._timer = scheduler.at(self._timer_ms, self._poll)

    def _poll(self) -> None:
        self._timer = None
        simulation = self.owner.simulation
        simulation.scheduler.touch("stream", "take", self.owner.stream.logical_id)
        if not self._work and not self._gather():
            return
        self._attempt()

    def look(self) -> None:
        """The mapping polls again."""
        if self._timer is None and (self._work or self._unread):
            self._poll_after(0)

    def go_on(self) -> None:
        """An invocation of the mapping has ended: whoever waited for that goes on."""
        if self._waits_for_turn:
            self._waits_for_turn = False
            self._poll_after(0)

    def _next(self) -> None:
        """What was at work is done with."""
        if self._work:
            self._poll_after(0)
        elif self._unread:
            self._poll_after(self.owner.poll_ms)

    # What is in a batch.

    def _is_full(self) -> bool:
        return len(self._unread) >= self.owner.batch_size

    def _gather(self) -> bool:
        """Make a batch that is due: full, too large for more, or its window over."""
        self._pass_over()
        if not self._unread:
            return False
        owner = self.owner
        window_ends_ms = self._unread[0].arrived_ms + self._window_ms
        now_ms = owner.simulation.now_ms
        fitting = self._fitting()
        if fitting == len(self._unread) and not self._is_full() and now_ms < window_ends_ms:
            self._poll_after(window_ends_ms - now_ms)
            return False
        self._work.append(Batch(tuple(self._unread.popleft() for _ in range(fitting))))
        self._cross(self._work[0])
        return True

    @property
    def _window_ms(self) -> int:
        return self.owner.mapping.batching_window_seconds * 1000

    def _fitting(self) -> int:
        size = len('{"Records":[]}')
        for count, record in enumerate(self._unread):
            if count == self.owner.batch_size:
                return count
            size += len(json.dumps(record.event)) + 500  # what the mapping adds
            if size > LARGEST_PAYLOAD_BYTES and count:
                return count
        return len(self._unread)

    def _pass_over(self) -> None:
        """What matches no filter is done with at once (invocation-eventfiltering)."""
        owner = self.owner
        if not owner.patterns:
            return
        kept: deque[Record] = deque()
        for record in self._unread:
            if stream_filters.passes(owner.patterns, record.event):
                kept.append(record)
            else:
                place = owner.stream.logical_id
                by = owner.mapping.logical_id
                owner.simulation.record("filtered", record.messages, place, by)
        self._unread = kept

    # Delivery.

    def _cross(self, batch: Batch) -> None:
        """A batch is read for the first time: faults of delivery strike here."""
        simulation, place = self.owner.simulation, self.owner.stream.logical_id
        simulation.strikes.cross(place, "delivery", batch.messages)
        strike = simulation.due(place, "delivery", batch.messages, _DELIVERY_FAULTS)
        if strike is None:
            return
        simulation.strike(strike, batch.messages)
        self._work[0] = replace(batch, again=strike.fault.kind)

    def _attempt(self) -> None:
        owner = self.owner
        batch = self._work[0]
        if batch.again == "delayed":
            self._work[0] = replace(batch, again="")
            self._poll_after(DELAYED_MS)
            return
        young = self._without_the_old(batch)
        if young is None:
            self._next()
            return
        if not owner.take():
            self._waits_for_turn = True
            return
        batch = self._work[0] = self._in_flight = young
        event = stream_failures.event_of(batch.records, owner.simulation, owner.function)
        source = f"read {batch.tries + 1} from {owner.stream.logical_id}"
        owner.simulation.functions.invoke(
            owner.function, event, batch.messages, self._finished, source=source
        )

    def _without_the_old(self, batch: Batch) -> Batch | None:
        """Records that have expired are gone; those past the mapping's limit are given up."""
        simulation = self.owner.simulation
        now_ms = simulation.now_ms
        expired = [one for one in batch.records if one.expires_ms <= now_ms]
        if expired:
            ids = replace(batch, records=tuple(expired)).messages
            simulation.record("expired", ids, self.owner.stream.logical_id, OF_RECORD)
        left = [one for one in batch.records if one not in expired]
        old = [one for one in left if self.owner.given_up_ms(one) <= now_ms]
        if old:
            self._give_up(replace(batch, records=tuple(old)), None, "RecordAgeExceeded")
        left = [one for one in left if one not in old]
        retries_end_ms = self._retries_end_ms(batch)
        if left and retries_end_ms is not None and retries_end_ms <= now_ms:
            self._give_up(replace(batch, records=tuple(left)), None, "RetryAttemptsExhausted")
            left = []
        if not left:
            self._work.pop(0)
            return None
        return replace(batch, records=tuple(left))

    def _retries_end_ms(self, batch: Batch) -> int | None:
        """When the time is over that a batch's retries take, where they are too many to play."""
        most = self.owner.mapping.maximum_retry_attempts
        if most is None or most <= MOST_RETRIES_PLAYED or batch.first_error_ms is None:
            return None
        each_ms = LAST_RETRY_MS + self.owner.function.timeout_seconds * 1000
        return batch.first_error_ms + most * each_ms

    def _finished(self, outcome: Outcome) -> None:
        batch, self._in_flight = self._in_flight, None
        assert batch is not None
        batch = replace(batch, tries=batch.tries + 1)
        if outcome.kind == "throttled":
            self._retry(batch)  # no retry that counts: the function never got it
        elif outcome.kind == "failed":
            self._failed(batch, outcome)
        else:
            self._succeeded(batch, outcome)
        self.owner.give_back()

    # What comes of it.

    def _succeeded(self, batch: Batch, outcome: Outcome) -> None:
        owner = self.owner
        simulation, mapping = owner.simulation, owner.mapping
        failed: frozenset[str] | None = frozenset()
        if mapping.reports_batch_item_failures:
            numbers = {record.sequence_number for record in batch.records}
            failed = reported_failures(numbers, outcome.result)
        if failed is None:
            why = "its response fails the whole batch"
            simulation.record("failed", batch.messages, owner.function.logical_id, why)
            self._failed(batch, outcome)
            return
        if not failed:
            self._done(batch)
            return
        reported = tuple(one for one in batch.records if one.sequence_number in failed)
        ids = replace(batch, records=reported).messages
        simulation.record("failed", ids, owner.function.logical_id, "reported by the handler")
        first = batch.records.index(reported[0])
        behind = tuple(one for one in batch.records[first:] if one not in reported)
        if (
            behind
        ):  # the first reported one is the checkpoint (services-kinesis-batchfailurereporting)
            ids = replace(batch, records=behind).messages
            simulation.record("failed", ids, owner.function.logical_id, "behind a reported one")
        if first:
            self._pass(replace(batch, records=batch.records[:first]))
        self._failed(replace(batch, records=batch.records[first:]), outcome, split=bool(first))

    def _done(self, batch: Batch) -> None:
        if batch.again == "duplicate":
            place = self.owner.stream.logical_id
            self.owner.simulation.record("noted", batch.messages, place, "the checkpoint is lost")
            self._work[0] = replace(batch, again="")
        else:
            self._pass(batch)
            self._work.pop(0)
        self._next()

    def _pass(self, batch: Batch) -> None:
        self.owner.simulation.record("passed", batch.messages, self.owner.stream.logical_id)

    def _failed(self, batch: Batch, outcome: Outcome, *, split: bool = False) -> None:
        """Split, retry or give up. Splitting uses up no retry (kinesis-on-failure-destination).

        A partial response splits the batch by itself where BisectBatchOnFunctionError is on, at the
        record it names (services-kinesis-batchfailurereporting).
        """
        mapping = self.owner.mapping
        if batch.first_error_ms is None:
            batch = replace(batch, first_error_ms=self.owner.simulation.now_ms)
        if mapping.bisects_on_error and split:
            self._retry(batch)
        elif mapping.bisects_on_error and len(batch.records) > 1:
            middle = (len(batch.records) + 1) // 2
            parts = (batch.records[:middle], batch.records[middle:])
            self._work[0:1] = [replace(batch, records=part) for part in parts]
            self._poll_after(FIRST_RETRY_MS)
        elif mapping.maximum_retry_attempts is not None and (
            batch.errors >= mapping.maximum_retry_attempts
        ):
            self._give_up(batch, outcome, "RetryAttemptsExhausted")
            self._work.pop(0)
            self._next()
        else:
            self._retry(replace(batch, errors=batch.errors + 1))

    def _retry(self, batch: Batch) -> None:
        """The shard is blocked until then."""
        self._work[0] = batch
        self._poll_after(min(FIRST_RETRY_MS * 2 ** min(batch.tries - 1, 16), LAST_RETRY_MS))

    def _give_up(self, batch: Batch, outcome: Outcome | None, condition: str) -> None:
        owner = self.owner
        stream_failures.give_up(
            owner.simulation,
            owner.mapping,
            owner.function,
            batch.records,
            outcome,
            condition,
            batch.tries,
        )
