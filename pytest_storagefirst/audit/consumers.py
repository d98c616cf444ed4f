"""Who reads what, and where what fails is put: mappings, pipes, dead-letter queues."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_storagefirst.audit.positions import Steps
from pytest_storagefirst.audit.view import Properties, View, joined, listed, whole

QUEUE, STREAM, TABLE = "AWS::SQS::Queue", "AWS::Kinesis::Stream", "AWS::DynamoDB::Table"
_TABLES = (TABLE, "AWS::DynamoDB::GlobalTable")
FUNCTION = "AWS::Lambda::Function"
MAPPING, PIPE = "AWS::Lambda::EventSourceMapping", "AWS::Pipes::Pipe"

LONGEST_RETENTION = 1_209_600  # seconds
RETENTION = 345_600  # seconds, of a queue that says nothing
Change = tuple[str, Steps, Any]


@dataclass(frozen=True)
class Consumer:
    """An event source mapping. `source` and `function` are None where they are elsewhere.

    `kind` is "queue" or "stream", "" where that can't be told.
    """

    logical_id: str
    properties: Properties
    kind: str
    source: str | None
    function: str | None

    @property
    def batch_size(self) -> int:
        return whole(self.properties.get("BatchSize"), 10 if self.kind == "queue" else 100)

    @property
    def reports_failures(self) -> bool:
        types = listed(self.properties.get("FunctionResponseTypes"))
        return "ReportBatchItemFailures" in types


def consumers(view: View, kind: str) -> Iterator[Consumer]:
    """The mappings of queues, or of streams."""
    for logical_id, properties in view.of_type(MAPPING):
        node = properties.get("EventSourceArn")
        source = view.pointed_at(node, QUEUE, STREAM, *_TABLES)
        found = _kind(view.kind(source), joined(node), properties)
        if found == kind:
            function = function_of(view, properties.get("FunctionName"))
            yield Consumer(logical_id, properties, kind, source, function)


def _kind(source: str, arn: str, properties: Properties) -> str:
    if source == QUEUE or ":sqs:" in arn:
        return "queue"
    is_stream = source == STREAM or source in _TABLES or ":kinesis:" in arn or ":dynamodb:" in arn
    return "stream" if is_stream or "StartingPosition" in properties else ""


def function_of(view: View, node: Any) -> str | None:
    """The function that a value names, by its alias or version too."""
    found = view.pointed_at(node, FUNCTION, "AWS::Lambda::Alias", "AWS::Lambda::Version")
    if found is None or view.kind(found) == FUNCTION:
        return found
    return view.pointed_at(view.properties(found).get("FunctionName"), FUNCTION)


def read_queues(view: View) -> dict[str, list[str]]:
    """The queues of the template that it reads itself, each with the functions or pipes that do."""
    found: dict[str, list[str]] = {}
    for one in consumers(view, "queue"):
        if one.source is not None:
            found.setdefault(one.source, []).append(one.function or one.logical_id)
    for logical_id, properties in view.of_type(PIPE):
        source = view.pointed_at(properties.get("Source"), QUEUE)
        if source is not None:
            found.setdefault(source, []).append(logical_id)
    return found


def redrive(properties: Properties) -> Mapping[str, Any]:
    """A queue's redrive policy, {} where it has none. It may be written as JSON text."""
    found = properties.get("RedrivePolicy")
    if isinstance(found, str):
        import json

        try:
            found = json.loads(found)
        except ValueError:
            return {}
    return found if isinstance(found, Mapping) else {}


def dead_letter_queues(view: View) -> dict[str, str]:
    """The queues of the template in which something puts what failed, each with what does."""
    found: dict[str, str] = {}

    def put(node: Any, by: str) -> None:
        queue = view.pointed_at(node, QUEUE)
        if queue is not None:
            found.setdefault(queue, by)

    for logical_id, resource in view.resources.items():
        properties = resource["Properties"]
        put(redrive(properties).get("deadLetterTargetArn"), logical_id)
        letters = properties.get("DeadLetterConfig")
        if isinstance(letters, Mapping):
            put(letters.get("TargetArn") or letters.get("Arn"), logical_id)
        put(on_failure(properties), logical_id)
        if resource["Type"] == "AWS::Events::Rule":
            for one in listed(properties.get("Targets")):
                put((one.get("DeadLetterConfig") or {}).get("Arn"), logical_id)
    return found


def on_failure(properties: Properties) -> Any:
    """What a mapping or an invocation's configuration names for failures."""
    found = properties.get("DestinationConfig")
    failure = found.get("OnFailure") if isinstance(found, Mapping) else None
    return failure.get("Destination") if isinstance(failure, Mapping) else None


def arn_of(logical_id: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [logical_id, "Arn"]}


def new_queue(logical_id: str, *, fifo: bool = False) -> Change:
    """A dead-letter queue that a remedy adds."""
    properties: dict[str, Any] = {"MessageRetentionPeriod": LONGEST_RETENTION}
    if fifo:
        properties["FifoQueue"] = True
    return logical_id, (), {"Type": QUEUE, "Properties": properties}


def queue_policy(queue: str, service: str, source: Any = None) -> Change:
    """What lets a service send to a queue, on behalf of one source (its ARN) where that is known.

    Without it the service may send for anybody's (IAM user guide, the confused deputy problem).
    """
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sqs:SendMessage",
        "Resource": arn_of(queue),
    }
    if source:
        statement["Condition"] = {"ArnEquals": {"aws:SourceArn": source}}
    properties = {
        "Queues": [{"Ref": queue}],
        "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
    }
    return f"{queue}Allowed", (), {"Type": "AWS::SQS::QueuePolicy", "Properties": properties}


def role_policy(
    view: View, role: Any, action: str, resource: Any, name: str
) -> list[Change] | None:
    """What lets a role do something; None where the role is not in the template."""
    logical_id = view.pointed_at(role, "AWS::IAM::Role")
    if logical_id is None:
        return None
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    properties = {
        "PolicyName": name,
        "Roles": [{"Ref": logical_id}],
        "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
    }
    return [(name, (), {"Type": "AWS::IAM::Policy", "Properties": properties})]
