"""SNS: from a published message to each subscription that its filter policy lets through.

Rules from the SNS developer guide: sns-message-filtering, sns-large-payload-raw-message-delivery,
sns-dead-letter-queues, sns-sqs-as-subscriber, and the Lambda developer guide, with-sns
(AWS_SEMANTICS.md, rule 30).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_storagefirst.simulation.behalf import now_text, whose
from pytest_storagefirst.simulation.routing import deliveries, targets
from pytest_storagefirst.simulation.sources.mismatches import why_not

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation

PRINCIPAL = "sns.amazonaws.com"
MATCHES_NO_FILTER = "no subscription's filter policy lets it through"


@dataclass(frozen=True)
class Notification:
    """A message as it was published. `attributes` are moto's: name -> {"Type", "Value"}."""

    text: str
    message_id: str
    subject: str | None
    attributes: dict[str, Any]
    group: str | None
    deduplication: str | None


DEDUPLICATION_MS = 300_000  # of a FIFO topic (fifo-message-dedup)


def once(simulation: Simulation, key: tuple[str, str], take: Callable[[], str]) -> str:
    """Publish to a FIFO topic, unless it took the same a moment ago; the message's id."""
    taken_ms, message_id = simulation.published.get(key, (-DEDUPLICATION_MS - 1, ""))
    if simulation.now_ms - taken_ms <= DEDUPLICATION_MS:
        return message_id
    message_id = take()
    simulation.published[key] = (simulation.now_ms, message_id)
    return message_id


def publish(simulation: Simulation, subscription: Any, notification: Notification) -> None:
    """Deliver to one subscription (moto's); a message that its filter does not match is gone."""
    topic_arn = subscription.topic.arn
    place = targets.name_of(simulation, topic_arn)
    messages = whose(simulation, notification.text + json.dumps(notification.attributes))
    for message in messages:
        simulation.identities.name(message, notification.message_id, f"<{message}.snsMessageId>")
    if not _lets_through(subscription, notification):
        target = targets.name_of(simulation, subscription.endpoint)
        why = _why_filtered(subscription, notification)
        told = f"the subscription of {target} ({why})"
        simulation.record("filtered", messages, place, told)
        others = simulation.deployed.world.backend("sns").subscriptions.values()
        all_of_it = [one for one in others if one.topic.arn == topic_arn]
        if subscription is all_of_it[-1] and not any(
            _lets_through(one, notification) for one in all_of_it
        ):
            simulation.record("dropped", messages, place, f"{MATCHES_NO_FILTER}: {told}")
        return
    arn = subscription.endpoint
    document = _document(simulation, subscription, notification)
    parcel = _parcel(simulation, subscription, notification, document, messages, place)

    deliveries.start(
        simulation,
        deliveries.Delivery(
            place=place,
            principal=PRINCIPAL,
            source_arn=topic_arn,
            target_arn=arn,
            parcel=parcel,
            retries=deliveries.SNS,
            dead_letter_arn=_dead_letter_arn(subscription),
            ordered=topic_arn.endswith(".fifo"),
        ),
    )


def _lets_through(subscription: Any, notification: Notification) -> bool:
    matcher = subscription._filter_policy_matcher
    return matcher is None or bool(matcher.matches(notification.attributes, notification.text))


def _why_filtered(subscription: Any, notification: Notification) -> str:
    """Which field, or attribute, the filter policy turned the message away for."""
    written = subscription.attributes.get("FilterPolicy") or "{}"
    policy = json.loads(written) if isinstance(written, str) else written
    if subscription.attributes.get("FilterPolicyScope") == "MessageBody":
        try:
            body = json.loads(notification.text)
        except ValueError:
            return "the body is no JSON"
        return why_not(policy, body) or "FilterPolicyScope is MessageBody"
    values = {name: value["Value"] for name, value in notification.attributes.items()}
    why = why_not(policy, values).replace("there is no ", "there is no message attribute ")
    return why or "FilterPolicyScope is MessageAttributes"


def _dead_letter_arn(subscription: Any) -> str | None:
    written = subscription.attributes.get("RedrivePolicy")
    policy = json.loads(written) if isinstance(written, str) and written else written or {}
    found: str | None = policy.get("deadLetterTargetArn")
    return found


def _document(
    simulation: Simulation, subscription: Any, notification: Notification
) -> dict[str, Any]:
    """What SNS puts round a message (sns-message-and-json-formats)."""
    arn = subscription.topic.arn
    region = arn.split(":")[3]
    return {
        "Type": "Notification",
        "MessageId": notification.message_id,
        "TopicArn": arn,
        "Subject": notification.subject,
        "Message": notification.text,
        "Timestamp": now_text(simulation),
        "SignatureVersion": "1",
        "Signature": "c2ltdWxhdGVk",
        "SigningCertURL": f"https://sns.{region}.amazonaws.com/SimpleNotificationService-0.pem",
        "UnsubscribeURL": f"https://sns.{region}.amazonaws.com/?Action=Unsubscribe"
        f"&SubscriptionArn={subscription.arn}",
        "MessageAttributes": {
            name: {"Type": value["Type"], "Value": _text(value["Value"])}
            for name, value in notification.attributes.items()
        },
    }


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _parcel(
    simulation: Simulation,
    subscription: Any,
    notification: Notification,
    document: dict[str, Any],
    messages: tuple[str, ...],
    place: str,
) -> targets.Parcel:
    plain = targets.Parcel(
        notification.text,
        messages,
        f"delivered by {place}",
        group=notification.group,
        # Without an id of the publisher's it is made from the content (fifo-message-dedup).
        deduplication=notification.deduplication
        or hashlib.sha256(notification.text.encode()).hexdigest(),
    )
    if subscription.protocol == "lambda":
        record = {
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": subscription.arn,
            "Sns": {name.replace("URL", "Url"): value for name, value in document.items()},
        }
        return replace(plain, text=json.dumps({"Records": [record]}))
    if subscription.protocol == "sqs" and not _is_raw(subscription):
        shown = {name: value for name, value in document.items() if value not in (None, {})}
        return replace(plain, text=json.dumps(shown))
    attributes = {
        name: {"DataType": value["Type"], _FIELDS.get(value["Type"], "StringValue"): value["Value"]}
        for name, value in notification.attributes.items()
    }
    return replace(plain, attributes=attributes)


_FIELDS = {"Binary": "BinaryValue"}


def _is_raw(subscription: Any) -> bool:
    return str(subscription.attributes.get("RawMessageDelivery", "")).lower() == "true"
