"""Those who write to a queue, topic, bucket, bus, stream or table themselves, without a front door.

Each writes as its SDK would; what the service answers is what the producer is told.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pytest_storagefirst.simulation.behalf import aws
from pytest_storagefirst.simulation.calls import lanes
from pytest_storagefirst.simulation.calls.refusals import refusal
from pytest_storagefirst.simulation.deployed import Entry
from pytest_storagefirst.simulation.door import wholly
from pytest_storagefirst.simulation.frontdoor import HttpReply
from pytest_storagefirst.simulation.routing import topic_rules
from pytest_storagefirst.simulation.schedule import UNIQUE, as_text
from pytest_storagefirst.stack.discovery_routing import example, sample

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation

Call = tuple[str, str, dict[str, Any]]  # service, operation, parameters
FIFO_GROUP = "group-1"  # where the user writes none
_FAILURES = ("FailedEntryCount", "FailedRecordCount")


def produce(simulation: Simulation, entry: Entry, token: str, body: Any, refused: str) -> HttpReply:
    """Write one message, whose id is `token`; `refused` is the fault that keeps the service from
    taking it."""
    if entry.kind == "rule":
        return topic_rules.publish(simulation, entry.store, as_text(body), refused)
    service, operation, parameters = call_of(entry, token, body)
    if refused:
        url = f"https://{service}.{simulation.deployed.topology.region}.amazonaws.com/"
        status, headers, content = refusal(service, refused, url)
        return HttpReply(status, headers, content.decode())
    if service == "sqs":
        sent = simulation.queues.ask(parameters)
        if sent is not None:
            return HttpReply(200, {}, json.dumps(sent))
    return _call(simulation, service, operation, parameters)


def call_of(entry: Entry, token: str, body: Any) -> Call:
    """What a producer calls to write one message. Raises KeyError for an entry of another kind."""
    return _CALLS[entry.kind](entry, token, body)


def _call(
    simulation: Simulation, service: str, operation: str, parameters: dict[str, Any]
) -> HttpReply:
    from botocore.exceptions import BotoCoreError, ClientError

    client = aws(simulation, service)
    with wholly(simulation):
        simulation.before_write(service, client.meta.method_to_api_mapping[operation])
    try:
        with wholly(simulation):
            said = getattr(client, operation)(**parameters)
    except ClientError as error:
        status = int(error.response["ResponseMetadata"]["HTTPStatusCode"])
        return HttpReply(status, {}, json.dumps(error.response["Error"]))
    except lanes.NotAnswered:  # the run is refused already; to the producer it is a 5xx
        return HttpReply(500)
    except BotoCoreError as error:  # its SDK does not let it go out
        return HttpReply(400, {}, str(error))
    failed = any(said.get(name) for name in _FAILURES)
    return HttpReply(400 if failed else 200, {}, json.dumps(said, default=str))


def _to_queue(entry: Entry, token: str, body: Any) -> Call:
    queue = entry.store
    parameters = {"QueueUrl": queue.url, "MessageBody": as_text(body)}
    if entry.group or queue.fifo:  # a standard queue takes one, too: that makes it a fair queue
        parameters["MessageGroupId"] = _group(entry, token)
    if queue.fifo and not queue.content_based_deduplication:
        parameters["MessageDeduplicationId"] = token
    return "sqs", "send_message", parameters | _attributes(entry.attributes, token)


def _to_topic(entry: Entry, token: str, body: Any) -> Call:
    topic = entry.store
    parameters: dict[str, Any] = {"TopicArn": topic.arn, "Message": as_text(body)}
    given = topic.attributes if entry.attributes is None else entry.attributes
    parameters |= _attributes(given, token)
    if entry.group or topic.fifo:  # a standard topic hands it on to standard queues
        parameters["MessageGroupId"] = _group(entry, token)
    if topic.fifo:
        parameters["MessageDeduplicationId"] = token
    return "sns", "publish", parameters


def _group(entry: Entry, token: str) -> str:
    return (entry.group or FIFO_GROUP).replace(UNIQUE, token)


def _attributes(given: Mapping[str, str | int | float] | None, token: str) -> dict[str, Any]:
    """Message attributes as SQS and SNS take them; numbers are of the type Number."""
    if not given:
        return {}
    return {
        "MessageAttributes": {
            name: {
                "DataType": "String" if isinstance(value, str) else "Number",
                "StringValue": str(value).replace(UNIQUE, token),
            }
            for name, value in given.items()
        }
    }


def _to_bucket(entry: Entry, token: str, body: Any) -> Call:
    bucket, key = entry.store, object_key(entry).replace(UNIQUE, token)
    return "s3", "put_object", {"Bucket": bucket.name, "Key": key, "Body": as_text(body).encode()}


def object_key(entry: Entry) -> str:
    """What a producer names its objects, with {unique} for the message's id: as the user wrote it,
    or so that the bucket's notifications are about it."""
    return entry.key or str(entry.store.key_pattern).replace("*", UNIQUE)


def is_event(body: Any) -> bool:
    """Whether a body that is sent to a bus is the event itself, whose detail is the message."""
    return isinstance(body, dict) and {"source", "detail"} <= body.keys()


def _to_bus(entry: Entry, token: str, body: Any) -> Call:
    """An event that the bus's first rule is about; a body with its own source is the event."""
    bus = entry.store
    pattern = json.loads(bus.patterns[0]) if bus.patterns else {}
    event = body if is_event(body) else {}
    detail = event.get("detail", body)
    known = {
        "Source": event.get("source") or sample(pattern.get("source")) or "storagefirst",
        "DetailType": event.get("detail-type") or sample(pattern.get("detail-type")) or "Message",
    }
    if not event and isinstance(detail, dict) and isinstance(pattern.get("detail"), dict):
        detail = {**example(pattern["detail"]), **detail}
    wanted = {"EventBusName": bus.name, "Detail": as_text(detail), **known}
    resources = sample(pattern.get("resources"))
    if resources:
        wanted["Resources"] = [resources]
    return "events", "put_events", {"Entries": [wanted]}


def _to_stream(entry: Entry, token: str, body: Any) -> Call:
    name, key = entry.store.name, (entry.key or UNIQUE).replace(UNIQUE, token)
    parameters = {"StreamName": name, "Data": as_text(body).encode(), "PartitionKey": key}
    return "kinesis", "put_record", parameters


def _to_table(entry: Entry, token: str, body: Any) -> Call:
    """The body as an item; keys that it lacks get the message's id."""
    from boto3.dynamodb.types import TypeSerializer

    table = entry.store
    item = dict(body) if isinstance(body, dict) else {"body": as_text(body)}
    for name in table.key_names:
        item.setdefault(name, token)
    serializer = TypeSerializer()
    plain = json.loads(json.dumps(item), parse_float=Decimal)
    written = {name: serializer.serialize(value) for name, value in plain.items()}
    return "dynamodb", "put_item", {"TableName": table.name, "Item": written}


_CALLS: dict[str, Callable[[Entry, str, Any], Call]] = {
    "queue": _to_queue,
    "topic": _to_topic,
    "bucket": _to_bucket,
    "bus": _to_bus,
    "stream": _to_stream,
    "table": _to_table,
}
