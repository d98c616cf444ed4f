"""A bad message: set aside, alone, without stopping the rest; each arm firing and silent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_storagefirst.ledger.accounting import balance
from pytest_storagefirst.ledger.poison import judge_poison
from pytest_storagefirst.ledger.properties import Context
from pytest_storagefirst.ledger.verdict import NOT_APPLICABLE, OK, UNKNOWN, VIOLATED

BAD = Context(bad=frozenset({"m1"}), bad_queue="OrdersQueue", max_receive_count=2)


def account(*, effective="m2", held="m1", rejected="", acknowledged="m1 m2", **more):
    k, p, s, r = (set(ids.split()) for ids in (acknowledged, effective, held, rejected))
    known = {
        name: frozenset(ids.split()) if isinstance(ids, str) else ids for name, ids in more.items()
    }
    return balance(attempted=k | r, acknowledged=k, rejected=r, effective=p, held=s, **known)


def set_aside(story, receives=2):
    told = story().accept("m1 m2").handle("m2")
    for _ in range(receives):
        told.fail("m1").later(30)
    return told.tell("dead-lettered", "m1", "OrdersDLQ", "OrdersQueue")


def test_set_aside_in_time_is_ok(story, held_message):
    observation = set_aside(story).observe(held=[held_message("m1")])
    assert judge_poison(account(), observation, BAD).value == OK
    assert judge_poison(account(doubts=("x",)), observation, BAD).value == UNKNOWN


def test_runs_without_a_bad_message_say_nothing(story):
    assert judge_poison(account(), story().observe(), Context()).value == NOT_APPLICABLE
    absent = Context(bad=frozenset({"m9"}))
    assert judge_poison(account(), story().observe(), absent).value == NOT_APPLICABLE


def test_rejected_at_the_front_door_is_fine(story):
    some = account(rejected="m1", acknowledged="m2")
    verdict = judge_poison(some, story().observe(), BAD)
    assert (verdict.value, verdict.why) == (OK, "m1 was rejected at the front door")
    nothing_accepted = account(rejected="m1", acknowledged="", effective="", doubts=("no ack",))
    assert judge_poison(nothing_accepted, story().observe(), BAD).value == OK


def test_one_that_may_or_may_not_have_been_accepted_shows_nothing(story):
    some = replace(account(acknowledged="m2"), attempted=frozenset({"m1", "m2"}))
    assert judge_poison(some, story().observe(), BAD).value == UNKNOWN


def test_expired_is_never_set_aside(story):
    told = story().accept("m1 m2").handle("m2").fail("m1").later(345600)
    told.tell("expired", "m1", "OrdersQueue")
    verdict = judge_poison(account(held=""), told.observe(), BAD)
    assert (verdict.value, verdict.messages) == (VIOLATED, ("m1",))
    assert "the bad message m1 was never set aside: it was retried until it expired" in verdict.why
    assert "from OrdersQueue at 345600.120, and is gone" in verdict.why
    recorded = judge_poison(account(held="", partial="m1"), told.observe(), BAD)
    assert recorded.value == OK  # a record of it is kept


def test_expired_in_the_dead_letter_queue_was_set_aside(story):
    told = set_aside(story).later(1209600).tell("expired", "m1", "OrdersDLQ")
    assert judge_poison(account(held=""), told.observe(), BAD).value == OK


def test_retried_from_the_dead_letter_queue_until_it_expired(story, held_message):
    told = set_aside(story).fail("m1").later(30).fail("m1").later(30)
    told.tell("expired", "m1", "OrdersDLQ")

    verdict = judge_poison(account(held=""), told.observe(), BAD)

    assert verdict.value == VIOLATED
    assert "m1 was never set aside: it was retried until it expired from OrdersDLQ" in verdict.why


def test_dropped_in_silence(story):
    told = story().accept("m1 m2").handle("m1 m2")
    verdict = judge_poison(account(held=""), told.observe(), BAD)
    assert verdict.value == VIOLATED
    assert "the bad message m1 was dropped in silence: neither effect nor record" in verdict.why
    assert "after Worker returned success" in verdict.why
    by_acknowledgement = account(held="", effective="m1 m2", by_acknowledgement="m1")
    assert judge_poison(by_acknowledgement, told.observe(), BAD).value == VIOLATED


@pytest.mark.parametrize(
    "some",
    [
        account(held="", effective="m1 m2"),
        account(held="", partial="m1"),
        account(held="", partial="m1", by_acknowledgement="m1"),
    ],
)
def test_acknowledged_with_a_record_is_not_dropped(story, some):
    told = story().accept("m1 m2").handle("m1 m2")
    assert judge_poison(some, told.observe(), BAD).value == OK


def test_dropped_by_what_reads_the_dead_letters(story):
    told = set_aside(story).deliver("m1").tell("succeeded", "m1", "Logger")
    told.tell("deleted", "m1", "OrdersDLQ")
    verdict = judge_poison(account(held=""), told.observe(), BAD)
    assert "was set aside and then dropped in silence; its message was deleted" in verdict.why
    assert judge_poison(account(held="", partial="m1"), told.observe(), BAD).value == OK


@pytest.mark.parametrize("state", ["visible", "in flight", "delayed"])
def test_still_going_round(story, held_message, state):
    told = story().accept("m1 m2").handle("m2").fail("m1").fail("m1").fail("m1")
    observation = told.observe(held=[held_message("m1", state, "OrdersQueue")], quiet=False)
    verdict = judge_poison(account(doubts=("not at rest",)), observation, BAD)
    assert verdict.value == VIOLATED
    assert f"still {state} in OrdersQueue having been delivered 3 times" in verdict.why


def test_one_that_nobody_tried_shows_nothing(story, held_message):
    told = story().accept("m1 m2").handle("m2")
    observation = told.observe(held=[held_message("m1", "visible", "OrdersQueue")])
    assert judge_poison(account(), observation, BAD).value == UNKNOWN


def test_more_receives_than_its_budget(story, held_message):
    held = [held_message("m1")]
    verdict = judge_poison(account(), set_aside(story, 3).observe(held=held), BAD)
    assert verdict.value == VIOLATED
    assert "only after 3 receives; the budget of OrdersQueue is 2" in verdict.why
    for context in (replace(BAD, max_receive_count=None), replace(BAD, max_receive_count=3)):
        assert judge_poison(account(), set_aside(story, 3).observe(held=held), context).value == OK
    faulty = set_aside(story, 3).observe(held=held, faults_fired=("delivery: duplicate",))
    assert judge_poison(account(), faulty, BAD).value == OK
    twice = story().accept("m1").events
    told = set_aside(story, 3)
    told.events[:0] = twice
    assert judge_poison(account(), told.observe(held=held), BAD).value == OK


def test_receives_after_a_redrive_have_a_budget_of_their_own(story, held_message):
    told = set_aside(story).tell("redriven", "m1", "OrdersDLQ").fail("m1").fail("m1")
    told.tell("dead-lettered", "m1", "OrdersDLQ")
    assert judge_poison(account(), told.observe(held=[held_message("m1")]), BAD).value == OK


def test_a_good_one_dragged_along(story, held_message):
    told = story().accept("m1 m2").fail("m1 m2").fail("m1 m2")
    told.tell("dead-lettered", "m1", "OrdersDLQ").tell("dead-lettered", "m2", "OrdersDLQ")
    held = [held_message("m1"), held_message("m2")]
    verdict = judge_poison(account(effective="", held="m1 m2"), told.observe(held=held), BAD)
    assert (verdict.value, verdict.messages) == (VIOLATED, ("m2",))
    assert (
        "m2 is good and was dead-lettered to OrdersDLQ at 0.110, dragged along by m1" in verdict.why
    )


def test_dragged_along_counts_though_a_redrive_brought_it_back(story, held_message):
    told = set_aside(story).tell("dead-lettered", "m2", "OrdersDLQ")
    told.tell("redriven", "m2", "OrdersDLQ").handle("m2")
    held = [held_message("m1")]
    assert judge_poison(account(), told.observe(held=held), BAD).value == VIOLATED
    faulty = told.observe(held=held, faults_fired=("Worker: throttled",))
    assert judge_poison(account(), faulty, BAD).value == OK  # the fault may have done it


@pytest.mark.parametrize(
    ("messages", "fault", "verdict"),
    [
        ("m1", "dynamodb.PutItem #1 under m1: refused(access-denied) for 60 s", VIOLATED),
        ("m1", "http POST https://p.example/ #1 under m1: http-500 for 60 s", VIOLATED),
        ("m1 m2", "dynamodb.PutItem #1: refused(access-denied) for 60 s", OK),
        ("", "invocation #1: throttled", OK),
        ("m1", "dynamodb.PutItem #1 under m1: crash-before for 60 s", OK),
    ],
)
def test_what_a_refusal_of_the_bad_message_alone_does_to_others(
    story, held_message, messages, fault, verdict
):
    told = story().tell("faulted", messages, "Worker", f"Worker: {fault}")
    told.events += set_aside(story).tell("dead-lettered", "m2", "OrdersDLQ").handle("m2").events

    fired = told.observe(held=[held_message("m1")], faults_fired=(f"Worker: {fault}",))

    assert judge_poison(account(), fired, BAD).value == verdict


def test_a_good_one_that_expired_meanwhile(story, held_message):
    told = set_aside(story).tell("expired", "m2", "OrdersQueue")
    some = account(effective="")
    verdict = judge_poison(some, told.observe(held=[held_message("m1")]), BAD)
    assert "m2 is good and expired while m1 was retried" in verdict.why
    assert judge_poison(account(), told.observe(held=[held_message("m1")]), BAD).value == OK


def test_a_good_one_that_never_gets_through(story, held_message):
    told = story().accept("m1 m2").fail("m1 m2").tell("dead-lettered", "m1", "OrdersDLQ")
    held = [held_message("m1"), held_message("m2", "visible", "OrdersQueue")]
    some = account(effective="", held="m1 m2")
    verdict = judge_poison(some, told.observe(held=held), BAD)
    assert "m2 is good and does not get through while m1 is retried" in verdict.why
    untried = story().accept("m1 m2").fail("m1").tell("dead-lettered", "m1", "OrdersDLQ")
    assert judge_poison(some, untried.observe(held=held), BAD).value == OK


def stopped(story, *, failed=True):
    told = story().accept("m1 m2")
    told.fail("m1 m2" if failed else "m1").later(30)
    return told.tell("dead-lettered", "m1", "OrdersDLQ").later(30).handle("m2")


def test_a_good_one_stopped_until_the_bad_one_is_gone(story, held_message):
    held = [held_message("m1")]
    verdict = judge_poison(account(), stopped(story).observe(held=held), BAD)
    assert (verdict.value, verdict.messages) == (VIOLATED, ("m2",))
    assert "m2 is good and was stopped: it took effect at 60.100, after m1 had been" in verdict.why
    assert judge_poison(account(), stopped(story, failed=False).observe(held=held), BAD).value == OK


def test_a_good_one_stopped_until_the_bad_one_expired(story):
    told = story().accept("m1 m2").fail("m1 m2").later(345600)
    told.tell("expired", "m1", "OrdersQueue").handle("m2")
    verdict = judge_poison(account(held=""), told.observe(), BAD)
    assert set(verdict.messages) == {"m1", "m2"}
    assert verdict.why.endswith("(and 1 more)")


def test_later_ones_of_a_fifo_group_wait_by_the_rules_of_aws(story, held_message):
    held = [held_message("m1")]
    after = replace(BAD, groups=(("m1", "m2"),))
    before = replace(BAD, groups=(("m2", "m1"),))
    other = replace(BAD, groups=(("m1",), ("m2",)))
    assert judge_poison(account(), stopped(story).observe(held=held), after).value == OK
    for context in (before, other):
        observation = stopped(story).observe(held=held)
        assert judge_poison(account(), observation, context).value == VIOLATED


def test_a_good_one_with_its_effect_before_is_not_stopped(story, held_message):
    told = story().accept("m1 m2").fail("m1 m2").handle("m2").later(30)
    told.tell("dead-lettered", "m1", "OrdersDLQ")
    assert judge_poison(account(), told.observe(held=[held_message("m1")]), BAD).value == OK


def test_kept_by_a_failure_destination_is_set_aside(story, held_message):
    told = story().accept("m1 m2").handle("m2").fail("m1")
    observation = told.observe(held=[held_message("m1")])
    assert judge_poison(account(), observation, BAD).value == OK


def test_a_good_one_that_fails_by_itself_was_not_dragged_along(story, held_message):
    told = set_aside(story).tell("dead-lettered", "m2", "OrdersDLQ")
    observed = told.observe(held=[held_message("m1")])

    assert judge_poison(account(), observed, BAD).value == VIOLATED
    assert judge_poison(account(), observed, replace(BAD, amiss=frozenset({"m2"}))).value == OK
