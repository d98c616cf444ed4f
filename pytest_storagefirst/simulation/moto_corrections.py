"""What moto takes or fails on where AWS answers with an error of its own, put right once."""

from __future__ import annotations

from typing import Any

_installed = False


def install() -> None:
    global _installed
    if _installed:
        return
    _installed = True
    _refuse_keys_of_another_type()


def _refuse_keys_of_another_type() -> None:
    """A key is of the type that the table says; moto looks it up whatever it is.

    Page: DynamoDB developer guide, Programming.Errors, ValidationException.
    """
    from moto.dynamodb.exceptions import ProvidedKeyDoesNotExist
    from moto.dynamodb.models import DynamoDBBackend

    read = DynamoDBBackend.get_keys_value

    def get_keys_value(self: Any, table: Any, keys: dict[str, Any]) -> Any:
        for name, expected in (
            (table.hash_key_attr, table.hash_key_type),
            (table.range_key_attr, table.range_key_type),
        ):
            if name in keys and expected not in keys[name]:
                raise ProvidedKeyDoesNotExist
        return read(self, table, keys)

    DynamoDBBackend.get_keys_value = get_keys_value  # type: ignore[method-assign]
