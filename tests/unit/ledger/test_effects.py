"""Effects in the form that is compared: names for ids, masks for what differs from run to run."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_storagefirst.ledger import effects
from pytest_storagefirst.ledger.effects import Effect, Observation, canonical
from pytest_storagefirst.ledger.masks import MASKED, Mask, Slot, differences, shape

NAMES = {"m1": "<m1>", "m10": "<m10>", "9f-m1-77": "<m1.messageId>", "184467": "<m2.sequence>"}


def named(value, *, key=None, names=NAMES, idempotency_key=None):
    effect = Effect("item", "Orders", key, value, idempotency_key)
    return canonical(Observation((), (), (effect,), names=names))[0]


@pytest.mark.parametrize(
    ("raw", "tree", "ids"),
    [
        ("m1", "<m1>", {"m1"}),
        ("ORDER#m1#x", "ORDER#<m1>#x", {"m1"}),
        ("m10", "<m10>", {"m10"}),
        ("m1 m10 9f-m1-77", "<m1> <m10> <m1.messageId>", {"m1", "m10"}),
        ({"m1": ["m10"]}, {"<m1>": ["<m10>"]}, {"m1", "m10"}),
        ({"a": ("m1",)}, {"a": ["<m1>"]}, {"m1"}),
        (184467, "<m2.sequence>", {"m2"}),
        (184468, 184468, set()),
        (True, True, set()),
        (None, None, set()),
        ("nothing", "nothing", set()),
        (Decimal("1.5"), "1.5", set()),
        ('{"id": "m1"}', {"(json)": [{"id": "<m1>"}]}, {"m1"}),
        (
            '{"id": "m1"}\n{"id": "m10"}\n',
            {"(json)": [{"id": "<m1>"}, {"id": "<m10>"}]},
            {"m1", "m10"},
        ),
        ("{no json m1", "{no json <m1>", {"m1"}),
        ("[no\njson]", "[no\njson]", set()),
        ({1: "x"}, {"1": "x"}, set()),
    ],
)
def test_ids_become_names_wherever_they_stand(raw, tree, ids):
    found = named(raw)
    assert found.tree[1] == tree
    assert found.named == ids


def test_keys_and_idempotency_keys_are_named_too():
    found = named({}, key={"id": "m1"}, idempotency_key="charge-m10")
    assert found.tree == [{"id": "<m1>"}, {}, "charge-<m10>"]
    assert (found.idempotency_key, found.named) == ("charge-<m10>", {"m1", "m10"})


def test_a_name_is_never_named_again():
    assert named("x", names={"x": "<m1.x>", "m1": "<m1>"}).tree[1] == "<m1.x>"


@given(st.text(alphabet="m1090f-7 <>", max_size=30))
def test_text_is_torn_apart_by_names_only(text):
    found = named(text, names=NAMES).tree[1]
    for raw, name in NAMES.items():
        found = found.replace(name, raw)
    assert found == text


@pytest.mark.parametrize(
    ("one", "other", "hidden"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, {"a": 1, "b": MASKED}),
        ("2026 <m1> x", "2027 <m1> y", "~<m1>~"),
        ("2026 <m1>", "2027 <m2>", MASKED),
        ("a", "b", MASKED),
        ({"a": 1, "late": 2}, {"a": 1}, {"a": 1}),
        ({"u1": 1, "a": 2}, {"u2": 1, "a": 2}, MASKED),
        ([1, 2], [1, 2, 3], MASKED),
        ([1, {"t": 1}], [1, {"t": 2}], [1, {"t": MASKED}]),
        ({"a": {"b": 1}}, {"a": "x"}, {"a": MASKED}),
        (None, 1, MASKED),
    ],
)
def test_what_differs_is_hidden_and_the_rest_is_kept(one, other, hidden):
    mask = Mask(differences([None, one], [None, other]))
    assert mask.apply([None, one]) == [None, hidden] == mask.apply([None, other])


TREES = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from(["a", "<m1> x", "<m1> y", "<m2>"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
)


@given(TREES, TREES)
def test_masked_trees_are_equal_and_masking_twice_changes_nothing(one, other):
    left, right = [None, one, None], [None, other, None]
    mask = Mask(differences(left, right))
    assert mask.apply(left) == mask.apply(right)
    assert mask.apply(mask.apply(left)) == mask.apply(left)


@given(TREES, TREES, TREES)
def test_masks_add_up(one, two, three):
    trees = [[tree] for tree in (one, two, three)]
    mask = Mask(differences(trees[0], trees[1])).merged(differences(trees[0], trees[2]))
    assert mask.apply(trees[0]) == mask.apply(trees[1]) == mask.apply(trees[2])


@given(TREES)
def test_nothing_is_hidden_where_nothing_differs(tree):
    assert differences(tree, json.loads(json.dumps(tree))) == {}
    assert Mask({}).apply(tree) is tree


def test_a_mask_leaves_what_has_another_shape():
    mask = Mask(differences([{"a": {"b": 1}}, [0]], [{"a": {"b": 2}}, [1]]))
    assert mask.apply([{"a": "text"}, []]) == [{"a": "text"}, []]
    assert mask.apply([{}, "x"]) == [{}, "x"]


def test_what_holds_for_one_element_can_hold_for_all():
    mask = Mask(differences([None, [{"t": 1}]], [None, [{"t": 2}]]))
    tree = [None, [{"t": 5}, {"t": 6}]]
    assert mask.apply(tree) == [None, [{"t": MASKED}, {"t": 6}]]
    assert mask.apply_anywhere(tree) == [None, [{"t": MASKED}, {"t": MASKED}]]
    assert Mask().apply_anywhere(tree) is tree


def test_an_optional_field_that_also_differs_is_left_out():
    mask = Mask(differences([{"a": 1}], [{}])).merged(differences([{"a": 1}], [{"a": 2}]))
    assert mask.apply([{"a": 3}]) == [{}] == mask.apply([{}])


def test_home_is_the_key_or_with_a_new_key_whose_it_is():
    stable = named({"id": "m1"}, key={"id": "m1"})
    assert Slot.of(stable, Mask()).home == ("item", "Orders", '{"id":"<m1>"}')
    fresh = named({"id": "m1"}, key={"id": "u1"})
    slot = Slot.of(fresh, Mask(differences([{"id": "u1"}], [{"id": "u2"}])))
    assert slot.home == ("item", "Orders", '{"id":"~"} of [\'m1\']')
    assert slot.home_of(named({"id": "m10"}, key={"id": "u3"})) != slot.home
    assert (slot.appends, Slot.of(stable, Mask()).appends) == (True, False)


def test_shape_is_the_fields_without_their_values():
    assert shape({"a": [1, 2], "b": {"c": 1}}) == shape({"a": [3], "b": {"c": "x"}})
    assert shape({"a": 1}) != shape({"b": 1})


def test_many_names_are_put_in_as_few_are(monkeypatch):
    names = {f"m{n}-{n:06x}": f"<m{n}>" for n in range(1, 40)}
    names |= {f"AQEB-shared-{n:036}": f"<m{n}.receipt>" for n in range(1, 40)}
    names |= {f"x{n}": f"<m{n}.short>" for n in range(1, 40)} | {"77": "<m7.number>"}
    raws = list(names)
    found = tuple(
        Effect("item", "T", {"id": one}, {"both": f"{one}/{other}", "n": 77, "json": f'["{one}"]'})
        for one, other in zip(raws, [*raws[5:], *raws[:5]], strict=True)
    )
    observation = Observation((), (), found, names=names)
    monkeypatch.setattr(effects, "_FEW_NAMES", 1000)
    few = canonical(observation)
    monkeypatch.setattr(effects, "_FEW_NAMES", 0)
    assert canonical(observation) == few
    assert all(len(one.named) >= 2 for one in few)


@pytest.mark.parametrize("depth", [400, 5000])
def test_a_text_that_nests_too_deep_to_be_looked_into_stays_a_text(story, depth):
    text = "[" * depth + '"m1-t"' + "]" * depth
    told = story().accept("m1").handle("m1")

    (found,) = canonical(told.observe(Effect("item", "Orders", {"id": "m1-t"}, {"raw": text})))

    assert found.named == {"m1"}
