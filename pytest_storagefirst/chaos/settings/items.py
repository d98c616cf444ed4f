"""One item of a table: where a breaker keeps its state, or a flag stands."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from pytest_storagefirst.chaos.setting import Address, Moved, Setting, Value
from pytest_storagefirst.target.target import Target

_SETS = ("SS", "NS", "BS")
_BYTES = "base64"
Path = tuple[str, ...]  # into an item's maps


def _item(target: Target, address: Address) -> Value:
    client = target.session().client("dynamodb")
    key = _as_sent(address["key"])
    answer = client.get_item(TableName=address["table"], Key=key, ConsistentRead=True)
    found = answer.get("Item")
    return None if found is None else _kept(found)


def _put_item(target: Target, address: Address, value: Value, current: Value) -> None:
    """Write what is other than it was read, and that alone, on condition that it is as it was.

    An item that comes or goes is compared in whole. A stack that counts something in another
    attribute meanwhile is not in the way, and loses no count.
    """
    client = target.session().client("dynamodb")
    where = {"TableName": address["table"], "Key": _as_sent(address["key"])}
    try:
        if value is None:
            client.delete_item(**where, **_Expression().as_it_was(current))
        elif current is None:
            absent = _Expression().as_it_was(dict.fromkeys(address["key"]))
            client.put_item(TableName=address["table"], Item=_as_sent(value), **absent)
        else:
            client.update_item(**where, **_Expression().changing(current, value, address["key"]))
    except client.exceptions.ConditionalCheckFailedException:
        raise Moved(_item(target, address)) from None


class _Expression:
    """The names and values of one conditional write, gathered as its parts are told."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.values: dict[str, Any] = {}

    def as_it_was(self, current: Mapping[str, Any]) -> dict[str, Any]:
        """On condition that each of these is as it was read."""
        return self._told([self._is((name,), old) for name, old in current.items()])

    def changing(
        self, current: Mapping[str, Any], value: Mapping[str, Any], key: Iterable[str]
    ) -> dict[str, Any]:
        """What differs, attribute by attribute, maps looked into; of an item that is there."""
        conditions = [f"attribute_exists({self._path((name,))})" for name in key]
        put, taken = [], []
        for path, old, new in _differences(current, value):
            conditions.append(self._is(path, old))
            if new is None:
                taken.append(self._path(path))
            else:
                put.append(f"{self._path(path)} = {self._value(new)}")
        parts = ("SET " + ", ".join(put)) * bool(put), ("REMOVE " + ", ".join(taken)) * bool(taken)
        return {**self._told(conditions), "UpdateExpression": " ".join(filter(None, parts))}

    def _is(self, path: Path, old: Value) -> str:
        if old is None:
            return f"attribute_not_exists({self._path(path)})"
        return f"{self._path(path)} = {self._value(old)}"

    def _path(self, path: Path) -> str:
        for name in path:
            self.names.setdefault(name, f"#{len(self.names)}")
        return ".".join(self.names[name] for name in path)

    def _value(self, value: Any) -> str:
        name = f":{len(self.values)}"
        self.values[name] = _as_sent(value)
        return name

    def _told(self, conditions: list[str]) -> dict[str, Any]:
        told: dict[str, Any] = {
            "ConditionExpression": " AND ".join(conditions),
            "ExpressionAttributeNames": {alias: name for name, alias in self.names.items()},
        }
        return told | ({"ExpressionAttributeValues": self.values} if self.values else {})


# --- what of an item is the drill's -----------------------------------------------------------


def _differences(one: Any, other: Any, path: Path = ()) -> Iterator[tuple[Path, Any, Any]]:
    """Where two items, or maps of them, differ: the path, and what stands there in each."""
    for name in dict.fromkeys((*one, *other)):
        first, second = one.get(name), other.get(name)
        if first == second:
            continue
        if _is_map(first) and _is_map(second):
            yield from _differences(first["M"], second["M"], (*path, name))
        else:
            yield (*path, name), first, second


def _put_back(address: Address, current: Value, before: Value, value: Value) -> Value:
    """The item as it is, with what the drill set, where that still stands, as it was before.

    Raises Moved where a circuit's state is not the drill's any more; of an item without such a
    state, where an attribute that the drill set has a third value.
    """
    if current in (before, value):
        return before
    key = address["key"]
    item, old, set_to = current or key, before or key, value or key
    if _sets_state(address, old, set_to):
        if _word(item, address["state"]) != _word(set_to, address["state"]):
            raise Moved(current)
    elif any(_at(item, path) not in (was, now) for path, was, now in _differences(old, set_to)):
        raise Moved(current)
    wanted = _merged(item, old, set_to)
    return None if before is None and wanted == key else wanted


def _stands(address: Address, current: Value, value: Value, other: Value) -> bool:
    """Whether what differs between the two is as in `value`: of a circuit its state alone."""
    key = address["key"]
    item, mine, others = current or key, value or key, other or key
    if _sets_state(address, mine, others):
        return bool(_word(item, address["state"]) == _word(mine, address["state"]))
    return all(_at(item, path) == wanted for path, wanted, _ in _differences(mine, others))


def _sets_state(address: Address, one: Value, other: Value) -> bool:
    """Whether a breaker's state is what differs; journals of before it was told have no place."""
    return "state" in address and _word(one, address["state"]) != _word(other, address["state"])


def _word(item: Mapping[str, Any], state: str) -> Any:
    return item[state] if state in item else _at(item, tuple(state.split(".")))


def _at(item: Mapping[str, Any], path: Path) -> Any:
    """What stands at a path; None for nothing."""
    first, *rest = path
    found = item.get(first)
    if not rest or found is None:
        return found
    return _at(found["M"], tuple(rest)) if _is_map(found) else None


def _merged(item: Any, before: Any, value: Any) -> dict[str, Any]:
    """Three ways: where they differ and the item is as in `value`, as it was before."""
    merged = dict(item)
    for name in dict.fromkeys((*before, *value)):
        old, new, now = before.get(name), value.get(name), item.get(name)
        if old == new:
            continue
        put = old if now == new else now
        if now != new and _is_map(now) and _is_map(new) and (old is None or _is_map(old)):
            within = _merged(now["M"], old["M"] if old else {}, new["M"])
            put = {"M": within} if within or old else None
        if put is None:
            merged.pop(name, None)
        else:
            merged[name] = put
    return merged


def _is_map(value: Any) -> bool:
    return isinstance(value, dict) and list(value) == ["M"]


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


ITEM = Setting("item", "item", _item, _put_item, undone=_put_back, stands=_stands)
# The breaker itself may move on while a drill lasts.
CIRCUIT_ITEM = replace(ITEM, name="circuit-item", moves_itself=True)

SETTINGS = (ITEM, CIRCUIT_ITEM)
