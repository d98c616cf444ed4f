"""Each property firing in each of its arms, and silent beside it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_storagefirst.ledger.accounting import Finding, balance
from pytest_storagefirst.ledger.judgements import (
    explain_loss,
    judge_duplicates,
    judge_loss,
    judge_order,
    judge_redrive,
    judge_rest,
)
from pytest_storagefirst.ledger.properties import Context
from pytest_storagefirst.ledger.verdict import NOT_APPLICABLE, OK, UNKNOWN, VIOLATED

NONE = Context()


def account(acknowledged="m1 m2", effective="m1 m2", held="", rejected="", **more):
    k, p, s, r = (set(ids.split()) for ids in (acknowledged, effective, held, rejected))
    known = {
        name: frozenset(ids.split()) if isinstance(ids, str) else ids for name, ids in more.items()
    }
    attempted = k | r | set(known.pop("indeterminate", ()))
    return balance(attempted=attempted, acknowledged=k, rejected=r, effective=p, held=s, **known)


# no-message-loss


def test_a_lost_message_is_told_with_its_reason(story):
    told = story().accept("m1 m2").handle("m1 m2", effects=0)
    verdict = judge_loss(account(effective="m1"), told.observe(), NONE)
    assert (verdict.value, verdict.messages) == (VIOLATED, ("m2",))
    assert verdict.why == (
        "m2 was acknowledged and left no effect; nothing holds it: its message was deleted from "
        "OrdersQueue at 0.080 after Worker returned success"
    )
    assert verdict.notes == {"m2": verdict.why}


def test_a_message_lost_by_half_is_told_so(story):
    observation = story().accept("m1 m2").handle("m1 m2").observe()
    verdict = judge_loss(account(effective="m1", partial="m2"), observation, NONE)
    assert "left only a part of its effect" in verdict.why
    assert (
        explain_loss("m2", observation)
        in judge_loss(account(effective="m1"), observation, NONE).why
    )


def test_several_lost_are_counted(story):
    verdict = judge_loss(account(effective=""), story().observe(), NONE)
    assert verdict.messages == ("m1", "m2")
    assert verdict.why.endswith("(and 1 more)")


def test_a_stranded_message_is_not_lost(story):
    assert judge_loss(account(effective="m1", held="m2"), story().observe(), NONE).value == OK


def test_a_phantom_is_told(story):
    verdict = judge_loss(account(effective="m1 m2 m3", rejected="m3"), story().observe(), NONE)
    assert (verdict.value, verdict.messages) == (VIOLATED, ("m3",))
    assert "m3 was rejected at the front door, and yet" in verdict.why
    assert judge_loss(account(rejected="m3"), story().observe(), NONE).value == OK


@pytest.mark.parametrize("kind", ["unexpected", "corrupted"])
def test_what_nobody_sent_or_what_was_changed_is_told(story, kind):
    found = (Finding("Orders holds nonsense", ("m1",)),)
    verdict = judge_loss(account(**{kind: found}), story().observe(), NONE)
    assert (verdict.value, verdict.why, verdict.messages) == (
        VIOLATED,
        "Orders holds nonsense",
        ("m1",),
    )


def test_bad_messages_are_for_another_property(story):
    bad = Context(bad=frozenset({"m2", "m3"}))
    some = account(effective="m1 m3", rejected="m3")
    assert judge_loss(some, story().observe(), bad).value == OK


def test_judged_by_acknowledgement_is_said(story):
    verdict = judge_loss(account(by_acknowledgement="m1"), story().observe(), NONE)
    assert (verdict.value, verdict.why) == (
        OK,
        "m1: no effect to be seen, judged by acknowledgement",
    )
    assert set(verdict.notes) == {"m1"}
    bad = Context(bad=frozenset({"m1"}))
    assert judge_loss(account(by_acknowledgement="m1"), story().observe(), bad).why == ""


@pytest.mark.parametrize("judge", [judge_loss, judge_duplicates, judge_rest])
def test_doubts_are_unknown_and_never_ok(story, judge):
    verdict = judge(account(doubts=("the fault “x” never struck",)), story().observe(), NONE)
    assert (verdict.value, verdict.why) == (UNKNOWN, "the fault “x” never struck")
    assert judge(account(), story().observe(), NONE).value == OK


def test_a_loss_that_was_shown_outweighs_doubts(story):
    verdict = judge_loss(account(effective="", doubts=("x",)), story().observe(), NONE)
    assert verdict.value == VIOLATED


# no-duplicate-effects


@pytest.mark.parametrize(
    ("tell", "copies", "why"),
    [
        (
            lambda s: s.handle("m1").handle("m1"),
            2,
            "stands twice: it was delivered twice to Worker",
        ),
        (
            lambda s: s.accept("m1").accept("m1").handle("m1"),
            3,
            "stands 3 times: it was stored twice",
        ),
        (lambda s: s.accept("m1").handle("m1"), 2, "one delivery did it more than once"),
    ],
)
def test_a_doubled_effect_is_told_with_its_reason(story, tell, copies, why):
    told = story()
    tell(told)
    some = account(duplicated="m1", copies={"m1": copies})
    verdict = judge_duplicates(some, told.observe(), NONE)
    assert (verdict.value, verdict.messages) == (VIOLATED, ("m1",))
    assert why in verdict.why


def test_where_an_effect_is_doubled_is_told_where_it_is_known(story):
    places = ("at http POST https://pay.example", "in Orders")
    some = account(duplicated="m1", copies={"m1": 2}, doubled_in={"m1": places})
    verdict = judge_duplicates(some, story().handle("m1").observe(), NONE)
    assert "the effect of m1 stands twice at http POST https://pay.example, in Orders: " in (
        verdict.why
    )


def test_a_redelivery_alone_doubles_nothing(story):
    told = story().handle("m1").handle("m1")
    assert judge_duplicates(account(redelivered="m1"), told.observe(), NONE).value == OK
    bad = Context(bad=frozenset({"m1"}))
    assert judge_duplicates(account(duplicated="m1"), told.observe(), bad).value == OK


# redrive-completes


def redriven(story, *, healed=True, again=True):
    told = story().accept("m1 m2").fail("m1").tell("dead-lettered", "m1", "OrdersDLQ")
    if healed:
        told.tell("healed")
    told.tell("redriven", "m1", "OrdersDLQ", "OrdersQueue")
    return told.handle("m1 m2") if again else told


def test_a_redrive_that_brings_all_back_is_ok(story):
    some = account(redriven="m1")
    assert judge_redrive(some, redriven(story).observe(), NONE).value == OK
    assert judge_redrive(some, story().observe(), NONE).value == NOT_APPLICABLE
    doubtful = account(redriven="m1", doubts=("x",))
    assert judge_redrive(doubtful, redriven(story).observe(), NONE).value == UNKNOWN


def test_a_message_left_over_after_a_redrive_is_told(story, held_message):
    told = redriven(story, again=False)
    some = account(effective="m2", held="m1")
    verdict = judge_redrive(some, told.observe(held=[held_message("m1")]), NONE)
    assert (verdict.value, verdict.messages) == (VIOLATED, ("m1",))
    assert "all faults healed, and is still unprocessed (dead-lettered in OrdersDLQ)" in verdict.why
    assert "(dead" not in judge_redrive(some, told.observe(), NONE).why
    bad = Context(bad=frozenset({"m1"}))
    assert judge_redrive(some, told.observe(), bad).value == NOT_APPLICABLE


def test_a_redrive_during_an_outage_may_leave_something(story):
    some = account(effective="m2", held="m1")
    told = redriven(story, healed=False, again=False)
    assert judge_redrive(some, told.observe(faults_fired=("x",)), NONE).value == OK
    assert judge_redrive(some, told.observe(), NONE).value == VIOLATED  # there was no outage
    healed_later = told.tell("healed").observe(faults_fired=("x",))
    assert judge_redrive(some, healed_later, NONE).value == OK


def test_a_redrive_that_loses_is_told_even_during_an_outage(story):
    told = redriven(story, healed=False)
    verdict = judge_redrive(account(effective="m2"), told.observe(faults_fired=("x",)), NONE)
    assert verdict.value == VIOLATED
    assert "and is lost: its message was deleted from OrdersQueue" in verdict.why


def test_a_redrive_that_doubles_is_told(story):
    told = story().accept("m1 m2").handle("m1 m2").tell("dead-lettered", "m1", "OrdersDLQ")
    told.tell("redriven", "m1", "OrdersDLQ").handle("m1")
    verdict = judge_redrive(account(duplicated="m1"), told.observe(), NONE)
    assert verdict.value == VIOLATED
    assert "though its effect stood already" in verdict.why
    before = story().accept("m1 m2").handle("m1 m2").handle("m1")
    before.tell("redriven", "m1", "OrdersDLQ")
    assert judge_redrive(account(duplicated="m1"), before.observe(), NONE).value == OK
    after = story().accept("m1").tell("redriven", "m1", "OrdersDLQ").handle("m1").handle("m1")
    assert judge_redrive(account(duplicated="m1"), after.observe(), NONE).value == OK


# order-preserved

GROUPS = Context(groups=(("m1", "m2"), ("m3",)))


def test_effects_out_of_order_are_told(story):
    told = story().accept("m1 m2").handle("m2").handle("m1")
    verdict = judge_order(account(), told.observe(), GROUPS)
    assert (verdict.value, verdict.messages) == (VIOLATED, ("m2",))
    assert verdict.why == (
        "m2 was accepted after m1 of the same group and took effect before it, at 0.070"
    )


@pytest.mark.parametrize(
    "tell",
    [
        lambda s: s.handle("m1").handle("m2"),
        lambda s: s.handle("m1").handle("m2").handle("m1"),
        lambda s: s.tell("effected", "m1 m2", "Worker"),
        lambda s: s.handle("m1").handle("m3").handle("m2"),
    ],
)
def test_effects_in_order_are_ok(story, tell):
    told = story().accept("m1 m2 m3")
    tell(told)
    assert judge_order(account(), told.observe(), GROUPS).value == OK
    doubtful = account(doubts=("x",))
    assert judge_order(doubtful, told.observe(), GROUPS).value == UNKNOWN


def test_other_groups_have_no_say(story):
    told = story().handle("m3").handle("m1").handle("m2")
    context = Context(groups=(("m1", "m2"), ("m4", "m3")))
    assert judge_order(account(), told.observe(), context).value == OK


def test_a_dead_letter_is_exempt_and_one_alone_has_no_order(story):
    told = story().handle("m2").tell("dead-lettered", "m1", "DLQ").handle("m1")
    assert judge_order(account(), told.observe(), GROUPS).value == NOT_APPLICABLE
    told = story().handle("m2").handle("m1")
    bad = replace(GROUPS, bad=frozenset({"m1"}))
    assert judge_order(account(), told.observe(), bad).value == NOT_APPLICABLE
    assert judge_order(account(), story().handle("m2").observe(), GROUPS).value == NOT_APPLICABLE
    assert judge_order(account(), told.observe(), NONE).value == NOT_APPLICABLE


def test_an_effect_counts_when_it_is_complete(story):
    told = story().tell("effected", "m1").handle("m2", effects=2).handle("m1", effects=2)
    whole = account(steps={"m1": 2, "m2": 2})
    assert judge_order(whole, told.observe(), GROUPS).value == VIOLATED
    assert judge_order(account(), told.observe(), GROUPS).value == OK


def test_a_call_that_is_sent_again_is_one(story):
    """A chain of two calls; the first is sent again when its answer is lost."""
    told = story().tell("effected", "m1", "Checker", "sqs.SendMessage #1")
    for _ in range(2):
        told.tell("effected", "m2", "Checker", "sqs.SendMessage #2")
    told.handle("m1").handle("m2")
    two_each = account(steps={"m1": 2, "m2": 2})
    assert judge_order(two_each, told.observe(), GROUPS).value == OK


# drains


def test_work_that_does_not_come_to_rest_is_told(story, held_message):
    held = [held_message("m1", "in flight", "OrdersQueue")]
    observation = story().observe(held=held, quiet=False, why_not_quiet="m1 goes round")
    verdict = judge_rest(account(doubts=("not at rest",)), observation, NONE)
    assert (verdict.value, verdict.why) == (VIOLATED, "work does not come to rest: m1 goes round")
    assert verdict.notes == {"m1": "m1 is still in flight in OrdersQueue"}
    silent = judge_rest(account(), story().observe(quiet=False), NONE)
    assert "hit its bound" in silent.why


@pytest.mark.parametrize("state", ["in flight", "visible", "delayed"])
def test_a_message_left_in_a_quiet_queue_is_told(story, held_message, state):
    observation = story().observe(held=[held_message("m1", state, "OrdersQueue")])
    verdict = judge_rest(account(), observation, NONE)
    assert (verdict.value, verdict.messages) == (VIOLATED, ("m1",))
    assert f"m1 is {state} in OrdersQueue for good" in verdict.why


@pytest.mark.parametrize("state", ["dead-lettered", "set aside"])
def test_what_nothing_takes_is_at_rest(story, held_message, state):
    observation = story().observe(held=[held_message("m1", state)])
    assert judge_rest(account(), observation, NONE).value == OK


def test_a_bad_message_going_round_is_for_another_property(story, held_message):
    bad = Context(bad=frozenset({"m1"}))
    going = [held_message("m1", "visible", "OrdersQueue")]
    observation = story().observe(held=going, quiet=False)
    assert judge_rest(account(), observation, bad).value == NOT_APPLICABLE
    both = story().observe(held=[*going, held_message("m2", "visible")], quiet=False)
    assert judge_rest(account(), both, bad).value == VIOLATED
    nobody = story().observe(held=[held_message("", "visible")])
    assert "a message is visible" in judge_rest(account(), nobody, bad).why


def test_faults_that_were_never_healed_show_nothing(story, held_message):
    fired = {"faults_fired": ("x",), "quiet": False}
    assert judge_rest(account(), story().observe(**fired), NONE).value == UNKNOWN
    healed = story().tell("healed").observe(**fired)
    assert judge_rest(account(), healed, NONE).value == VIOLATED


def test_a_lost_message_that_is_also_found_elsewhere_is_named_once(story):
    found = (Finding("Orders holds half of it", ("m2", "m1")),)
    verdict = judge_loss(account(effective="m1", corrupted=found), story().observe(), NONE)
    assert verdict.messages == ("m2", "m1")
    assert "(and 1 more)" in verdict.why


def test_a_run_that_ends_under_its_faults_says_what_to_do(story):
    told = story().accept("m1").fail("m1")
    observed = told.observe(
        faults_fired=("Worker: dynamodb.PutItem #1: refused for 3600 s",),
        quiet=False,
        why_not_quiet="it did more than 2000 things: Worker got m1 400 times",
    )
    verdict = judge_rest(account("m1", "", held="m1"), observed, NONE)

    assert verdict.value == UNKNOWN
    assert verdict.why.startswith(
        "the run was ended while “Worker: dynamodb.PutItem #1: refused for 3600 s” lasted "
        "(it did more than 2000 things: Worker got m1 400 times), so what comes to rest"
    )
    assert "maxReceiveCount" in verdict.why
