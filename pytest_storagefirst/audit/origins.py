"""Which resource of the user's own a resource of the translated template comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_storagefirst.audit.positions import Steps

# What SAM calls otherwise than CloudFormation: (type in the user's file, property) -> its own.
_RENAMED = {
    ("AWS::Serverless::Api", "Body"): "DefinitionBody",
    ("AWS::Serverless::HttpApi", "Body"): "DefinitionBody",
    ("AWS::Serverless::StateMachine", "DefinitionString"): "Definition",
    ("AWS::Serverless::Function", "DeadLetterConfig"): "DeadLetterQueue",
}


@dataclass(frozen=True)
class Origin:
    """The logical id in the user's file, and the path of what became the resource's properties."""

    resource: str
    steps: Steps

    def path(self, kind: str, path: Steps) -> Steps:
        """Where a property of the translated resource would stand; `kind` is the user's type.

        What comes of an event has its properties at the event, under their own names.
        """
        renamed = _RENAMED if "Events" not in self.steps else {}
        first = renamed.get((kind, str(path[0])), path[0]) if path else None
        return self.steps + ((first, *path[1:]) if first is not None else ())


class Origins:
    """Of each resource. SAM names what it makes by what it makes it from, which comes first."""

    def __init__(self, body: Any) -> None:
        resources = body.get("Resources") if isinstance(body, dict) else None
        self._written = {
            name: one for name, one in (resources or {}).items() if isinstance(one, Mapping)
        }
        self._events = {
            f"{name}{event}": Origin(
                name, ("Resources", name, "Properties", "Events", event, "Properties")
            )
            for name, one in self._written.items()
            for event in _events_of(one)
        }

    def of(self, logical_id: str) -> Origin:
        """A resource that nothing written stands behind comes from the section Resources."""
        if logical_id in self._written:
            return Origin(logical_id, ("Resources", logical_id, "Properties"))
        for made in sorted(self._events, key=len, reverse=True):
            if logical_id.startswith(made):
                return self._events[made]
        for name in sorted(self._written, key=len, reverse=True):
            if logical_id.startswith(name):
                return Origin(name, ("Resources", name, "Properties"))
        return Origin(logical_id, ("Resources",))

    def written(self, steps: Steps) -> Any:
        """What the user wrote at a path below Resources; None where nothing stands there."""
        node: Any = self._written
        for step in steps:
            if isinstance(node, Mapping):
                node = node.get(step)
            elif isinstance(node, list) and isinstance(step, int) and step < len(node):
                node = node[step]
            else:
                return None
        return node

    def kind(self, resource: str) -> str:
        """The type that the user wrote, "" where the resource is not theirs."""
        return str(self._written.get(resource, {}).get("Type", ""))

    def metadata(self) -> Mapping[str, Any]:
        """What stands under Metadata, by logical id."""
        return {name: one["Metadata"] for name, one in self._written.items() if "Metadata" in one}


def _events_of(resource: Mapping[str, Any]) -> list[str]:
    properties = resource.get("Properties")
    events = properties.get("Events") if isinstance(properties, Mapping) else None
    serverless = str(resource.get("Type", "")).startswith("AWS::Serverless::")
    return [str(name) for name in events] if serverless and isinstance(events, Mapping) else []
