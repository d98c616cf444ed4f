"""Filter criteria of a mapping for SQS: which messages a function gets to see.

Rules from the Lambda developer guide: invocation-eventfiltering, with-sqs-filtering.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_storagefirst.simulation.sources import event_patterns


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
    if not isinstance(pattern, dict):
        return False
    if "body" in pattern and isinstance(pattern["body"], dict) is not is_json:
        return False
    options = pattern.get("$or")
    if options is not None and not any(_matches(option, record, is_json) for option in options):
        return False
    rest = {name: wanted for name, wanted in pattern.items() if name != "$or"}
    return event_patterns.matches(rest, record)
