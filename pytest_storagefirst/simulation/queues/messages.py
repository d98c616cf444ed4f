"""A message as the simulated SQS keeps it: moto's, with its past and without moto's scans."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from moto.sqs.models import Message

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.queues.queue import SimulatedQueue

DELAYED = "delayed"
WAITING = "waiting"
IN_FLIGHT = "in flight"


class SimulatedMessage(Message):
    """One message of one queue.

    What a receive returns is a copy that keeps its own receipt handle and receive count, as a
    consumer's does: a later receive of the same message does not change it.

    `previous_id` is the id that it had before its last redrive, if any; `origin_id` is the one that
    its first sender was told. moto's response layer reads a batch entry's own id from `user_id`.
    """

    sent_timestamp: int | None  # type: ignore[assignment]  # moto's annotation is None alone
    user_id: str

    def __new__(cls, *args: object, **kwargs: object) -> SimulatedMessage:
        # moto's BaseModel keeps a list of every instance ever made, which would never be freed.
        message: SimulatedMessage = object.__new__(cls)
        return message

    def __init__(
        self, message_id: str, body: str, system_attributes: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message_id, body, system_attributes)
        self.origin_id = message_id
        self.previous_id: str | None = None
        self.dead_letter_source_arn: str | None = None
        self.state = WAITING
        # The place in its queue's order of arrival, and the receives from this queue alone:
        # ApproximateReceiveCount goes on counting in a DLQ, maxReceiveCount is per queue.
        self.number = 0
        self.receives_here = 0
        self.received_at_ms = 0

    def copy(self) -> SimulatedMessage:
        twin = SimulatedMessage.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def __deepcopy__(self, memo: dict[int, object]) -> SimulatedMessage:
        twin = memo[id(self)] = self.copy()
        return twin

    @property
    def attributes(self) -> dict[str, str]:
        """The system attributes, as ReceiveMessage and Lambda's event name them.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
        """
        found = {
            "ApproximateReceiveCount": str(self.approximate_receive_count),
            "SentTimestamp": str(self.sent_timestamp),
            "SenderId": self.sender_id,
            "ApproximateFirstReceiveTimestamp": str(self.approximate_first_receive_timestamp),
        }
        trace = self.system_attributes.get("AWSTraceHeader")
        optional = {
            "SequenceNumber": self.sequence_number,
            "MessageGroupId": self.group_id,
            "MessageDeduplicationId": self.deduplication_id,
            "AWSTraceHeader": trace and trace.get("StringValue"),
            "DeadLetterQueueSourceArn": self.dead_letter_source_arn,
        }
        found.update({name: value for name, value in optional.items() if value is not None})
        return found

    def event_record(self, queue: SimulatedQueue) -> dict[str, Any]:
        """The record of Lambda's SQS event for this receive.

        https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
        """
        record: dict[str, Any] = {
            "messageId": self.id,
            "receiptHandle": self.receipt_handle,
            "body": self.body,
            "attributes": self.attributes,
            "messageAttributes": {
                name: _event_attribute(value) for name, value in self.message_attributes.items()
            },
            "md5OfBody": self.body_md5,
            "eventSource": "aws:sqs",
            "eventSourceARN": queue.queue_arn,
            "awsRegion": queue.region,
        }
        if self.message_attributes:
            record["md5OfMessageAttributes"] = self.attribute_md5
        return record


def _event_attribute(value: dict[str, Any]) -> dict[str, Any]:
    attribute: dict[str, Any] = {
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": value["DataType"],
    }
    if value.get("StringValue") is not None:
        attribute["stringValue"] = value["StringValue"]
    if value.get("BinaryValue") is not None:
        attribute["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    return attribute
