"""What a handler's response says of its batch, where the mapping asks for ReportBatchItemFailures.

Rules from the Lambda developer guide, services-sqs-errorhandling, "success and failure conditions".
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any


def reported_failures(message_ids: Collection[str], result: Any) -> frozenset[str] | None:
    """The ids of the messages that come back; None when the response fails the whole batch.

    `result` is the handler's response, already read from JSON. Success is an empty or null response
    or list; an identifier that is empty, null, under a wrong key or of no message in the batch is a
    complete failure, and so is a response that is no JSON object.
    """
    if result is None or result == "":
        return frozenset()
    if not isinstance(result, dict):
        return None
    failures = result.get("batchItemFailures")
    if failures is None:
        return frozenset()
    if not isinstance(failures, list):
        return None
    failed = set()
    for failure in failures:
        identifier = failure.get("itemIdentifier") if isinstance(failure, dict) else None
        if not isinstance(identifier, str) or identifier not in message_ids:
            return None
        failed.add(identifier)
    return frozenset(failed)
