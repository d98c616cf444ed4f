"""What a step of a run reads and writes, so far as another could notice.

Two steps that conflict in nothing come to the same in either order: local code, calls about
different items, reads of the same one. What a call is about is read from its request; where that
can't be told, it is about everything of its service, or of all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from pytest_storagefirst.faults.catalogue import is_read_only
from pytest_storagefirst.simulation.calls.boundary import TELEMETRY

# service, table or queue or bucket, item or message or object, whether it is written; an empty
# text stands for all of them.
Footprint = tuple[str, str, str, bool]

EVERYTHING: Footprint = ("", "", "", True)
VISIBLE = "visible"  # which messages of a queue a receive would give, and in what order
# Services whose calls may put messages into queues, or run functions.
_PASSING_ON = frozenset({"sns", "events", "lambda", "stepfunctions", "pipes", "scheduler"})


def footprints(
    touched: Iterable[tuple[str, str, Any]], key_names: Mapping[str, Sequence[str]]
) -> frozenset[Footprint]:
    """Of one step. `key_names` are those of each table, by its name."""
    found: set[Footprint] = set()
    for service, operation, subject in touched:
        try:
            found.update(_of(service, operation, subject, key_names))
        except (LookupError, TypeError, ValueError, AttributeError):
            found.add((service, "", "", True))
    return frozenset(found)


def conflict(one: Iterable[Footprint], other: Iterable[Footprint]) -> bool:
    """Whether the order of two steps may matter."""
    return any(_meet(mine, theirs) for mine in one for theirs in other)


def _meet(mine: Footprint, theirs: Footprint) -> bool:
    if not mine[3] and not theirs[3]:
        return False
    for one, other in zip(mine[:3], theirs[:3], strict=True):
        if not one or not other:
            return True
        if one != other:
            return False
    return True


def _of(
    service: str, operation: str, subject: Any, key_names: Mapping[str, Sequence[str]]
) -> Iterator[Footprint]:
    if service in ("environments", "pollers"):
        # Who gives one back does not mind who else does; who takes one minds both.
        yield service, subject, "", operation == "take"
    elif service == "strikes":
        yield service, subject, operation, True
    elif service == "queue":
        yield from _queue(operation, *subject)
    elif service in TELEMETRY or service == "http":
        return  # a third party answers each call by itself
    elif (service, operation) == ("lambda", "Invoke"):
        return  # what the function does are steps of its own
    elif service == "dynamodb":
        yield from _dynamodb(operation, json.loads(_body(subject)), key_names)
    elif service == "sqs":
        yield from _sqs(operation, json.loads(_body(subject)))
    elif service == "s3":
        yield from _s3(operation, subject)
    elif is_read_only(operation):
        yield service, "", "", False
    elif not service or service in _PASSING_ON:
        yield EVERYTHING
    else:
        yield service, "", "", True


def _body(request: Any) -> Any:
    return request["body"] if isinstance(request, dict) else request.body


# -- queues -----------------------------------------------------------------------------------


def _queue(operation: str, name: str, message_ids: Sequence[str]) -> Iterator[Footprint]:
    """A mapping's own doing: what is in flight may be deleted whoever receives."""
    if operation == "receive":
        yield "sqs", name, VISIBLE, bool(message_ids)
    for message_id in message_ids:
        yield "sqs", name, message_id, True


def _sqs(operation: str, said: Mapping[str, Any]) -> Iterator[Footprint]:
    url = said.get("QueueUrl")
    name = str(url).rpartition("/")[2] if url else ""
    if operation in ("SendMessage", "SendMessageBatch"):
        yield "sqs", name, VISIBLE, True
    else:
        yield "sqs", name, "", not is_read_only(operation) or operation == "ReceiveMessage"


# -- DynamoDB ---------------------------------------------------------------------------------


def _dynamodb(
    operation: str, said: Mapping[str, Any], key_names: Mapping[str, Sequence[str]]
) -> Iterator[Footprint]:
    if operation in ("GetItem", "DeleteItem", "UpdateItem"):
        yield _item(said, said["Key"], operation != "GetItem")
    elif operation == "PutItem":
        yield _put(said, key_names)
    elif operation in ("TransactWriteItems", "TransactGetItems"):
        for action in said["TransactItems"]:
            for kind, inner in action.items():
                if kind == "Put":
                    yield _put(inner, key_names)
                else:
                    yield _item(inner, inner["Key"], kind not in ("Get", "ConditionCheck"))
    elif operation == "BatchGetItem":
        for table, asked in said["RequestItems"].items():
            for key in asked["Keys"]:
                yield _item({"TableName": table}, key, False)
    elif operation == "BatchWriteItem":
        for table, requests in said["RequestItems"].items():
            for request in requests:
                of_table = {"TableName": table}
                if "PutRequest" in request:
                    yield _put({**of_table, **request["PutRequest"]}, key_names)
                else:
                    yield _item(of_table, request["DeleteRequest"]["Key"], True)
    else:
        yield "dynamodb", _table(said), "", not is_read_only(operation)


def _table(said: Mapping[str, Any]) -> str:
    return str(said.get("TableName", "")).rpartition("/")[2]


def _put(said: Mapping[str, Any], key_names: Mapping[str, Sequence[str]]) -> Footprint:
    item = said["Item"]
    names = key_names[_table(said)]
    return _item(said, {name: item[name] for name in names}, True)


def _item(said: Mapping[str, Any], key: Mapping[str, Any], writes: bool) -> Footprint:
    values = {name: _value(value) for name, value in key.items()}
    return "dynamodb", _table(said), json.dumps(values, sort_keys=True), writes


def _value(typed: Mapping[str, Any]) -> Any:
    number = typed.get("N")
    if number is None:
        return typed
    try:
        return str(Decimal(number).normalize())  # 1.0 is the key that 1 is
    except InvalidOperation:
        return typed


# -- S3 ---------------------------------------------------------------------------------------


def _s3(operation: str, request: Any) -> Iterator[Footprint]:
    url = urlsplit(request["url"] if isinstance(request, dict) else request.url)
    host, path = url.hostname or "", url.path.lstrip("/")
    if host.startswith(("s3.", "s3-")):
        bucket, _, key = path.partition("/")
    else:
        bucket, key = host.partition(".s3")[0], path
    if operation in ("GetObject", "HeadObject", "PutObject", "DeleteObject") and key:
        yield "s3", bucket, key, not is_read_only(operation)
    else:
        source = operation == "CopyObject"
        yield "s3", "" if source else bucket, "", not is_read_only(operation)
