"""A resolved template as the rules read it: who points at whom, without standing anything up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pytest_storagefirst.audit.positions import Steps
from pytest_storagefirst.stack.expressions import is_function
from pytest_storagefirst.stack.references import references, target

Properties = Mapping[str, Any]

_NAMED_BY = {
    "AWS::SQS::Queue": "QueueName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::Kinesis::Stream": "Name",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Events::EventBus": "Name",
    "AWS::S3::Bucket": "BucketName",
    "AWS::IAM::Role": "RoleName",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
}


@dataclass(frozen=True)
class Looked:
    """Something a rule looked at: `problem` is "" where it is as it should be.

    `resource` is its logical id in the translated template and `path` where the problem stands in
    its properties. `names` fill in the remedy's <Name>s. `sites` say which places a fault has to
    strike to show it. `changes` are remedies as properties: each a list of (logical id, path,
    value), of which any one mends it; a new resource has the path ().
    """

    rule: str
    resource: str
    problem: str = ""
    path: Steps = ()
    names: Mapping[str, str] = field(default_factory=dict)
    sites: tuple[str, ...] = ()
    changes: tuple[tuple[tuple[str, Steps, Any], ...], ...] = ()


class View:
    """The resources of a template, its references and what follows from them."""

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self.resources = resources

    def of_type(self, *kinds: str) -> Iterator[tuple[str, Properties]]:
        for logical_id, resource in self.resources.items():
            if resource["Type"] in kinds:
                yield logical_id, resource["Properties"]

    def kind(self, logical_id: str | None) -> str:
        return str(self.resources[logical_id]["Type"]) if logical_id in self.resources else ""

    def properties(self, logical_id: str | None) -> Properties:
        found: Properties = self.resources[logical_id]["Properties"] if logical_id else {}
        return found

    def pointed_at(self, node: Any, *kinds: str) -> str | None:
        """The one resource (of some types) that a value names; None when there is no such one."""
        found = target(node)
        if found is None:
            named = {name for name, _ in references(node) if not kinds or self.kind(name) in kinds}
            found = named.pop() if len(named) == 1 else self._by_text(node)
        if found is None or (kinds and self.kind(found) not in kinds):
            return None
        return found

    def mentioned(self, node: Any) -> set[str]:
        """All resources that a value names."""
        found = {name for name, _ in references(node) if name in self.resources}
        for text in texts(node):
            by_text = self._by_text(text)
            if by_text is not None:
                found.add(by_text)
        return found

    def _by_text(self, node: Any) -> str | None:
        if not isinstance(node, str) or not node:
            return None
        return self._physical.get(node.rpartition(":")[2].rpartition("/")[2])

    @cached_property
    def _physical(self) -> dict[str, str]:
        return {
            name: logical_id
            for kind, key in _NAMED_BY.items()
            for logical_id, properties in self.of_type(kind)
            for name in [properties.get(key)]
            if isinstance(name, str)
        }


def texts(node: Any) -> Iterator[str]:
    """All texts in a value, keys not."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, list):
        for part in node:
            yield from texts(part)
    elif isinstance(node, dict):
        for part in node.values():
            yield from texts(part)


def joined(node: Any) -> str:
    """A value as one text: references stand in it as "<LogicalId>"."""
    if isinstance(node, str):
        return node
    if is_function(node):
        name, argument = next(iter(node.items()))
        if name == "Fn::Join" and isinstance(argument, list) and len(argument) == 2:
            separator, parts = argument
            if isinstance(separator, str) and isinstance(parts, list):
                return separator.join(joined(part) for part in parts)
        if name == "Fn::Sub":
            return joined(argument[0] if isinstance(argument, list) else argument)
        found = target(node)
        return f"<{found}>" if found else ""
    return "" if node is None or isinstance(node, dict | list) else str(node)


def whole(value: Any, default: int) -> int:
    """A number that may be written as a text; the default where nothing tells it."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return default


def listed(value: Any) -> list[Any]:
    """A value that may stand alone as the list that it is."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
