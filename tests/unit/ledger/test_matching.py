"""Giving effects to the slots that expect them."""

from __future__ import annotations

import json

import pytest

from pytest_storagefirst.ledger.effects import Effect, Observation, canonical
from pytest_storagefirst.ledger.masks import Mask, Slot, differences
from pytest_storagefirst.ledger.matching import Expected, gathered

NAMES = {f"m{n}": f"<m{n}>" for n in range(1, 5)}


def found(value, key=None, idempotency_key=None, place="Orders", kind="item"):
    effect = Effect(kind, place, key, value, idempotency_key)
    return canonical(Observation((), (), (effect,), names=NAMES))[0]


def slot(value, *others, **more):
    first = found(value, **more)
    mask = Mask()
    for other in others:
        mask = mask.merged(differences(first.tree, found(other, **more).tree))
    return Slot.of(first, mask)


def test_an_effect_fills_its_slot_and_what_is_over_is_told():
    expected = Expected([slot({"id": "m1"}), slot({"id": "m2"})])
    one, two, odd = found({"id": "m1"}), found({"id": "m2"}), found({"id": "m3"})
    assert expected.equals([two, one])
    assert not expected.equals([one])
    assert not expected.equals([one, two, two])
    assert not expected.equals([one, two, odd])
    assert expected.match([one, odd]).leftover == [odd]
    assert expected.covers([one, two, two])
    assert not expected.covers([one, one])
    assert not expected.covers([one, two, odd])


def test_place_and_kind_are_part_of_it():
    expected = Expected([slot({"id": "m1"})])
    assert not expected.equals([found({"id": "m1"}, place="Other")])
    assert not expected.equals([found({"id": "m1"}, kind="object")])


def test_a_choice_goes_where_need_is_left_and_first_to_what_says_most():
    exact = slot({"id": "m1", "t": 1})
    vague = slot({"id": "m1", "t": 2}, {"id": "m1", "t": 3})
    expected = Expected([vague, exact])
    assert expected.equals([found({"id": "m1", "t": 1}), found({"id": "m1", "t": 9})])
    assert expected.equals([found({"id": "m1", "t": 1}), found({"id": "m1", "t": 1})])
    surplus = expected.match([found({"id": "m1", "t": 1}) for _ in range(3)])
    assert surplus.counts[exact.id] == 2


def test_an_emission_under_one_key_counts_once():
    first = found({"id": "m1"}, idempotency_key="k", kind="emission")
    expected = Expected([Slot.of(first, Mask())])
    assert expected.equals([first, first])
    without = found({"id": "m1"}, kind="emission")
    assert not Expected([Slot.of(without, Mask())]).equals([without, without])


def records(*ids, **more):
    return json.dumps({"records": [{"id": m, "n": 1} for m in ids], **more})


def of(build, *ids):
    return {m: (slot(build(m), key="x", kind="object"),) for m in ids}


@pytest.mark.parametrize(
    ("build", "whole", "whose"),
    [
        (lambda m: records(m), records("m1", "m2"), ["m1", "m2"]),
        (lambda m: records(m), records("m2", "m1"), ["m1", "m2"]),
        (lambda m: records(m), records("m1", "m1"), ["m1", "m1"]),
        (lambda m: records(m), records("m1", "m2", "m1"), ["m1", "m1", "m2"]),
        (lambda m: records(m, count=1), records("m1", "m2", count=2), ["m1", "m2"]),
        (lambda m: records(m, version=1), records("m1", "m2", version=1), ["m1", "m2"]),
        (lambda m: json.dumps({"id": m}), '{"id": "m1"}\n{"id": "m2"}', ["m1", "m2"]),
        (lambda m: json.dumps([{"id": m}]), '[{"id": "m1"}, {"id": "m2"}]', ["m1", "m2"]),
        (lambda m: f"{m},12\n", "m1,12\nm2,12\n", ["m1", "m2"]),
    ],
)
def test_one_effect_for_a_batch_serves_all_in_it(build, whole, whose):
    parts = gathered(found(whole, key="x", kind="object"), of(build, "m1", "m2", "m3"))
    assert parts is not None
    assert sorted(message for message, _ in parts) == whose


@pytest.mark.parametrize(
    ("build", "whole"),
    [
        (lambda m: records(m), records("m1", "m4")),  # m4 has no slot
        (lambda m: records(m), records("m1", "m2", "m2", "m2", "m1")),
        (lambda m: records(m, count=1), records("m1", "m2", count=3)),
        (lambda m: records(m, version=1), records("m1", "m2")),
        (lambda m: records(m), json.dumps({"records": "m1 m2"})),
        (lambda m: records(m), "m1 m2"),
        (lambda m: records(m), records()),
        (lambda m: {"id": m, "ok": True}, {"id": "m1 m2", "ok": False}),
        (lambda m: {"id": m, "sub": {"a": 1}}, {"id": "m1", "sub": ["m2"]}),
    ],
)
def test_what_is_no_sum_serves_nobody(build, whole):
    assert gathered(found(whole, key="x", kind="object"), of(build, "m1", "m2")) is None


def test_an_effect_at_another_place_serves_nobody():
    slots = of(records, "m1", "m2")
    assert gathered(found(records("m1", "m2"), key="x", kind="item"), slots) is None


def test_volatile_fields_of_the_elements_stay_hidden():
    build = lambda m, t: {"records": [{"id": m, "t": t}]}  # noqa: E731
    slots = {m: (slot(build(m, 1), build(m, 2)),) for m in ("m1", "m2")}
    whole = found({"records": [{"id": "m1", "t": 7}, {"id": "m2", "t": 8}]})
    assert gathered(whole, slots) is not None


def test_one_messages_own_list_in_another_order_is_no_sum():
    build = lambda m: {"lines": [m, "a", "b"]}  # noqa: E731
    slots = {"m1": (slot(build("m1")),)}
    assert gathered(found({"lines": ["b", "a", "m1"]}), slots) is None


def test_the_second_effect_of_each_can_be_the_one_that_was_gathered():
    slots = {m: (slot({"id": m}, key="k"), slot({"records": [m]}, key="x")) for m in ("m1", "m2")}
    parts = gathered(found({"records": ["m1", "m2"]}, key="x"), slots)
    assert [s.tree[1] for _, s in parts] == [{"records": ["<m1>"]}, {"records": ["<m2>"]}]


@pytest.mark.parametrize("whole", [{"of": "m1 m2", "n": 2}, {"of": "m1 m2", "n": "two"}])
def test_numbers_and_texts_are_not_added_up(whole):
    slots = {m: (slot({"of": m, "n": "1" if whole["n"] == 2 else 1}),) for m in ("m1", "m2")}
    assert gathered(found(whole), slots) is None
