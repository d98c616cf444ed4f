"""An SQS that keeps AWS's rules, in the place of moto's.

`simulated_sqs()` puts it there: queues made by boto3, by CloudFormation or by another service in
moto are then `SimulatedQueue`s, answered by moto's own response layer. moto's delivery to Lambda
inside SendMessage never runs, and a long poll never waits. A simulation takes hold at `seams`.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from moto.sqs import urls
from moto.sqs.exceptions import QueueAlreadyExists, QueueDoesNotExist, SQSException
from moto.sqs.models import SQSBackend, _filter_message_attributes, sqs_backends
from moto.sqs.responses import SQSResponse

from pytest_storagefirst.errors import SimulationError
from pytest_storagefirst.simulation.queues import moves
from pytest_storagefirst.simulation.queues.messages import SimulatedMessage
from pytest_storagefirst.simulation.queues.queue import MAXIMUM_IN_FLIGHT, SimulatedQueue
from pytest_storagefirst.simulation.queues.requests import (
    check_batch,
    check_message,
    check_visibility_timeout,
    failed_entry,
    too_many_in_flight,
)
from pytest_storagefirst.simulation.queues.seams import Seams, seams

__all__ = [
    "Seams",
    "SimulatedMessage",
    "SimulatedQueue",
    "SimulatedSQSBackend",
    "install",
    "seams",
    "simulated_sqs",
    "uninstall",
]


class SimulatedSQSBackend(SQSBackend):
    """The SQS of one account and region; moto makes it when it is first asked for."""

    queues: dict[str, SimulatedQueue]  # type: ignore[assignment]  # moto's says Queue

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._random = random.Random()
        self.reseed(0)

    @property
    def _url_module(self) -> Any:
        # moto derives the module from the class's own, which is not in moto here.
        return urls

    def reseed(self, seed: int) -> None:
        """Start the message ids anew: the same seed gives the same ids in the same order."""
        self._random.seed(f"{seed}:{self.account_id}:{self.region_name}")

    def new_id(self) -> str:
        """An id in the form of a random UUID."""
        digits = f"{self._random.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    # Queues.

    def create_queue(
        self, name: str, tags: dict[str, str] | None = None, **kwargs: Any
    ) -> SimulatedQueue:
        kwargs.pop("region", None)
        new = SimulatedQueue(  # type: ignore[abstract]  # nor does moto's own Queue have is_created
            name, region=self.region_name, account_id=self.account_id, **kwargs
        )
        queue = self.queues.get(name)
        if queue is None:
            queue = self.queues[name] = new
        elif any(queue.attributes.get(key) != new.attributes.get(key) for key in kwargs):
            raise QueueAlreadyExists("The specified queue already exists.")
        if tags:
            queue.tags = tags
        return queue

    def get_queue(self, queue_name: str) -> SimulatedQueue:
        queue = self.queues.get(queue_name)
        if queue is None:
            raise QueueDoesNotExist()
        return queue

    def delete_queue(self, queue_name: str) -> None:
        """Delete the queue and all that it holds; the observer sees each message purged."""
        queue = self.get_queue(queue_name)
        super().delete_queue(queue_name)
        queue.clear("purged")

    def purge_queue(self, queue_name: str) -> None:
        self.get_queue(queue_name).purge()

    # Sending.

    def send_message(
        self,
        queue_name: str,
        message_body: str,
        message_attributes: dict[str, Any] | None = None,
        delay_seconds: int | None = None,
        deduplication_id: str | None = None,
        group_id: str | None = None,
        system_attributes: dict[str, Any] | None = None,
        validate_group_id: bool = True,
    ) -> SimulatedMessage:
        """Accept a message or refuse it with SQS's error; returns what the sender is told.

        `validate_group_id` false is SNS sending: a FIFO topic may deliver to a standard queue.
        """
        queue = self.get_queue(queue_name)
        if not validate_group_id and not queue.fifo_queue:
            deduplication_id = None
        delay_seconds = None if delay_seconds is None else int(delay_seconds)
        check_message(
            queue, message_body, message_attributes or {}, delay_seconds, deduplication_id, group_id
        )
        message = SimulatedMessage(self.new_id(), message_body, system_attributes)
        message.message_attributes = message_attributes or {}
        message.group_id = group_id
        message.deduplication_id = deduplication_id
        if queue.fifo_queue and deduplication_id is None:
            message.deduplication_id = hashlib.sha256(message_body.encode()).hexdigest()
        queue.send(message, delay_seconds)
        return message

    def send_message_batch(
        self, queue_name: str, entries: dict[str, dict[str, Any]]
    ) -> tuple[list[Any], list[dict[str, Any]]]:
        """Send each entry by itself; the messages, which carry their entry's id as `user_id`, and
        what failed."""
        self.get_queue(queue_name)
        check_batch("Send", entries.values())
        messages, failed = [], []
        for entry in entries.values():
            try:
                message = self.send_message(
                    queue_name,
                    entry["MessageBody"],
                    message_attributes=entry.get("MessageAttributes"),
                    delay_seconds=entry.get("DelaySeconds"),
                    deduplication_id=entry.get("MessageDeduplicationId"),
                    group_id=entry.get("MessageGroupId"),
                    system_attributes=entry.get("MessageSystemAttributes"),
                )
            except SQSException as error:
                failed.append(failed_entry(entry["Id"], error))
            else:
                told = message.copy()
                told.user_id = entry["Id"]
                messages.append(told)
        return messages, failed

    # Receiving.

    def receive(
        self,
        queue: SimulatedQueue | str,
        max_messages: int,
        visibility_timeout_seconds: int | None = None,
    ) -> list[SimulatedMessage]:
        """Receive as Lambda's pollers do: at once, any number, never OverLimit."""
        if isinstance(queue, str):
            queue = self.get_queue(queue)
        if visibility_timeout_seconds is None:
            visibility_timeout_seconds = queue.visibility_timeout
        return queue.receive(max_messages, visibility_timeout_seconds)

    def receive_message(
        self,
        queue_name: str,
        count: int,
        wait_seconds_timeout: int,
        visibility_timeout: int,
        message_attribute_names: list[str] | None = None,
    ) -> list[Any]:
        """ReceiveMessage; a long poll that finds nothing asks `seams.wait` and looks once more."""
        queue = self.get_queue(queue_name)
        check_visibility_timeout(visibility_timeout)
        if not wait_seconds_timeout and not queue.fifo_queue and queue.in_flight_limit_reached:
            raise too_many_in_flight(MAXIMUM_IN_FLIGHT)
        messages = queue.receive(count, visibility_timeout)
        if not messages and wait_seconds_timeout and seams.wait is not None:
            seams.wait(queue, wait_seconds_timeout)
            messages = queue.receive(count, visibility_timeout)
        for message in messages:
            _filter_message_attributes(message, message_attribute_names or [])
        return messages

    # What a consumer does with a receipt.

    def delete_message_batch(
        self, queue_name: str, receipts: list[dict[str, Any]]
    ) -> tuple[list[str], list[dict[str, Any]]]:
        queue = self.get_queue(queue_name)
        check_batch("Delete", receipts)
        return _each(receipts, lambda entry: queue.delete_message(entry["ReceiptHandle"]))

    def change_message_visibility(
        self, queue_name: str, receipt_handle: str, visibility_timeout: int
    ) -> None:
        self.get_queue(queue_name).change_visibility(receipt_handle, int(visibility_timeout))

    def change_message_visibility_batch(
        self, queue_name: str, entries: list[dict[str, Any]]
    ) -> tuple[list[str], list[dict[str, Any]]]:
        queue = self.get_queue(queue_name)
        check_batch("ChangeMessageVisibility", entries)
        return _each(
            entries,
            lambda entry: queue.change_visibility(
                entry["ReceiptHandle"], int(entry.get("VisibilityTimeout") or 0)
            ),
        )


def _each(
    entries: list[dict[str, Any]], act: Callable[[dict[str, Any]], None]
) -> tuple[list[str], list[dict[str, Any]]]:
    successful, failed = [], []
    for entry in entries:
        try:
            act(entry)
        except SQSException as error:
            failed.append(failed_entry(entry["Id"], error))
        else:
            successful.append(entry["Id"])
    return successful, failed


_installed = 0
_moto_receive_message = SQSResponse.receive_message


def _receive_message_response(response: Any) -> Any:
    """moto's answer, with the system attribute that it doesn't know."""
    answer = _moto_receive_message(response)
    asked = {
        *response._get_param("AttributeNames", []),
        *response._get_param("MessageSystemAttributeNames", []),
    }
    if asked & {"All", "DeadLetterQueueSourceArn"} and isinstance(answer.result, dict):
        queue = response.sqs_backend.get_queue(response._get_queue_name())
        for told in answer.result.get("Messages", ()):
            message = queue.message(told["MessageId"])
            if message is not None and message.dead_letter_source_arn:
                attributes = told.setdefault("Attributes", {})
                attributes["DeadLetterQueueSourceArn"] = message.dead_letter_source_arn
    return answer


def install() -> None:
    """Let moto use the simulated SQS; calls nest, each needs its `uninstall`.

    Raises SimulationError when moto's own SQS already has queues: they would not keep AWS's rules.
    """
    global _installed
    plain = [
        (regions, region)
        for regions in sqs_backends.values()
        for region, backend in regions.items()
        if not isinstance(backend, SimulatedSQSBackend)
    ]
    for regions, region in plain:
        if regions[region].queues:
            raise SimulationError(
                "queues were made before the simulated SQS was in place",
                found=", ".join(sorted(regions[region].queues)),
                expected="a moto without SQS queues",
                remedy="create the queues inside `with simulated_sqs():`",
            )
        del regions[region]
    _installed += 1
    _let_moto_make(SimulatedSQSBackend)
    if _installed == 1:
        for name, method in moves.RESPONSES.items():
            setattr(SQSResponse, name, method)
        SQSResponse.receive_message = _receive_message_response  # type: ignore[method-assign,assignment]


def uninstall() -> None:
    """Give moto its own SQS back. Queues that exist stay simulated until moto is reset."""
    global _installed
    _installed -= 1
    if _installed == 0:
        _let_moto_make(SQSBackend)
        for name in moves.RESPONSES:
            delattr(SQSResponse, name)
        SQSResponse.receive_message = _moto_receive_message  # type: ignore[method-assign]


def _let_moto_make(backend: type[SQSBackend]) -> None:
    sqs_backends.backend = backend
    for regions in sqs_backends.values():
        regions.backend = backend


@contextmanager
def simulated_sqs() -> Iterator[None]:
    """Within this block moto's SQS is the simulated one."""
    install()
    try:
        yield
    finally:
        uninstall()
