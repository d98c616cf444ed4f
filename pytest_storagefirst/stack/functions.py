"""Each intrinsic function by name. What can't be evaluated yet comes back as the same function.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
"""

from __future__ import annotations

import base64
import ipaddress
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .expressions import NO_VALUE, is_function, is_static, scalar_text, split_substitutions
from .invented import invented_value

if TYPE_CHECKING:
    from .intrinsics import Resolver


def _get_attribute(resolver: Resolver, argument: Any) -> Any:
    if isinstance(argument, str):
        argument = argument.split(".", 1)
    parts = [
        resolver.static_text("Fn::GetAtt", part)
        for part in resolver.arguments("Fn::GetAtt", argument)
    ]
    if len(parts) < 2:
        raise resolver.error("Fn::GetAtt takes a resource and an attribute", found=".".join(parts))
    logical_id, attribute = parts[0], ".".join(parts[1:])
    if logical_id in resolver.standing:
        return resolver.standing[logical_id].get_cfn_attribute(attribute)
    return {"Fn::GetAtt": [logical_id, attribute]}


def _sub(resolver: Resolver, argument: Any) -> Any:
    text, variables = argument, {}
    if isinstance(argument, list):
        text, variables = resolver.arguments("Fn::Sub", argument, 2)
    if not isinstance(text, str):
        text = resolver.static_text("Fn::Sub", text)
    if not isinstance(variables, dict):
        raise resolver.error("Fn::Sub's second entry is no mapping", found=str(variables)[:120])
    text = resolver.resolve(text) if "{{resolve:" in text and "${" not in text else text
    known = {**resolver.pseudo_parameters, **resolver.parameters}
    known.update({name: resolver.resolve(value) for name, value in variables.items()})
    parts: list[Any] = []
    for kind, piece in split_substitutions(text):
        if kind == "text":
            parts.append(piece)
        elif kind == "literal":
            parts.append("${" + piece + "}")
        elif piece == "AWS::NoValue":
            parts.append("")
        elif piece in known:
            parts.append(_insertable(resolver, piece, known[piece]))
        else:
            resource, _, attribute = piece.partition(".")
            parts.append({"Fn::GetAtt": [resource, attribute]} if attribute else {"Ref": piece})
    if all(isinstance(part, str) for part in parts):
        return resolver.resolve("".join(parts))
    return {"Fn::Join": ["", _merged(parts)]} if resolver.final else _as_sub(parts)


def _insertable(resolver: Resolver, name: str, value: Any) -> Any:
    if value is NO_VALUE:
        return ""
    if isinstance(value, list) and is_static(value):
        return ",".join(scalar_text(part) for part in value)
    if isinstance(value, dict) and not is_function(value):
        raise resolver.error(f"Fn::Sub can't write a mapping into ${{{name}}}")
    return value if isinstance(value, dict) else scalar_text(value)


def _join(resolver: Resolver, argument: Any) -> Any:
    separator, parts = resolver.arguments("Fn::Join", argument, 2)
    resolved = resolver.resolve(parts)
    separator = resolver.static_text("Fn::Join", separator)
    if isinstance(resolved, list) and not any(isinstance(part, dict | list) for part in resolved):
        return resolver.resolve(separator.join(scalar_text(part) for part in resolved))
    return {"Fn::Join": [separator, resolved]}


def _split(resolver: Resolver, argument: Any) -> Any:
    separator, text = resolver.arguments("Fn::Split", argument, 2)
    resolved = resolver.resolve(text)
    if isinstance(resolved, dict):
        return {"Fn::Split": [separator, resolved]}
    return scalar_text(resolved).split(resolver.static_text("Fn::Split", separator))


def _select(resolver: Resolver, argument: Any) -> Any:
    position, parts = resolver.arguments("Fn::Select", argument, 2)
    position = resolver.static_text("Fn::Select", position)
    resolved = resolver.resolve(parts)
    if not isinstance(resolved, list):
        return {"Fn::Select": [position, resolved]}
    if not position.isdigit() or int(position) >= len(resolved):
        raise resolver.error(
            "Fn::Select chooses an entry that isn't there",
            found=f"entry {position} of {len(resolved)}",
        )
    return resolved[int(position)]


def _find_in_map(resolver: Resolver, argument: Any) -> Any:
    parts = resolver.arguments("Fn::FindInMap", argument)
    if len(parts) not in (3, 4):
        raise resolver.error("Fn::FindInMap takes a map and two keys", found=str(parts)[:120])
    names = [resolver.static_text("Fn::FindInMap", part) for part in parts[:3]]
    value: Any = resolver.mappings
    for name in names:
        if not isinstance(value, dict) or name not in value:
            if len(parts) == 4 and isinstance(parts[3], dict) and "DefaultValue" in parts[3]:
                return resolver.resolve(parts[3]["DefaultValue"])
            raise resolver.error(
                "Fn::FindInMap finds nothing",
                found=" / ".join(names),
                expected="one of: " + ", ".join(value) if isinstance(value, dict) else "",
            )
        value = value[name]
    return resolver.resolve(value)


def _if(resolver: Resolver, argument: Any) -> Any:
    name, when_true, when_false = resolver.arguments("Fn::If", argument, 3)
    return resolver.resolve(when_true if resolver.condition(name) else when_false)


def _base64(resolver: Resolver, argument: Any) -> Any:
    value = resolver.resolve(argument)
    if isinstance(value, dict):
        return {"Fn::Base64": value}
    return base64.b64encode(scalar_text(value).encode()).decode()


def _cidr(resolver: Resolver, argument: Any) -> Any:
    parts = resolver.arguments("Fn::Cidr", argument)
    block, count = resolver.resolve(parts[0]), int(resolver.static_text("Fn::Cidr", parts[1]))
    bits = int(resolver.static_text("Fn::Cidr", parts[2])) if len(parts) > 2 else 8
    if not isinstance(block, str):
        return [f"10.0.{number % 256}.0/24" for number in range(count)]
    try:
        network = ipaddress.ip_network(block)
        subnets = network.subnets(new_prefix=network.max_prefixlen - bits)
        return [str(next(subnets)) for _ in range(min(count, 256))]
    except (ValueError, StopIteration) as error:
        raise resolver.error("Fn::Cidr can't cut that block", found=str(error) or block) from None


def _availability_zones(resolver: Resolver, argument: Any) -> Any:
    region = resolver.resolve(argument) or resolver.pseudo_parameters["AWS::Region"]
    return [f"{scalar_text(region)}{letter}" for letter in "abc"]


def _import_value(resolver: Resolver, argument: Any) -> Any:
    name = resolver.static_text("Fn::ImportValue", argument)
    if name in resolver.imports:
        value = resolver.imports[name]
    else:
        value = invented_value(name, resolver.region, resolver.account)
        resolver.note(f"ImportValue {name} was not given: '{value}' is used")
    resolver.invented.add(value)
    return value


def _length(resolver: Resolver, argument: Any) -> Any:
    value = resolver.resolve(argument)
    return len(value) if isinstance(value, list) else {"Fn::Length": value}


def _to_json(resolver: Resolver, argument: Any) -> Any:
    value = resolver.resolve(argument)
    if is_static(value):
        return json.dumps(value, separators=(",", ":"))
    return {"Fn::ToJsonString": value}


def _transform(resolver: Resolver, argument: Any) -> Any:
    name = argument.get("Name") if isinstance(argument, dict) else argument
    raise resolver.error(
        f"the macro {name} runs in an AWS account and can't be run here",
        expected="AWS::Include, AWS::LanguageExtensions or AWS::Serverless-2016-10-31",
        remedy="use a template with the macro's result",
    )


def _merged(parts: list[Any]) -> list[Any]:
    merged: list[Any] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part != "":
            merged.append(part)
    return merged


def _as_sub(parts: list[Any]) -> dict[str, Any]:
    """Back to a `Fn::Sub`, whose form SAM's translator looks for."""
    text = ""
    variables: dict[str, Any] = {}
    for part in parts:
        if isinstance(part, str):
            text += part.replace("${", "${!")
        elif set(part) == {"Ref"}:
            text += "${" + part["Ref"] + "}"
        elif set(part) == {"Fn::GetAtt"}:
            text += "${" + ".".join(part["Fn::GetAtt"]) + "}"
        else:
            name = f"Part{len(variables)}"
            variables[name] = part
            text += "${" + name + "}"
    return {"Fn::Sub": [text, variables] if variables else text}


FUNCTIONS: dict[str, Callable[[Resolver, Any], Any]] = {
    "Fn::Base64": _base64,
    "Fn::Cidr": _cidr,
    "Fn::FindInMap": _find_in_map,
    "Fn::GetAZs": _availability_zones,
    "Fn::GetAtt": _get_attribute,
    "Fn::If": _if,
    "Fn::ImportValue": _import_value,
    "Fn::Join": _join,
    "Fn::Length": _length,
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::Sub": _sub,
    "Fn::ToJsonString": _to_json,
    "Fn::Transform": _transform,
}
