"""Event patterns, as filter criteria and EventBridge rules use them.

Operators from the EventBridge user guide, eb-create-pattern-operators, and the Lambda developer
guide, invocation-eventfiltering.
"""

from __future__ import annotations

import fnmatch
import ipaddress
from typing import Any


def matches(pattern: Any, event: Any) -> bool:
    """Whether an event matches a pattern: every field of the pattern, any of its values."""
    if isinstance(pattern, dict):
        for name, wanted in pattern.items():
            if name == "$or":
                if not any(matches(option, event) for option in wanted):
                    return False
                continue
            present = isinstance(event, dict) and name in event
            value = event[name] if present else None
            if isinstance(wanted, dict):
                if not matches(wanted, value):
                    return False
            elif not _any_matches(wanted, value, present):
                return False
        return True
    return _any_matches(pattern, event, event is not None)


def _any_matches(wanted: Any, value: Any, present: bool) -> bool:
    options = wanted if isinstance(wanted, list) else [wanted]
    values = value if isinstance(value, list) else [value]
    return any(
        _one_matches(option, candidate, present)
        for option in options
        for candidate in (values or [None])
    )


def _one_matches(option: Any, value: Any, present: bool) -> bool:
    if not isinstance(option, dict):
        return present and _equal(option, value)
    return all(_operator(name, operand, value, present) for name, operand in option.items())


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return bool(left == right)


def _operator(name: str, operand: Any, value: Any, present: bool) -> bool:
    if name == "exists":
        return present is bool(operand)
    if not present:
        return False
    if name == "anything-but":
        if isinstance(operand, dict):
            return not all(_operator(inner, it, value, present) for inner, it in operand.items())
        refused = operand if isinstance(operand, list) else [operand]
        return not any(_equal(item, value) for item in refused)
    if name == "numeric":
        return _numeric(operand, value)
    if not isinstance(value, str):
        return False
    if name == "cidr":
        try:
            return ipaddress.ip_address(value) in ipaddress.ip_network(operand)
        except ValueError:
            return False
    return _on_strings(name, operand, value)


def _on_strings(name: str, operand: Any, value: str) -> bool:
    if isinstance(operand, dict) and "equals-ignore-case" in operand:
        operand, value = str(operand["equals-ignore-case"]).lower(), value.lower()
    candidates = operand if isinstance(operand, list) else [operand]
    if name == "prefix":
        return value.startswith(tuple(candidates))
    if name == "suffix":
        return value.endswith(tuple(candidates))
    if name == "equals-ignore-case":
        return value.lower() in [str(item).lower() for item in candidates]
    if name == "wildcard":
        return any(
            fnmatch.fnmatchcase(value, item.replace("[", "[[]").replace("?", "[?]"))
            for item in candidates
        )
    return False


def _numeric(operand: list[Any], value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
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
