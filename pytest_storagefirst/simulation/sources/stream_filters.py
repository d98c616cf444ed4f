"""Filter criteria of a mapping for a stream: which records a function gets to see.

Rules from the Lambda developer guide: invocation-eventfiltering, with-kinesis-filtering,
with-ddb-filtering. For Kinesis a pattern is about what stands under `kinesis`, its `data` decoded;
for DynamoDB about the whole record.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from pytest_storagefirst.simulation.sources import event_patterns


def passes(patterns: Sequence[Any], record: dict[str, Any]) -> bool:
    """Whether a record of Lambda's event matches one of the patterns, or there are none."""
    if not patterns:
        return True
    if "kinesis" not in record:
        return any(event_patterns.matches(pattern, record) for pattern in patterns)
    told = record["kinesis"]
    try:
        data, is_json = event_patterns.read(base64.b64decode(told["data"]).decode()), True
    except ValueError:
        data, is_json = base64.b64decode(told["data"]).decode("utf-8", "replace"), False
    seen = {**told, "data": data}
    # A pattern for the data that is of another format than the data itself never matches.
    return any(
        event_patterns.matches(pattern, seen)
        for pattern in patterns
        if "data" not in pattern or isinstance(pattern["data"], dict) is is_json
    )
