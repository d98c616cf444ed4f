"""Event patterns, as filter criteria and EventBridge rules use them.

Operators from the EventBridge user guide, eb-create-pattern-operators, and the Lambda developer
guide, invocation-eventfiltering.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any, NoReturn


class _Written(Decimal):
    """A number with a fraction or an exponent, and its text."""

    text: str

    def __new__(cls, text: str) -> _Written:
        number = super().__new__(cls, text)
        number.text = text
        return number


def read(text: str) -> Any:
    """A pattern or an event from its JSON text, its numbers as they are written.

    Patterns compare numbers by their text: 300, 300.0 and 3.0e2 are three values
    (invocation-eventfiltering). Raises ValueError for what is no JSON.
    """
    return json.loads(text, parse_float=_Written, parse_constant=_no_number)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def matches(pattern: Any, event: Any) -> bool:
    """Whether an event matches a pattern: every field of the pattern, any of its values."""
    if isinstance(event, list) and event:
        return any(matches(pattern, item) for item in event)
    fields = event if isinstance(event, dict) else {}
    for name, wanted in pattern.items():
        if name == "$or" and isinstance(wanted, list):
            if not any(matches(option, event) for option in wanted):
                return False
        elif isinstance(wanted, dict):
            if not matches(wanted, fields.get(name)):
                return False
        elif not _any_matches(wanted, list(_leaves(fields[name])) if name in fields else []):
            return False
    return True


def _leaves(value: Any) -> Iterator[Any]:
    """The values that operators see: they work on leaf nodes only, and on each item of an array."""
    if isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif not isinstance(value, dict):
        yield value


def _any_matches(wanted: Any, values: list[Any]) -> bool:
    options = wanted if isinstance(wanted, list) else [wanted]
    return any(_option_matches(option, values) for option in options)


def _option_matches(option: Any, values: list[Any]) -> bool:
    if not isinstance(option, dict):
        return any(_equal(option, value) for value in values)
    if "exists" in option:
        return bool(values) is bool(option["exists"])
    return any(
        all(_operator(name, operand, value) for name, operand in option.items()) for value in values
    )


def _equal(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, _Written) and isinstance(value, _Written):
        return wanted.text == value.text
    return type(wanted) is type(value) and bool(wanted == value)


def _operator(name: str, operand: Any, value: Any) -> bool:
    if name == "anything-but":
        if isinstance(operand, dict):
            return not any(_operator(inner, it, value) for inner, it in operand.items())
        return not any(_equal(item, value) for item in _list_of(operand))
    if name == "numeric":
        return _numeric(operand, value)
    if not isinstance(value, str):
        return False
    if name == "cidr":
        return any(_in_network(network, value) for network in _list_of(operand))
    return any(_on_string(name, item, value) for item in _list_of(operand))


def _list_of(operand: Any) -> list[Any]:
    return operand if isinstance(operand, list) else [operand]


def _on_string(name: str, operand: Any, value: str) -> bool:
    if isinstance(operand, dict):
        operand, value = str(operand.get("equals-ignore-case")).lower(), value.lower()
    if name == "prefix":
        return value.startswith(operand)
    if name == "suffix":
        return value.endswith(operand)
    if name == "equals-ignore-case":
        return value.lower() == str(operand).lower()
    if name == "wildcard":
        return _wildcard(operand).fullmatch(value) is not None
    return False


@lru_cache(maxsize=256)
def _wildcard(pattern: str) -> re.Pattern[str]:
    r"""`*` is any text, also none; `\*` is an asterisk and `\\` a backslash."""
    parts = re.findall(r"\\[*\\]|.", pattern, re.DOTALL)
    return re.compile(
        "".join(".*" if part == "*" else re.escape(part[-1]) for part in parts), re.DOTALL
    )


def _in_network(network: str, value: str) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _numeric(operand: list[Any], value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return False
    for sign, limit in zip(operand[::2], operand[1::2], strict=True):
        holds = {
            "=": value == limit,
            "<": value < limit,
            "<=": value <= limit,
            ">": value > limit,
            ">=": value >= limit,
        }[sign]
        if not holds:
            return False
    return True
