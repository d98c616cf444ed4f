"""From one body: plain messages, awkward ones, bad ones, and better guesses."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_storagefirst.explore import workload
from pytest_storagefirst.simulation.deployed import Entry
from pytest_storagefirst.simulation.schedule import UNIQUE, Send

BODY = {"orderId": UNIQUE, "amount": 12, "gift": True, "note": "x", "lines": [{"sku": "a"}]}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.text(min_size=1, max_size=4), JSON, max_size=4)


def test_messages_go_to_the_entries_in_turn():
    entries = [Entry("A", {"id": 1}), Entry("B", {"id": 2})]

    assert workload.plain(entries, 3) == (
        Send("m1", "A", {"id": 1}),
        Send("m2", "B", {"id": 2}),
        Send("m3", "A", {"id": 1}),
    )


def test_a_text_is_put_behind_every_string_but_keys():
    marked = workload.with_text(BODY, "&")

    assert marked is not None
    assert marked.body == {**BODY, "note": "x&", "lines": [{"sku": "a&"}]}
    assert marked.fields == {"note": "x&", "lines.0.sku": "a&"}
    assert BODY["note"] == "x"


def test_a_field_is_added_where_there_is_no_string():
    marked = workload.with_text({"id": UNIQUE}, "&")

    assert marked is not None
    assert marked.body == {"id": UNIQUE, "note": "&"}


def test_what_is_no_object_carries_no_text():
    assert workload.with_text("plain", "&") is None


def test_awkward_text_holds_what_formats_treat_as_their_own():
    assert set('&+%"\\é\n') <= set(workload.AWKWARD)


def test_bad_bodies_change_one_thing_each():
    bad = dict(workload.bad_bodies(BODY))

    assert bad["orderId is missing"] == {k: v for k, v in BODY.items() if k != "orderId"}
    assert bad["amount is a float"]["amount"] == 12.25
    assert bad["amount is text"]["amount"] == "not a number"
    assert bad["gift is no boolean"]["gift"] == "neither"
    assert bad["note is a list"]["note"] == ["a", "list"]
    assert bad["lines is text"]["lines"] == "text"
    assert bad["note is null"]["note"] is None
    assert bad["empty"] == ""
    assert 400_000 < len(json.dumps(bad["very long"])) < 1_048_576
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(bad["no JSON"])


@given(OBJECTS)
def test_no_bad_body_is_the_good_one(body):
    for what, bad in workload.bad_bodies(body):
        assert what
        assert json.dumps(bad) != json.dumps(body)


def test_a_text_has_bad_bodies_too():
    assert [what for what, _ in workload.bad_bodies("text")] == [
        "no JSON",
        "JSON, but a bare number",
        "empty",
        "very long",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("age", 12),
        ("orderCount", 12),
        ("TOTAL_AMOUNT", 12),
        ("unit-price", 12),
        ("message", "text"),
        ("MessageBody", "text"),
        ("account", "text"),
        ("storageImage", "text"),
    ],
)
def test_a_number_is_guessed_by_whole_words(name, value):
    assert workload.extended({}, [(name,)]) == {name: value}


def test_a_guess_is_extended_by_what_was_asked_for():
    wants = [("amount",), ("customer", "email"), ("orderId",), ("lines",)]

    assert workload.extended({"id": UNIQUE, "customer": "text"}, wants) == {
        "id": UNIQUE,
        "customer": {"email": "{unique}@example.com"},
        "amount": 12,
        "orderId": UNIQUE,
        "lines": [],
    }


@pytest.mark.parametrize(
    ("body", "wants"),
    [
        ({"id": UNIQUE}, []),
        ({"id": UNIQUE}, [("id",)]),
        ("text", [("id",)]),
        ({"id": "x" * 5000}, [("more",)]),
    ],
)
def test_nothing_to_add(body, wants):
    assert workload.extended(body, wants) is None


@given(OBJECTS, st.lists(st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=3)))
def test_extending_comes_to_an_end(body, wants):
    paths = [tuple(path) for path in wants]
    better = workload.extended(body, paths)

    if better is not None:
        once_more = workload.extended(better, paths)
        assert once_more is None or once_more != better


def test_alternatives_replace_one_guessed_text_each():
    found = list(workload.alternatives({"id": UNIQUE, "when": "text", "size": "text"}))

    assert found[0] == {"id": UNIQUE, "when": 12, "size": "text"}
    assert {"id": UNIQUE, "when": "text", "size": {}} in found
    assert all(body["id"] == UNIQUE for body in found)
    assert list(workload.alternatives("text")) == []


def test_of_an_event_the_detail_is_the_message():
    event = {"source": "shop", "detail-type": "placed", "detail": {"id": UNIQUE, "name": "Ada"}}

    bad = [body for _, body in workload.bad_bodies(event, "bus")]
    marked = workload.with_text(event, "&", "bus")

    assert {(body["source"], body["detail-type"]) for body in bad} == {("shop", "placed")}
    assert {"id": UNIQUE} in [body["detail"] for body in bad]
    assert marked.fields == {"name": "Ada&"}
    assert marked.body == {**event, "detail": {"id": UNIQUE, "name": "Ada&"}}
