"""From what was found to whose effect stands, how often, and what nobody explains."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_storagefirst.ledger.attribution import take_account
from pytest_storagefirst.ledger.effects import Effect, Held
from pytest_storagefirst.ledger.oracle import Oracle

THREE = ("m1", "m2", "m3")
AMOUNTS = {"m1": 1, "m2": 10, "m3": 100}


def keyed(ids, tag):
    return [
        Effect("item", "Orders", {"id": f"{m}-{tag}"}, {"id": f"{m}-{tag}", "amount": AMOUNTS[m]})
        for m in dict.fromkeys(ids)
    ]


def fresh(ids, tag):
    return [
        Effect("item", "Log", {"id": f"uuid-{tag}-{n}"}, {"order": f"{m}-{tag}"})
        for n, m in enumerate(ids)
    ]


def mailed(ids, tag):
    return [Effect("emission", "ses.SendEmail", None, {"to": f"{m}-{tag}"}) for m in ids]


def pinged(ids, tag):
    return [Effect("emission", "http POST https://ping.example", None, {}) for _ in ids]


def total(ids, tag):
    if not ids:
        return []
    return [Effect("item", "Totals", {"id": "all"}, {"total": sum(AMOUNTS[m] for m in ids)})]


def listed(ids, tag):
    if not ids:
        return []
    return [Effect("item", "Lists", {"id": "all"}, {"lines": [f"{m}-{tag}" for m in ids]})]


def attempts(ids, tag):
    return [
        Effect("item", "Orders", {"id": f"{m}-{tag}"}, {"id": f"{m}-{tag}", "n": ids.count(m)})
        for m in dict.fromkeys(ids)
    ]


def learnt(world, *handlers, messages=THREE):
    made = world(lambda ids, tag: [e for handler in handlers for e in handler(list(ids), tag)])
    return made, Oracle(made.alone(*messages), made)


FATES = st.sampled_from(["processed", "doubled", "lost", "held", "held but processed"])
ANSWERS = st.sampled_from(["acknowledged", "rejected", "indeterminate"])
_LEARNT = {}


@pytest.mark.parametrize(
    "handlers",
    [
        (fresh,),
        (mailed,),
        (keyed, fresh),
        (total,),
        (listed,),
        (keyed, total),
        (fresh, listed, mailed),
    ],
    ids=lambda handlers: " and ".join(handler.__name__ for handler in handlers),
)
@given(
    fates=st.tuples(FATES, FATES, FATES),
    answers=st.tuples(ANSWERS, ANSWERS, ANSWERS),
    order=st.permutations(range(6)),
)
def test_every_message_is_where_it_was_put(world, story, handlers, fates, answers, order):
    if handlers not in _LEARNT:
        _LEARNT[handlers] = learnt(world, *handlers)
    _made, oracle = _LEARNT[handlers]
    times = {"processed": 1, "doubled": 2, "held but processed": 1}
    work = [m for m, fate in zip(THREE, fates, strict=True) for _ in range(times.get(fate, 0))]
    work = [work[at] for at in order if at < len(work)]
    told = story()
    for message, answer in zip(THREE, answers, strict=True):
        told.tell("attempted", message).tell("stored", message, "Q").tell(answer, message)
    for message in work:
        told.deliver(message).tell("effected", message, "Worker").tell("succeeded", message)
    held = [
        Held(m, "DLQ", "dead-lettered", 9) for m, f in zip(THREE, fates, strict=True) if "held" in f
    ]
    effects = [effect for handler in handlers for effect in handler(work, "t")]
    account = take_account(told.observe(*effects, held=held), oracle)

    assert account.processed == set(work)
    assert account.duplicated == {
        m for m, fate in zip(THREE, fates, strict=True) if fate == "doubled"
    }
    assert account.lost == {
        m
        for m, fate, answer in zip(THREE, fates, answers, strict=True)
        if fate == "lost" and answer == "acknowledged"
    }
    assert account.stranded == {
        m
        for m, fate, answer in zip(THREE, fates, answers, strict=True)
        if fate == "held" and answer == "acknowledged"
    }
    assert not account.corrupted
    assert not account.unexpected


def run(story, *effects, accepted="m1 m2 m3", handled="m1 m2 m3", **more):
    told = story().accept(accepted)
    for message in handled.split():
        told.handle(message)
    return told.observe(*effects, **more)


def test_a_run_as_without_faults_is_clean(world, story):
    made, oracle = learnt(world, keyed, fresh, total)
    assert take_account(made.leave(THREE), oracle).clean


def test_an_idempotent_effect_is_not_doubled_by_a_redelivery(world, story):
    _made, oracle = learnt(world, keyed)
    observation = run(story, *keyed(THREE, "t"), handled="m1 m1 m2 m3")
    account = take_account(observation, oracle)
    assert account.clean
    assert account.redelivered == {"m1"}


def test_half_an_effect_is_partial_and_lost(world, story):
    _made, oracle = learnt(world, keyed, mailed)
    account = take_account(run(story, *keyed(THREE, "t"), *mailed(["m1", "m3"], "t")), oracle)
    assert (account.lost, account.partial) == ({"m2"}, {"m2"})
    assert account.processed == {"m1", "m3"}


def test_other_content_under_ones_own_key_is_partial(world, story):
    _made, oracle = learnt(world, keyed)
    wrong = Effect("item", "Orders", {"id": "m2-t"}, {"id": "m2-t", "status": "PENDING"})
    account = take_account(run(story, *keyed(["m1", "m3"], "t"), wrong), oracle)
    assert (account.lost, account.partial, account.unexpected) == ({"m2"}, {"m2"}, ())


def test_half_an_effect_that_stands_twice_is_doubled_too(world, story):
    _made, oracle = learnt(world, keyed, mailed)
    effects = [*keyed(THREE, "t"), *mailed(["m1", "m2", "m2", "m3"], "t")]
    account = take_account(run(story, *effects), oracle)
    assert (account.duplicated, account.copies) == ({"m2"}, {"m2": 2})
    assert account.doubled_in == {"m2": ("at ses.SendEmail",)}
    assert account.processed == set(THREE)


def test_an_item_that_shows_how_often_it_was_made_is_named(world, story):
    _made, oracle = learnt(world, attempts, fresh)
    effects = [*attempts(["m1", *THREE], "t"), *fresh(["m1", *THREE], "t")]
    told = run(story, *effects, handled="m1 m1 m2 m3")
    assert take_account(told, oracle).doubled_in == {"m1": ("in Log", "in Orders")}


def test_a_total_that_counts_twice_is_named(world, story):
    _made, oracle = learnt(world, keyed, total)
    effects = [*keyed(THREE, "t"), *total(["m2", *THREE], "t")]
    account = take_account(run(story, *effects, handled="m1 m2 m2 m3"), oracle)
    assert account.doubled_in == {"m2": ("in Totals",)}


def test_what_may_stand_twice_is_doubled_when_it_stands_three_times(world, story):
    _made, oracle = learnt(world, fresh)
    twice = run(story, *fresh(["m1", "m1", "m2", "m3"], "t"))
    assert take_account(twice, oracle).duplicated == {"m1"}
    assert take_account(twice, oracle, allowed={"m1": 2}).duplicated == frozenset()
    thrice = run(story, *fresh(["m1", "m1", "m1", "m2", "m3"], "t"))
    assert take_account(thrice, oracle, allowed={"m1": 2}).duplicated == {"m1"}


def test_emissions_under_one_idempotency_key_count_once(world, story):
    def charged(ids, tag):
        return [
            Effect("emission", "http POST", None, {"of": f"{m}-{tag}"}, f"charge-{m}-{tag}")
            for m in ids
        ]

    _made, oracle = learnt(world, charged)
    assert take_account(run(story, *charged(["m1", *THREE], "t")), oracle).clean
    account = take_account(run(story, *charged(["m1", "m3"], "t")), oracle)
    assert account.lost == {"m2"}


def test_effects_without_a_name_are_shared_out_by_other_signs(world, story):
    _made, oracle = learnt(world, pinged)
    told = story().accept("m1 m2 m3").handle("m1").handle("m3").fail("m2")
    held = [Held("m2", "DLQ", "dead-lettered", 9)]
    account = take_account(told.observe(*pinged("12", "t"), held=held), oracle)
    assert (account.processed, account.stranded) == ({"m1", "m3"}, {"m2"})
    again = story().accept("m1 m2 m3").handle("m1").handle("m2").handle("m2").handle("m3")
    account = take_account(again.observe(*pinged("1234", "t")), oracle)
    assert account.duplicated == {"m2"}
    assert take_account(again.observe(*pinged("1234", "t")), oracle, allowed={"m2": 2}).clean


@pytest.mark.parametrize(("answer", "status"), [("rejected", "403"), ("indeterminate", "500")])
def test_what_names_nobody_is_first_the_effect_of_those_who_were_told_yes(
    world, story, answer, status
):
    _made, oracle = learnt(world, pinged)
    told = story().tell("attempted", "m1").tell(answer, "m1", "POST /orders", status)
    told.accept("m2 m3").fail("m2 m3")

    account = take_account(told.observe(*pinged("12", "t")), oracle)

    assert (account.lost, account.phantom) == (frozenset(), frozenset())
    account = take_account(told.observe(*pinged("1", "t")), oracle)
    assert account.lost == {"m3"}
    resent = take_account(told.observe(*pinged("123", "t")), oracle, allowed={"m2": 2})
    assert (resent.phantom, resent.duplicated) == (frozenset(), frozenset())


def test_with_no_other_sign_any_may_be_the_doubled_one(world, story):
    _made, oracle = learnt(world, pinged)
    assert take_account(run(story, *pinged("1234", "t")), oracle).duplicated == set(THREE)


def test_unnamed_effects_go_to_those_whose_named_effects_stand(world, story):
    _made, oracle = learnt(world, keyed, pinged)
    told = story().accept("m1 m2 m3").fail("m1").handle("m2").handle("m3")
    held = [Held("m1", "DLQ", "dead-lettered", 9)]
    effects = [*keyed(["m2", "m3"], "t"), *pinged("12", "t")]
    account = take_account(told.observe(*effects, held=held), oracle)
    assert (account.processed, account.stranded, account.partial) == (
        {"m2", "m3"},
        {"m1"},
        frozenset(),
    )


def test_one_object_for_a_batch_serves_all_in_it(world, story):
    def archived(ids, tag):
        lines = "\n".join(f'{{"id": "{m}-{tag}", "at": "{tag}"}}' for m in ids)
        return [Effect("object", "Archive", f"uuid-{tag}", lines)] if ids else []

    def one_by_one(ids, tag):
        return [effect for m in ids for effect in archived([m], tag)]

    _made, oracle = learnt(world, one_by_one)
    assert take_account(run(story, *archived(THREE, "t")), oracle).clean
    account = take_account(run(story, *archived(["m1", "m3"], "t")), oracle)
    assert account.lost == {"m2"}
    again = run(story, *archived(THREE, "t"), *archived(["m1", "m2"], "t"))
    assert take_account(again, oracle).duplicated == {"m1", "m2"}


def test_a_counter_in_ones_own_item_shows_how_often_it_was_handled(world, story):
    _made, oracle = learnt(world, attempts)
    observation = run(story, *attempts(["m1", "m2", "m2", "m3"], "t"), handled="m1 m2 m2 m3")
    account = take_account(observation, oracle)
    assert (account.duplicated, account.lost) == ({"m2"}, frozenset())
    assert account.copies == {"m2": 2}
    observation = run(story, *attempts(["m1", "m3", *["m2"] * 4], "t"), handled="m2 m2 m2 m2 m1 m3")
    assert take_account(observation, oracle).copies == {"m2": 4}


def test_a_message_without_any_effect_is_judged_by_acknowledgement(world, story):
    _made, oracle = learnt(world)
    account = take_account(run(story, handled="m1 m3"), oracle)
    assert account.by_acknowledgement == set(THREE)
    assert (account.processed, account.lost) == ({"m1", "m3"}, {"m2"})


def test_an_effect_of_nobody_is_unexpected_when_it_looks_like_a_messages(world, story):
    _made, oracle = learnt(world, keyed)
    nobody = Effect("item", "Orders", {"id": None}, {"id": None, "amount": 12})
    breaker = Effect("item", "Orders", {"id": "breaker"}, {"state": "OPEN"})
    elsewhere = Effect("item", "Alarms", {"id": None}, {"id": None, "amount": 12})
    effects = [*keyed(THREE, "t"), breaker, elsewhere]
    assert take_account(run(story, *effects), oracle).clean
    account = take_account(run(story, *effects, nobody), oracle)
    assert "looks like" in account.unexpected[0].what


def test_a_trace_of_a_message_that_is_done_accuses_nobody(world, story):
    _made, oracle = learnt(world, keyed)
    note = Effect("item", "Errors", {"id": "m1-t"}, {"error": "timeout"})
    assert take_account(run(story, *keyed(THREE, "t"), note), oracle).clean


def test_an_effect_of_one_that_was_never_sent_is_unexpected(world, story):
    _made, oracle = learnt(world, keyed)
    told = story().accept("m1 m2").handle("m1").handle("m2")
    observation = told.observe(*keyed(["m1", "m2"], "t"))
    foreign = Effect("item", "Orders", {"id": "m3-t"}, {"id": "m3-t", "amount": 1})
    names = {**observation.names, "m3-t": "<m3>"}
    observation = replace(observation, effects=(*observation.effects, foreign), names=names)
    account = take_account(observation, oracle)
    assert "m3, never sent" in account.unexpected[0].what


def test_deliveries_and_held_messages_of_nobody_are_unexpected(world, story):
    _made, oracle = learnt(world, keyed)
    observation = run(story, *keyed(THREE, "t"))
    told = replace(observation, history=(*observation.history, *story().deliver("m9").events))
    assert "Worker was given m9" in take_account(told, oracle).unexpected[0].what
    held = replace(observation, held=(Held("m9", "DLQ", "visible", 9),))
    assert "DLQ holds m9" in take_account(held, oracle).unexpected[0].what
    unnamed = replace(observation, held=(Held("", "DLQ", "visible", 9),))
    assert take_account(unnamed, oracle).unexpected == ()


def test_a_state_that_nothing_explains_is_corrupted(world, story):
    _made, oracle = learnt(world, keyed, total)
    wrong = Effect("item", "Totals", {"id": "all"}, {"total": 7})
    account = take_account(run(story, *keyed(THREE, "t"), wrong), oracle)
    assert "Totals: no way" in account.corrupted[0].what
    assert account.processed == set(THREE)
    account = take_account(run(story, *keyed(THREE, "t")), oracle)
    assert account.processed == frozenset()  # the total is missing: nobody's whole effect stands


def test_equal_amounts_leave_it_to_the_history_who_is_missing(world, story):
    def same(ids, tag):
        return [Effect("item", "Totals", {"id": "all"}, {"total": 12 * len(ids)})] if ids else []

    _made, oracle = learnt(world, keyed, same)
    held = [Held("m3", "DLQ", "dead-lettered", 9)]
    told = story().accept("m1 m2 m3").handle("m1").handle("m2").deliver("m3")
    told.tell("effected", "m3", "Worker").tell("failed", "m3", "Worker")
    observation = told.observe(*keyed(THREE, "t"), *same("12", "t"), held=held)
    account = take_account(observation, oracle)
    assert (account.stranded, account.partial) == ({"m3"}, {"m3"})
    told = story().accept("m1 m2 m3").handle("m1").handle("m2").handle("m3", effects=2)
    account = take_account(told.observe(*keyed(THREE, "t"), *same("1234", "t")), oracle)
    assert account.duplicated == {"m3"}


def test_a_total_of_one_message_alone_that_counts_it_twice_is_doubled_not_lost(world, story):
    _made, oracle = learnt(world, total, messages=("m1",))
    effects = total(["m1", "m1"], "t")
    account = take_account(run(story, *effects, accepted="m1", handled="m1 m1"), oracle)
    assert (account.duplicated, account.lost, account.processed) == ({"m1"}, set(), {"m1"})


def test_an_emission_repeated_beside_a_right_total_is_doubled(world, story):
    def told_total(ids, tag):
        sums = [sum(AMOUNTS[m] for m in ids[: n + 1]) for n in range(len(ids))]
        return [Effect("emission", "sns.Publish", None, {"total": s}) for s in sums]

    _made, oracle = learnt(world, total, told_total)
    assert "sns.Publish" in {place for _, place, _ in oracle.shared_homes}
    effects = [*total(THREE, "t"), *told_total(list(THREE), "t"), *told_total(["m1"], "t")]
    account = take_account(run(story, *effects, handled="m1 m1 m2 m3"), oracle)
    assert (account.duplicated, account.corrupted) == ({"m1"}, ())
    assert account.processed == set(THREE)


def test_what_was_begun_for_a_held_message_is_not_corruption(world, story):
    def basket(ids, tag):
        lines = {f"{m}-{tag}": 1 for m in ids}
        return [Effect("item", "Baskets", {"id": "all"}, {"id": "all", "lines": lines})]

    _made, oracle = learnt(world, basket)
    held = [Held(m, "DLQ", "dead-lettered", 9) for m in THREE]
    told = story().accept("m1 m2 m3").fail("m1").fail("m2").fail("m3")
    account = take_account(told.observe(*basket([], "t"), held=held), oracle)
    assert (account.stranded, account.corrupted) == (set(THREE), ())
    begun = [
        Effect("item", "Baskets", {"id": "all"}, {"id": "all", "lines": {"m1-t": 1}, "open": 1})
    ]
    told = story().accept("m1 m2 m3").handle("m1").fail("m2").fail("m3")
    account = take_account(told.observe(*begun, held=held[1:]), oracle)
    assert (account.processed, account.stranded) == ({"m1"}, {"m2", "m3"})
    settled = story().accept("m1 m2 m3").handle("m1 m2 m3")
    assert take_account(settled.observe(*begun), oracle).corrupted


def test_damaged_fields_are_corruption(world, story):
    _made, oracle = learnt(world, keyed)
    observation = run(story, *keyed(THREE, "t"))
    account = take_account(observation, oracle, damaged={"m1": ["note", "name"], "m2": []})
    assert [f.what for f in account.corrupted] == [
        "m1: what was stored of note, name is not what was sent"
    ]
    assert account.corrupted[0].messages == ("m1",)


def test_doubts_are_told(world, story):
    _made, oracle = learnt(world, keyed)
    told = story().tell("attempted", "m1").tell("rejected", "m1")
    doubts = take_account(told.observe(), oracle).doubts
    assert doubts == ("no message was acknowledged, so none could be lost",)
    observation = run(story, *keyed(THREE, "t"), quiet=False, why_not_quiet="hot loop")
    assert take_account(observation, oracle).doubts == ("the run did not come to rest: hot loop",)
    faulty = run(
        story, *keyed(THREE, "t"), faults_required=("a", "b"), faults_fired=("a",), quiet=True
    )
    assert take_account(faulty, oracle).doubts == ("the fault “b” never struck",)


def test_a_message_unknown_to_the_oracle_is_an_error(world, story):
    _made, oracle = learnt(world, keyed)
    with pytest.raises(LookupError, match="m4"):
        take_account(run(story, accepted="m1 m4", handled=""), oracle)


def test_steps_go_with_the_account(world):
    made, oracle = learnt(world, keyed)
    assert take_account(made.leave(THREE), oracle).steps == {"m1": 1, "m2": 1, "m3": 1}


def test_one_whose_named_effect_is_missing_gets_no_unnamed_one(world, story):
    _made, oracle = learnt(world, keyed, pinged)
    effects = [*keyed(["m2", "m3"], "t"), *pinged("12", "t")]
    account = take_account(run(story, *effects), oracle)
    assert (account.processed, account.lost) == ({"m2", "m3"}, {"m1"})


def test_traces_do_not_explain_what_was_changed(world, story):
    def basket(ids, tag):
        return [Effect("item", "Baskets", {"id": "all"}, {"lines": {f"{m}-{tag}": 1 for m in ids}})]

    _made, oracle = learnt(world, basket)
    changed = Effect("item", "Baskets", {"id": "all"}, {"lines": {"m1-t": 9}, "open": 1})
    told = story().accept("m1 m2 m3").handle("m1").fail("m2").fail("m3")
    held = [Held(m, "DLQ", "dead-lettered", 9) for m in ("m2", "m3")]
    assert take_account(told.observe(changed, held=held), oracle).corrupted


def test_of_equal_amounts_the_missing_one_is_that_without_its_own_effect(world, story):
    def same(ids, tag):
        return [Effect("item", "Totals", {"id": "all"}, {"total": 12 * len(ids)})] if ids else []

    _made, oracle = learnt(world, keyed, same)
    told = story().accept("m1 m2 m3")
    account = take_account(told.observe(*keyed(["m1", "m3"], "t"), *same("12", "t")), oracle)
    assert (account.processed, account.lost) == ({"m1", "m3"}, {"m2"})


def test_what_was_begun_elsewhere_leaves_the_rest_as_it_was(world, story):
    def basket(ids, tag):
        lines = {f"{m}-{tag}": 1 for m in ids}
        return [Effect("item", "Baskets", {"id": "all"}, {"lines": lines})] if ids else []

    _made, oracle = learnt(world, basket)
    told = story().accept("m1 m2 m3").handle("m1").fail("m2").fail("m3")
    held = [Held(m, "DLQ", "dead-lettered", 9) for m in ("m2", "m3")]
    begun = Effect("item", "Baskets", {"id": "all"}, {"lines": {"m2-t": 1}})
    account = take_account(told.observe(*basket(["m1"], "t"), begun, held=held), oracle)
    assert (account.processed, account.corrupted) == ({"m1"}, ())


def test_what_nobody_explains_is_told_beside_a_message_handled_twice(world, story):
    _made, oracle = learnt(world, attempts)
    nobody = Effect("item", "Orders", {"id": None}, {"id": None, "n": 1})
    effects = [*attempts(["m1", "m2", "m2", "m2", "m3"], "t"), nobody]
    account = take_account(run(story, *effects, handled="m1 m2 m2 m2 m3"), oracle)
    assert account.copies == {"m2": 3}
    assert len(account.unexpected) == 1
    assert account.partial == frozenset()


def test_unnamed_effects_go_first_to_those_that_were_deleted_after_success(world, story):
    _made, oracle = learnt(world, pinged)
    told = story().accept("m1 m2 m3").handle("m2").handle("m3").fail("m1")
    assert take_account(told.observe(*pinged("12", "t")), oracle).lost == {"m1"}
