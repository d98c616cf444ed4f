"""SendMessage, straight to the simulated queue: what moto's response layer would do of it, without.

Only what is plain: a call with message attributes, or one that is refused, is moto's to answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from moto.sqs.exceptions import SQSException

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.queues.service import SimulatedSQSBackend

_TEXTS = frozenset({"QueueUrl", "MessageBody", "MessageGroupId", "MessageDeduplicationId"})


def send_message(
    backend: SimulatedSQSBackend, parameters: Mapping[str, Any]
) -> dict[str, Any] | None:
    """What SQS answers to the call; None, without any effect, where moto must answer.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
    """
    for name, value in parameters.items():
        if name == "DelaySeconds":
            if type(value) is not int:
                return None
        elif name not in _TEXTS or not isinstance(value, str):
            return None
    url, body = parameters.get("QueueUrl"), parameters.get("MessageBody")
    if not url or not body:
        return None
    try:
        message = backend.send_message(
            url.rpartition("/")[2],
            body,
            delay_seconds=parameters.get("DelaySeconds"),
            deduplication_id=parameters.get("MessageDeduplicationId"),
            group_id=parameters.get("MessageGroupId"),
        )
    except SQSException:
        return None
    answer = {"MD5OfMessageBody": message.body_md5, "MessageId": message.id}
    if message.sequence_number:
        answer["SequenceNumber"] = message.sequence_number
    return answer
