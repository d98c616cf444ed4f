"""Canary messages: sent one at a time as a user would, each with an id of the drill's."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_storagefirst.errors import DrillError, LoadError, StorageFirstError
from pytest_storagefirst.explore.entries import ways_in
from pytest_storagefirst.explore.first_guess import first_guess
from pytest_storagefirst.load.entry import way_into
from pytest_storagefirst.load.outcomes import ACCEPTED, NOT_SENT, REJECTED, UNKNOWN
from pytest_storagefirst.load.plan import UNIQUE, Way
from pytest_storagefirst.load.profiles import Profile
from pytest_storagefirst.load.replies import outcome_of
from pytest_storagefirst.simulation.schedule import as_text
from pytest_storagefirst.stack.template import Template
from pytest_storagefirst.stack.topology import Queue
from pytest_storagefirst.target.target import Target

ANSWERS_WITHIN_S = 10
_PROFILE = Profile("drill", "canary messages", (), ())


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """A redirect is an answer, and not followed."""


@dataclass(frozen=True)
class FrontDoor:
    """How a message is put in: through a route, or into the queue that others write to."""

    target: Target
    way: Way
    queue: Queue | None = None

    def send(self, message: str, *, poison: bool = False) -> bytes:
        """ACCEPTED, REJECTED, UNKNOWN or NOT_SENT. Raises nothing."""
        body = self.way.body_of(message, "poison" if poison else "")
        return self._put(body.decode(), message) if self.queue else self._posted(body)

    def send_all(self, messages: list[str], *, poison: bool = False) -> None:
        """Raises DrillError unless each is accepted."""
        for message in messages:
            if self.send(message, poison=poison) != ACCEPTED:
                raise DrillError(f"{self.way.name} did not accept {message}")

    def _posted(self, body: bytes) -> bytes:
        way = self.way
        request = urllib.request.Request(way.url, body, dict(way.headers), method=way.method)
        opener = urllib.request.build_opener(_NoRedirect)
        try:
            with opener.open(request, timeout=ANSWERS_WITHIN_S) as answer:
                return outcome_of(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            return outcome_of(error.code, error.read())
        except urllib.error.URLError as error:
            refused = isinstance(error.reason, ConnectionRefusedError)
            return NOT_SENT if refused else UNKNOWN
        except (OSError, ValueError):
            return UNKNOWN

    def _put(self, body: str, message: str) -> bytes:
        from botocore.exceptions import ClientError

        assert self.queue is not None
        more = {}
        if self.queue.fifo:
            more = {"MessageGroupId": message, "MessageDeduplicationId": message}
        try:
            client = self.target.session().client("sqs")
            client.send_message(QueueUrl=self.queue.url, MessageBody=body, **more)
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
            return REJECTED if status < 500 else UNKNOWN
        except Exception:
            return UNKNOWN
        return ACCEPTED


def front_door(target: Target) -> FrontDoor:
    """The first way into a stack. Raises DrillError where no canary can be sent through it."""
    try:
        return FrontDoor(target, way_into(target, _PROFILE))
    except LoadError as error:
        found = _queue_door(target)
        if found is None:
            raise DrillError(**{**vars(error), "problem": f"no canary: {error.problem}"}) from None
        return found
    except StorageFirstError as error:
        raise DrillError(f"no canary can be sent: {error.problem}", found=error.found) from None


def _queue_door(target: Target) -> FrontDoor | None:
    settings = target.settings
    plain = tuple(replace(entry, strategy=None) for entry in settings.entries)
    place = Template(Path(target.stack_name), {})
    entry = ways_in(target.topology(), replace(settings, entries=plain), place)[0]
    body = as_text(first_guess(entry) if entry.body is None else entry.body)
    if entry.queue is None or UNIQUE not in body:
        return None
    way = Way(entry.name, entry.queue.url, "", body, _PROFILE.poison_body)
    return FrontDoor(target, way, entry.queue)


def taken_out(
    target: Target, queue: Queue, messages: list[str], within_s: float = 20.0
) -> list[dict[str, Any]]:
    """Messages received from a queue that nobody else reads now, hidden for a minute.

    Those of others are given back at once. Raises DrillError where not all come in time.
    """
    client = target.session().client("sqs")
    found: dict[str, dict[str, Any]] = {}
    until = time.monotonic() + within_s
    while len(found) < len(messages) and time.monotonic() < until:
        answer = client.receive_message(
            QueueUrl=queue.url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=60,
            WaitTimeSeconds=1,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        for one in answer.get("Messages", ()):
            ours = next((name for name in messages if _is_in(name, one["Body"])), None)
            if ours is None:
                give_back(target, queue, one)
            else:
                found.setdefault(ours, one)
    if len(found) < len(messages):
        for one in found.values():
            give_back(target, queue, one)
        raise DrillError(
            f"{len(messages) - len(found)} of {len(messages)} canaries did not come to "
            f"{queue.logical_id}"
        )
    return list(found.values())


def give_back(target: Target, queue: Queue, message: dict[str, Any]) -> None:
    """Others can receive it again at once."""
    target.session().client("sqs").change_message_visibility(
        QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
    )


def _is_in(message: str, body: str) -> bool:
    """Whether an id stands in a body, which may hold another body as text."""
    position = body.find(message)
    return position >= 0 and not body[position + len(message) :][:1].isdigit()


def event_of(target: Target, queue: Queue, message: dict[str, Any]) -> str:
    """What Lambda's mapping would hand to a function of this message, as JSON."""
    attributes = {
        name: {
            "dataType": one["DataType"],
            "stringValue": one.get("StringValue"),
            "stringListValues": [],
            "binaryListValues": [],
        }
        for name, one in message.get("MessageAttributes", {}).items()
    }
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": attributes,
        "md5OfBody": message.get("MD5OfBody", ""),
        "eventSource": "aws:sqs",
        "eventSourceARN": queue.arn,
        "awsRegion": target.region,
    }
    return json.dumps({"Records": [record]})
