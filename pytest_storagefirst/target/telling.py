"""What `storagefirst up` prints: where the target is, how to send to it, how to end it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

from pytest_storagefirst.settings import Entry
from pytest_storagefirst.stack.topology import Topology
from pytest_storagefirst.target.local import Up
from pytest_storagefirst.target.target import Target

_EXAMPLE = "example-1"  # the id of the message that the user is shown


def lines(made: Up) -> Iterator[str]:
    target = made.target
    if made.replaced:
        yield "the target that was up is ended: this one takes its place, and it begins empty"
    yield f"{target.stack_name} is deployed from {made.template}"
    for note in made.notes:
        yield f"  note:     {note}"
    yield f"  endpoint: {target.endpoint_url} (region {target.region}, account {target.account})"
    if target.settings.downstreams:
        yield f"  third parties, scripted: {target.downstream_url}"
    for entry in _entries(target):
        yield f"  entry:    {entry.name}"
        yield f"  send:     {_sending(target, entry)}"
    yield f"  load:     storagefirst load smoke --target {target.name}"
    yield "  stop:     storagefirst down"


def _entries(target: Target) -> tuple[Entry, ...]:
    """Those of the settings, or else each route that is written to."""
    if target.settings.entries:
        return target.settings.entries
    writing = ("POST", "PUT", "PATCH", "ANY")
    routes = [route for route in target.topology().routes if route.method in writing]
    return tuple(Entry("route", route.name, {"id": "{unique}"}) for route in routes)


def _sending(target: Target, entry: Entry) -> str:
    """A command that sends one message."""
    body = entry.body if entry.body is not None else {"id": "{unique}"}
    text = body if isinstance(body, str) else json.dumps(body)
    text = text.replace("{unique}", _EXAMPLE)
    if entry.kind == "route":
        method = entry.name.partition(" ")[0]
        method = "POST" if method == "ANY" else method
        headers = {"Content-Type": "application/json", **entry.headers}
        told = [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()]
        url = shlex.quote(target.url_of(entry.name).replace("{", "").replace("}", ""))
        return f"curl -X {method} {' '.join(told)} -d {shlex.quote(text)} {url}"
    arguments = _OTHERS[entry.kind](_place(target.topology(), entry), text)
    command = " ".join(map(shlex.quote, arguments))
    return (
        f"AWS_ACCESS_KEY_ID={target.account} AWS_SECRET_ACCESS_KEY=local "
        f"aws --endpoint-url {target.endpoint_url} --region {target.region} {command}"
    )


def _place(topology: Topology, entry: Entry) -> Any:
    """What the entry names, or else None."""
    stores: dict[str, tuple[Any, ...]] = {
        "queue": topology.queues,
        "topic": topology.topics,
        "bucket": topology.buckets,
        "bus": topology.buses,
        "stream": topology.streams,
        "table": topology.tables,
        "rule": topology.topic_rules,
    }
    found = [one for one in stores[entry.kind] if entry.name in (one.logical_id, one.name)]
    return found[0] if found else None


def _topic_of(sql: str) -> str:
    """A topic that a rule of IoT selects from, its wildcards filled."""
    _, _, rest = sql.partition("FROM")
    topic = rest.strip().split(" ")[0].strip("'\"")
    return topic.replace("+", _EXAMPLE).replace("#", _EXAMPLE)


_OTHERS: dict[str, Any] = {
    "queue": lambda one, text: (
        *("sqs", "send-message", "--queue-url", one.url, "--message-body", text),
        *(("--message-group-id", "1", "--message-deduplication-id", _EXAMPLE) if one.fifo else ()),
    ),
    "topic": lambda one, text: ("sns", "publish", "--topic-arn", one.arn, "--message", text),
    "bucket": lambda one, text: (
        *("s3api", "put-object", "--bucket", one.name),
        *("--key", one.key_pattern.replace("*", _EXAMPLE), "--body", "FILE"),
    ),
    "bus": lambda one, text: (
        *("events", "put-events", "--entries"),
        json.dumps(
            [{"EventBusName": one.name, "Source": "me", "DetailType": "Message", "Detail": text}]
        ),
    ),
    "stream": lambda one, text: (
        *("kinesis", "put-record", "--stream-name", one.name),
        *("--partition-key", _EXAMPLE, "--data", text),
    ),
    "table": lambda one, text: (
        *("dynamodb", "put-item", "--table-name", one.name),
        *("--item", json.dumps({name: {"S": _EXAMPLE} for name in one.key_names})),
    ),
    "rule": lambda one, text: (
        *("iot-data", "publish", "--topic", _topic_of(one.sql), "--payload", text),
    ),
}
