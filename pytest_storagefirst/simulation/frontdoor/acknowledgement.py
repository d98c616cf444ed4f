"""Whether a front door said yes to the sender for this entry.

A status of 2xx is not enough: a batch API answers 200 with entries that failed (`Failed`,
`FailedEntryCount`, `FailedRecordCount`, `FailedPutCount`, `UnprocessedItems`), and a synchronous
execution 200 with status FAILED. What counts is what the sender was *told*: a response template
that hides the failure has said yes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from ...stack.topology import Route
from .messages import HttpReply

COUNTS = frozenset({"FailedEntryCount", "FailedRecordCount", "FailedPutCount"})
LISTS = frozenset({"Failed", "UnprocessedItems", "UnprocessedKeys", "BatchResultErrorEntry"})
REASONS = frozenset({"ErrorCode", "ErrorMessage", "Code", "Message", "error", "cause"})
XML_FAILURE = re.compile(r"<(BatchResultErrorEntry|Failed)>\s*<")
# Without one of these words, or an escape that may hide one, no answer has a failure in it.
_MAY_FAIL = re.compile(r"Failed|Unprocessed|BatchResultErrorEntry|status|\\u")
SYNCHRONOUS_FAILURES = frozenset({"FAILED", "TIMED_OUT", "ABORTED"})


def acknowledged(route: Route, reply: HttpReply, backend_body: str) -> bool:
    """True when the sender may believe that its entry was accepted.

    `backend_body` is what the service answered to the gateway: where that has a failure, a reply
    that repeats its code or text has told it in its own words.
    """
    if not 200 <= reply.status < 300:
        return False
    if not (_MAY_FAIL.search(reply.body) or _MAY_FAIL.search(backend_body)):
        return True
    if _tells_failure(route, reply.body):
        return False
    reasons = set(_reasons(route, backend_body))
    return not any(reason in reply.body for reason in reasons)


def refused_entry(route: Route, backend_body: str) -> str:
    """The code, or else text, of an entry that a 2xx answer lists as failed; "" for none."""
    if not _MAY_FAIL.search(backend_body):
        return ""
    reasons = set(_reasons(route, backend_body))
    return min(reasons, key=lambda reason: (" " in reason, reason), default="")


def _tells_failure(route: Route, body: str) -> bool:
    if XML_FAILURE.search(body):
        return True
    return any(_is_failure(route, document) for document in _structures(_parsed(body)))


def _is_failure(route: Route, document: dict[str, Any]) -> bool:
    if any(_positive(document.get(name)) for name in COUNTS):
        return True
    if any(document.get(name) and not isinstance(document[name], str) for name in LISTS):
        return True
    return _is_synchronous(route) and document.get("status") in SYNCHRONOUS_FAILURES


def _reasons(route: Route, backend_body: str) -> Iterator[str]:
    document = _parsed(backend_body)
    if not any(_is_failure(route, one) for one in _structures(document)):
        return
    for structure in _structures(document):
        for name in REASONS & structure.keys():
            if isinstance(structure[name], str) and structure[name]:
                yield structure[name]


def _is_synchronous(route: Route) -> bool:
    integration = route.integration
    return integration.subtype.endswith("StartSyncExecution") or integration.uri.endswith(
        "action/StartSyncExecution"
    )


def _positive(value: Any) -> bool:
    return isinstance(value, (int, str)) and str(value).isdigit() and int(value) > 0


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _structures(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for held in value.values():
            yield from _structures(held)
    elif isinstance(value, list):
        for held in value:
            yield from _structures(held)
