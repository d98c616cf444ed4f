"""Redriving a dead-letter queue: StartMessageMoveTask, ListMessageMoveTasks, CancelMessageMoveTask.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html
moto has none of the three; `RESPONSES` are the methods that its response class dispatches them to.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.sqs.exceptions import InvalidParameterValue, SQSException

from pytest_storagefirst.simulation.queues.messages import SimulatedMessage
from pytest_storagefirst.simulation.queues.queue import SimulatedQueue
from pytest_storagefirst.simulation.queues.seams import seams

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.queues.service import SimulatedSQSBackend

MAXIMUM_MESSAGES_PER_SECOND = 500
MAXIMUM_RESULTS = 10


@dataclass
class MoveTask:
    """One redrive of a DLQ; `destination_arn` None sends each message back to its own source."""

    handle: str
    source_arn: str
    destination_arn: str | None
    maximum_messages_per_second: int | None
    started_at_ms: int
    to_move: int
    moved: int = 0
    status: str = "RUNNING"
    failure_reason: str | None = None


def start(
    backend: SimulatedSQSBackend,
    source_arn: str,
    destination_arn: str | None = None,
    maximum_messages_per_second: int | None = None,
) -> MoveTask:
    """Start a redrive and, unless `seams.run_move_task` says otherwise, complete it at once.

    The rate is noted, not kept: in virtual time the move takes none.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
    """
    dlq = _queue(backend, source_arn, "SourceArn")
    if not backend.list_dead_letter_source_queues(dlq.name):
        raise InvalidParameterValue("Source queue must be configured as a Dead Letter Queue.")
    if destination_arn is not None:
        destination = _queue(backend, destination_arn, "DestinationArn")
        if destination is dlq:
            raise InvalidParameterValue("Source queue and destination queue can't be the same.")
        if destination.fifo_queue != dlq.fifo_queue:
            raise InvalidParameterValue(
                "Source queue and destination queue must be of the same type."
            )
    rate = maximum_messages_per_second
    if rate is not None and not 1 <= rate <= MAXIMUM_MESSAGES_PER_SECOND:
        raise InvalidParameterValue(
            f"Value {rate} for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: Must be "
            f"between 1 and {MAXIMUM_MESSAGES_PER_SECOND}, if provided."
        )
    if any(task.status == "RUNNING" for task in dlq.move_tasks):
        raise InvalidParameterValue(
            "There is already a task running. Only one active task is allowed for a source queue "
            "arn at a given time."
        )
    now_ms = seams.now_ms()
    handle = {"taskId": backend.new_id(), "sourceArn": source_arn}
    task = MoveTask(
        base64.b64encode(json.dumps(handle).encode()).decode(),
        source_arn,
        destination_arn,
        rate,
        now_ms,
        dlq.receivable(now_ms),
    )
    dlq.move_tasks.append(task)
    if seams.run_move_task is None:
        advance(backend, task)
    else:
        seams.run_move_task(backend, task)
    return task


def advance(backend: SimulatedSQSBackend, task: MoveTask, limit: int | None = None) -> int:
    """Move up to `limit` more messages of a running task, oldest first; returns how many moved.

    The task is over when it has moved as many as were receivable at its start, or nothing is left.
    It fails at a message that no queue sent to the DLQ, or whose source is gone (page
    `troubleshooting-dlq-redrive`).
    """
    dlq = _queue(backend, task.source_arn, "SourceArn")
    moved = 0
    while task.status == "RUNNING" and (limit is None or moved < limit):
        message = dlq.next_receivable() if dlq.receivable(seams.now_ms()) else None
        if message is None or task.moved >= task.to_move:
            task.status = "COMPLETED"
            break
        arn = task.destination_arn or message.dead_letter_source_arn
        destination = None if arn is None else _find(backend, arn)
        if destination is None:
            task.status = "FAILED"
            task.failure_reason = (
                "CouldNotDetermineMessageSource"
                if arn is None
                else "AWS.SimpleQueueService.NonExistentQueue"
            )
            break
        _redrive(backend, dlq, message, destination)
        task.moved += 1
        moved += 1
    if task.moved >= task.to_move and task.status == "RUNNING":
        task.status = "COMPLETED"
    return moved


def _redrive(
    backend: SimulatedSQSBackend,
    dlq: SimulatedQueue,
    message: SimulatedMessage,
    destination: SimulatedQueue,
) -> None:
    # "All redriven messages are considered new messages with a new messageID and enqueueTime".
    dlq.remove(message)
    new = SimulatedMessage(backend.new_id(), message.body, message.system_attributes)
    new.origin_id, new.previous_id = message.origin_id, message.id
    new.message_attributes = message.message_attributes
    new.sender_id = message.sender_id
    new.group_id = message.group_id
    new.deduplication_id = message.deduplication_id
    destination.store(new)
    dlq.tell("redriven", new, destination.name)


def list_tasks(
    backend: SimulatedSQSBackend, source_arn: str, maximum_results: int = 1
) -> list[MoveTask]:
    """The most recent redrives of a DLQ, newest first."""
    if not 1 <= maximum_results <= MAXIMUM_RESULTS:
        raise InvalidParameterValue(
            f"Value {maximum_results} for parameter MaxResults is invalid. Reason: Must be between "
            f"1 and {MAXIMUM_RESULTS}, if provided."
        )
    return _queue(backend, source_arn, "SourceArn").move_tasks[::-1][:maximum_results]


def cancel(backend: SimulatedSQSBackend, handle: str) -> MoveTask:
    """Stop a running redrive; what it has moved stays moved."""
    try:
        source_arn = str(json.loads(base64.b64decode(handle, validate=True))["sourceArn"])
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise InvalidParameterValue("Value for parameter TaskHandle is invalid.") from None
    dlq = _find(backend, source_arn)
    for task in dlq.move_tasks if dlq else ():
        if task.handle == handle:
            if task.status != "RUNNING":
                raise InvalidParameterValue("Only active tasks can be cancelled.")
            task.status = "CANCELLED"
            return task
    raise SQSException("ResourceNotFoundException", "Task does not exist.")


def _find(backend: SimulatedSQSBackend, arn: str) -> SimulatedQueue | None:
    queue = backend.queues.get(arn.rsplit(":", 1)[-1])
    return queue if isinstance(queue, SimulatedQueue) and queue.queue_arn == arn else None


def _queue(backend: SimulatedSQSBackend, arn: str, parameter: str) -> SimulatedQueue:
    queue = _find(backend, arn)
    if queue is None:
        raise SQSException(
            "ResourceNotFoundException",
            f"The resource that you specified for the {parameter} parameter doesn't exist.",
        )
    return queue


# moto's SQSResponse finds an operation's method by name; `response` is its self.


def _start_response(response: Any) -> ActionResult:
    task = start(
        response.sqs_backend,
        response._get_param("SourceArn"),
        response._get_param("DestinationArn"),
        response._get_param("MaxNumberOfMessagesPerSecond"),
    )
    return ActionResult({"TaskHandle": task.handle})


def _list_response(response: Any) -> ActionResult:
    results = []
    tasks = list_tasks(
        response.sqs_backend,
        response._get_param("SourceArn"),
        response._get_param("MaxResults", 1),
    )
    for task in tasks:
        result: dict[str, Any] = {
            "Status": task.status,
            "SourceArn": task.source_arn,
            "ApproximateNumberOfMessagesMoved": task.moved,
            "ApproximateNumberOfMessagesToMove": task.to_move,
            "StartedTimestamp": task.started_at_ms,
        }
        optional = {
            "TaskHandle": task.handle if task.status == "RUNNING" else None,
            "DestinationArn": task.destination_arn,
            "MaxNumberOfMessagesPerSecond": task.maximum_messages_per_second,
            "FailureReason": task.failure_reason,
        }
        result.update({name: value for name, value in optional.items() if value is not None})
        results.append(result)
    return ActionResult({"Results": results})


def _cancel_response(response: Any) -> ActionResult:
    task = cancel(response.sqs_backend, response._get_param("TaskHandle"))
    return ActionResult({"ApproximateNumberOfMessagesMoved": task.moved})


RESPONSES: dict[str, Callable[[Any], ActionResult]] = {
    "start_message_move_task": _start_response,
    "list_message_move_tasks": _list_response,
    "cancel_message_move_task": _cancel_response,
}
