"""The body that an entry's own configuration asks for, where nobody described one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from random import Random
from typing import Any

from pytest_storagefirst.explore import workload
from pytest_storagefirst.simulation.deployed import Entry
from pytest_storagefirst.simulation.schedule import UNIQUE
from pytest_storagefirst.stack.topology import Route

_IN_TEMPLATES = re.compile(r"\$input\.(?:path|json)\(\s*['\"]\$\.([\w.]+)['\"]\s*\)")
_IN_SELECTORS = re.compile(r"\$\{?request\.body\.([\w.]+)")
_INTO_ROOT = re.compile(r"#set\(\s*\$(\w+)\s*=\s*\$input\.path\(\s*['\"]\$['\"]\s*\)\s*\)")


def first_guess(entry: Entry) -> Any:
    """A body with all fields that the front door maps or demands, or a topic's filters ask for."""
    body: Any = workload.first_guess()
    if entry.kind == "topic":
        return body | {name: v for name, v in entry.store.fields.items() if name not in body}
    if entry.route is None:
        return body
    for schema in entry.route.request_models.values():
        try:
            wanted = _of_schema(json.loads(schema))
        except (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError):
            continue  # no schema; what API Gateway says of it is said when a message comes
        if isinstance(wanted, dict):
            body = {**body, **wanted} if _takes_more(json.loads(schema)) else wanted
    wants = [tuple(path.split(".")) for path in _mapped(entry.route)]
    extended = workload.extended(body, wants) if isinstance(body, dict) else None
    guess = body if extended is None else extended
    for path, fields in _lists(entry.route):
        guess = _with_list(guess, path, fields)
    return _with_id(guess)


def _lists(route: Route) -> Iterator[tuple[str, list[str]]]:
    """The lists that a mapping template goes through, and the fields of an element that it reads.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
    """
    for template in route.integration.request_templates.values():
        roots = "|".join(map(re.escape, _INTO_ROOT.findall(template))) or "(?!)"
        through = re.compile(
            r"#foreach\(\s*\$\{?(\w+)\}?\s+in\s+"
            r"(?:\$input\.path\(\s*['\"]\$\.([\w.]+)['\"]\s*\)|"
            rf"\$\{{?(?:{roots})\.([\w.]+))"
        )
        for element, asked, below in through.findall(template):
            # In Velocity a name may hold hyphens: $elem.partition-key.
            fields = re.findall(rf"\$\{{?{element}\.([A-Za-z_][\w-]*)(?![\w(-])", template)
            yield asked or below, list(dict.fromkeys(fields))


def _with_list(body: Any, path: str, fields: list[str]) -> Any:
    """The body with one element in this list, which an empty one is no sample of."""
    *outer, last = path.split(".")
    holder = body
    for name in outer:
        holder = holder.get(name) if isinstance(holder, dict) else None
    if not isinstance(holder, dict) or holder.get(last, []) not in ([], "text", UNIQUE):
        return body
    holder[last] = [workload.extended({}, [(name,) for name in fields]) or "text"]
    return body


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
_TEXTS = {  # https://json-schema.org/understanding-json-schema/reference/type#built-in-formats
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com",
}


def _of_schema(schema: Any, name: str = "") -> Any:
    """The smallest value that a JSON schema takes, as far as can be told."""
    if not isinstance(schema, dict):
        return "text"
    schema = _merged(schema)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object":
        fields = schema.get("properties") or {}
        wanted = schema.get("required") or list(fields)
        return {one: _of_schema(fields.get(one, {"type": "string"}), one) for one in wanted}
    if kind == "array":
        return [_of_schema(schema.get("items", {}))] * int(schema.get("minItems") or 0)
    if kind in ("integer", "number"):
        return _number(schema)
    if kind == "string":
        return _text(schema, name)
    return _SAMPLES.get(kind, "text") if isinstance(kind, str) else "text"


def _merged(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with all that it asks for, and the first of what it lets choose."""
    parts = list(schema.get("allOf") or [])
    parts += [choices[0] for key in ("anyOf", "oneOf") if (choices := schema.get(key))]
    for part in filter(lambda one: isinstance(one, dict), parts):
        inner = _merged(part)
        fields = {**schema.get("properties", {}), **inner.get("properties", {})}
        wanted = [*schema.get("required", []), *inner.get("required", [])]
        schema = {**inner, **schema}
        schema |= {"properties": fields} if fields else {}
        schema |= {"required": list(dict.fromkeys(wanted))} if wanted else {}
    return schema


def _number(schema: dict[str, Any]) -> Any:
    """The least that is allowed, or what is likely. In draft 4 exclusiveMinimum is a flag."""
    above = schema.get("exclusiveMinimum")
    if isinstance(above, int | float) and not isinstance(above, bool):
        return above + 1
    if "minimum" in schema:
        return schema["minimum"] + (1 if above is True else 0)
    return min(12, schema["maximum"] - 1) if "maximum" in schema else 12


def _text(schema: dict[str, Any], name: str) -> str:
    pattern = schema.get("pattern", "")
    if workload.is_id(name) and _fits(pattern, _AN_ID):
        return UNIQUE
    if pattern:
        return _matching(pattern)
    text = _TEXTS.get(str(schema.get("format")), "text")
    return text.ljust(int(schema.get("minLength") or 0), "x")[: schema.get("maxLength")]


_AN_ID = "m1-0a1b2c"  # what {unique} becomes


def _fits(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return False


def _matching(pattern: str) -> str:
    """The simplest text that a pattern finds itself in; "text" where Python can't read it."""
    from hypothesis import find, settings
    from hypothesis.errors import HypothesisException
    from hypothesis.strategies import from_regex

    try:
        texts = from_regex(pattern).filter(lambda text: text == text.strip() and text.isprintable())
        return find(texts, bool, settings=settings(database=None), random=Random(0))
    except (HypothesisException, re.error):
        return "text"
