"""The fields of a body, by their paths: the 1 of {"a": [1]} stands at ("a", 0)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]


def leaves(node: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Each field that holds neither fields nor a list, with its value."""
    if isinstance(node, dict | list):
        pairs = node.items() if isinstance(node, dict) else enumerate(node)
        for step, value in pairs:
            yield from leaves(value, (*path, step))
    else:
        yield path, node


def value_at(node: Any, path: Path) -> Any:
    for step in path:
        node = node[step]
    return node


def with_value(body: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """A copy of the body with another value in one field."""
    changed = copy.deepcopy(body)
    value_at(changed, path[:-1])[path[-1]] = value
    return changed
