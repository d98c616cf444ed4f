"""What the messages of an entry are when they come to a queue, found without receiving any.

A receive counts, and hides for a while: of a queue at work, whose messages are mostly others', a
drill receives nothing. It sends there what its entry would have let through.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_storagefirst.chaos.front_door import FrontDoor, front_doors
from pytest_storagefirst.errors import StorageFirstError
from pytest_storagefirst.load.arrivals import GOOD
from pytest_storagefirst.load.plan import UNIQUE
from pytest_storagefirst.simulation.frontdoor import (
    BackendCall,
    GatewayContext,
    HttpRequest,
    backend_call,
)
from pytest_storagefirst.stack.topology import Queue, Route
from pytest_storagefirst.target.target import Target

_PATH_VARIABLE = re.compile(r"\{([^{}/]+?)\+?\}")


@dataclass(frozen=True)
class Arriving:
    """An entry whose messages come to this queue, and as what."""

    door: FrontDoor
    queue: Queue

    @property
    def entry(self) -> str:
        return self.door.way.name

    def parameters(self, message: str) -> dict[str, Any]:
        """Of SendMessage, the queue but for its URL."""
        return _sent(self.door, message)[1]

    def send(self, message: str, to: Queue) -> dict[str, Any]:
        """Send it to a queue; what SQS answered. Raises botocore's errors."""
        given = self.parameters(message)
        if to.url != self.queue.url:
            given.pop("DelaySeconds", None)  # a dead letter was delivered already
        if to.fifo:
            given.setdefault("MessageDeduplicationId", message)
        client = self.door.target.session().client("sqs")
        answer: dict[str, Any] = client.send_message(**{**given, "QueueUrl": to.url})
        return answer

    def record(self, message: str, answer: Mapping[str, Any]) -> dict[str, Any]:
        """What Lambda's mapping would hand to a function of what was sent, if it came first."""
        given, now_ms = self.parameters(message), str(time.time_ns() // 1_000_000)
        told = {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": now_ms,
            "SenderId": self.door.target.account,
            "ApproximateFirstReceiveTimestamp": now_ms,
            "MessageGroupId": given.get("MessageGroupId"),
            "MessageDeduplicationId": given.get("MessageDeduplicationId", message),
            "SequenceNumber": answer.get("SequenceNumber"),
        }
        if not self.queue.fifo:
            told = dict(list(told.items())[:4])
        return {
            "messageId": answer["MessageId"],
            "receiptHandle": f"storagefirst-drill-{message}",
            "body": given["MessageBody"],
            "attributes": {name: value for name, value in told.items() if value is not None},
            "messageAttributes": {
                name: {
                    "dataType": one["DataType"],
                    "stringValue": one.get("StringValue"),
                    "stringListValues": [],
                    "binaryListValues": [],
                }
                for name, one in given.get("MessageAttributes", {}).items()
            },
            "md5OfBody": answer.get("MD5OfMessageBody", ""),
            "eventSource": "aws:sqs",
            "eventSourceARN": self.queue.arn,
            "awsRegion": self.door.target.region,
        }


def arriving(target: Target, queue: Queue) -> list[Arriving]:
    """The entries whose messages come to a queue by one SendMessage that is known word by word.

    They are those that name the queue, and routes that API Gateway hands to it. What a function, a
    topic or a bus makes of a message is not known. Raises DrillError like `front_doors`.
    """
    found = []
    for door in front_doors(target):
        try:
            url, given = _sent(door, "storagefirst-drill-0")
        except (StorageFirstError, _Unknown):
            continue
        whose = str(url).rstrip("/").rpartition("/")[2] == queue.name
        if whose and "storagefirst-drill-0" in given["MessageBody"]:
            found.append(Arriving(door, queue))
    return found


class _Unknown(Exception):
    """What the entry sends, and where, is not known."""


def _sent(door: FrontDoor, message: str) -> tuple[str, dict[str, Any]]:
    """The queue's URL and the other parameters of SendMessage. Raises _Unknown, TemplateError."""
    way = door.way
    if way.service:
        if (way.service, way.operation) != ("sqs", "send_message"):
            raise _Unknown
        return _parted(way.parameters_of(message, GOOD))
    route = _route_of(door)
    request = HttpRequest(
        way.method,
        _PATH_VARIABLE.sub(message, route.path),
        {name: text.replace(UNIQUE, message) for name, text in way.headers.items()},
        body=way.body_of(message, GOOD).decode(),
    )
    named = dict.fromkeys(_PATH_VARIABLE.findall(route.path), message)
    context = GatewayContext(
        door.target.account, door.target.region, str(uuid.uuid4()), time.time_ns() // 1_000_000
    )
    call = backend_call(route, request, named, context)
    if (
        not isinstance(call, BackendCall)
        or call.refused is not None
        or (call.service, call.operation) != ("sqs", "SendMessage")
        or call.parameters is None
    ):
        raise _Unknown
    return _parted(call.parameters)


def _parted(parameters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    given = dict(parameters)
    if "QueueUrl" not in given or "MessageBody" not in given:
        raise _Unknown
    return given.pop("QueueUrl"), given


def _route_of(door: FrontDoor) -> Route:
    """The route whose URL it is. Raises _Unknown."""
    way, target = door.way, door.target
    for route in sorted(target.topology().routes, key=lambda one: one.method == "ANY"):
        if route.method in (way.method, "ANY"):
            url = re.sub(r"\{[^{}/]+\}", UNIQUE, target.url_of(route.name))
            if url == way.url:
                return route
    raise _Unknown
