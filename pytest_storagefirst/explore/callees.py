"""What a handler's call is about, by logical id: the table, queue, bucket, topic or function.

Read from the request as botocore made it, when a story is told; a run itself only keeps it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

from pytest_storagefirst.simulation.playing import Played

# Members of a request that name what it is about, wherever they stand in it.
_NAMING = frozenset(
    {
        *("TableName", "QueueUrl", "TopicArn", "TargetArn", "StreamName", "StreamARN"),
        *("EventBusName", "FunctionName", "stateMachineArn", "SecretId", "Name"),
    }
)
_DEPTH = 5


def callees(played: Played) -> Callable[[str, str], str]:
    """What tells of a call, (function, "dynamodb.PutItem #1"), what it is about; "" if unknown."""

    def callee(function: str, call: str) -> str:
        if call.startswith("http "):
            return host_of(call)
        request = played.requests.get((function, call))
        return "" if request is None else callee_of(request, played.logical_ids)

    return callee


def host_of(call: str) -> str:
    """ "payments.example" of "http POST https://payments.example/charge #1"."""
    url = next((part for part in call.split() if "://" in part), "")
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""


def callee_of(request: Any, logical_ids: Mapping[str, str]) -> str:
    """The logical id of what one request is about; "" where it says none of the stack's."""
    for name in _names(request):
        for known in (name, name.rpartition("/")[2], name.rpartition(":")[2]):
            if known in logical_ids:
                return logical_ids[known]
    return ""


def _names(request: Any) -> Iterator[str]:
    body = request.get("body") if isinstance(request, dict) else None
    if isinstance(body, dict):
        yield from _named(body, 1)
    elif isinstance(body, bytes | str):
        with suppress(ValueError, RecursionError):
            yield from _named(json.loads(body), _DEPTH)
    if isinstance(request, dict):
        parts = urlsplit(str(request.get("url", "")))
        yield (parts.hostname or "").partition(".s3")[0]
        yield from (unquote(part) for part in parts.path.split("/") if part)


def _named(value: Any, depth: int) -> Iterator[str]:
    """Names at this level first, then those below: an item's own fields name nothing."""
    if not isinstance(value, dict) or not depth:
        return
    yield from (one for key, one in value.items() if key in _NAMING and isinstance(one, str))
    for key, one in value.items():
        if key == "RequestItems" and isinstance(one, dict):
            yield from one
        elif isinstance(one, list):
            for inner in one:
                yield from _named(inner, depth - 1)
        elif key in ("Put", "Update", "Delete", "ConditionCheck", "Get"):
            yield from _named(one, depth - 1)
