"""Combinations of properties that AWS refuses at deployment, refused here with the same reason."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from ..errors import TemplateError
from . import stream_rules
from .document import Document
from .references import references, target
from .resource_types import plays_a_part

_QUEUE_RANGES = {  # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
    "DelaySeconds": (0, 900),
    "MessageRetentionPeriod": (60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, 43_200),
}
_FUNCTION_RANGES = {  # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    "Timeout": (1, 900),
    "MemorySize": (128, 10_240),
    "ReservedConcurrentExecutions": (0, 1_000_000),
}
_PROPERTIES = {
    "AWS::DynamoDB::Table": [
        "AttributeDefinitions",
        "BillingMode",
        "GlobalSecondaryIndexes",
        "KeySchema",
        "KinesisStreamSpecification",
        "LocalSecondaryIndexes",
        "ProvisionedThroughput",
        "SSESpecification",
        "StreamSpecification",
        "TableName",
        "TimeToLiveSpecification",
    ],
    "AWS::Lambda::EventSourceMapping": [
        "BatchSize",
        "BisectBatchOnFunctionError",
        "DestinationConfig",
        "Enabled",
        "EventSourceArn",
        "FilterCriteria",
        "FunctionName",
        "FunctionResponseTypes",
        "MaximumBatchingWindowInSeconds",
        "MaximumRecordAgeInSeconds",
        "MaximumRetryAttempts",
        "ParallelizationFactor",
        "ScalingConfig",
        "StartingPosition",
        "StartingPositionTimestamp",
        "TumblingWindowInSeconds",
    ],
    "AWS::Lambda::Function": [
        "Code",
        "DeadLetterConfig",
        "Environment",
        "FunctionName",
        "Handler",
        "Layers",
        "MemorySize",
        "PackageType",
        "ReservedConcurrentExecutions",
        "Role",
        "Runtime",
        "RuntimeManagementConfig",
        "Timeout",
    ],
    "AWS::SQS::Queue": [
        "ContentBasedDeduplication",
        "DeduplicationScope",
        "DelaySeconds",
        "FifoQueue",
        "FifoThroughputLimit",
        "KmsDataKeyReusePeriodSeconds",
        "KmsMasterKeyId",
        "MaximumMessageSize",
        "MessageRetentionPeriod",
        "QueueName",
        "ReceiveMessageWaitTimeSeconds",
        "RedriveAllowPolicy",
        "RedrivePolicy",
        "SqsManagedSseEnabled",
        "VisibilityTimeout",
    ],
}
_STANDARD_BATCH, _FIFO_BATCH = 10_000, 10


def check_rules(resources: Mapping[str, Any], external: set[str], document: Document) -> None:
    """Raises `TemplateError` naming logical id and property. `external`: values of other stacks."""
    check = _Check(resources, external, document)
    for logical_id, resource in resources.items():
        properties = resource["Properties"]
        if resource["Type"] == "AWS::SQS::Queue":
            check.queue(logical_id, properties)
        elif resource["Type"] == "AWS::Lambda::Function":
            check.ranges(logical_id, properties, _FUNCTION_RANGES)
        elif resource["Type"] == "AWS::Lambda::EventSourceMapping":
            check.mapping(logical_id, properties)
        check.spelling(logical_id, resource["Type"], properties)
        check.streams(logical_id, properties)


def _whole(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _true(value: Any) -> bool:
    return value is True or value == "true"


class _Check:
    def __init__(
        self, resources: Mapping[str, Any], external: set[str], document: Document
    ) -> None:
        self.resources = resources
        self.external = external
        self.document = document

    def error(
        self,
        logical_id: str,
        name: str,
        problem: str,
        *,
        found: str = "",
        expected: str = "",
        remedy: str = "",
    ) -> TemplateError:
        where = f"{self.document.where(logical_id)}, property {name}"
        return TemplateError(problem, where=where, found=found, expected=expected, remedy=remedy)

    def ranges(
        self,
        logical_id: str,
        properties: Mapping[str, Any],
        ranges: Mapping[str, tuple[int, int]],
    ) -> None:
        for name, (least, most) in ranges.items():
            value = properties.get(name)
            if value is None or isinstance(value, dict):
                continue
            number = _whole(value)
            if number is None or not least <= number <= most:
                raise self.error(
                    logical_id,
                    name,
                    "AWS refuses this value",
                    found=str(value),
                    expected=f"{least:,} to {most:,}",
                    remedy="give the parameter behind it a value, under [parameters] of "
                    "storagefirst.toml"
                    if "invented-" in str(value)
                    else "",
                )

    def spelling(self, logical_id: str, kind: str, properties: Mapping[str, Any]) -> None:
        """CloudFormation refuses a property it doesn't know; here only a near miss is refused,
        since types gain properties with time."""
        known = _PROPERTIES.get(kind, ())
        for name in properties:
            close = difflib.get_close_matches(name, known, 1, cutoff=0.85)
            if name not in known and close and close[0] not in properties:
                raise self.error(
                    logical_id, name, f"{kind} has no such property", remedy=f"write {close[0]}"
                )

    def streams(self, logical_id: str, properties: Mapping[str, Any]) -> None:
        for name, attribute in references(properties):
            resource = self.resources.get(name, {})
            if attribute == "StreamArn" and "StreamSpecification" not in resource["Properties"]:
                raise self.error(
                    logical_id,
                    "StreamArn",
                    f"the table {name} has no stream",
                    remedy=f"give {name} a StreamSpecification",
                )

    def queue(self, logical_id: str, properties: Mapping[str, Any]) -> None:
        self.ranges(logical_id, properties, _QUEUE_RANGES)
        fifo, name = _true(properties.get("FifoQueue")), _name_ending(properties.get("QueueName"))
        if name is not None and fifo != name.endswith(".fifo"):
            raise self.error(
                logical_id,
                "QueueName",
                "a FIFO queue's name ends in .fifo, and no other's does",
                found=name,
                expected="a name that ends in .fifo" if fifo else "FifoQueue: true",
            )
        policy = properties.get("RedrivePolicy")
        if isinstance(policy, dict):
            self._redrive(logical_id, policy, fifo)

    def _redrive(self, logical_id: str, policy: Mapping[str, Any], fifo: bool) -> None:
        receives = _whole(policy.get("maxReceiveCount"))
        if receives is None or not 1 <= receives <= 1000:
            raise self.error(
                logical_id,
                "RedrivePolicy.maxReceiveCount",
                "AWS refuses this value",
                found=str(policy.get("maxReceiveCount")),
                expected="1 to 1,000",
            )
        name, arn = "RedrivePolicy.deadLetterTargetArn", policy.get("deadLetterTargetArn")
        queue = self._queue_of(arn)
        if queue is None:
            if self._elsewhere(arn):
                return
            raise self.error(
                logical_id,
                name,
                "the dead-letter queue does not exist",
                found=str(arn),
                expected="the ARN of a queue",
                remedy="write !GetAtt TheQueue.Arn",
            )
        dead_letter_is_fifo = _true(self.resources[queue]["Properties"].get("FifoQueue"))
        if fifo != dead_letter_is_fifo:
            kinds = ("a FIFO queue", "a standard queue")
            raise self.error(
                logical_id,
                name,
                "a queue and its dead-letter queue must be of the same kind",
                found=f"{queue}, {kinds[0] if dead_letter_is_fifo else kinds[1]}",
                expected=kinds[0] if fifo else kinds[1],
            )

    def mapping(self, logical_id: str, properties: Mapping[str, Any]) -> None:
        source = properties.get("EventSourceArn")
        service = stream_rules.service_of(source, self.resources)
        if service:
            self.ranges(logical_id, properties, stream_rules.RANGES)
            stream_rules.check_position(logical_id, properties, service, self.error)
            stream_rules.check_limits(logical_id, properties, self.error)
            return
        queue = self._queue_of(source)
        if queue is None:
            if isinstance(source, str) and ":sqs:" in source and not self._elsewhere(source):
                raise self.error(
                    logical_id,
                    "EventSourceArn",
                    "the event source does not exist",
                    found=source,
                    remedy="write !GetAtt TheQueue.Arn",
                )
            return
        queue_properties = self.resources[queue]["Properties"]
        fifo = _true(queue_properties.get("FifoQueue"))
        window = _whole(properties.get("MaximumBatchingWindowInSeconds")) or 0
        batch = _whole(properties.get("BatchSize"))
        self.ranges(
            logical_id,
            properties,
            {
                "BatchSize": (1, _FIFO_BATCH if fifo else _STANDARD_BATCH),
                "MaximumBatchingWindowInSeconds": (0, 0 if fifo else 300),
            },
        )
        if batch is not None and batch > _FIFO_BATCH and window < 1:
            raise self.error(
                logical_id,
                "BatchSize",
                "a batch of more than 10 needs a batching window",
                found=f"BatchSize {batch}, MaximumBatchingWindowInSeconds {window}",
                expected="a window of at least 1 second",
            )
        scaling = properties.get("ScalingConfig")
        if isinstance(scaling, dict):
            self.ranges(logical_id, scaling, {"MaximumConcurrency": (2, 1000)})
        function = self._function_of(properties.get("FunctionName"))
        if function is None:
            return
        timeout = _whole(self.resources[function]["Properties"].get("Timeout", 3))
        visibility = _whole(queue_properties.get("VisibilityTimeout", 30))
        if timeout is not None and visibility is not None and timeout > visibility:
            raise self.error(
                queue,
                "VisibilityTimeout",
                "the queue's visibility timeout is shorter than its function's timeout",
                found=f"{visibility} s, and {function} may run {timeout} s",
                expected=f"at least {timeout} s (AWS advises {6 * timeout} s)",
            )

    def _queue_of(self, arn: Any) -> str | None:
        """The logical id of the queue that an ARN, or a reference to one, names."""
        name = target(arn)
        if name is not None:
            is_queue = self.resources.get(name, {}).get("Type") == "AWS::SQS::Queue"
            return name if is_queue else None
        if not isinstance(arn, str):
            return None
        for logical_id, resource in self.resources.items():
            queue_name = resource["Properties"].get("QueueName")
            if resource["Type"] == "AWS::SQS::Queue" and arn.split(":")[-1] == queue_name:
                return logical_id
        return None

    def _elsewhere(self, arn: Any) -> bool:
        """Whether it is known only at deployment, belongs to another stack, or plays no part."""
        if isinstance(arn, dict):
            name = target(arn)
            return name is None or not plays_a_part(self.resources[name]["Type"])
        return arn in self.external

    def _function_of(self, name: Any) -> str | None:
        logical_id = target(name)
        if logical_id is None:
            for candidate, resource in self.resources.items():
                function_name = resource["Properties"].get("FunctionName")
                if (
                    resource["Type"] == "AWS::Lambda::Function"
                    and isinstance(name, str)
                    and (name == function_name or name.split(":")[6:7] == [function_name])
                ):
                    return candidate
            return None
        resource = self.resources.get(logical_id, {})
        if resource.get("Type") in ("AWS::Lambda::Alias", "AWS::Lambda::Version"):
            return self._function_of(resource["Properties"].get("FunctionName"))
        return logical_id if resource.get("Type") == "AWS::Lambda::Function" else None


def _name_ending(name: Any) -> str | None:
    """A name's known ending, also when its beginning waits for a deployed resource."""
    if isinstance(name, str):
        return name
    if isinstance(name, dict) and "Fn::Join" in name:
        parts = name["Fn::Join"][1]
        if isinstance(parts, list) and parts and isinstance(parts[-1], str):
            return parts[-1]
    return None
