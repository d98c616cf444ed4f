"""S3's event notifications: to queues, topics and functions, and to EventBridge.

Rules from the S3 user guide: EventNotifications, notification-how-to-event-types-and-destinations,
notification-content-structure, EventBridge (AWS_SEMANTICS.md, rule 31).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from pytest_storagefirst.simulation.behalf import now_text, whose
from pytest_storagefirst.simulation.routing import buses, deliveries, targets

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation

PRINCIPAL = "s3.amazonaws.com"
TELLS_ENCODED = "tells of it by the URL-encoded key"
_DETAIL_TYPES = {
    "ObjectCreated": "Object Created",
    "ObjectRemoved": "Object Deleted",
    "ObjectTagging": "Object Tags Added",
    "ObjectAcl": "Object ACL Updated",
}


def notify(simulation: Simulation, event: Any, bucket: Any, key: Any) -> None:
    """Tell those whom a bucket (moto's) is configured to tell of an event (moto's).

    Each notification is delivered by itself, in no promised order.
    """
    configuration = bucket.notification_configuration
    if configuration is None:
        return
    event_name = str(getattr(event, "value", event))  # "s3:ObjectCreated:Put"
    tagger = simulation.deployed.world.backend("s3").tagger
    if event_name == "s3:ObjectTagging:Put" and not tagger.get_tag_dict_for_resource(key.arn):
        return  # moto's own doing: it tags each new object, if only with nothing
    place = targets.name_of(simulation, f"arn:aws:s3:::{bucket.name}")
    content = b"" if _is_removed(event_name) else key.value or b""
    messages = whose(simulation, key.name + content.decode("utf-8", "replace"))
    if event_name.startswith("s3:ObjectCreated"):
        simulation.record("stored", messages, place)
    told = [*configuration.cloud_function, *configuration.queue, *configuration.topic]
    matching = [one for one in told if one.matches(event_name, key.name)]
    if matching and encoded(key.name) != key.name:
        said = f"{TELLS_ENCODED} {encoded(key.name)!r}"
        simulation.record("noted", messages, place, said)
    for notification in matching:
        record = _record(simulation, event_name, bucket, key, notification.id)
        document = {"Records": [record]}
        _deliver(simulation, place, bucket, str(notification.arn), document, messages)
    if configuration.event_bridge is not None:
        _to_event_bridge(simulation, event_name, bucket, key, messages)


def encoded(key: str) -> str:
    """A key as event notifications tell it; EventBridge tells it as it is.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    return quote_plus(key, safe="/")


def _record(
    simulation: Simulation, event_name: str, bucket: Any, key: Any, configuration_id: str
) -> dict[str, Any]:
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": simulation.deployed.topology.region,
        "eventTime": now_text(simulation),
        "eventName": event_name.removeprefix("s3:"),
        "userIdentity": {"principalId": "AWS:SIMULATED"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": simulation.identities.new_id()},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": configuration_id,
            "bucket": {
                "name": bucket.name,
                "ownerIdentity": {"principalId": "SIMULATED"},
                "arn": f"arn:aws:s3:::{bucket.name}",
            },
            "object": {**_object(simulation, event_name, key), "key": encoded(key.name)},
        },
    }


def _is_removed(event_name: str) -> bool:
    """Whether moto's key is an object that is gone, whose content it has thrown away by then."""
    return event_name.startswith("s3:ObjectRemoved")


def _object(simulation: Simulation, event_name: str, key: Any) -> dict[str, Any]:
    sizes = {}
    if not _is_removed(event_name):
        sizes = {"size": key.size, "eTag": key.etag.replace('"', "")}
    return {"key": key.name, **sizes, "sequencer": f"{simulation.wall_ms:018X}"}


def _deliver(
    simulation: Simulation,
    place: str,
    bucket: Any,
    arn: str,
    event: dict[str, Any],
    messages: tuple[str, ...],
) -> None:
    parcel = targets.Parcel(json.dumps(event), messages, f"notified by {place}")

    deliveries.start(
        simulation,
        deliveries.Delivery(
            place=place,
            principal=PRINCIPAL,
            source_arn=f"arn:aws:s3:::{bucket.name}",
            target_arn=arn,
            parcel=parcel,
            retries=deliveries.S3,
        ),
    )


def _to_event_bridge(
    simulation: Simulation, event_name: str, bucket: Any, key: Any, messages: tuple[str, ...]
) -> None:
    topology = simulation.deployed.topology
    kind, _, reason = event_name.removeprefix("s3:").partition(":")
    event = {
        "version": "0",
        "id": simulation.identities.new_id(),
        "detail-type": _DETAIL_TYPES.get(kind, kind),
        "source": "aws.s3",
        "account": topology.account,
        "time": now_text(simulation, milliseconds=False),
        "region": topology.region,
        "resources": [f"arn:aws:s3:::{bucket.name}"],
        "detail": {
            "version": "0",
            "bucket": {"name": bucket.name},
            "object": {
                name.lower() if name == "eTag" else name: value
                for name, value in _object(simulation, event_name, key).items()
            },
            "request-id": simulation.identities.new_id(),
            "requester": topology.account,
            "source-ip-address": "127.0.0.1",
            "reason": f"{reason}Object" if kind == "ObjectCreated" else reason,
        },
    }
    bus = simulation.deployed.world.backend("events").event_buses.get("default")
    if bus is not None:
        buses.route(simulation, bus, event, messages)
