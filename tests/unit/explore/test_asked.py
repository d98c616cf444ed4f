"""What a handler asks its message for is heard, and what it gets is what it would have got."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_storagefirst.explore.asked import watched

TOKEN = re.compile("m1-x")
TEXT = json.dumps({"id": "m1-x", "customer": "text", "inner": {"a": 1}})


def test_demands_and_wishes_are_heard_even_where_the_handler_catches_what_comes():
    with watched(TOKEN) as asked:
        body = json.loads(TEXT)
        with pytest.raises(KeyError, match="amount"):
            body["amount"]
        with pytest.raises(TypeError):
            body["customer"]["email"]
        with pytest.raises(AttributeError):
            body["id"].get("nothing")
        with pytest.raises(KeyError):
            body["inner"]["b"]
        assert body.get("colour") is None
        assert body.get("size", 3) == 3
        assert "when" not in body
        assert body.get("inner") == {"a": 1}

    assert list(asked.demanded) == [
        ("amount",),
        ("customer", "email"),
        ("id", "nothing"),
        ("inner", "b"),
    ]
    assert list(asked.optional) == [("colour",), ("size",), ("when",)]


def test_other_texts_and_other_times_are_left_alone():
    with watched(TOKEN) as asked:
        assert type(json.loads('{"a": 1}')) is dict

    assert type(json.loads(TEXT)) is dict
    assert not asked.demanded


def test_what_parses_json_on_the_way_to_the_handler_is_left_alone():
    library = {"__name__": "botocore.parsers", "json": json}
    with watched(TOKEN):
        exec("def parse(text): return json.loads(text)", library)
        assert type(library["parse"](TEXT)) is dict
        assert type(json.loads(TEXT)) is not dict


@given(
    st.dictionaries(st.text(), st.text() | st.integers() | st.dictionaries(st.text(), st.text()))
)
def test_a_listening_value_is_the_value(value):
    text = json.dumps([{**value, "id": "m1-x"}, value])
    with watched(TOKEN):
        assert json.loads(text) == [{**value, "id": "m1-x"}, value]
        assert json.loads(json.dumps(json.loads(text)))[1] == value
        one = json.loads(json.dumps({**value, "id": "m1-x"}).encode())
    assert one == {**value, "id": "m1-x"}
    assert json.dumps(one) == json.dumps({**value, "id": "m1-x"})
