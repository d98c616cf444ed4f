"""One item of a table: where a breaker keeps its state, or a flag stands."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pytest_storagefirst.chaos.setting import Address, Moved, Setting, Value
from pytest_storagefirst.target.target import Target

_SETS = ("SS", "NS", "BS")
_BYTES = "base64"


def _item(target: Target, address: Address) -> Value:
    client = target.session().client("dynamodb")
    key = _as_sent(address["key"])
    answer = client.get_item(TableName=address["table"], Key=key, ConsistentRead=True)
    found = answer.get("Item")
    return None if found is None else _kept(found)


def _put_item(target: Target, address: Address, value: Value, current: Value) -> None:
    """Put or delete it, on condition that every attribute of it is as it was read."""
    client = target.session().client("dynamodb")
    names = {f"#{number}": name for number, name in enumerate(current or address["key"])}
    more: dict[str, Any] = {"ExpressionAttributeNames": names}
    if current is None:
        more["ConditionExpression"] = " AND ".join(f"attribute_not_exists({one})" for one in names)
    else:
        more["ConditionExpression"] = " AND ".join(f"{one} = :{one[1:]}" for one in names)
        more["ExpressionAttributeValues"] = {
            f":{one[1:]}": _as_sent(current[name]) for one, name in names.items()
        }
    try:
        if value is None:
            client.delete_item(TableName=address["table"], Key=_as_sent(address["key"]), **more)
        else:
            client.put_item(TableName=address["table"], Item=_as_sent(value), **more)
    except client.exceptions.ConditionalCheckFailedException:
        raise Moved(_item(target, address)) from None


# --- an item as the journal holds it ----------------------------------------------------------


def as_json(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item of Python's values in DynamoDB's own JSON, as the journal holds it."""
    from boto3.dynamodb.types import TypeSerializer

    typed = TypeSerializer().serialize
    return {name: _kept(typed(value)) for name, value in item.items()}


def from_json(item: Mapping[str, Any]) -> dict[str, Any]:
    from boto3.dynamodb.types import TypeDeserializer

    plain = TypeDeserializer().deserialize
    return {name: plain(_as_sent(value)) for name, value in item.items()}


def _kept(value: Any) -> Any:
    """As DynamoDB answers it, without what a set's order and bytes keep from being compared."""
    if isinstance(value, dict):
        if len(value) == 1 and next(iter(value)) in _SETS:
            [(kind, members)] = value.items()
            return {kind: sorted(map(_kept, members), key=str)}
        return {name: _kept(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_kept(part) for part in value]
    if isinstance(value, bytes):
        return {_BYTES: base64.b64encode(value).decode()}
    return value


def _as_sent(value: Any) -> Any:
    if isinstance(value, dict):
        if list(value) == [_BYTES] and isinstance(value[_BYTES], str):
            return base64.b64decode(value[_BYTES])
        return {name: _as_sent(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_as_sent(part) for part in value]
    return value


ITEM = Setting("item", "item", _item, _put_item)
# The breaker itself may move on while a drill lasts.
CIRCUIT_ITEM = replace(ITEM, name="circuit-item", moves_itself=True)

SETTINGS = (ITEM, CIRCUIT_ITEM)
