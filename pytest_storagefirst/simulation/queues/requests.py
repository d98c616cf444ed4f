"""What SQS refuses, and with which error: contents, sizes, ids, batches, attribute ranges.

The limits are those of the `quotas-messages` page and of botocore's model of the API.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from moto.sqs.exceptions import (
    BatchEntryIdsNotDistinct,
    BatchRequestTooLong,
    EmptyBatchRequest,
    InvalidAttributeValue,
    InvalidBatchEntryId,
    InvalidParameterValue,
    MissingParameter,
    SQSException,
    TooManyEntriesInBatchRequest,
)

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.queues.queue import SimulatedQueue

MAXIMUM_BATCH_BYTES = 1_048_576
MAXIMUM_BATCH_ENTRIES = 10
MAXIMUM_DELAY_SECONDS = 900
MAXIMUM_MESSAGE_ATTRIBUTES = 10
MAXIMUM_VISIBILITY_TIMEOUT_SECONDS = 43_200

ATTRIBUTE_RANGES = {
    "DelaySeconds": (0, MAXIMUM_DELAY_SECONDS),
    "MaximumMessageSize": (1024, 1_048_576),
    "MessageRetentionPeriod": (60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, MAXIMUM_VISIBILITY_TIMEOUT_SECONDS),
}

_FORBIDDEN_CHARACTER = re.compile("[^\x09\x0a\x0d\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BATCH_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_FIFO_ID = re.compile(r"[!-~]{1,128}")


def expired_receipt(receipt_handle: str) -> SQSException:
    """A FIFO queue's answer to a receipt whose visibility timeout has ended.

    https://repost.aws/knowledge-center/sqs-receipt-handle-error
    """
    return InvalidParameterValue(
        f"Value {receipt_handle} for parameter ReceiptHandle is invalid. "
        "Reason: The receipt handle has expired."
    )


def unavailable_receipt(receipt_handle: str) -> SQSException:
    """The answer to a change of visibility for a message that is no longer in the queue."""
    return InvalidParameterValue(
        f"Value {receipt_handle} for parameter ReceiptHandle is invalid. Reason: Message does not "
        "exist or is not available for visibility timeout change."
    )


def message_not_in_flight() -> SQSException:
    return SQSException(
        "AWS.SimpleQueueService.MessageNotInflight", "The specified message isn't in flight."
    )


def too_many_in_flight(limit: int) -> SQSException:
    return SQSException("OverLimit", f"The queue has {limit} messages in flight, its maximum.")


def check_visibility_timeout(seconds: int) -> None:
    if not 0 <= seconds <= MAXIMUM_VISIBILITY_TIMEOUT_SECONDS:
        raise InvalidParameterValue(
            f"Value {seconds} for parameter VisibilityTimeout is invalid. Reason: Must be between "
            f"0 and {MAXIMUM_VISIBILITY_TIMEOUT_SECONDS}, if provided."
        )


def check_queue_attributes(attributes: Mapping[str, Any]) -> None:
    """Raises InvalidAttributeValue for a number outside the range that CreateQueue documents."""
    for name, (lowest, highest) in ATTRIBUTE_RANGES.items():
        if name in attributes:
            try:
                value = int(attributes[name])
            except (TypeError, ValueError):
                raise InvalidAttributeValue(name) from None
            if not lowest <= value <= highest:
                raise InvalidAttributeValue(name)


def check_redrive_allowed(source: SimulatedQueue, target: SimulatedQueue) -> None:
    """The DLQ is of the source's kind and its RedriveAllowPolicy lets the source use it.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
    """
    if source.fifo_queue != target.fifo_queue:
        raise InvalidParameterValue(
            "Dead-letter queue must be same type of queue as the source: "
            f"{source.name} and {target.name} are not."
        )
    policy = json.loads(target.redrive_allow_policy or "{}")
    permission = policy.get("redrivePermission", "allowAll")
    named = source.queue_arn in policy.get("sourceQueueArns", ())
    if permission == "denyAll" or (permission == "byQueue" and not named):
        raise InvalidParameterValue(
            f"Queue {source.name} is not allowed by {target.name}'s RedriveAllowPolicy."
        )


def check_message(
    queue: SimulatedQueue,
    body: str,
    message_attributes: Mapping[str, Any],
    delay_seconds: int | None,
    deduplication_id: str | None,
    group_id: str | None,
) -> None:
    """Raises the error with which SendMessage refuses the message.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
    """
    if not body:
        raise MissingParameter("MessageBody")
    if len(message_attributes) > MAXIMUM_MESSAGE_ATTRIBUTES:
        raise InvalidParameterValue(
            f"Number of message attributes [{len(message_attributes)}] exceeds the allowed maximum "
            f"[{MAXIMUM_MESSAGE_ATTRIBUTES}]."
        )
    strings = [value.get("StringValue") or "" for value in message_attributes.values()]
    if any(_FORBIDDEN_CHARACTER.search(text) for text in (body, *strings)):
        raise SQSException(
            "InvalidMessageContents",
            "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to "
            "#xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
        )
    if size_bytes(body, message_attributes) > queue.maximum_message_size:
        raise InvalidParameterValue(
            "One or more parameters are invalid. Reason: Message must be shorter than "
            f"{queue.maximum_message_size} bytes."
        )
    if delay_seconds is not None and not 0 <= delay_seconds <= MAXIMUM_DELAY_SECONDS:
        raise InvalidParameterValue(
            f"Value {delay_seconds} for parameter DelaySeconds is invalid. "
            f"Reason: DelaySeconds must be >= 0 and <= {MAXIMUM_DELAY_SECONDS}."
        )
    for name, value in (
        ("MessageGroupId", group_id),
        ("MessageDeduplicationId", deduplication_id),
    ):
        if value is not None and not _FIFO_ID.fullmatch(value):
            raise InvalidParameterValue(
                f"Value {value} for parameter {name} is invalid. Reason: {name} can only include "
                "alphanumeric and punctuation characters. 1 to 128 in length."
            )
    if queue.fifo_queue:
        _check_fifo_message(queue, delay_seconds, deduplication_id, group_id)
    elif deduplication_id is not None:
        raise _not_for_this_queue_type("MessageDeduplicationId", deduplication_id)


def _check_fifo_message(
    queue: SimulatedQueue,
    delay_seconds: int | None,
    deduplication_id: str | None,
    group_id: str | None,
) -> None:
    if group_id is None:
        raise MissingParameter("MessageGroupId")
    if deduplication_id is None and not queue.content_based_deduplication:
        raise InvalidParameterValue(
            "The queue should either have ContentBasedDeduplication enabled or "
            "MessageDeduplicationId provided explicitly"
        )
    if delay_seconds:
        raise _not_for_this_queue_type("DelaySeconds", delay_seconds)


def _not_for_this_queue_type(name: str, value: object) -> SQSException:
    return InvalidParameterValue(
        f"Value {value} for parameter {name} is invalid. Reason: The request include parameter "
        "that is not valid for this queue type."
    )


def size_bytes(body: str, message_attributes: Mapping[str, Any]) -> int:
    """A message's size as SQS counts it: body, and name, type and value of each attribute."""
    size = _utf8_bytes(body)
    for name, value in message_attributes.items():
        size += _utf8_bytes(name) + _utf8_bytes(value["DataType"])
        size += _utf8_bytes(value.get("StringValue") or "") + len(value.get("BinaryValue") or b"")
    return size


def _utf8_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def check_batch(action: str, entries: Iterable[Mapping[str, Any]]) -> None:
    """Raises the errors that refuse a batch as a whole; those of one entry go to `Failed`.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
    """
    entries = list(entries)
    if not entries:
        raise EmptyBatchRequest(action=action)
    if len(entries) > MAXIMUM_BATCH_ENTRIES:
        raise TooManyEntriesInBatchRequest(len(entries))
    seen = set()
    for entry in entries:
        if not _BATCH_ENTRY_ID.fullmatch(entry["Id"]):
            raise InvalidBatchEntryId()
        if entry["Id"] in seen:
            raise BatchEntryIdsNotDistinct(entry["Id"])
        seen.add(entry["Id"])
    total = sum(
        size_bytes(entry["MessageBody"] or "", entry.get("MessageAttributes") or {})
        for entry in entries
        if "MessageBody" in entry
    )
    if total > MAXIMUM_BATCH_BYTES:
        raise BatchRequestTooLong(total)


def failed_entry(entry_id: str, error: SQSException) -> dict[str, Any]:
    return {"Id": entry_id, "SenderFault": True, "Code": error.code, "Message": error.message}
