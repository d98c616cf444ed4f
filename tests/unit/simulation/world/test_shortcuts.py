"""Without its detours moto says the same."""

from __future__ import annotations

from typing import Any

import pytest
from moto.dynamodb.comparisons import ConditionExpressionParser
from moto.dynamodb.models.dynamo_type import DynamoType, Item

from pytest_storagefirst.simulation.world import shortcuts

NAMES = {"#n": "n"}


@pytest.fixture(autouse=True)
def installed() -> None:
    shortcuts.install()


def parsed(text: str, values: Any = None) -> tuple[Any, ConditionExpressionParser]:
    parser = ConditionExpressionParser(text, NAMES, values)
    return parser.parse(), parser


def item(number: int) -> Item:
    return Item(DynamoType({"S": "a"}), None, {"id": {"S": "a"}, "n": {"N": str(number)}})


def test_an_equal_condition_is_read_once() -> None:
    first, _ = parsed("attribute_exists(#n)")
    again, _ = parsed("attribute_exists(#n)")
    assert again is first


def test_other_values_are_another_condition() -> None:
    for bound, holds in (("1", False), ("9", True), ("1", False)):
        condition, _ = parsed("#n < :bound", {":bound": {"N": bound}})
        assert condition.expr(item(5)) is holds


def test_what_it_names_is_told_each_time() -> None:
    _, first = parsed("#n <= :bound", {":bound": {"N": "1"}})
    first.expr_attr_names_found += ["added by moto's caller"]
    first.expr_attr_values_found.clear()
    _, again = parsed("#n <= :bound", {":bound": {"N": "1"}})
    assert again.expr_attr_names_found == ["#n"]
    assert again.expr_attr_values_found == [":bound"]


def test_values_that_change_later_are_not_the_conditions() -> None:
    values = {":list": {"L": [{"N": "5"}]}}
    parsed("contains(:list, #n)", values)
    values[":list"]["L"].clear()
    condition, _ = parsed("contains(:list, #n)", {":list": {"L": [{"N": "5"}]}})
    assert condition.arguments[0].value == [{"N": "5"}]


def test_an_error_is_raised_each_time() -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="Bad"):
            parsed("attribute_exists(")
