"""Detours of moto's that a thousand runs a second can't afford, taken out once per process.

What moto answers and keeps is the same without them.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pytest_storagefirst.simulation.world import known_puts

MOST_KEPT = 4096  # conditions
# An item of DynamoDB's is at most 400 KB; one that came in a smaller request is smaller, too.
SMALL_REQUEST_BYTES = 300_000

_installed = False
_is_small = False


def install() -> None:
    global _installed
    if _installed:
        return
    _installed = True
    _read_conditions_once()
    _refuse_in_json_alone()
    _find_backends_at_once()
    _measure_large_items_alone()
    known_puts.install()


@contextmanager
def whole_item_in(body: bytes) -> Iterator[None]:
    """Within this block items are made of this request's body, and of nothing else."""
    global _is_small
    _is_small = len(body) < SMALL_REQUEST_BYTES
    try:
        yield
    finally:
        _is_small = False


def _read_conditions_once() -> None:
    """To read a condition takes longer than to apply it, and every put reads it twice.

    What comes of it depends on the expression and what it names, and is never changed afterwards.
    """
    from moto.dynamodb.comparisons import ConditionExpressionParser

    read: Any = ConditionExpressionParser.parse
    kept: dict[str, tuple[Any, list[str], list[str]]] = {}

    def parse(self: Any) -> Any:
        key = repr(
            (
                self.condition_expression,
                self.expression_attribute_names,
                self.expression_attribute_values,
            )
        )
        found = kept.get(key)
        if found is None:
            if len(kept) >= MOST_KEPT:
                kept.clear()
            # The request's own values may go into items, and change there.
            self.expression_attribute_values = copy.deepcopy(self.expression_attribute_values)
            made = read(self)
            kept[key] = made, list(self.expr_attr_names_found), list(self.expr_attr_values_found)
            return made
        self.expr_attr_names_found = list(found[1])
        self.expr_attr_values_found = list(found[2])
        return found[0]

    ConditionExpressionParser.parse = parse  # type: ignore[method-assign]


def _refuse_in_json_alone() -> None:
    """A JSON error is first written as XML, by a library that takes its time."""
    from moto.core.exceptions import JsonRESTError
    from werkzeug.exceptions import HTTPException

    def in_json(self: Any, error_type: str, message: str, _: str = "", **__: Any) -> None:
        HTTPException.__init__(self)
        self.error_type, self.message = error_type, message
        self.description = json.dumps({"__type": error_type, "message": message})
        self.content_type = "application/json"

    JsonRESTError.__init__ = in_json  # type: ignore[method-assign]


def _find_backends_at_once() -> None:
    """A lookup takes a lock and goes through a list; a service with an account is known already."""
    from moto.core.base_backend import BackendDict

    find = BackendDict.__getitem__

    def at_once(self: Any, account_id: str) -> Any:
        try:
            return dict.__getitem__(self, account_id)
        except KeyError:
            return find(self, account_id)

    BackendDict.__getitem__ = at_once  # type: ignore[method-assign]


def _measure_large_items_alone() -> None:
    """An item is measured anew for each of its attributes, all that it has by then."""
    from moto.dynamodb.models.dynamo_type import LimitedSizeDict

    measure = LimitedSizeDict.__setitem__

    def put(self: Any, key: str, value: Any) -> None:
        if _is_small:
            dict.__setitem__(self, key, value)
        else:
            measure(self, key, value)

    LimitedSizeDict.__setitem__ = put  # type: ignore[method-assign]
