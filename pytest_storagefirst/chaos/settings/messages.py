"""What a drill does with messages of its own, and how what they leave behind is cleaned up.

They are known by their ids: nobody else's message is moved or deleted.
"""

from __future__ import annotations

import json
import re
from typing import Any

from pytest_storagefirst.chaos.arriving import Arriving, arriving
from pytest_storagefirst.chaos.front_door import front_doors, give_back
from pytest_storagefirst.chaos.setting import Address, Setting, Value, whatever_is_left
from pytest_storagefirst.stack.topology import Queue
from pytest_storagefirst.target.observe import Observer
from pytest_storagefirst.target.queues import queues_of
from pytest_storagefirst.target.target import Target

EMPTY_ANSWERS = 3  # of a queue in a row: one alone can be of servers that hold none of its messages


# --- bad messages -----------------------------------------------------------------------------


def _set_aside(target: Target, address: Address) -> Value:
    """Which of the messages lie in dead-letter queues."""
    pattern = _any_of(address["messages"])
    found = [
        message
        for queue in _dead(target)
        for message, _ in _lying(target, queue, pattern, give=True)
    ]
    return sorted(set(found)) or None


def _send_bad(target: Target, address: Address, value: Value, current: Value) -> None:
    if value is not None:
        doors = {door.way.name: door for door in reversed(front_doors(target))}
        doors[address["entry"]].send_all(value, poison=True)
    else:
        _taken_away(target, _any_of(address["messages"]))


def dead_letters_taken_away(target: Target, run: str) -> list[str]:
    """Delete the messages of a drill that lie in dead-letter queues; which ones did."""
    return _taken_away(target, re.compile(rf"{re.escape(run)}-[a-z]+-\d+"))


def _taken_away(target: Target, pattern: re.Pattern[str]) -> list[str]:
    client = target.session().client("sqs")
    found = set()
    for queue in _dead(target):
        for message, one in _lying(target, queue, pattern, give=False):
            client.delete_message(QueueUrl=queue.url, ReceiptHandle=one["ReceiptHandle"])
            found.add(message)
    return sorted(found)


def _sent_or_gone(target: Target, address: Address, value: Value) -> bool:
    """Sending raises where they are not accepted."""
    return value is not None or _set_aside(target, address) is None


BAD_MESSAGES = Setting(
    "bad-messages",
    "bad messages among dead letters",
    _set_aside,
    _send_bad,
    shows=_sent_or_gone,
    undone=whatever_is_left,
    after_judging=True,
)


# --- dead letters -----------------------------------------------------------------------------


def _letters(target: Target, address: Address) -> Value:
    letters = _queue(target, address["letters"])
    lying = _lying(target, letters, _any_of(address["messages"]), give=True)
    return sorted({message for message, _ in lying}) or None


def _move(target: Target, address: Address, value: Value, current: Value) -> None:
    """Sent first and deleted then: what dies in between leaves a message twice, and never none."""
    client = target.session().client("sqs")
    queue, letters = _queue(target, address["queue"]), _queue(target, address["letters"])
    if value is not None:
        entry = _arriving(target, queue, address["entry"])
        for message in value:
            entry.send(message, letters)
    else:
        lying = _lying(target, letters, _any_of(address["messages"]), give=False)
        _hand_over(client, letters, queue, [one for _, one in lying])


def _hand_over(client: Any, source: Queue, to: Queue, messages: list[dict[str, Any]]) -> None:
    for one in messages:
        more: dict[str, Any] = {}
        if to.fifo:
            more["MessageGroupId"] = one["Attributes"]["MessageGroupId"]
            more["MessageDeduplicationId"] = one["MessageId"]
        if one.get("MessageAttributes"):
            more["MessageAttributes"] = one["MessageAttributes"]
        client.send_message(QueueUrl=to.url, MessageBody=one["Body"], **more)
        client.delete_message(QueueUrl=source.url, ReceiptHandle=one["ReceiptHandle"])


DEAD_LETTERS = Setting("dead-letters", "dead letters", _letters, _move, undone=whatever_is_left)


# --- duplicates -------------------------------------------------------------------------------


def _deliver(target: Target, address: Address, value: Value, current: Value) -> None:
    """Hand messages that wait in the queue to the function: the mapping will do so once more."""
    if value is None:
        return
    queue = _queue(target, address["queue"])
    entry = _arriving(target, queue, address["entry"])
    for message in value:
        record = entry.record(message, entry.send(message, queue))
        target.session().client("lambda").invoke(
            FunctionName=address["function"], Payload=json.dumps({"Records": [record]})
        )


def _processed_once(target: Target, address: Address, value: Value) -> bool:
    if value is None:
        return True
    processed = Observer(target, address["run"]).processed()
    return all(message in processed for message in value)


DELIVERED = Setting(
    "delivered",
    "delivered",
    lambda target, address: None,  # nothing is left of a delivery but its effect
    _deliver,
    shows=_processed_once,
)


# --- the queues -------------------------------------------------------------------------------


def _dead(target: Target) -> tuple[Queue, ...]:
    return queues_of(target.topology()).dead


def _arriving(target: Target, queue: Queue, entry: str) -> Arriving:
    return next(one for one in arriving(target, queue) if one.entry == entry)


def _queue(target: Target, url: str) -> Queue:
    return next(one for one in target.topology().queues if one.url == url)


def _any_of(messages: list[str]) -> re.Pattern[str]:
    return re.compile("|".join(rf"{re.escape(one)}(?!\d)" for one in messages))


def _lying(
    target: Target, queue: Queue, pattern: re.Pattern[str], *, give: bool
) -> list[tuple[str, dict[str, Any]]]:
    """The messages of such ids that lie in a queue which nobody reads, each copy of them."""
    client = target.session().client("sqs")
    found: list[tuple[str, dict[str, Any]]] = []
    others: list[dict[str, Any]] = []
    seen: set[str] = set()
    empty = 0
    while empty < EMPTY_ANSWERS:
        answer = client.receive_message(
            QueueUrl=queue.url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=30,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        new = [one for one in answer.get("Messages", ()) if one["MessageId"] not in seen]
        empty = 0 if new else empty + 1
        for one in new:
            seen.add(one["MessageId"])
            ours = pattern.search(one["Body"])
            if ours is not None:
                found.append((ours[0], one))
            if ours is None or give:
                others.append(one)
    for one in others:  # at the end, so that none of them comes again and again
        give_back(target, queue, one)
    return found


SETTINGS = (BAD_MESSAGES, DEAD_LETTERS, DELIVERED)
