"""Why a pattern or a filter policy does not match: the first field that differs, in words."""

from __future__ import annotations

import json
from typing import Any

from pytest_storagefirst.simulation.sources.event_patterns import matches

Path = tuple[str, ...]


def mismatch(pattern: Any, event: Any, path: Path = ()) -> tuple[Path, Any, Any] | None:
    """(path, what the pattern wants there, what the event has); None where it matches.

    What is not there at all is None. A pattern's `$or` is told as a whole.
    """
    fields = event if isinstance(event, dict) else {}
    for name, wanted in pattern.items():
        if matches({name: wanted}, fields):
            continue
        if isinstance(wanted, dict):
            return mismatch(wanted, fields.get(name), (*path, name)) or (
                (*path, name),
                wanted,
                None,
            )
        if name == "$or":
            return (*path, name), wanted, event
        return (*path, name), wanted, fields.get(name)
    return None


def why_not(pattern: Any, event: Any) -> str:
    """ "detail.kind is "refund", wanted is ["order"]"; "" where it matches."""
    found = mismatch(pattern, event)
    if found is None:
        return ""
    path, wanted, value = found
    here = ".".join(path)
    if path[-1] == "$or":
        return f"none of the alternatives {_text(wanted)} holds"
    if value is None:
        return f"there is no {here}, and wanted is {_text(wanted)}"
    return f"{here} is {_text(value)}, and wanted is {_text(wanted)}"


def _text(value: Any) -> str:
    return json.dumps(value, default=str)
