"""What the engine and the resource types share: a stood-up resource, and how it is created."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import TemplateError
from ..expressions import scalar_text
from ..invented import generated_name

Properties = Mapping[str, Any]


@dataclass
class Resource:
    """A resource that stands, as moto's engine wants to see it: `Ref` and `Fn::GetAtt` read it."""

    physical_resource_id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    cf_resource_type: str = ""
    logical_resource_id: str = ""

    def get_cfn_attribute(self, name: str) -> Any:
        return self.attributes.get(name, f"invented-{self.logical_resource_id}-{name}")

    def is_created(self) -> bool:
        return True


@dataclass
class Making:
    """One resource in the making: who it is, and the AWS clients to make it with."""

    logical_id: str
    kind: str
    stack_name: str
    account: str
    region: str
    where: str
    client: Callable[[str], Any]
    external: frozenset[str] = frozenset()
    own: Collection[str] = ()  # ids and ARNs of what this stack has made so far

    def name(self, longest: int = 255) -> str:
        """The physical name that CloudFormation would generate."""
        return generated_name(self.stack_name, self.logical_id, longest)

    def is_external(self, value: Any) -> bool:
        """Whether a value stands for something that another stack holds, or that plays no part.

        A parameter whose value was invented may give a resource of this very stack its name.
        """
        if not isinstance(value, str) or value in self.own:
            return False
        return value in self.external or "invented-" in value

    def role_arn(self, role: Any) -> Any:
        """A role's ARN; a value that stands for another stack's role becomes one in form."""
        if self.is_external(role) and not role.startswith("arn:aws:iam:"):
            name = role.replace(":", "-")[-64:]
            return f"arn:aws:iam::{self.account}:role/{name}"
        return role

    def require(self, properties: Properties, name: str) -> Any:
        """The property, or a `TemplateError` that names it."""
        if properties.get(name) in (None, ""):
            raise TemplateError(
                f"{self.kind} lacks a property that it must have",
                where=f"{self.where}, property {name}",
            )
        return properties[name]

    def call(self, service: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Call an AWS operation, with template values brought to the types that its model names.

        Entries that the operation doesn't know are left out, and tags, which play no part.
        """
        client = self.client(service)
        method = client.meta.method_to_api_mapping[operation]
        shape = client.meta.service_model.operation_model(method).input_shape
        known = {name: value for name, value in parameters.items() if name.lower() != "tags"}
        coerced = self._coerce(shape, known, "") if shape is not None else {}
        response: dict[str, Any] = getattr(client, operation)(**coerced)
        return response

    def _coerce(self, shape: Any, value: Any, path: str) -> Any:
        """`value` as botocore's `shape` wants it."""
        kind = shape.type_name
        try:
            if kind == "structure":
                return self._coerce_structure(shape, value, path)
            if kind == "list":
                parts = value if isinstance(value, list) else [value]
                return [self._coerce(shape.member, part, path) for part in parts]
            if kind == "map":
                return {
                    scalar_text(key): self._coerce(shape.value, part, f"{path}.{key}".lstrip("."))
                    for key, part in value.items()
                    if part is not None
                }
            if kind in ("integer", "long"):
                return int(value)
            if kind in ("float", "double"):
                return float(value)
            if kind == "boolean":
                return value if isinstance(value, bool) else str(value).lower() == "true"
            if kind == "string":
                return text_of(value)
        except (TypeError, ValueError, AttributeError):
            raise TemplateError(
                "a property has a value of the wrong type",
                where=f"{self.where}, property {path}",
                found=json.dumps(value, default=str)[:120],
                expected=kind,
            ) from None
        return value

    def _coerce_structure(self, shape: Any, value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise TypeError
        by_name = {key.lower(): part for key, part in value.items()}
        coerced = {}
        for name, member in shape.members.items():
            part = value.get(name, by_name.get(name.lower()))
            if part is not None:
                coerced[name] = self._coerce(member, part, f"{path}.{name}".lstrip("."))
        return coerced


Handler = Callable[[Making, Properties], Resource]


def text_of(value: Any) -> str:
    """A property as text: a policy document or definition may be written as a mapping."""
    return json.dumps(value) if isinstance(value, dict | list) else scalar_text(value)


def is_true(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")
