"""Values as Velocity sees them: how they print, compare, and which methods of Java's they have.

API Gateway runs Velocity on Java. A JSON object prints there as `{a=1, b=x}`, a JSON array as JSON,
a missing value as nothing; `#if` takes only false and null for false; values of different types are
equal when their texts are (Velocity user guide, "Relational and Logical Operators").
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

Method = Callable[..., Any]


class Members:
    """An object that a template may only read by name: `$input`, `$util`."""

    def __init__(self, members: Mapping[str, Any]) -> None:
        self.members = members


class OverrideError(Exception):
    """A parameter was overridden twice (apigateway-override-request-response-parameters)."""


class OnceMap(dict[str, Any]):
    """A map whose entries may be set once: `$context.requestOverride.header` and its kin."""

    def __setitem__(self, key: str, value: Any) -> None:
        if key in self:
            raise OverrideError(f"{key} is overridden twice")
        super().__setitem__(key, value)


def text_of(value: Any) -> str:
    """What a reference to a value prints."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        inside = ", ".join(f"{key}={_nested_text(held)}" for key, held in value.items())
        return "{" + inside + "}"
    return compact_json(value)


def _nested_text(value: Any) -> str:
    return "null" if value is None else text_of(value)


_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str)


def compact_json(value: Any) -> str:
    return _COMPACT.encode(value)


def is_true(value: Any) -> bool:
    return value is not None and value is not False


def equal(left: Any, right: Any) -> bool:
    """`==` of a template. A missing value equals both null and the empty string."""
    if left is None or right is None:
        return left in (None, "") and right in (None, "")
    if _is_number(left) and _is_number(right):
        return bool(left == right)
    if type(left) is type(right):
        return bool(left == right)
    return text_of(left) == text_of(right)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """A relational operator; Velocity logs an error and takes false for what is no number."""

    def compared(left: Any, right: Any) -> bool:
        return _is_number(left) and _is_number(right) and compare(left, right)

    return compared


def added(left: Any, right: Any) -> Any:
    if _is_number(left) and _is_number(right):
        return left + right
    if left is None or right is None:
        return None
    return text_of(left) + text_of(right)


def computed(calculate: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """An arithmetic operator: null for what is no number, and for a division by zero."""

    def result(left: Any, right: Any) -> Any:
        if not (_is_number(left) and _is_number(right)):
            return None
        try:
            return calculate(left, right)
        except ZeroDivisionError:
            return None

    return result


def divided(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int):
        return int(left / right)  # Java's integer division cuts towards zero
    return left / right


def remainder(left: Any, right: Any) -> Any:
    return left - right * int(left / right)


def property_of(owner: Any, name: str) -> Any:
    """`$owner.name`; None when there is no such property."""
    if isinstance(owner, Members):
        return owner.members.get(name)
    return owner.get(name) if isinstance(owner, dict) else None


def element_of(owner: Any, index: Any) -> Any:
    """`$owner[index]`; None when there is no such element."""
    if isinstance(owner, dict):
        return owner.get(index, owner.get(text_of(index)))
    if isinstance(owner, list) and isinstance(index, int) and -1 < index < len(owner):
        return owner[index]
    return None


def call_method(owner: Any, name: str, arguments: list[Any]) -> Any:
    """`$owner.name(arguments)`; None when the value has no such method or refuses the arguments."""
    if isinstance(owner, Members):
        method = owner.members.get(name)
        return method(*arguments) if callable(method) else None
    methods = next((table for kind, table in METHODS if isinstance(owner, kind)), {})
    found = methods.get(name) or ANY_METHODS.get(name)
    if owner is None or found is None:
        return None
    try:
        return found(owner, *arguments)
    except OverrideError:
        raise
    except (TypeError, ValueError, IndexError, KeyError, AttributeError):
        return None


def _put(owner: dict[str, Any], key: Any, value: Any) -> Any:
    before = owner.get(text_of(key))
    owner[text_of(key)] = value
    return before


def _put_all(owner: dict[str, Any], other: dict[str, Any]) -> None:
    for key, value in other.items():
        owner[key] = value


def _set(owner: list[Any], index: int, value: Any) -> Any:
    before = owner[index]
    owner[index] = value
    return before


def _add(owner: list[Any], *index_and_value: Any) -> bool | None:
    if len(index_and_value) == 2:
        owner.insert(*index_and_value)
        return None
    owner.append(*index_and_value)
    return True


def _add_all(owner: list[Any], other: list[Any]) -> bool:
    owner.extend(other)
    return bool(other)


def _index_of(owner: list[Any], value: Any) -> int:
    return next((at for at, held in enumerate(owner) if equal(held, value)), -1)


def _java_replacement(replacement: str) -> str:
    """Java writes a group as `$1` and takes a backslash before any character for that character."""
    parts = re.split(r"(\\.|\$\d)", replacement)
    return "".join(
        rf"\g<{part[1:]}>"
        if re.fullmatch(r"\$\d", part)
        else (part[1:] if re.fullmatch(r"\\.", part) else part).replace("\\", "\\\\")
        for part in parts
    )


def _replace_all(owner: str, pattern: str, replacement: str) -> str:
    return re.sub(pattern, _java_replacement(replacement), owner)


def _split(owner: str, pattern: str, limit: int = 0) -> list[str]:
    parts = re.split(pattern, owner, maxsplit=max(limit - 1, 0))
    while limit == 0 and len(parts) > 1 and parts[-1] == "":
        parts.pop()
    return parts


STRING_METHODS: dict[str, Method] = {
    "length": len,
    "isEmpty": lambda owner: owner == "",
    "isBlank": lambda owner: owner.strip() == "",
    "equalsIgnoreCase": lambda owner, other: owner.lower() == text_of(other).lower(),
    "contains": lambda owner, part: text_of(part) in owner,
    "startsWith": lambda owner, part: owner.startswith(part),
    "endsWith": lambda owner, part: owner.endswith(part),
    "indexOf": lambda owner, part, start=0: owner.find(part, start),
    "lastIndexOf": lambda owner, part: owner.rfind(part),
    "charAt": lambda owner, index: owner[index],
    "substring": lambda owner, start, stop=None: owner[start:stop],
    "concat": lambda owner, other: owner + text_of(other),
    "replace": lambda owner, old, new: owner.replace(old, new),
    "replaceAll": _replace_all,
    "replaceFirst": lambda owner, pattern, new: re.sub(
        pattern, _java_replacement(new), owner, count=1
    ),
    "matches": lambda owner, pattern: re.fullmatch(pattern, owner) is not None,
    "split": _split,
    "toLowerCase": lambda owner: owner.lower(),
    "toUpperCase": lambda owner: owner.upper(),
    "trim": lambda owner: owner.strip(),
    "strip": lambda owner: owner.strip(),
}
LIST_METHODS: dict[str, Method] = {
    "size": len,
    "isEmpty": lambda owner: not owner,
    "get": lambda owner, index: owner[index],
    "set": _set,
    "add": _add,
    "addAll": _add_all,
    "remove": lambda owner, index: owner.pop(index),
    "contains": lambda owner, value: _index_of(owner, value) >= 0,
    "indexOf": _index_of,
}
MAP_METHODS: dict[str, Method] = {
    "size": len,
    "isEmpty": lambda owner: not owner,
    "get": lambda owner, key: element_of(owner, key),
    "getOrDefault": lambda owner, key, other: owner.get(text_of(key), other),
    "put": _put,
    "putAll": _put_all,
    "remove": lambda owner, key: owner.pop(text_of(key), None),
    "containsKey": lambda owner, key: text_of(key) in owner,
    "containsValue": lambda owner, value: _index_of(list(owner.values()), value) >= 0,
    "keySet": lambda owner: list(owner),
    "values": lambda owner: list(owner.values()),
    "entrySet": lambda owner: [{"key": key, "value": held} for key, held in owner.items()],
    "getKey": lambda owner: owner["key"],
    "getValue": lambda owner: owner["value"],
}
NUMBER_METHODS: dict[str, Method] = {
    "intValue": int,
    "longValue": int,
    "doubleValue": float,
    "compareTo": lambda owner, other: (owner > other) - (owner < other),
}
ANY_METHODS: dict[str, Method] = {"toString": text_of, "equals": equal}
METHODS: tuple[tuple[type | tuple[type, ...], dict[str, Method]], ...] = (
    (str, STRING_METHODS),
    (list, LIST_METHODS),
    (dict, MAP_METHODS),
    ((int, float), NUMBER_METHODS),
)
