"""What effects a message should have, learnt from runs without faults."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_storagefirst.ledger.effects import Effect, canonical
from pytest_storagefirst.ledger.oracle import Oracle


def keyed(ids, tag):
    """An item a message, under the message's own id."""
    return [
        Effect("item", "Orders", {"id": f"{m}-{tag}"}, {"id": f"{m}-{tag}", "at": f"at {tag}"})
        for m in dict.fromkeys(ids)
    ]


def fresh(ids, tag):
    """An item a processing, under a new id."""
    return [
        Effect("item", "Log", {"id": f"uuid-{tag}-{n}"}, {"order": f"{m}-{tag}"})
        for n, m in enumerate(ids)
    ]


def total(ids, tag):
    return [Effect("item", "Totals", {"id": "all"}, {"total": 12 * len(ids), "at": tag})]


def listed(ids, tag):
    return [Effect("item", "Lists", {"id": "all"}, {"lines": [f"{m}-{tag}" for m in ids]})]


def last(ids, tag):
    return [Effect("item", "Latest", {"id": "all"}, {"order": f"{ids[-1]}-{tag}"})]


def mailed(ids, tag):
    return [Effect("emission", "ses.SendEmail", None, {"to": f"{m}-{tag}"}) for m in ids]


def learnt(world, *handlers, messages=("m1", "m2", "m3")):
    made = world(lambda ids, tag: [e for handler in handlers for e in handler(ids, tag)])
    return made, Oracle(made.alone(*messages), made)


@pytest.mark.parametrize("handlers", [(keyed,), (fresh,), (mailed,), (keyed, fresh, mailed)])
def test_effects_side_by_side_are_separable(world, handlers):
    _made, oracle = learnt(world, *handlers)
    assert oracle.separable
    assert not oracle.meeting
    assert oracle.own == oracle.alone
    assert all(len(slots) == len(handlers) for slots in oracle.alone.values())


def charged(ids, tag):
    """As often as it was tried, each time under the message's key."""
    return [
        Effect(
            "emission", "http POST https://pay.example", None, {"for": f"{m}-{tag}"}, f"{m}-{tag}"
        )
        for m in ids
        for _ in range(5)
    ]


def test_what_a_third_party_was_told_again_under_one_key_is_one_effect(world):
    """As of a bad message, which is charged for and fails, each time that it comes."""
    _made, oracle = learnt(world, keyed, charged)
    assert oracle.separable
    assert all(len(slots) == 2 for slots in oracle.alone.values())


@pytest.mark.parametrize("handler", [total, listed, last])
def test_effects_in_one_place_meet(world, handler):
    made, oracle = learnt(world, keyed, handler)
    assert not oracle.separable
    assert oracle.meeting == {"m1", "m2", "m3"}
    assert all(len(slots) == 1 for slots in oracle.own.values())
    effects = canonical(made.leave(["m1", "m2", "m3"]))
    assert [oracle.is_shared(effect) for effect in effects] == [False, False, False, True]


def test_a_message_alone_needs_no_run_together(world):
    made, oracle = learnt(world, total, messages=("m1",))
    assert oracle.separable
    assert not made.runs


def test_without_runs_together_all_is_taken_as_separable(world):
    made = world(total)
    oracle = Oracle(made.alone("m1", "m2"))
    assert oracle.separable
    assert oracle.repeated("m1", 2) is None


def test_without_variants_one_run_together_must_do(world):
    made = world(listed)
    oracle = Oracle(made.alone("m1", "m2"), lambda ids, variant=0: None if variant else made(ids))
    assert not oracle.separable
    nothing = Oracle(made.alone("m1", "m2"), lambda ids, variant=0: None)
    assert nothing.separable


def test_states_of_a_list_depend_on_the_order_and_are_kept(world):
    made, oracle = learnt(world, listed)
    effects = canonical(made.leave(["m2", "m1"]))
    assert oracle.shared_state(("m2", "m1")).equals(effects)
    assert not oracle.shared_state(("m1", "m2")).equals(effects)
    runs = made.runs.total()
    assert oracle.shared_state(("m2", "m1")).equals(effects)
    assert made.runs.total() == runs
    assert oracle.shared_state(()).equals([])


def test_orders_begin_with_that_of_the_history_and_are_few(world):
    _, oracle = learnt(world, listed)
    orders = list(oracle.orders(["m1", "m2", "m3"], hint=["m3", "m1", "m3"]))
    assert orders[0] == ("m3", "m1", "m2")
    assert len(orders) == len(set(orders)) <= 7
    assert list(oracle.orders(["m1"] * 7)) == [("m1",) * 7]


def test_repeated_are_the_effects_that_name_only_this_message(world):
    made, oracle = learnt(world, keyed, fresh, total)
    twice = [e for e in canonical(made.leave(["m1", "m1"])) if e.place != "Totals"]
    assert oracle.repeated("m1", 2).equals(twice)
    assert not oracle.repeated("m1", 3).equals(twice)


def test_an_effect_that_only_a_throttled_run_lacks_is_expected(world, story):
    made = world(keyed)
    runs = made.alone("m1")["m1"]
    lacking = replace(runs[1], effects=())
    assert Oracle({"m1": [runs[0], lacking]}).alone["m1"] == ()
    throttled = replace(lacking, history=tuple(story().tell("throttled", "m1").events))
    assert len(Oracle({"m1": [runs[0], throttled]}).alone["m1"]) == 1


def test_what_an_effect_differs_in_when_throttled_is_volatile(world, story):
    made = world(keyed)
    first, second, _ = made.alone("m1")["m1"]
    value = {"id": "m1-b", "at": "at b", "receives": 2}
    throttled = replace(second, effects=(Effect("item", "Orders", {"id": "m1-b"}, value),))
    (slot,) = Oracle({"m1": [first, throttled]}).alone["m1"]
    assert slot.tree[1] == {"id": "<m1>", "at": "~"}


def test_counterparts_are_found_in_any_order(world):
    def several(ids, tag):
        effects = [
            Effect("item", "Log", {"id": f"{tag}{n}"}, {"what": what, "of": f"{ids[0]}-{tag}"})
            for n, what in enumerate(("made", "paid", "sent"))
        ]
        return effects if tag == "a" else effects[::-1]

    made = world(several)
    slots = Oracle(made.alone("m1")).alone["m1"]
    assert {slot.tree[1]["what"] for slot in slots} == {"made", "paid", "sent"}
    assert all(slot.tree[0] == {"id": "~"} for slot in slots)


def test_a_running_number_in_ones_own_item_is_volatile(world):
    def numbered(ids, tag):
        return [
            Effect("item", "Orders", {"id": f"{m}-{tag}"}, {"id": f"{m}-{tag}", "number": n})
            for n, m in enumerate(ids)
        ]

    _made, oracle = learnt(world, numbered)
    assert oracle.separable
    assert oracle.alone["m1"][0].tree[1] == {"id": "<m1>", "number": 0}
    assert oracle.alone["m2"][0].tree[1] == {"id": "<m2>", "number": "~"}


def test_a_running_number_in_an_emission_is_volatile_but_a_total_is_not(world):
    def announced(ids, tag):
        return [
            Effect("emission", "sns.Publish", None, {"id": f"{m}-{tag}", "n": n})
            for n, m in enumerate(ids)
        ]

    def tally(ids, tag):
        value = {"total": len(ids), "last": f"{ids[-1]}-{tag}"}
        return [Effect("item", "Totals", {"id": "all"}, value)]

    assert learnt(world, announced)[1].separable
    oracle = learnt(world, tally)[1]
    assert not oracle.separable
    assert oracle.shared_state(("m1", "m2")).slots[0].tree[1] == {"total": 2, "last": "<m2>"}
    assert oracle.alone["m3"][0].tree[1] == {"total": 1, "last": "<m3>"}


def test_one_that_a_run_together_loses_is_still_expected(world):
    _made, oracle = learnt(world, lambda ids, tag: keyed(ids[:1], tag))
    assert oracle.separable
    assert len(oracle.own["m2"]) == 1


def test_what_only_company_brings_forth_is_shared(world):
    def alarmed(ids, tag):
        effects = keyed(ids, tag)
        if len(set(ids)) > 1:
            effects.append(Effect("item", "Alarms", {"id": "busy"}, {"since": tag}))
        return effects

    made, oracle = learnt(world, alarmed)
    assert not oracle.separable
    assert oracle.meeting == {"m1", "m2", "m3"}
    assert [oracle.is_shared(e) for e in canonical(made.leave(["m1", "m2"]))][-1]


def test_steps_are_the_calls_that_took_effect_alone(world):
    _, oracle = learnt(world, keyed)
    assert oracle.steps == {"m1": 1, "m2": 1, "m3": 1}


def test_counterparts_have_the_same_key_before_the_same_content(world):
    def crossing(ids, tag):
        one, other = ("x", "y") if tag == "a" else ("y", "x")
        return [
            Effect(
                "item", "Log", {"id": "k1"}, {"of": f"{ids[0]}-{tag}", "what": one, "more": one}
            ),
            Effect(
                "item", "Log", {"id": "k2"}, {"of": f"{ids[0]}-{tag}", "what": other, "more": other}
            ),
        ]

    slots = Oracle(world(crossing).alone("m1")).alone["m1"]
    assert [slot.tree[0] for slot in slots] == [{"id": "k1"}, {"id": "k2"}]
    assert all(slot.tree[1] == {"of": "<m1>", "what": "~", "more": "~"} for slot in slots)


def test_an_effect_that_one_run_lacks_stays_unexpected_whatever_the_next_has(world):
    first, second, third = world(keyed).alone("m1")["m1"]
    lacking = replace(second, effects=())
    assert Oracle({"m1": [first, lacking, third]}).alone["m1"] == ()


def test_only_those_that_leave_something_shared_meet(world):
    def some(ids, tag):
        adding = [m for m in ids if m != "m3"]
        return keyed(ids, tag) + (total(adding, tag) if adding else [])

    _, oracle = learnt(world, some)
    assert oracle.meeting == {"m1", "m2"}
