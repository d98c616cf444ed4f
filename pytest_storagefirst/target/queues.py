"""The queues of a deployed stack: how much waits, which messages, and moving dead ones back."""

from __future__ import annotations

import json
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pytest_storagefirst.stack.topology import Queue, Topology

_WAITING = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed")
_IN_FLIGHT = "ApproximateNumberOfMessagesNotVisible"
# How long a dead letter that is looked at is hidden from others; then it is given back.
LOOKED_AT_SECONDS = 60
EMPTY_ANSWERS = 3  # of a queue in a row: one alone can be of servers that hold none of its messages
MOVED_WITHIN_SECONDS = 600
PAGE_SECONDS = 10


@dataclass(frozen=True)
class Depth:
    """How many messages a queue holds, about: waiting (or delayed), and received by someone."""

    visible: int
    in_flight: int


@dataclass(frozen=True)
class Queues:
    """A stack's queues by what they are for.

    `work`: somebody is to process what they hold. `dead`: dead letters and failed invocations.
    `ends`: the stack's own code writes to them and nothing in it reads them, so that a message in
    there is an effect. What functions are configured to tell their successes to is none of these.
    """

    work: tuple[Queue, ...] = ()
    dead: tuple[Queue, ...] = ()
    ends: tuple[Queue, ...] = ()


@dataclass(frozen=True)
class Contents:
    """The bodies of messages in a queue, as far as they can be read without spending a receive."""

    bodies: tuple[str, ...]
    unread: int  # messages that are there, or may be, beside those


def queues_of(topology: Topology, entries: Collection[str] = ()) -> Queues:
    """A queue is dead that is another's dead-letter queue, or that configuration fills (failures of
    functions, mappings, subscriptions, rules) and nothing in the stack reads. `entries` are named
    as such by the user.
    """
    consumed = {mapping.source_arn for mapping in topology.mappings}
    letters = {queue.dead_letter_arn for queue in topology.queues}
    fed = {edge.target for edge in topology.edges}
    succeeded = {function.on_success_arn for function in topology.functions}
    failed = "\n".join(str(rule.error_action) for rule in topology.topic_rules)
    written = written_by_configuration(topology)
    found: dict[str, list[Queue]] = {"work": [], "dead": [], "ends": [], "told": []}
    for queue in topology.queues:
        if queue.arn in letters or is_named(queue.name, failed):
            kind = "dead"
        elif queue.arn in consumed or _is_polled(queue, topology):
            kind = "work"
        elif queue.arn in fed:
            kind = "told" if queue.arn in succeeded else "dead"
        elif queue.logical_id in entries or is_named(queue.name, written):
            kind = "work"
        else:
            kind = "ends"
        found[kind].append(queue)
    return Queues(tuple(found["work"]), tuple(found["dead"]), tuple(found["ends"]))


def written_by_configuration(topology: Topology) -> str:
    """All that routes and rules say of where they write, as one text."""
    return "\n".join(
        (
            *(
                str((one.uri, one.request_parameters, *one.request_templates.values()))
                for one in (route.integration for route in topology.routes)
            ),
            *(str(rule.actions) for rule in topology.topic_rules),
        )
    )


def is_named(name: str, text: str) -> bool:
    """Whether a resource's own name stands in a text, and not as a part of a longer one."""
    return bool(re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", text))


def _is_polled(queue: Queue, topology: Topology) -> bool:
    """Whether a role of the stack may receive from it: then code of the stack's reads it."""
    return any(
        queue.arn in document and ("sqs:ReceiveMessage" in document or "sqs:*" in document)
        for role in topology.policies.roles.values()
        for document in role.documents
    )


def depth(sqs: Any, queue: Queue) -> Depth:
    """What SQS says of a queue. Raises botocore's errors."""
    answer = sqs.get_queue_attributes(QueueUrl=queue.url, AttributeNames=[*_WAITING, _IN_FLIGHT])
    told = answer["Attributes"]
    return Depth(sum(int(told.get(name, 0)) for name in _WAITING), int(told[_IN_FLIGHT]))


def contents(sqs: Any, queue: Queue, *, endpoint_url: str | None, is_dead: bool) -> Contents:
    """What a queue holds. Raises botocore's errors.

    ministack shows it all on a page of its own. Elsewhere one has to receive: dead letters are, and
    are given back at once; of a queue at work nothing is, since each receive counts towards its
    dead-letter queue, and what is hidden meanwhile nobody processes.
    """
    shown = _shown(endpoint_url, queue.url) if endpoint_url else None
    if shown is not None:
        return Contents(tuple(shown), 0)
    told = depth(sqs, queue)
    there = told.visible + told.in_flight
    if not is_dead or not there:
        return Contents((), there)
    received = list(_received(sqs, queue, LOOKED_AT_SECONDS, told.visible))
    _give_back(sqs, queue, [one["ReceiptHandle"] for one in received])
    return Contents(tuple(one["Body"] for one in received), max(0, there - len(received)))


def check_readable(sqs: Any, wanted: Iterable[Queue], endpoint_url: str | None) -> None:
    """Try to look into queues of dead letters as `contents` will. Raises botocore's errors."""
    for queue in wanted:
        if not endpoint_url or _shown(endpoint_url, queue.url) is None:
            sqs.receive_message(QueueUrl=queue.url, VisibilityTimeout=0, WaitTimeSeconds=0)


def _shown(endpoint_url: str, queue_url: str) -> list[str] | None:
    """The bodies on ministack's page; None where the endpoint has no such page."""
    query = urllib.parse.urlencode({"QueueUrl": queue_url})
    url = f"{endpoint_url.rstrip('/')}/_ministack/sqs/messages?{query}"
    try:
        with urllib.request.urlopen(url, timeout=PAGE_SECONDS) as answer:
            accounts = json.load(answer)["messages"]
        return [
            str(message["Body"])
            for regions in accounts.values()
            for queues in regions.values()
            for messages in queues.values()
            for message in messages
        ]
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None


def _received(sqs: Any, queue: Queue, hidden_s: int, expected: int) -> Iterator[dict[str, Any]]:
    """Messages, each once, until the queue has no more or what was expected and more is there."""
    seen: set[str] = set()
    empty, left = 0, 2 * expected // 10 + 2 * EMPTY_ANSWERS + 10
    while empty < EMPTY_ANSWERS and left:
        left -= 1
        answer = sqs.receive_message(
            QueueUrl=queue.url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=hidden_s,
            WaitTimeSeconds=0,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        new = [one for one in answer.get("Messages", ()) if one["MessageId"] not in seen]
        seen.update(one["MessageId"] for one in new)
        empty = 0 if new else empty + 1
        yield from new
        if len(seen) >= expected and not new:
            return


def _give_back(sqs: Any, queue: Queue, handles: list[str]) -> None:
    for start in range(0, len(handles), 10):
        sqs.change_message_visibility_batch(
            QueueUrl=queue.url,
            Entries=[
                {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                for number, handle in enumerate(handles[start : start + 10])
            ],
        )


# --- redrive ----------------------------------------------------------------------------------


def redrive(sqs: Any, topology: Topology, *, has_tasks: bool) -> dict[str, int]:
    """Move what lies in dead-letter queues back to the queues that it came from.

    `has_tasks`: by StartMessageMoveTask, which neither moto nor ministack has. Returns how many
    messages each dead-letter queue, by logical id, gave back, once all are moved. Raises botocore's
    errors, and TimeoutError when a move takes longer than ten minutes or fails. Queues of failed
    invocations and subscriptions have no queue to go back to, and stay as they are.
    """
    moved = {}
    for letters in topology.queues:
        sources = [queue for queue in topology.queues if queue.dead_letter_arn == letters.arn]
        if not sources:
            continue
        if has_tasks:
            moved[letters.logical_id] = _moved_by_task(sqs, letters)
        else:
            moved[letters.logical_id] = _moved_by_hand(sqs, letters, sources)
    return moved


def _moved_by_task(sqs: Any, letters: Queue) -> int:
    told = depth(sqs, letters)
    if not told.visible and not told.in_flight:
        return 0
    sqs.start_message_move_task(SourceArn=letters.arn)
    until = time.monotonic() + MOVED_WITHIN_SECONDS
    while time.monotonic() < until:
        newest = sqs.list_message_move_tasks(SourceArn=letters.arn, MaxResults=1)["Results"][:1]
        for task in newest:
            if task["Status"] == "COMPLETED":
                return int(task.get("ApproximateNumberOfMessagesMoved", 0))
            if task["Status"] not in ("RUNNING", "CANCELLING"):
                why = task.get("FailureReason", task["Status"])
                raise TimeoutError(f"{letters.logical_id} was not redriven: {why}")
        time.sleep(1)
    raise TimeoutError(f"{letters.logical_id} was not redriven within {MOVED_WITHIN_SECONDS} s")


def _moved_by_hand(sqs: Any, letters: Queue, sources: list[Queue]) -> int:
    """Sent first and deleted then: what dies in between leaves a message twice, and never none."""
    by_arn = {queue.arn: queue for queue in sources}
    expected = depth(sqs, letters).visible
    moved = 0
    for message in _received(sqs, letters, LOOKED_AT_SECONDS, expected):
        told = message.get("Attributes", {})
        source = by_arn.get(told.get("DeadLetterQueueSourceArn", ""), sources[0])
        more: dict[str, Any] = {}
        if source.fifo:
            more["MessageGroupId"] = told["MessageGroupId"]
            more["MessageDeduplicationId"] = message["MessageId"]
        if message.get("MessageAttributes"):
            more["MessageAttributes"] = message["MessageAttributes"]
        sqs.send_message(QueueUrl=source.url, MessageBody=message["Body"], **more)
        sqs.delete_message(QueueUrl=letters.url, ReceiptHandle=message["ReceiptHandle"])
        moved += 1
    return moved
