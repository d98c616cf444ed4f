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
    _tell_services_apart()
    _refuse_values_of_no_type()
    _update_by_the_key_alone()


def _update_by_the_key_alone() -> None:
    """Without anything to update an item is made, or left as it is; moto fails on it.

    Page: DynamoDB API reference, UpdateItem: of its parameters Key and TableName are required.
    """
    from moto.dynamodb.models.dynamo_type import Item

    update = Item.update_with_attribute_updates

    def updated(self: Any, attribute_updates: dict[str, Any] | None) -> None:
        update(self, attribute_updates or {})

    # moto has no seam for it
    Item.update_with_attribute_updates = updated  # type: ignore[method-assign]


def _refuse_values_of_no_type() -> None:
    """Page: DynamoDB API reference, AttributeValue: a value has exactly one type."""
    from moto.dynamodb import responses
    from moto.dynamodb.exceptions import MockValidationException

    check = responses.validate_put_has_empty_keys

    def checked(*arguments: Any, **named: Any) -> None:
        try:
            check(*arguments, **named)
        except StopIteration:
            raise MockValidationException(
                "Supplied AttributeValue is empty, must contain exactly one of the supported "
                "datatypes"
            ) from None

    responses.validate_put_has_empty_keys = checked


def _tell_services_apart() -> None:
    """moto knows its registers by a random id, and finds a new one by that among those in use.

    One that is imported within a run would get the id that another got in another run.
    """
    from moto.core.base_backend import BackendDict

    make = BackendDict.__init__

    def made(self: Any, *arguments: Any, **named: Any) -> None:
        make(self, *arguments, **named)
        self._id = f"{self._id} of {self.service_name}"

    BackendDict.__init__ = made  # type: ignore[method-assign]


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
