from __future__ import annotations

from typing import Any

import pytest

from pytest_storagefirst.simulation.frontdoor.json_path import JsonPathError, read

DOCUMENT = {
    "a": {"b": [10, 20, 30], "c d": "x", "e-f": 1},
    "pets": [{"type": "dog", "price": 5}, {"type": "cat", "price": 9}, {"type": "fish"}],
    "null": None,
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$", DOCUMENT),
        ("$.a.b[0]", 10),
        ("a.b[-1]", 30),
        ("$.a.b[9]", None),
        ("$.a['c d']", "x"),
        ('$["a"]["c d"]', "x"),
        ("$.a.e-f", 1),
        ("$.a.none.deeper", None),
        ("$.null", None),
        ("$.a.b.length()", 3),
        ("$.a.b[*]", [10, 20, 30]),
        ("$.a.b[0:2]", [10, 20]),
        ("$.a.b[1:]", [20, 30]),
        ("$.a.b[0,2]", [10, 30]),
        ("$.pets[*].type", ["dog", "cat", "fish"]),
        ("$.pets.*.type", ["dog", "cat", "fish"]),
        ("$..price", [5, 9]),
        ("$..[0]", [10, {"type": "dog", "price": 5}]),
        ("$.pets[?(@.type == 'cat')].price", [9]),
        ("$.pets[?(@.price > 5)].type", ["cat"]),
        ("$.pets[?(@.price <= 5)].type", ["dog"]),
        ("$.pets[?(@.price)].type", ["dog", "cat"]),
        ("$.pets[?(@.type != 'dog')].type", ["cat", "fish"]),
        ("$.a.b[?(@ >= 20)]", [20, 30]),
        ("$.pets[0]['type','price']", ["dog", 5]),
        ("$.none[*]", []),
        ("$.a.b[0][1]", None),
    ],
)
def test_a_path_names_what_it_names(path: str, expected: Any) -> None:
    assert read(DOCUMENT, path) == expected


@pytest.mark.parametrize(
    "path", ["$.[", "$.a[", "$..", "$.a[x]", "$.a.avg()", "$[?(@.a == x)]", "$.a]"]
)
def test_what_is_no_path_is_said_to_be_none(path: str) -> None:
    with pytest.raises(JsonPathError):
        read(DOCUMENT, path)
