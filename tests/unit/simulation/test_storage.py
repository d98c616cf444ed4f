"""The stack's queues as a run sees them: whose message is where."""

from __future__ import annotations

import json
import time
from typing import Any

import boto3
import pytest

QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/"


def held(played: Any) -> list[tuple[str, str, str]]:
    return sorted((one.message, one.where, one.state) for one in played.observation.held)


def test_what_is_dead_lettered_is_held_and_redriven(rig: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        raise ValueError

    stack = rig.with_handlers(Worker=worker)
    assert held(stack.play(redrives=())) == [("m1", "DeadLetters", "dead-lettered")]
    again = stack.play(redrives=("after", "after"))
    history = [event.kind for event in again.observation.history]
    assert history.count("redriven") == 2
    assert held(again) == [("m1", "DeadLetters", "dead-lettered")]
    times = [one.until_ms for one in again.observation.held]
    assert times[0] > 0


def test_receives_that_a_handler_puts_off_are_counted_to_their_end(rig: Any) -> None:
    """ChangeMessageVisibility puts the next receive off by up to 12 hours; the policy counts on.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
    """

    def worker(event: Any, context: Any) -> None:
        for record in event["Records"]:
            boto3.client("sqs").change_message_visibility(
                QueueUrl=QUEUE + "work",
                ReceiptHandle=record["receiptHandle"],
                VisibilityTimeout=3000,
            )
        raise ValueError

    played = rig.with_handlers(Worker=worker).play(redrives=())
    assert held(played) == [("m1", "DeadLetters", "dead-lettered")]


def test_what_a_handler_sends_on_is_its_messages(rig: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        for record in event["Records"]:
            token = json.loads(record["body"])["id"]
            boto3.client("sqs").send_message(QueueUrl=QUEUE + "aside", MessageBody=f"for {token}")
        boto3.client("sqs").send_message(QueueUrl=QUEUE + "aside", MessageBody="for all")

    played = rig.with_handlers(Worker=worker).play(messages=2)
    stored = [e.messages for e in played.observation.history if e.kind == "stored"]
    assert stored == [("m1",), ("m2",), ("m1",), ("m2",), ("m1", "m2")]
    assert held(played) == [
        ("m1", "Aside", "set aside"),
        ("m1", "Aside", "set aside"),
        ("m2", "Aside", "set aside"),
        ("m2", "Aside", "set aside"),
    ]


def test_ids_that_the_system_gave_have_names(rig: Any) -> None:
    seen: list[Any] = []
    stack = rig.with_handlers(Worker=lambda event, context: seen.extend(event["Records"]))
    played = stack.play()
    [record] = seen
    names = played.observation.names
    assert names[record["messageId"]] == "<m1.messageId>"
    assert names[record["receiptHandle"]] == "<m1.receipt>"
    assert names[json.loads(record["body"])["id"]] == "<m1>"


def test_an_acknowledgement_that_comes_too_late_is_noted(rig: Any) -> None:
    """A FIFO queue's receipt ends with the visibility timeout."""
    stack = rig.with_handlers(Liner=lambda event, context: time.sleep(35))
    played = stack.with_function("Liner", timeout_seconds=100).play(entry="Lines")
    noted = [e.detail for e in played.observation.history if e.kind == "noted"]
    assert "the receipt had expired" in noted


@pytest.mark.parametrize("message", ["m1", "m2", "m3"])
def test_visibility_that_expires_is_the_struck_messages(rig: Any, message: str) -> None:
    """And not that of another which happens to wait in the queue."""
    seen: list[str] = []

    def worker(event: Any, context: Any) -> None:
        seen.extend(json.loads(record["body"])["id"][:2] for record in event["Records"])
        time.sleep(1)

    rig.with_handlers(Worker=worker).play(
        f"Queue: delivery #1 under {message}: visibility-expired", messages=3, batch_limit=1
    )
    assert sorted(seen) == sorted(["m1", "m2", "m3", message])
