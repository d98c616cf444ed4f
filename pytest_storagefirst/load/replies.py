"""What a sender may conclude from an answer, or from none."""

from __future__ import annotations

import json
import re
from typing import Any

from pytest_storagefirst.load.outcomes import ACCEPTED, REJECTED, UNKNOWN

# Batch APIs answer 200 with entries that failed.
_COUNTS = ("FailedEntryCount", "FailedRecordCount", "FailedPutCount")
_LISTS = ("Failed", "UnprocessedItems", "BatchResultErrorEntry")
_MAY_FAIL = re.compile(rb"Failed|Unprocessed|BatchResultErrorEntry|FAILED|TIMED_OUT|ABORTED")
_XML_FAILURE = re.compile(rb"<(BatchResultErrorEntry|Failed)>\s*<")


def outcome_of(status: int, body: bytes) -> bytes:
    """ACCEPTED, REJECTED or UNKNOWN.

    Accepted is a 2xx whose body tells of no failed entry. A 4xx was refused before anything was
    stored (429 too), and a redirect is not followed. A 5xx may have come after the message was
    stored: behind a gateway, a backend that did the work and answered too late is a 504, and a
    response that could not be mapped a 500.
    """
    if 200 <= status < 300:
        return REJECTED if _tells_failure(body) else ACCEPTED
    return UNKNOWN if status >= 500 or status < 200 or status == 408 else REJECTED


def _tells_failure(body: bytes) -> bool:
    if not _MAY_FAIL.search(body):
        return False
    if _XML_FAILURE.search(body):
        return True
    try:
        document = json.loads(body)
    except ValueError:
        return False
    return any(_is_failure(one) for one in _tables(document))


def _is_failure(table: dict[str, Any]) -> bool:
    if any(str(table.get(name, "0")) not in ("0", "None", "") for name in _COUNTS):
        return True
    if any(table.get(name) and not isinstance(table[name], str) for name in _LISTS):
        return True
    # a synchronous execution of Step Functions
    return "executionArn" in table and table.get("status") in ("FAILED", "TIMED_OUT", "ABORTED")


def _tables(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        return [value, *(one for held in value.values() for one in _tables(held))]
    if isinstance(value, list):
        return [one for held in value for one in _tables(held)]
    return []
