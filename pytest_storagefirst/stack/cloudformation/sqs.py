"""AWS::SQS types."""

from __future__ import annotations

from .model import Making, Properties, Resource, is_true, text_of

_ATTRIBUTES = (
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
)


def queue(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-sqs-queue.html"""
    attributes = {
        name: text_of(properties[name]) for name in _ATTRIBUTES if properties.get(name) is not None
    }
    fifo = is_true(properties.get("FifoQueue"))
    if fifo:
        attributes["FifoQueue"] = "true"
    else:
        attributes.pop("ContentBasedDeduplication", None)
    policy = properties.get("RedrivePolicy")
    if isinstance(policy, dict):
        _stand_in_for_external_queue(making, policy.get("deadLetterTargetArn"))
    generated = making.name(75) + (".fifo" if fifo else "")
    name = properties.get("QueueName") or generated
    created = making.call("sqs", "create_queue", {"QueueName": name, "Attributes": attributes})
    url = created["QueueUrl"]
    arn = f"arn:aws:sqs:{making.region}:{making.account}:{name}"
    return Resource(url, {"Arn": arn, "QueueName": name, "QueueUrl": url})


def _stand_in_for_external_queue(making: Making, arn: object) -> None:
    """A dead-letter queue of another stack has to exist before a queue can point at it."""
    if not making.is_external(arn) or not str(arn).startswith("arn:aws:sqs:"):
        return
    name = str(arn).split(":")[-1]
    attributes = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
    making.call("sqs", "create_queue", {"QueueName": name, "Attributes": attributes})


def queue_policy(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-sqs-queuepolicy.html"""
    policy = text_of(making.require(properties, "PolicyDocument"))
    for url in making.require(properties, "Queues"):
        making.call(
            "sqs", "set_queue_attributes", {"QueueUrl": url, "Attributes": {"Policy": policy}}
        )
    return Resource(making.name(80), {"Id": making.name(80)})


def queue_inline_policy(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-sqs-queueinlinepolicy.html"""
    return queue_policy(making, {**properties, "Queues": [making.require(properties, "Queue")]})


HANDLERS = {
    "AWS::SQS::Queue": queue,
    "AWS::SQS::QueueInlinePolicy": queue_inline_policy,
    "AWS::SQS::QueuePolicy": queue_policy,
}
