"""Filter criteria of a mapping for SQS: which messages a function gets to see.

Rules from the Lambda developer guide: invocation-eventfiltering, with-sqs-filtering.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_storagefirst.errors import TemplateError
from pytest_storagefirst.simulation.sources import event_patterns


def read(texts: Sequence[str], where: str) -> list[Any]:
    """The patterns of a mapping, `where`. Raises TemplateError for one that AWS refuses."""
    patterns = []
    for text in texts:
        try:
            pattern = event_patterns.read(text)
        except ValueError:
            pattern = None
        if not isinstance(pattern, dict) or not _is_pattern(pattern):
            raise TemplateError(
                "AWS refuses this filter pattern",
                where=f"{where}, property FilterCriteria",
                found=text,
                expected="a JSON object whose fields are objects or arrays of at least one rule",
                remedy='for instance {"body": {"kind": ["order"]}}',
            )
        patterns.append(pattern)
    return patterns


def _is_pattern(pattern: dict[str, Any]) -> bool:
    for name, wanted in pattern.items():
        if isinstance(wanted, dict):
            valid = _is_pattern(wanted)
        else:
            valid = isinstance(wanted, list) and bool(wanted)
            if valid and name == "$or":
                valid = all(isinstance(option, dict) and _is_pattern(option) for option in wanted)
        if not valid:
            return False
    return True


def passes(patterns: Sequence[Any], record: dict[str, Any]) -> bool:
    """Whether a record of Lambda's SQS event matches one of the patterns, or there are none."""
    if not patterns:
        return True
    try:
        body, is_json = event_patterns.read(record["body"]), True
    except ValueError:
        body, is_json = record["body"], False
    seen = {**record, "body": body}
    return any(_matches(pattern, seen, is_json) for pattern in patterns)


def _matches(pattern: Any, record: dict[str, Any], is_json: bool) -> bool:
    """A pattern for the body that is of another format than the body itself never matches."""
    if "body" in pattern and isinstance(pattern["body"], dict) is not is_json:
        return False
    options = pattern.get("$or")
    if options is not None and not any(_matches(option, record, is_json) for option in options):
        return False
    rest = {name: wanted for name, wanted in pattern.items() if name != "$or"}
    return event_patterns.matches(rest, record)
