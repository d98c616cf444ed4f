"""Lambda's event source mapping for SQS.

Rules from the Lambda developer guide: services-sqs-configure, services-sqs-errorhandling,
services-sqs-scaling, invocation-eventfiltering (AWS_SEMANTICS.md, rules 11 to 20).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytest_storagefirst.simulation.functions import Outcome
from pytest_storagefirst.simulation.sources import event_patterns
from pytest_storagefirst.stack.topology import EventSourceMapping, Function, Queue

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation

POLL_MS = 100  # from a message becoming visible until a poller has it
STANDARD_POLLERS = 5  # that a standard queue's mapping starts with (services-sqs-scaling)
DELAYED_MS = 900_000  # what the fault "delayed" adds: the longest delay that SQS itself knows
LARGEST_PAYLOAD_BYTES = 6 * 1024 * 1024  # of a synchronous invocation (gettingstarted-limits)

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
        self._mapping = mapping
        self._queue = queue
        self._function = function
        self._store = simulation.store(queue)
        self._at_work = 0
        self._timer: Any = None
        self._timer_ms = 0
        self._window_opened_ms: int | None = None
        self.enabled = mapping.enabled
        self.queue_name = queue.name

    def wake(self) -> None:
        """Something in the queue has changed: look again."""
        if not self.enabled:
            return
        now_ms = self._simulation.now_ms
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

    @property
    def _batch_size(self) -> int:
        limit = self._simulation.schedule.batch_limit
        return min(self._mapping.batch_size, limit) if limit else self._mapping.batch_size

    @property
    def _concurrency(self) -> int:
        allowed = self._mapping.maximum_concurrency or STANDARD_POLLERS
        if self._function.reserved_concurrency is not None:
            allowed = min(allowed, max(1, self._function.reserved_concurrency))
        return max(1, min(self._simulation.schedule.concurrency, allowed))

    def _poll(self) -> None:
        self._timer = None
        if not self.enabled:
            return
        while self._at_work < self._concurrency:
            ready = self._store.receivable(self._simulation.wall_ms)
            if not ready or self._waits_for_more(ready):
                break
            self._window_opened_ms = None
            batch = self._receive()
            if not batch:
                break
            self._deliver(batch)
        if self._at_work < self._concurrency:
            self.wake()

    def _waits_for_more(self, ready: int) -> bool:
        """The batching window: gather until it closes or the batch is full (services-sqs-configure)."""
        window_ms = self._mapping.batching_window_seconds * 1000
        if not window_ms or ready >= self._batch_size:
            return False
        now_ms = self._simulation.now_ms
        if self._window_opened_ms is None:
            self._window_opened_ms = now_ms
        if now_ms >= self._window_opened_ms + window_ms:
            return False
        self._poll_at(self._window_opened_ms + window_ms)
        return True

    def _receive(self) -> list[Any]:
        batch: list[Any] = []
        while len(batch) < self._batch_size:
            # A poller's ReceiveMessage takes ten at most; the batch is put together from several.
            got = self._simulation.queues.receive(
                self._store, min(10, self._batch_size - len(batch)), None
            )
            if not got:
                break
            batch.extend(got)
        return self._filtered(batch)

    def _filtered(self, batch: list[Any]) -> list[Any]:
        """What matches the filter criteria; the rest is deleted (invocation-eventfiltering)."""
        if not self._mapping.filters:
            return batch
        patterns = [json.loads(pattern) for pattern in self._mapping.filters]
        kept = []
        for message in batch:
            record = self._record(message)
            try:
                record["body"] = json.loads(record["body"])
            except ValueError:
                pass
            if any(event_patterns.matches(pattern, record) for pattern in patterns):
                kept.append(message)
            else:
                ids = self._simulation.ids_of([message])
                self._simulation.record("filtered", ids, self._queue.logical_id)
                self._delete([message])
        return kept

    def _record(self, message: Any) -> dict[str, Any]:
        return self._simulation.sqs_record(message, self._queue)

    def _deliver(self, batch: list[Any]) -> None:
        simulation = self._simulation
        ids = simulation.ids_of(batch)
        place = self._queue.logical_id
        simulation.strikes.cross(place, "delivery", ids)
        strike = simulation.due(place, "delivery", ids, _DELIVERY_FAULTS)
        kind = strike.fault.kind if strike is not None else ""
        if kind in _STANDARD_ONLY and self._queue.fifo:
            kind = ""
        if strike is not None and kind:
            simulation.strike(strike, ids)
        if kind in ("reordered", "delayed"):
            struck = [
                m for m in batch if simulation.ids_of([m]) == (strike.fault.message,)
            ] or batch[:1]
            batch = [m for m in batch if m not in struck]
            later_ms = DELAYED_MS if kind == "delayed" else 1000
            simulation.queues.postpone(self._store, struck, simulation.wall_ms + later_ms)
            if not batch:
                self.wake()
                return
        self._invoke(batch, acknowledges=kind != "ack-lost", again=kind == "duplicate")
        if kind == "visibility-expired":
            simulation.scheduler.at(
                simulation.now_ms + 4, lambda: self._redeliver(batch, "visibility expired")
            )

    def _redeliver(self, batch: Sequence[Any], why: str) -> None:
        """Deliver messages once more: the queue counts another receive and gives a new receipt."""
        again = self._simulation.queues.receive_again(self._store, batch)
        if again:
            self._invoke(again, acknowledges=True, again=False, why=why)

    def _invoke(
        self, batch: Sequence[Any], *, acknowledges: bool, again: bool, why: str = ""
    ) -> None:
        event = {"Records": [self._record(message) for message in batch]}
        self._at_work += 1
        counts = sorted({message.approximate_receive_count for message in batch})
        source = f"receive {'/'.join(map(str, counts))} from {self._queue.logical_id}"

        def done(outcome: Outcome) -> None:
            self._at_work -= 1
            self._acknowledge(batch, outcome, acknowledges)
            if again and outcome.kind == "succeeded":
                self._redeliver(batch, "duplicate")
            self.wake()

        self._simulation.functions.invoke(
            self._function,
            event,
            self._simulation.ids_of(batch),
            done,
            source=f"{source} ({why})" if why else source,
        )

    def _acknowledge(self, batch: Sequence[Any], outcome: Outcome, acknowledges: bool) -> None:
        simulation = self._simulation
        failed = (
            batch if outcome.kind != "succeeded" else self._reported_failures(batch, outcome.result)
        )
        succeeded = [message for message in batch if message not in failed]
        if failed and outcome.kind == "succeeded":
            simulation.record(
                "failed",
                simulation.ids_of(failed),
                self._function.logical_id,
                "reported by the handler",
            )
        if not succeeded:
            return
        if acknowledges:
            self._delete(succeeded)
        else:
            simulation.record(
                "noted",
                simulation.ids_of(succeeded),
                self._queue.logical_id,
                "the delete did not take",
            )

    def _delete(self, messages: Sequence[Any]) -> None:
        for message in messages:
            self._simulation.queues.acknowledge(self._store, message)

    def _reported_failures(self, batch: Sequence[Any], result: Any) -> list[Any]:
        """Which messages come back (services-sqs-errorhandling, success and failure conditions)."""
        if not self._mapping.reports_batch_item_failures:
            return []
        everything = list(batch)
        if result is None or result == {}:
            return []
        if not isinstance(result, dict):
            return everything
        if "batchItemFailures" not in result:
            return []
        failures = result["batchItemFailures"]
        if failures is None or failures == []:
            return []
        if not isinstance(failures, list):
            return everything
        by_id = {message.id: message for message in batch}
        failed = []
        for failure in failures:
            identifier = failure.get("itemIdentifier") if isinstance(failure, dict) else None
            if not identifier or identifier not in by_id:
                return everything
            failed.append(by_id[identifier])
        return failed
