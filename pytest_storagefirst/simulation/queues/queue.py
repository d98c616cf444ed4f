"""One SQS queue that keeps AWS's rules: visibility, retention, order, deduplication, dead letters.

Nothing happens by itself: what has fallen due is done when the queue is next touched, in the order
in which it fell due. `next_change_ms` and `next_expiry_ms` say when touching it is worth while.
"""

from __future__ import annotations

import copy
import hashlib
import json
from typing import TYPE_CHECKING, Any

from moto.sqs.exceptions import InvalidParameterValue, PurgeQueueInProgress, ReceiptHandleIsInvalid
from moto.sqs.models import Message, Queue, sqs_backends

from pytest_storagefirst.simulation.queues.contents import QueueContents
from pytest_storagefirst.simulation.queues.messages import (
    DELAYED,
    IN_FLIGHT,
    WAITING,
    SimulatedMessage,
)
from pytest_storagefirst.simulation.queues.requests import (
    MAXIMUM_VISIBILITY_TIMEOUT_SECONDS,
    check_queue_attributes,
    check_redrive_allowed,
    check_visibility_timeout,
    expired_receipt,
    message_not_in_flight,
    unavailable_receipt,
)
from pytest_storagefirst.simulation.queues.seams import seams

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.queues.moves import MoveTask

# Both kinds since 2024 (pages `quotas-queues` and `quotas-fifo`).
MAXIMUM_IN_FLIGHT = 120_000
DEDUPLICATION_INTERVAL_MS = 300_000
PURGE_INTERVAL_MS = 60_000

_FIRST_SEQUENCE_NUMBER = 18_849_496_460_467_696_128
_RECEIPT_PREFIX = "AQEB"
_RECEIPT_KEY_LENGTH = 12
_MESSAGE_ID_LENGTH = 36


class SimulatedQueue(Queue):
    """A queue of the simulated SQS; made by `SimulatedSQSBackend.create_queue`."""

    BASE_ATTRIBUTES = [*Queue.BASE_ATTRIBUTES, "RedriveAllowPolicy"]  # noqa: RUF012  # as moto's

    content_based_deduplication: bool
    deduplication_scope: str
    delay_seconds: int
    maximum_message_size: int
    message_retention_period: int
    receive_message_wait_time_seconds: int
    visibility_timeout: int
    redrive_policy: dict[str, Any] | None
    redrive_allow_policy: str | None = None

    def __new__(cls, *args: object, **kwargs: object) -> SimulatedQueue:
        # moto's BaseModel keeps a list of every instance ever made.
        queue: SimulatedQueue = object.__new__(cls)
        return queue

    def __init__(self, name: str, region: str, account_id: str, **attributes: Any) -> None:
        super().__init__(name, region, account_id, **attributes)
        self._contents = QueueContents.empty(fifo=self.fifo_queue)
        digest = hashlib.sha256(self.queue_arn.encode()).hexdigest()
        self._receipt_prefix = _RECEIPT_PREFIX + digest[:_RECEIPT_KEY_LENGTH]

    # What is there, and when that changes.

    def receivable(self, now_ms: int) -> int:
        """How many messages a receive could give at `now_ms`: visible, their FIFO group unblocked.

        It counts those that the receive would send to the DLQ instead.
        """
        self.settle(now_ms)
        return self._contents.line.receivable

    def next_change_ms(self, now_ms: int) -> int | None:
        """When, after `now_ms`, a message next becomes receivable by itself; None: never."""
        self.settle(now_ms)
        return self._contents.line.next_change_ms()

    def next_expiry_ms(self) -> int | None:
        """When the retention of the oldest message ends; None without messages."""
        first = self._contents.expiries.first()
        return first[0] + 1000 * self.message_retention_period if first else None

    def message(self, message_id: str) -> SimulatedMessage | None:
        """The message with this id, wherever in the queue it is."""
        return self._contents.messages.get(message_id)

    @property
    def messages(self) -> list[Message]:
        """Every message that is visible, FIFO-blocked ones too, in order of arrival."""
        self.settle(seams.now_ms())
        return [found for found in self._contents.messages.values() if found.state == WAITING]

    @property
    def stored_messages(self) -> list[SimulatedMessage]:
        """Every message that is still kept: visible, in flight or delayed, in order of arrival."""
        self.settle(seams.now_ms())
        return list(self._contents.messages.values())

    @property
    def approximate_number_of_messages(self) -> int:
        self.settle(seams.now_ms())
        return self._contents.waiting

    @property
    def approximate_number_of_messages_delayed(self) -> int:
        self.settle(seams.now_ms())
        return self._contents.delayed

    @property
    def approximate_number_of_messages_not_visible(self) -> int:
        self.settle(seams.now_ms())
        return self._contents.in_flight

    @property
    def move_tasks(self) -> list[MoveTask]:
        """This queue's redrives, oldest first."""
        return self._contents.move_tasks

    # Rewind.

    def snapshot(self) -> object:
        """The queue's contents now, for `restore`; O(1) while nothing ever entered the queue."""
        return None if self._contents.untouched else copy.deepcopy(self._contents)

    def restore(self, snapshot: object) -> None:
        """Put back the contents of a `snapshot` of this queue, any number of times."""
        if isinstance(snapshot, QueueContents):
            self._contents = copy.deepcopy(snapshot)
        elif not self._contents.untouched:
            self._contents = QueueContents.empty(fifo=self.fifo_queue)

    # Entering and leaving.

    def settle(self, now_ms: int) -> None:
        """Do what has fallen due by `now_ms`: end delays and visibility timeouts, and expire."""
        for kind, message in self._contents.settle(now_ms, self.message_retention_period * 1000):
            self.tell(kind, message)

    def store(self, message: SimulatedMessage, delay_seconds: int | None = None) -> None:
        """Take the message in, without a check; it is receivable after its delay.

        A message that was sent before keeps its time of sending, from which its retention runs. The
        delay of a FIFO queue is the queue's alone.
        """
        now_ms = seams.now_ms()
        self.settle(now_ms)
        contents = self._contents
        contents.arrivals += 1
        message.number = contents.arrivals
        if message.sent_timestamp is None:
            message.sent_timestamp = now_ms
        if self.fifo_queue:
            message.sequence_number = str(_FIRST_SEQUENCE_NUMBER + 256 * message.number)
        if delay_seconds is None or self.fifo_queue:
            delay_seconds = self.delay_seconds
        contents.add(message, now_ms + 1000 * delay_seconds if delay_seconds else None)

    def remove(self, message: SimulatedMessage) -> None:
        """Take a message out, whatever its state, without telling anyone."""
        self._contents.remove(message)

    def add_message(self, message: Message) -> None:
        """Take in a message as moto's own code would send it; moto's Lambda delivery never runs."""
        assert isinstance(message, SimulatedMessage)
        self.send(message)

    def send(self, message: SimulatedMessage, delay_seconds: int | None = None) -> None:
        """Accept a sent message. A FIFO duplicate is dropped and takes on the ids of the first one.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-exactly-once-processing.html
        """
        if not self.fifo_queue:
            self.store(message, delay_seconds)
            self.tell("stored", message)
            return
        now_ms = seams.now_ms()
        duplicates = self._contents.duplicates
        duplicates.forget_until(now_ms)
        scope = message.group_id if self.deduplication_scope == "messageGroup" else ""
        key = (str(scope), str(message.deduplication_id))
        first = duplicates.first(key)
        if first is not None:
            message.id, message.sequence_number = first
            message.origin_id = message.id
            self.tell("deduplicated", message)
            return
        self.store(message)
        duplicates.note(key, message, now_ms + DEDUPLICATION_INTERVAL_MS)
        self.tell("stored", message)

    # Receiving.

    def next_receivable(self, preferred_group: str | None = None) -> SimulatedMessage | None:
        """The message that a receive would give first; it stays where it is."""
        message_id = self._contents.line.peek(preferred_group)
        return None if message_id is None else self._contents.messages[message_id]

    def receive(self, maximum: int, visibility_timeout_seconds: int) -> list[SimulatedMessage]:
        """Put up to `maximum` messages in flight; returns copies that keep this receive's receipt.

        One whose receive count would exceed maxReceiveCount goes to the DLQ instead.
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
        """
        now_ms = seams.now_ms()
        self.settle(now_ms)
        contents = self._contents
        dlq = self._usable_dead_letter_queue()
        limit = self.redrive_policy["maxReceiveCount"] if dlq and self.redrive_policy else 0
        maximum = min(maximum, MAXIMUM_IN_FLIGHT - contents.in_flight)
        taken: list[SimulatedMessage] = []
        group: str | None = None
        while len(taken) < maximum and (message := self.next_receivable(group)):
            if dlq is not None and message.receives_here >= limit:
                self._dead_letter(message, dlq)
                continue
            group = message.group_id
            contents.take(message)
            taken.append(message)
        for message in taken:
            # Held only now: in flight, the first of a group would block the rest of this batch.
            contents.hold(message, now_ms + 1000 * visibility_timeout_seconds)
            message.received_at_ms = now_ms
            message.receives_here += 1
            message.approximate_receive_count += 1
            if message.approximate_first_receive_timestamp is None:
                message.approximate_first_receive_timestamp = now_ms
            message.receipt_handle = (
                f"{self._receipt_prefix}{message.id}{message.approximate_receive_count:04d}"
            )
            self.tell("received", message)
        return [message.copy() for message in taken]

    @property
    def in_flight_limit_reached(self) -> bool:
        self.settle(seams.now_ms())
        return self._contents.in_flight >= MAXIMUM_IN_FLIGHT

    def _usable_dead_letter_queue(self) -> SimulatedQueue | None:
        dlq = self.dead_letter_queue
        if dlq is None or not self.redrive_policy:
            return None
        backend = sqs_backends[self.account_id][self.region]
        return dlq if backend.queues.get(dlq.name) is dlq else None  # type: ignore[return-value]

    def _dead_letter(self, message: SimulatedMessage, dlq: SimulatedQueue) -> None:
        """Move the message; FIFO resets its time of sending, standard keeps it.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/setting-up-dead-letter-queue-retention.html
        """
        self.remove(message)
        message.dead_letter_source_arn = self.queue_arn
        message.receives_here = 0
        message.receipt_handle = None
        if self.fifo_queue:
            self._contents.dead_lettered.add(message.id)
            message.sent_timestamp = None
            # Page `sqs-configure-dead-letter-queue-redrive`: the DLQ must not drop one of two
            # messages that share a deduplication id.
            message.deduplication_id = message.id
        dlq.store(message)
        dlq.tell("dead-lettered", message, self.name)

    def postpone(self, message_id: str, until_ms: int) -> None:
        """Take the latest receive of a message back; it is visible again at `until_ms`."""
        message = self._contents.messages.get(message_id)
        if message is None or message.state != IN_FLIGHT:
            return
        message.receives_here -= 1
        message.approximate_receive_count -= 1
        message.receipt_handle = None
        self._contents.hold(message, until_ms)

    # What a consumer does with a receipt.

    def delete_message(self, receipt_handle: str) -> None:
        """Delete by the receipt of the most recent receive.

        Standard: an older receipt succeeds and deletes nothing, the newest works even after its
        visibility timeout. FIFO: a receipt is good only while its message is in flight.
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html
        """
        self.settle(seams.now_ms())
        message_id = self._message_id(receipt_handle)
        message = self._contents.messages.get(message_id)
        if message is None:
            if message_id in self._contents.dead_lettered:
                raise expired_receipt(receipt_handle)
            return
        newest = message.receipt_handle == receipt_handle
        if self.fifo_queue and not (newest and message.state == IN_FLIGHT):
            raise expired_receipt(receipt_handle)
        if newest:
            self.remove(message)
            self.tell("deleted", message)

    def change_visibility(self, receipt_handle: str, visibility_timeout_seconds: int) -> None:
        """Let the visibility timeout end that many seconds from now; 0 releases it at once.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
        """
        check_visibility_timeout(visibility_timeout_seconds)
        now_ms = seams.now_ms()
        self.settle(now_ms)
        message = self._contents.messages.get(self._message_id(receipt_handle))
        if message is None:
            raise unavailable_receipt(receipt_handle)
        if message.state != IN_FLIGHT or message.receipt_handle != receipt_handle:
            raise message_not_in_flight()
        until_ms = now_ms + 1000 * visibility_timeout_seconds
        if until_ms - message.received_at_ms > 1000 * MAXIMUM_VISIBILITY_TIMEOUT_SECONDS:
            raise InvalidParameterValue(
                f"Value {visibility_timeout_seconds} for parameter VisibilityTimeout is invalid. "
                "Reason: Total VisibilityTimeout for the message is beyond the limit "
                f"[{MAXIMUM_VISIBILITY_TIMEOUT_SECONDS} seconds]"
            )
        self._contents.hold(message, until_ms)
        self.settle(now_ms)

    def _message_id(self, receipt_handle: str) -> str:
        start = len(self._receipt_prefix)
        if not receipt_handle.startswith(self._receipt_prefix):
            raise ReceiptHandleIsInvalid()
        return receipt_handle[start : start + _MESSAGE_ID_LENGTH]

    # The queue as a whole.

    def purge(self) -> None:
        """Remove every message; once in 60 seconds.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_PurgeQueue.html
        """
        now_ms = seams.now_ms()
        last = self._contents.last_purged_at_ms
        if last is not None and now_ms - last < PURGE_INTERVAL_MS:
            raise PurgeQueueInProgress(self.name)
        self._contents.last_purged_at_ms = now_ms
        self.clear("purged")

    def clear(self, kind: str) -> None:
        """Remove every message and tell the observer `kind` of each."""
        for message in self.stored_messages:
            self.remove(message)
            self.tell(kind, message)

    def tell(self, kind: str, message: SimulatedMessage, detail: str = "") -> None:
        if seams.observer is not None:
            seams.observer(kind, self, message, detail)

    # Attributes: only ever called when a queue is made or changed.

    def _set_attributes(self, attributes: dict[str, Any], now: float | None = None) -> None:
        check_queue_attributes(attributes)
        if "Policy" not in attributes and hasattr(self, "_policy_json"):
            # moto drops the policy whenever anything else is set.
            attributes = {**attributes, "Policy": self.policy}
        allow = attributes.get("RedriveAllowPolicy")
        if isinstance(allow, dict):
            attributes = {**attributes, "RedriveAllowPolicy": json.dumps(allow)}
        delay_before = getattr(self, "delay_seconds", None)
        super()._set_attributes(attributes, now)
        if hasattr(self, "_contents") and self.fifo_queue and self.delay_seconds != delay_before:
            self._delay_again()

    def _delay_again(self) -> None:
        # Page `sqs-delay-queues`: a FIFO queue's delay is retroactive, a standard queue's is not.
        for message in self.stored_messages:
            if message.state == DELAYED:
                assert message.sent_timestamp is not None
                self._contents.delay(message, message.sent_timestamp + 1000 * self.delay_seconds)

    def _setup_dlq(self, policy: Any) -> None:
        before = getattr(self, "redrive_policy", None), self.dead_letter_queue
        try:
            super()._setup_dlq(policy)
            if isinstance(self.dead_letter_queue, SimulatedQueue) and self.redrive_policy:
                check_redrive_allowed(self, self.dead_letter_queue)
                if not 1 <= self.redrive_policy["maxReceiveCount"] <= 1000:
                    raise InvalidParameterValue(
                        f"Value {self.redrive_policy['maxReceiveCount']} for parameter "
                        "maxReceiveCount is invalid. Reason: Must be between 1 and 1000."
                    )
        except Exception:
            self.redrive_policy, self.dead_letter_queue = before
            raise
