"""CloudFormation's intrinsic functions, evaluated as far as they can be before deployment.

What depends on a deployed resource (`Ref` and `GetAtt` of one, and what is built from them) stays a
function; everything else becomes a value. The rules are those of
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..errors import TemplateError
from .expressions import (
    DYNAMIC_REFERENCE,
    NO_VALUE,
    invented_dynamic_reference,
    is_function,
    is_static,
    scalar_text,
)
from .functions import FUNCTIONS

_LOOP = "Fn::ForEach::"


class Standing(Protocol):
    """A deployed resource, as `Ref` and `Fn::GetAtt` see it."""

    physical_resource_id: str

    def get_cfn_attribute(self, name: str) -> Any: ...


@dataclass
class Resolver:
    """Evaluates functions against parameters, mappings, conditions and pseudo parameters.

    `final` turns the `Fn::Sub` that remain into `Fn::Join`, the only form an engine is handed.
    `standing` holds what is deployed already; with it, references become values too. `where` names
    the resource at work, for errors; `notes` collects what had to be invented.
    """

    parameters: Mapping[str, Any]
    mappings: Mapping[str, Any]
    conditions: Mapping[str, Any]
    pseudo_parameters: Mapping[str, Any]
    imports: Mapping[str, str] = field(default_factory=dict)
    where: str = ""
    final: bool = False
    notes: list[str] = field(default_factory=list)
    standing: Mapping[str, Standing] = field(default_factory=dict)  # deployed resources
    invented: set[str] = field(default_factory=set)  # values that stand for what is elsewhere
    _evaluating: list[str] = field(default_factory=list)
    _evaluated: dict[str, bool] = field(default_factory=dict)

    def error(
        self, problem: str, *, found: str = "", expected: str = "", remedy: str = ""
    ) -> TemplateError:
        return TemplateError(
            problem, where=self.where, found=found, expected=expected, remedy=remedy
        )

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def resolve(self, node: Any) -> Any:
        """`node` with all that is static evaluated. Raises `TemplateError`."""
        if isinstance(node, str):
            return self._dynamic_references(node) if "{{resolve:" in node else node
        if isinstance(node, list):
            resolved = [self.resolve(part) for part in node]
            return [part for part in resolved if part is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if is_function(node):
            name, argument = next(iter(node.items()))
            if name == "Ref":
                return self._ref(argument)
            function = FUNCTIONS.get(name)
            if function is not None:
                return function(self, argument)
            if not name.startswith(_LOOP):
                raise self.error(
                    f"the function {name} is not known here", expected=", ".join(FUNCTIONS)
                )
        resolved_mapping: dict[str, Any] = {}
        for key, value in node.items():
            if key.startswith(_LOOP):
                resolved_mapping.update(self._for_each(key, value))
                continue
            resolved_value = self.resolve(value)
            if resolved_value is not NO_VALUE:
                resolved_mapping[key] = resolved_value
        return resolved_mapping

    def condition(self, name: Any) -> bool:
        """Whether the named condition holds."""
        if not isinstance(name, str) or name not in self.conditions:
            raise self.error(
                "a condition is not defined",
                found=str(name),
                expected="one of: " + (", ".join(self.conditions) or "(no Conditions section)"),
            )
        if name not in self._evaluated:
            if name in self._evaluating:
                chain = " -> ".join([*self._evaluating, name])
                raise self.error("conditions refer to each other in a circle", found=chain)
            self._evaluating.append(name)
            self._evaluated[name] = self._truth(self.conditions[name])
            self._evaluating.pop()
        return self._evaluated[name]

    def _truth(self, node: Any) -> bool:
        if isinstance(node, dict) and len(node) == 1:
            name, argument = next(iter(node.items()))
            if name == "Condition":
                return self.condition(argument)
            if name == "Fn::Equals":
                left, right = self.arguments(name, argument, 2)
                return bool(self._comparable(left) == self._comparable(right))
            if name == "Fn::Not":
                return not self._truth(self.arguments(name, argument, 1)[0])
            if name == "Fn::And":
                return all(self._truth(part) for part in self.arguments(name, argument))
            if name == "Fn::Or":
                return any(self._truth(part) for part in self.arguments(name, argument))
            if name == "Fn::Contains":
                collection, sought = self.arguments(name, argument, 2)
                return self._comparable(sought) in [
                    self._comparable(part) for part in self.resolve(collection)
                ]
        if isinstance(node, bool) or node in ("true", "false"):
            return node is True or node == "true"
        raise self.error(
            "a condition is not built from Fn::And, Fn::Or, Fn::Not, Fn::Equals or Condition",
            found=json.dumps(node, default=str)[:120],
        )

    def _comparable(self, node: Any) -> Any:
        value = self.resolve(node)
        if not is_static(value):
            raise self.error(
                "a condition depends on a resource",
                found=json.dumps(value, default=str)[:120],
                expected="parameters, mappings and pseudo parameters only",
            )
        return value if isinstance(value, dict | list) else scalar_text(value)

    def arguments(self, name: str, argument: Any, count: int | None = None) -> list[Any]:
        if not isinstance(argument, list) or (count is not None and len(argument) != count):
            wanted = "a list" if count is None else f"a list of {count}"
            raise self.error(
                f"{name} takes {wanted}", found=json.dumps(argument, default=str)[:120]
            )
        return argument

    def static_text(self, name: str, node: Any) -> str:
        value = self.resolve(node)
        if isinstance(value, dict | list) or value is NO_VALUE:
            raise self.error(
                f"{name} needs a value that is known before deployment",
                found=json.dumps(value, default=str)[:120],
            )
        return scalar_text(value)

    def _ref(self, name: Any) -> Any:
        if isinstance(name, dict):
            name = self.static_text("Ref", name)
        if not isinstance(name, str):
            raise self.error("Ref takes a name", found=str(name))
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self.parameters:
            return self.parameters[name]
        if name in self.pseudo_parameters:
            return self.pseudo_parameters[name]
        if name in self.standing:
            return self.standing[name].physical_resource_id
        return {"Ref": name}

    def _for_each(self, key: str, argument: Any) -> dict[str, Any]:
        name, collection, body = self.arguments(key, argument, 3)
        values = self.resolve(collection)
        if not isinstance(values, list) or not is_static(values):
            raise self.error(f"{key} loops over what is no known list", found=str(values)[:120])
        result: dict[str, Any] = {}
        outer = self.parameters
        for value in values:
            self.parameters = {**outer, str(name): value}
            result.update(self.resolve(_substituted(body, str(name), scalar_text(value))))
        self.parameters = outer
        return result

    def _dynamic_references(self, text: str) -> str:
        def replace(match: re.Match[str]) -> str:
            source, name = match[1], match[2]
            if name in self.imports:
                return self.imports[name]
            value = invented_dynamic_reference(name)
            self.note(f"{{{{resolve:{source}:{name}}}}} was not looked up: '{value}' is used")
            return value

        return DYNAMIC_REFERENCE.sub(replace, text)

    @property
    def region(self) -> str:
        return str(self.pseudo_parameters["AWS::Region"])

    @property
    def account(self) -> str:
        return str(self.pseudo_parameters["AWS::AccountId"])


def _substituted(node: Any, name: str, value: str) -> Any:
    """A loop's body with `${name}` and `&{name}` written out, keys included."""
    if isinstance(node, str):
        plain = re.sub(r"[^A-Za-z0-9]", "", value)
        return node.replace("${" + name + "}", value).replace("&{" + name + "}", plain)
    if isinstance(node, dict):
        return {
            _substituted(key, name, value): _substituted(part, name, value)
            for key, part in node.items()
        }
    if isinstance(node, list):
        return [_substituted(part, name, value) for part in node]
    return node
