"""The body that an entry's own configuration asks for, where nobody described one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pytest_storagefirst.explore import workload
from pytest_storagefirst.simulation.deployed import Entry
from pytest_storagefirst.simulation.schedule import UNIQUE
from pytest_storagefirst.stack.topology import Route

_IN_TEMPLATES = re.compile(r"\$input\.(?:path|json)\(\s*['\"]\$\.([\w.]+)['\"]\s*\)")
_IN_SELECTORS = re.compile(r"\$\{?request\.body\.([\w.]+)")
_INTO_ROOT = re.compile(r"#set\(\s*\$(\w+)\s*=\s*\$input\.path\(\s*['\"]\$['\"]\s*\)\s*\)")


def first_guess(entry: Entry) -> Any:
    """A body with all fields that the front door maps or demands."""
    body: Any = workload.first_guess()
    if entry.route is None:
        return body
    for schema in entry.route.request_models.values():
        wanted = _of_schema(json.loads(schema))
        if isinstance(wanted, dict):
            body = {**body, **wanted} if _takes_more(json.loads(schema)) else wanted
    wants = [tuple(path.split(".")) for path in _mapped(entry.route)]
    extended = workload.extended(body, wants) if isinstance(body, dict) else None
    return _with_id(body if extended is None else extended)


def _with_id(body: Any) -> Any:
    """The body with an id in its first text, where a model that takes no other field has none."""
    if not isinstance(body, dict) or UNIQUE in json.dumps(body):
        return body
    texts = [name for name, value in body.items() if value == "text"]
    return {**body, texts[0]: UNIQUE} if texts else body


def _mapped(route: Route) -> Iterator[str]:
    for template in route.integration.request_templates.values():
        yield from _IN_TEMPLATES.findall(template)
        for root in _INTO_ROOT.findall(template):
            fields = re.findall(rf"\${root}\.([\w.]+)|\$\{{{root}\.([\w.]+)\}}", template)
            yield from (one or other for one, other in fields if "(" not in one)
    for expression in route.integration.request_parameters.values():
        yield from _IN_SELECTORS.findall(expression)


def _takes_more(schema: dict[str, Any]) -> bool:
    return schema.get("additionalProperties", True) is not False


_SAMPLES: dict[str, Any] = {"integer": 12, "number": 12, "boolean": True, "null": None}


def _of_schema(schema: Any, name: str = "") -> Any:
    """The smallest value that a JSON schema takes, as far as can be told."""
    if not isinstance(schema, dict):
        return "text"
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        fields = schema.get("properties") or {}
        wanted = schema.get("required") or list(fields)
        return {one: _of_schema(fields.get(one, {"type": "string"}), one) for one in wanted}
    if kind == "array":
        return [_of_schema(schema.get("items", {}))] if schema.get("minItems") else []
    if kind in ("integer", "number") and "minimum" in schema:
        return schema["minimum"]
    if kind == "string":
        return UNIQUE if workload.is_id(name) else "text"
    return _SAMPLES.get(kind, "text")
