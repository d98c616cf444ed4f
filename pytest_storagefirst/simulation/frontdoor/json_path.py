"""The JSONPath that API Gateway's mappings speak (Jayway's): paths, indexes, wildcards, filters.

A path that can name one thing only gives that thing or None; one with a wildcard, a slice, a filter
or `..` gives a list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

NAME = re.compile(r"[^.\[\]()]+")
BRACKET = re.compile(r"\[\s*((?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^\]'\"])*)\s*\]")
QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
FILTER = re.compile(r"\?\(\s*@\.?([\w.\-]*)\s*(?:(==|!=|>=|<=|>|<)\s*(.+?))?\s*\)$")


class JsonPathError(ValueError):
    """The text is no JSONPath."""


@dataclass(frozen=True)
class Step:
    select: Callable[[Any], list[Any]]
    definite: bool


def read(document: Any, path: str) -> Any:
    """What `path` names in a parsed document; None when a definite path names nothing.

    Raises JsonPathError when `path` cannot be read.
    """
    steps = parse(path)
    found = [document]
    for step in steps:
        found = [value for one in found for value in step.select(one)]
    if all(step.definite for step in steps):
        return found[0] if found else None
    return found


@lru_cache(maxsize=1024)
def parse(path: str) -> tuple[Step, ...]:
    text = path.strip().removeprefix("$")
    steps: list[Step] = []
    position = 0
    while position < len(text):
        if text.startswith("..", position):
            steps.append(Step(_descendants, definite=False))
            position += 2
            if position >= len(text):
                raise JsonPathError(f"{path!r} ends in '..'")
        elif text[position] == ".":
            position += 1
        if text[position : position + 1] == "[":
            match = BRACKET.match(text, position)
            if not match:
                raise JsonPathError(f"{path!r} has an open bracket")
            steps.append(_bracket(match[1].strip(), path))
        else:
            match = NAME.match(text, position)
            if not match:
                raise JsonPathError(f"{path!r} names nothing at {text[position:]!r}")
            if text.startswith("()", match.end()):
                steps.append(_function(match[0], path))
                position = match.end() + 2
                continue
            steps.append(_child(match[0]))
        position = match.end()
    return tuple(steps)


def _child(name: str) -> Step:
    if name == "*":
        return Step(_children, definite=False)
    return Step(
        lambda value: [value[name]] if isinstance(value, dict) and name in value else [], True
    )


def _bracket(inside: str, path: str) -> Step:
    if inside == "*":
        return Step(_children, definite=False)
    names = [single or double for single, double in QUOTED.findall(inside)]
    if inside[:1] in "'\"" and names:
        if len(names) == 1:
            return _child_exactly(names[0])
        return Step(lambda value: [item for name in names for item in _get(value, name)], False)
    if re.fullmatch(r"-?\d+", inside):
        index = int(inside)
        return Step(lambda value: _at(value, index), definite=True)
    if re.fullmatch(r"-?\d*:-?\d*", inside):
        start, _, stop = inside.partition(":")
        part = slice(int(start) if start else None, int(stop) if stop else None)
        return Step(lambda value: value[part] if isinstance(value, list) else [], False)
    if re.fullmatch(r"-?\d+(\s*,\s*-?\d+)+", inside):
        indexes = [int(one) for one in inside.split(",")]
        return Step(lambda value: [item for one in indexes for item in _at(value, one)], False)
    match = FILTER.match(inside)
    if match:
        return _filter(match[1], match[2], match[3], path)
    raise JsonPathError(f"{path!r} has [{inside}], which is no index, name or filter")


def _child_exactly(name: str) -> Step:
    return Step(lambda value: _get(value, name), definite=True)


def _function(name: str, path: str) -> Step:
    if name not in ("length", "size"):
        raise JsonPathError(f"{path!r} calls {name}(), which is not known")
    return Step(lambda value: [len(value)] if isinstance(value, (list, dict, str)) else [], True)


def _filter(name: str, operator: str | None, literal: str | None, path: str) -> Step:
    wanted: Any = None
    if operator:
        try:
            wanted = json.loads(re.sub(r"^'(.*)'$", r'"\1"', literal or ""))
        except ValueError as error:
            raise JsonPathError(f"{path!r} compares with {literal}, which is no value") from error

    def keeps(item: Any) -> bool:
        held = read(item, name) if name else item
        if operator is None:
            return held is not None
        return _compare(held, operator, wanted)

    return Step(
        lambda value: (
            [item for item in _children(value) if keeps(item)] if isinstance(value, list) else []
        ),
        definite=False,
    )


def _compare(held: Any, operator: str, wanted: Any) -> bool:
    if operator in ("==", "!="):
        return bool(held == wanted) == (operator == "==")
    try:
        below, above = held < wanted, held > wanted
    except TypeError:
        return False
    equal = held == wanted
    return bool({"<": below, ">": above, "<=": below or equal, ">=": above or equal}[operator])


def _get(value: Any, name: str) -> list[Any]:
    return [value[name]] if isinstance(value, dict) and name in value else []


def _at(value: Any, index: int) -> list[Any]:
    if isinstance(value, list) and -len(value) <= index < len(value):
        return [value[index]]
    return []


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list) else []


def _descendants(value: Any) -> list[Any]:
    return [value, *(deep for child in _children(value) for deep in _descendants(child))]
