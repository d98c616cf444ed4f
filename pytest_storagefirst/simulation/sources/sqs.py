"""Lambda's event source mapping for SQS.

Rules from the Lambda developer guide: services-sqs-configure, services-sqs-errorhandling,
services-sqs-scaling, invocation-eventfiltering (AWS_SEMANTICS.md, rules 11 to 20).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytest_storagefirst.simulation.functions import Outcome
from pytest_storagefirst.simulation.sources import sqs_filters
from pytest_storagefirst.simulation.sources.batch_responses import reported_failures
from pytest_storagefirst.stack.topology import EventSourceMapping, Function, Queue

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation

POLL_MS = 100  # from a message becoming visible until a poller has it
RECEIVE_LIMIT = 10  # messages of one ReceiveMessage; a larger batch is put together from several
STANDARD_POLLERS = 5  # that a standard queue's mapping starts with, and how many it adds a minute
POLLERS_A_MINUTE = 300
MINUTE_MS = 60_000
MOST_POLLERS = 1000
DELAYED_MS = 900_000  # what the fault "delayed" adds: the longest delay that SQS itself knows
REORDERED_MS = 1000
EXPIRED_AFTER_MS = 4  # when the fault "visibility-expired" delivers again: amid the first delivery
THROTTLE_RETRY_MS = 1000  # until a throttled batch is tried again; doubled each time
LARGEST_PAYLOAD_BYTES = 6 * 1024 * 1024  # of a synchronous invocation (gettingstarted-limits)
_MOST_BYTES_AROUND_BODY = 4096  # of a record without message attributes

_DELIVERY_FAULTS = frozenset(
    {"duplicate", "reordered", "delayed", "visibility-expired", "ack-lost"}
)
_STANDARD_ONLY = frozenset({"duplicate", "reordered"})


class SqsMapping:
    """One mapping: polls its queue, invokes its function, deletes what succeeded."""

    def __init__(
        self, simulation: Simulation, mapping: EventSourceMapping, queue: Queue, function: Function
    ) -> None:
        self._simulation = simulation
        self.mapping = mapping
        self._queue = queue
        self._function = function
        self._store = simulation.queues.store(queue)
        self._patterns = sqs_filters.read(mapping.filters, mapping.logical_id)
        self._at_work = 0
        self._timer: Any = None
        self._timer_ms = 0
        self._gathered: list[Any] = []
        self._window_ends_ms = 0
        self._backlog_since_ms: int | None = None
        self.enabled = mapping.enabled
        self.changing = ""  # "Enabling" or "Disabling", see mappings_api.py
        self.queue_name = queue.name

    # When to look.

    def wake(self) -> None:
        """Something in the queue has changed: look again."""
        if not self.enabled:
            return
        now_ms = self._simulation.now_ms
        if self._gathered:
            self._poll_at(max(now_ms, self._window_ends_ms))
        if self._store.receivable(self._simulation.wall_ms):
            self._poll_at(now_ms + POLL_MS)
        else:
            change_ms = self._store.next_change_ms(self._simulation.wall_ms)
            if change_ms is not None:
                self._poll_at(
                    max(now_ms, change_ms - self._simulation.scheduler.epoch_ms) + POLL_MS
                )

    def _poll_at(self, at_ms: int) -> None:
        if self._timer is not None and not self._timer.cancelled:
            if self._timer_ms <= at_ms:
                return
            self._timer.cancelled = True
        self._timer_ms = at_ms
        self._timer = self._simulation.scheduler.at(at_ms, self._poll)

    def _poll(self) -> None:
        self._timer = None
        if not self.enabled:
            return
        touch, name = self._simulation.scheduler.touch, self.mapping.logical_id
        if self._at_work >= self._concurrency:
            touch("pollers", "take", name)
        while self._at_work < self._concurrency:
            batch = self._gather()
            if not batch:
                break
            touch("pollers", "take", name)
            self._deliver(batch)
        if self._at_work < self._concurrency:
            self._backlog_since_ms = None
            self.wake()
        elif self._store.receivable(self._simulation.wall_ms):
            if self._backlog_since_ms is None:
                self._backlog_since_ms = self._simulation.now_ms
            if self._grows and self._pollers < self._simulation.schedule.concurrency:
                self._poll_at(self._simulation.now_ms + MINUTE_MS)

    @property
    def _pollers(self) -> int:
        """How many batches may be at work at once, by the mapping alone (services-sqs-scaling).

        Reserved concurrency is none of its business. A FIFO queue has as many as it has groups,
        which the queue itself sees to.
        """
        if not self._grows:
            return self.mapping.maximum_concurrency or MOST_POLLERS
        since_ms = self._backlog_since_ms
        minutes = 0 if since_ms is None else (self._simulation.now_ms - since_ms) // MINUTE_MS
        return min(MOST_POLLERS, STANDARD_POLLERS + POLLERS_A_MINUTE * minutes)

    @property
    def _grows(self) -> bool:
        return self.mapping.maximum_concurrency is None and not self._queue.fifo

    @property
    def _concurrency(self) -> int:
        return max(1, min(self._simulation.schedule.concurrency, self._pollers))

    @property
    def _batch_size(self) -> int:
        limit = self._simulation.schedule.batch_limit
        return min(self.mapping.batch_size, limit) if limit else self.mapping.batch_size

    # What is in a batch.

    def _gather(self) -> list[Any]:
        """Receive, and give a batch that is due: full, too large for more, or its window over.

        What is gathered is in flight: the window is on the account of the visibility timeout
        (services-sqs-configure).
        """
        simulation = self._simulation
        while len(self._gathered) < self._batch_size:
            got = simulation.queues.receive(
                self._store, min(RECEIVE_LIMIT, self._batch_size - len(self._gathered)), None
            )
            if not got:
                break
            kept = self._filtered(got)
            if kept and not self._gathered:
                window_ms = self.mapping.batching_window_seconds * 1000
                self._window_ends_ms = simulation.now_ms + window_ms
            self._gathered.extend(kept)
        if not self._gathered:
            return []
        fitting = self._fitting()
        too_many = self._gathered[fitting:]
        full = bool(too_many) or len(self._gathered) >= self._batch_size
        if not full and simulation.now_ms < self._window_ends_ms:
            self._poll_at(self._window_ends_ms)
            return []
        batch, self._gathered = self._gathered[:fitting], []
        if too_many:
            simulation.queues.postpone(self._store, too_many, simulation.wall_ms)
        return batch

    def _fitting(self) -> int:
        """How many of the gathered messages fit into the payload of one invocation."""
        if not any(message.message_attributes for message in self._gathered):
            # In JSON, a character takes six bytes at most: "\u0000".
            most = sum(6 * len(m.body) + _MOST_BYTES_AROUND_BODY for m in self._gathered)
            if most <= LARGEST_PAYLOAD_BYTES:
                return len(self._gathered)
        size = len('{"Records":[]}') - 1
        for count, message in enumerate(self._gathered):
            text = json.dumps(self._record(message), ensure_ascii=False, separators=(",", ":"))
            size += len(text.encode()) + 1
            if size > LARGEST_PAYLOAD_BYTES and count:
                return count
        return len(self._gathered)

    def _filtered(self, messages: list[Any]) -> list[Any]:
        """What matches the filter criteria; the rest is deleted (invocation-eventfiltering)."""
        if not self._patterns:
            return messages
        kept = []
        for message in messages:
            if sqs_filters.passes(self._patterns, self._record(message)):
                kept.append(message)
                continue
            ids = self._simulation.queues.ids_of([message])
            by, place = self.mapping.logical_id, self._queue.logical_id
            self._simulation.record("filtered", ids, place, by)
            self._delete([message])
        return kept

    def _record(self, message: Any) -> dict[str, Any]:
        return self._simulation.queues.record_of(message, self._queue)

    # Delivery.

    def _deliver(self, batch: list[Any]) -> None:
        simulation = self._simulation
        ids = simulation.queues.ids_of(batch)
        place = self._queue.logical_id
        simulation.strikes.cross(place, "delivery", ids)
        strike = simulation.due(place, "delivery", ids, _DELIVERY_FAULTS)
        kind = strike.fault.kind if strike is not None else ""
        if kind in _STANDARD_ONLY and self._queue.fifo:
            kind = ""
        if strike is not None and kind:
            simulation.strike(strike, ids)
        if strike is not None and kind in ("reordered", "delayed"):
            struck = self._held_back(batch, strike.fault.message)
            later_ms = DELAYED_MS if kind == "delayed" else REORDERED_MS
            simulation.queues.postpone(self._store, struck, simulation.wall_ms + later_ms)
            batch = [message for message in batch if message not in struck]
            if not batch:
                self.wake()
                return
        self._invoke(batch, acknowledges=kind != "ack-lost", again=kind == "duplicate")
        if kind == "visibility-expired":
            simulation.scheduler.at(
                simulation.now_ms + EXPIRED_AFTER_MS,
                lambda: self._redeliver(batch, "visibility expired"),
            )

    def _held_back(self, batch: list[Any], message_id: str) -> list[Any]:
        """The message that comes later, and in a FIFO queue all that must stay behind it."""
        named = [m for m in batch if message_id in self._simulation.queues.ids_of([m])]
        first = (named or batch)[0]
        if not self._queue.fifo:
            return [first]
        behind = batch[batch.index(first) :]
        return [message for message in behind if message.group_id == first.group_id]

    def _redeliver(self, batch: Sequence[Any], why: str) -> None:
        """Deliver messages once more: the queue counts another receive and gives a new receipt.

        One that is gone comes as the copy that an at-least-once queue may still deliver
        (standard-queues-at-least-once-delivery).
        """
        again = []
        released = set()
        for message in batch:
            if self._store.message(message.id) is not None:
                if self._release(message):
                    released.add(message.id)
            elif not self._queue.fifo:
                copy = message.copy()
                copy.approximate_receive_count += 1
                again.append(copy)
        if self._at_work >= self._pollers:
            return  # what is visible again waits for its turn
        again.extend(self._receive_named(released))
        if again:
            self._invoke(again, acknowledges=True, again=False, why=why)

    def _release(self, message: Any) -> bool:
        from moto.sqs.exceptions import SQSException

        self._simulation.queues.touch(self._store, "receive", (message,))
        try:
            self._store.change_visibility(message.receipt_handle, 0)
        except SQSException:
            return False  # it came back by itself, and another receive has it
        return True

    def _receive_named(self, message_ids: set[str]) -> list[Any]:
        queues, wall_ms = self._simulation.queues, self._simulation.wall_ms
        if not message_ids:
            return []
        received = queues.receive(self._store, self._store.receivable(wall_ms), None)
        others = [message for message in received if message.id not in message_ids]
        queues.postpone(self._store, others, wall_ms)
        return [message for message in received if message.id in message_ids]

    def _invoke(
        self, batch: Sequence[Any], *, acknowledges: bool, again: bool, why: str = ""
    ) -> None:
        counts = sorted({message.approximate_receive_count for message in batch})
        source = f"receive {'/'.join(map(str, counts))} from {self._queue.logical_id}"
        self._at_work += 1

        def finished(outcome: Outcome) -> None:
            self._at_work -= 1
            self._simulation.scheduler.touch("pollers", "free", self.mapping.logical_id)
            self._acknowledge(batch, outcome, acknowledges)
            if again and outcome.kind == "succeeded":
                self._redeliver(batch, "duplicate")
            self.wake()

        self._attempt(batch, f"{source} ({why})" if why else source, finished, 0)

    def _attempt(self, batch: Sequence[Any], source: str, finished: Any, attempt: int) -> None:
        """Invoke; what is throttled is tried again while it is in flight, then it comes back.

        Page services-sqs-errorhandling, backoff strategy. The fault "throttled" stands for a
        shortage that outlasts the visibility timeout; one that the stack makes itself may end.
        """
        simulation = self._simulation

        def done(outcome: Outcome) -> None:
            again_ms = simulation.now_ms + THROTTLE_RETRY_MS * 2**attempt
            wait = outcome.kind == "throttled" and self._function_is_full()
            if wait and again_ms < self._in_flight_until_ms(batch):
                simulation.scheduler.at(
                    again_ms, lambda: self._attempt(batch, source, finished, attempt + 1)
                )
            else:
                finished(outcome)

        event = {"Records": [self._record(message) for message in batch]}
        simulation.functions.invoke(
            self._function, event, simulation.queues.ids_of(batch), done, source=source
        )

    def _function_is_full(self) -> bool:
        reserved = self._function.reserved_concurrency
        return reserved is not None and self._simulation.functions.busy(self._function) >= reserved

    def _in_flight_until_ms(self, batch: Sequence[Any]) -> int:
        received_ms = min(message.received_at_ms for message in batch)
        until_ms: int = received_ms + self._queue.visibility_timeout_seconds * 1000
        return until_ms - self._simulation.scheduler.epoch_ms

    # What comes of it.

    def _acknowledge(self, batch: Sequence[Any], outcome: Outcome, acknowledges: bool) -> None:
        simulation = self._simulation
        if outcome.kind != "succeeded":
            return
        failed: frozenset[str] | None = frozenset()
        if self.mapping.reports_batch_item_failures:
            failed = reported_failures({message.id for message in batch}, outcome.result)
        why = "reported by the handler" if failed else "its response fails the whole batch"
        back = [message for message in batch if failed is None or message.id in failed]
        if back:
            ids = simulation.queues.ids_of(back)
            simulation.record("failed", ids, self._function.logical_id, why)
        succeeded = [message for message in batch if message not in back]
        if acknowledges:
            self._delete(succeeded)
        elif succeeded:
            ids = simulation.queues.ids_of(succeeded)
            simulation.record("noted", ids, self._queue.logical_id, "the delete did not take")

    def _delete(self, messages: Sequence[Any]) -> None:
        for message in messages:
            self._simulation.queues.acknowledge(self._store, message)
