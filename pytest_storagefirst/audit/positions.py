"""Where something stands in the user's own file: line and column, before any transform."""

from __future__ import annotations

from pathlib import Path
from typing import Any

Steps = tuple[str | int, ...]


class Positions:
    """Lines and columns of a template's nodes, counted from 1. JSON is read as the YAML it is."""

    def __init__(self, path: Path) -> None:
        self._root = _composed(path)

    def of(self, path: Steps) -> tuple[int, int]:
        """Where the longest beginning of a path that is written there stands; (1, 1) for none.

        Of a mapping's entry that is its key; of a property that is not written, the resource's name
        and not its Properties. A key is compared as text, as `200:` is a number.
        """
        node, marks = self._root, []
        for part in path:
            found = _entry(node, part)
            if found is None:
                break
            node, mark = found
            marks.append((part, mark))
        if len(marks) > 1 and marks[-1][0] == "Properties":
            marks.pop()
        if not marks:
            return 1, 1
        mark = marks[-1][1]
        return mark.line + 1, mark.column + 1


def _composed(path: Path) -> Any:
    """The file's nodes; None where the parser refuses it, whose reading by `read_document` stands.

    JSON may hold what YAML does not, such as a tab at a line's beginning.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.compose(path.read_text(encoding="utf-8-sig"), loader)
    except (yaml.YAMLError, OSError, UnicodeDecodeError, RecursionError):
        return None


def _entry(node: Any, part: str | int) -> tuple[Any, Any] | None:
    value = getattr(node, "value", None)
    if isinstance(part, int):
        if type(node).__name__ == "SequenceNode" and value and part < len(value):
            return value[part], value[part].start_mark
        return None
    if type(node).__name__ != "MappingNode":
        return None
    merged = []
    for key, inner in value or ():
        if key.value == part:
            return inner, key.start_mark
        if key.value == "<<":
            merged.append(inner)
    for inner in merged:
        found = _entry(inner, part)
        if found is not None:
            return found
    return None
