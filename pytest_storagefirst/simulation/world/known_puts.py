"""Items that a table has taken before, put again without being looked through again.

Runs of one stack put the same items, and moto looks for ten things that may be wrong with each.
What is wrong depends on the request and the table's keys alone; what does not is done each time:
the condition is applied, the item made, the table's stream told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MOST_KEPT = 4096  # of a table
_PLAIN = frozenset(
    {
        "TableName",
        "Item",
        "ConditionExpression",
        "ExpressionAttributeNames",
        "ExpressionAttributeValues",
        "ReturnValuesOnConditionCheckFailure",
    }
)

_installed = False


class _Puts:
    """What a table has taken, by the request's body. A copy of the table has taken the same."""

    def __init__(self) -> None:
        self.by_body: dict[bytes, _Known | None] = {}

    def __deepcopy__(self, memo: Any) -> _Puts:
        return self


@dataclass(frozen=True)
class _Known:
    """`answer` is what moto said, as JSON text; it says the same each time."""

    hash_key: Any
    range_key: Any
    condition: Any
    shows_item: bool
    answer: Any


def install() -> None:
    """Let a table whose indexes change forget what it has taken. Once per process."""
    global _installed
    if _installed:
        return
    _installed = True
    from moto.dynamodb.models import DynamoDBBackend

    update = DynamoDBBackend.update_table

    def forgetting(self: Any, name: str, *arguments: Any, **named: Any) -> Any:
        for table in self.tables.values():
            vars(table).pop("known_puts", None)
        return update(self, name, *arguments, **named)

    DynamoDBBackend.update_table = forgetting  # type: ignore[method-assign]


def put_again(table: Any, body: bytes, parameters: Any) -> Any:
    """moto's answer to a PutItem that this table has taken before; None when it has not.

    Raises moto's ConditionalCheckFailed.
    """
    from moto.dynamodb.exceptions import ConditionalCheckFailed
    from moto.dynamodb.models.dynamo_type import DynamoType, Item

    puts = vars(table).get("known_puts")
    known = puts.by_body.get(body) if puts is not None else None
    if known is None:
        return None
    hash_key, range_key = known.hash_key, known.range_key
    current = table.get_item(hash_key, range_key)
    if known.condition is not None and not known.condition.expr(current):
        if known.shows_item and current is not None:
            raise ConditionalCheckFailed(item=current.to_json()["Attributes"])
        raise ConditionalCheckFailed
    item = Item(hash_key, range_key, {})
    for name, value in parameters["Item"].items():
        dict.__setitem__(item.attrs, name, DynamoType(value))  # it is not too large
    if range_key is not None:
        table.items[hash_key][range_key] = item
    else:
        table.items[hash_key] = item
    if table.stream_shard is not None:
        table.stream_shard.add(current, item)
    return known.answer


def remember(table: Any, body: bytes, parameters: Any, answer: Any) -> None:
    """This table has taken a PutItem, and moto has said `answer`."""
    if not parameters.keys() <= _PLAIN:
        return
    kept = vars(table).setdefault("known_puts", _Puts()).by_body
    if body not in kept:  # what comes but once, in a backlog, is not worth more
        if len(kept) >= MOST_KEPT:
            kept.clear()
        kept[body] = None
        return
    from moto.dynamodb.comparisons import get_filter_expression
    from moto.dynamodb.models.dynamo_type import DynamoType

    item, range_name = parameters["Item"], table.range_key_attr
    expression = parameters.get("ConditionExpression")
    kept[body] = _Known(
        DynamoType(item[table.hash_key_attr]),
        DynamoType(item[range_name]) if range_name is not None else None,
        get_filter_expression(
            expression,
            parameters.get("ExpressionAttributeNames", {}),
            parameters.get("ExpressionAttributeValues", {}),
        )
        if expression
        else None,
        parameters.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD",
        answer,
    )
