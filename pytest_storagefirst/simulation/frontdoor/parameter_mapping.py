"""REST APIs: parameters mapped between method and integration (request-response-data-mappings)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...stack.topology import Integration
from . import json_path
from .java_values import compact_json, text_of
from .messages import HttpRequest, header
from .velocity import Variables


def request_parameters(
    integration: Integration, request: HttpRequest, variables: Variables
) -> dict[str, dict[str, str]]:
    mapped: dict[str, dict[str, str]] = {"header": {}, "path": {}, "querystring": {}}
    for target, source in integration.request_parameters.items():
        kind, _, name = target.removeprefix("integration.request.").partition(".")
        value = mapped_value(source, "method.request.", request.body, request.headers, variables)
        if value is not None and kind in mapped:
            mapped[kind][name] = value
    return mapped


def mapped_value(
    source: str, origin: str, body: str, headers: Mapping[str, str], variables: Variables
) -> str | None:
    """What a mapping expression gives; None when its source is not there."""
    if source.startswith("'") and source.endswith("'"):
        return source[1:-1]
    root, _, name = source.partition(".")
    if root == "stageVariables":
        return variables.stage_variables.get(name)
    if root == "context":
        return _text_or_none(json_path.read(variables.context, name))
    kind, _, name = source.removeprefix(origin).partition(".")
    kind = kind.removeprefix("multivalue")
    if kind == "body":
        if not name:
            return body
        try:
            return _text_or_none(json_path.read(json.loads(body), name))
        except ValueError:
            return None
    if kind == "header":
        return header(headers, name)
    return variables.parameters.get(kind, {}).get(name)


def _text_or_none(value: Any) -> str | None:
    if value is None:
        return None
    return compact_json(value) if isinstance(value, (dict, list)) else text_of(value)


def set_header(held: dict[str, str], name: str, value: str) -> None:
    for key in [key for key in held if key.lower() == name.lower()]:
        del held[key]
    held[name] = value
