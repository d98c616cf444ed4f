"""Sample messages that lie beside a template: the events that `sam local invoke` is given.

An event holds what a service made of a message; here the message is taken out again.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_storagefirst.cloud_assembly import project_folder
from pytest_storagefirst.explore.entries import stores_in
from pytest_storagefirst.simulation.deployed import Entry

PLACES = ("event.json", "events/**/*.json", "tests/events/**/*.json", "test/events/**/*.json")
MOST_FILES = 200
MOST_BYTES = 300_000

# What a route's service keeps messages in, as samples name it.
_STORED_AS = {
    "sqs": "queue",
    "sns": "topic",
    "events": "bus",
    "eventbridge": "bus",
    "kinesis": "stream",
    "dynamodb": "table",
    "s3": "bucket",
    "states": "machine",
    "stepfunctions": "machine",
}


@dataclass(frozen=True)
class Sample:
    """A message as its sender wrote it. `kind` is an entry's, or "machine" or "" for a plain one;
    `name` what it went through: "POST /orders", or the last part of an ARN. `file` is seen from the
    template's folder."""

    kind: str
    name: str
    body: dict[str, Any] | str
    file: str


def samples_beside(template: Path) -> list[Sample]:
    """The samples in the files where a template's author works; what can't be read is none."""
    folder = project_folder(template)
    files = dict.fromkeys(path for place in PLACES for path in sorted(folder.glob(place)))
    found: list[Sample] = []
    for file in list(files)[:MOST_FILES]:
        try:
            if file.stat().st_size <= MOST_BYTES:
                event = json.loads(file.read_text(encoding="utf-8-sig"))
                name = file.relative_to(folder).as_posix()
                found += [Sample(*one, name) for one in _taken_out(event)]
        except (OSError, ValueError, RecursionError):
            continue
    return found


def fitting(entry: Entry, samples: list[Sample]) -> list[Sample]:
    """The samples of what comes in by an entry, the closest first.

    A route takes those of its own path, then those of what it writes to, then plain messages.
    """
    route = entry.route
    if route is not None:
        stored = _STORED_AS.get(stores_in(route), "")
        own = [one for one in samples if one.kind == "route" and _same_path(one.name, route.name)]
        return own + [one for one in samples if one.kind == stored or not one.kind]
    names = {entry.name, getattr(entry.store, "name", "")}
    of_kind = [one for one in samples if one.kind == entry.kind or not one.kind]
    return sorted(of_kind, key=lambda one: one.name not in names)


def _same_path(name: str, route: str) -> bool:
    method, _, path = name.partition(" ")
    wanted, _, place = route.partition(" ")
    return path.strip("/") == place.strip("/") and wanted in ("ANY", method.upper())


Taken = tuple[str, str, dict[str, Any] | str]


def _taken_out(event: Any) -> Iterator[Taken]:
    """The messages in an event, with what they came through."""
    if isinstance(event, list):  # entries of `aws events put-events`, `aws sqs send-message-batch`
        for one in event:
            yield from _taken_out(one)
        return
    if not isinstance(event, dict):
        return
    records = event.get("Records")
    if isinstance(records, list):
        for record in records:
            yield from _of_record(record) if isinstance(record, dict) else ()
    elif "httpMethod" in event or "http" in _mapping(event.get("requestContext")):
        yield from _of_request(event)
    elif "detail-type" in event and "detail" in event:
        yield from _of_event(event)
    elif "DetailType" in event and "Detail" in event:
        known = {"source": event.get("Source"), "detail-type": event["DetailType"]}
        yield from _of_event({**known, "detail": _opened(event["Detail"])})
    elif "MessageBody" in event:
        yield from _whole("queue", "", event["MessageBody"])
    else:
        yield from _whole("", "", event)


def _of_record(record: dict[str, Any]) -> Iterator[Taken]:
    """https://docs.aws.amazon.com/lambda/latest/dg/lambda-services.html, service by service."""
    source = record.get("eventSource") or record.get("EventSource")
    name = str(record.get("eventSourceARN", ""))
    if source == "aws:sqs":
        yield from _of_queue(name.rpartition(":")[2], record.get("body"))
    elif source == "aws:sns":
        message = _mapping(record.get("Sns"))
        topic = str(message.get("TopicArn", "")).rpartition(":")[2]
        yield from _whole("topic", topic, message.get("Message"))
    elif source == "aws:kinesis":
        try:
            data = base64.b64decode(str(_mapping(record.get("kinesis")).get("data", "")))
            yield from _whole("stream", name.rpartition("/")[2], data.decode())
        except (binascii.Error, UnicodeDecodeError):
            return
    elif source == "aws:dynamodb":
        image = _mapping(_mapping(record.get("dynamodb")).get("NewImage"))
        table = name.partition("/")[2].partition("/")[0]
        try:
            yield from _whole("table", table, {key: _plain(one) for key, one in image.items()})
        except (TypeError, ValueError, AttributeError):
            return


def _of_queue(queue: str, text: Any) -> Iterator[Taken]:
    """A queue's message, and what a topic or a bus put into the queue."""
    body = _opened(text)
    if isinstance(body, dict) and body.get("Type") == "Notification" and "Message" in body:
        topic = str(body.get("TopicArn", "")).rpartition(":")[2]
        yield from _whole("topic", topic, body["Message"])
    elif isinstance(body, dict) and "detail-type" in body and "detail" in body:
        yield from _of_event(body)
    yield from _whole("queue", queue, body)


def _of_event(event: dict[str, Any]) -> Iterator[Taken]:
    """What a producer gives of an event; AWS adds the rest."""
    given = {name: event[name] for name in ("source", "detail-type", "detail") if name in event}
    if all(isinstance(given.get(name), str) for name in ("source", "detail-type")):
        yield from _whole("bus", str(event.get("EventBusName", "")), given)


def _of_request(event: dict[str, Any]) -> Iterator[Taken]:
    http = _mapping(_mapping(event.get("requestContext")).get("http"))
    method = event.get("httpMethod") or http.get("method") or "ANY"
    path = event.get("resource") or event.get("path") or event.get("rawPath") or "/"
    body = event.get("body")
    if event.get("isBase64Encoded") and isinstance(body, str):
        try:
            body = base64.b64decode(body).decode()
        except (binascii.Error, UnicodeDecodeError):
            return
    yield from _whole("route", f"{method} {path}", body)


def _whole(kind: str, name: str, body: Any) -> Iterator[Taken]:
    """The message, if it is a JSON object that TOML can hold, or a text that is no JSON.

    One that came through nothing is a file of who knows what, if it is no object.
    """
    body = _without_nulls(_opened(body))
    if isinstance(body, str):
        body = body.strip() if kind else ""
    if isinstance(body, dict | str) and body and _writable(body):
        yield kind, name, body


def _opened(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _without_nulls(value: Any) -> Any:
    """TOML has no null; whether a message goes without is tried."""
    if isinstance(value, dict):
        return {name: _without_nulls(one) for name, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_without_nulls(one) for one in value if one is not None]
    return value


def _writable(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_writable(name) and _writable(one) for name, one in value.items())
    if isinstance(value, list):
        return all(map(_writable, value))
    if isinstance(value, str):
        return value.isascii() or value == value.encode("utf-8", "ignore").decode()
    return not isinstance(value, float) or math.isfinite(value)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _plain(attribute: Any) -> Any:
    """A value of DynamoDB's JSON: {"N": "12"} is 12."""
    ((kind, value),) = attribute.items()
    if kind == "N":
        number = float(value)
        return int(number) if number.is_integer() else number
    if kind == "M":
        return {name: _plain(one) for name, one in value.items()}
    if kind == "L":
        return [_plain(one) for one in value]
    return None if kind == "NULL" else value
