"""A resolved template as the rules read it: who points at whom, without standing anything up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from pytest_storagefirst.audit.positions import Steps
from pytest_storagefirst.stack.code import FunctionCode
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
    value), of which any one mends it; a new resource has the path (). `batch_of` is the function
    whose invocation with several messages has to fail, "" where that makes no difference. `target`
    is what messages have to get to so that a run is about it, "" where that is not one place.
    """

    rule: str
    resource: str
    problem: str = ""
    path: Steps = ()
    names: Mapping[str, str] = field(default_factory=dict)
    sites: tuple[str, ...] = ()
    changes: tuple[tuple[tuple[str, Steps, Any], ...], ...] = ()
    batch_of: str = ""
    target: str = ""


@dataclass(frozen=True)
class Sources:
    """What handlers say, and what they are all told.

    `shared` are the environment variables of SAM's Globals, which say nothing of a single function;
    `code` is where each function's code lies.
    """

    shared: frozenset[str] = frozenset()
    code: Mapping[str, FunctionCode] = field(default_factory=dict)

    def asks_for(self, function: str, variable: str) -> bool:
        """Whether a function may be meant to use a variable; its code says so, where it is here."""
        said = self._texts(function)
        if said is None:
            return variable not in self.shared
        alone = len([one for one in self.code.values() if one == self.code[function]]) == 1
        return any(variable in text for text in said) and (alone or variable not in self.shared)

    def say(self, function: str, name: str) -> bool:
        """Whether a function's code has a name in it, in quotes."""
        said = self._texts(function) or []
        return any(f'"{name}"' in text or f"'{name}'" in text for text in said)

    def _texts(self, function: str) -> list[str] | None:
        code = self.code.get(function)
        if code is None or (code.root is None and code.inline is None):
            return None
        if code.root is None:
            return [code.inline or ""]
        files = (file for file in _files(code.root) if file.suffix in _SOURCES)
        return [file.read_text(encoding="utf-8", errors="replace") for file in files]


_SOURCES = (".py", ".js", ".mjs", ".cjs", ".ts", ".mts", ".cs", ".go", ".java", ".rb", ".rs", ".kt")
_ELSEWHERE = ("node_modules", "__pycache__", "dist-info", "site-packages")
MOST_FILES = 500


def _files(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root
        return
    found = (file for file in root.rglob("*") if file.is_file())
    kept = (file for file in found if not any(part.endswith(_ELSEWHERE) for part in file.parts))
    yield from islice(kept, MOST_FILES)


class View:
    """The resources of a template, its references and what follows from them."""

    def __init__(self, resources: Mapping[str, Any], sources: Sources | None = None) -> None:
        self.resources = resources
        self.sources = sources or Sources()

    def of_type(self, *kinds: str) -> Iterator[tuple[str, Properties]]:
        for logical_id, resource in self.resources.items():
            if resource["Type"] in kinds:
                yield logical_id, resource["Properties"]

    def kind(self, logical_id: str | None) -> str:
        found = self.resources.get(logical_id) if logical_id else None
        return str(found["Type"]) if found else ""

    def properties(self, logical_id: str | None) -> Properties:
        """Of a resource; {} for none."""
        found = self.resources.get(logical_id) if logical_id else None
        return found["Properties"] if found else {}

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
    def physical_names(self) -> dict[str, str]:
        """The names that the template itself gives its resources."""
        return {logical_id: name for name, logical_id in self._physical.items()}

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
