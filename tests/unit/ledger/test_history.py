"""Questions put to a history."""

from __future__ import annotations

import pytest

from pytest_storagefirst.ledger.events import OF_RECORD
from pytest_storagefirst.ledger.history import History, times


def test_answers_of_the_front_door_are_three_kinds(story):
    told = story().tell("attempted", "m1 m2 m3 m4 m5", "POST /orders")
    told.tell("acknowledged", "m1").tell("rejected", "m2").tell("indeterminate", "m3")
    told.tell("attempted", "m5").tell("indeterminate", "m5").tell("rejected", "m5")
    history = History(told.events)
    assert history.attempted == {"m1", "m2", "m3", "m4", "m5"}
    assert history.acknowledged == {"m1"}
    assert history.rejected == {"m2"}
    assert history.indeterminate == {"m3", "m4", "m5"}  # m4 got no answer, m5 one that is unsure


def test_one_yes_outweighs_a_no_and_a_rejection_before_it(story):
    told = story().tell("attempted", "m1").tell("rejected", "m1")
    told.tell("attempted", "m1").tell("acknowledged", "m1")
    history = History(told.events)
    assert (history.acknowledged, history.rejected) == ({"m1"}, frozenset())
    assert history.indeterminate == frozenset()


def test_a_chain_of_functions_is_no_redelivery(story):
    told = story().tell("delivered", "m1", "Checker").tell("delivered", "m1", "Keeper")
    told.tell("delivered", "m2", "Checker").tell("delivered", "m2", "Checker")
    history = History(told.events)
    assert history.redelivered == {"m2"}
    assert (history.deliveries("m1"), history.deliveries("m3")) == (1, 0)


def test_the_last_healing_counts(story):
    told = story().tell("healed").tell("noted").tell("healed")
    assert History(told.events).healed_at == 2
    assert History(()).healed_at is None


def test_time_of_effect_is_that_of_a_call_for_this_message_alone(story):
    batch = story().tell("effected", "m1 m2").tell("succeeded", "m1 m2")
    assert History(batch.events).first_effect_at_ms("m1") == 10
    own = story().tell("effected", "m1 m2").tell("effected", "m1").tell("succeeded", "m1")
    assert History(own.events).first_effect_at_ms("m1") == 10
    only = story().tell("noted").tell("effected", "m1 m2")
    assert History(only.events).first_effect_at_ms("m2") == 10
    assert History(only.events).first_effect_at_ms("m3") is None


def test_settled_by_acknowledgement_needs_success_and_deletion(story):
    told = story().tell("succeeded", "m1 m2").tell("deleted", "m1 m3").tell("filtered", "m4")
    assert History(told.events).settled_by_acknowledgement == {"m1", "m4"}


def test_a_handler_that_deletes_its_message_acknowledges_it(story):
    told = story().deliver("m1 m2").tell("deleted", "m1", "Queue").tell("failed", "m1 m2")
    told.tell("deleted", "m2", "Queue").deliver("m3")
    assert History(told.events).settled_by_acknowledgement == {"m1"}


@pytest.mark.parametrize(
    ("tell", "clause"),
    [
        (
            lambda s: s.handle("m1"),
            "deleted from OrdersQueue at 0.060 after Worker returned success",
        ),
        (
            lambda s: s.fail("m1", "Timeout").tell("deleted", "m1", "OrdersQueue"),
            "deleted from OrdersQueue at 0.050 although Worker had failed (Timeout)",
        ),
        (
            lambda s: s.fail("m1", "").tell("deleted", "m1", "OrdersQueue"),
            "although Worker had failed",
        ),
        (
            lambda s: s.tell("throttled", "m1", "Worker").tell("deleted", "m1", "OrdersQueue"),
            "although Worker was not invoked (throttled)",
        ),
        (
            lambda s: s.deliver("m1").tell("deleted", "m1", "OrdersQueue"),
            "while Worker still worked on it",
        ),
        (lambda s: s.tell("deleted", "m1", "OrdersQueue"), "before any function got it"),
        (
            lambda s: s.tell("deleted", "m1", "OrdersQueue").deliver("m1"),
            "before any function got it",
        ),
        (
            lambda s: s.tell("expired", "m1", "OrdersQueue"),
            "its retention in OrdersQueue was over at 0.030",
        ),
        (
            lambda s: s.tell("expired", "m1", "Table", OF_RECORD),
            "its stream record's retention in Table was over at 0.030",
        ),
        (
            lambda s: s.tell("filtered", "m1", "OrdersQueue"),
            "the filter of OrdersQueue's mapping dropped it at 0.030",
        ),
        (
            lambda s: s.tell("deduplicated", "m1", "OrdersQueue"),
            "OrdersQueue dropped it at 0.030 as a duplicate",
        ),
        (
            lambda s: s.tell("dropped", "m1", "Topic", "given up").tell("deleted", "m1", "Queue"),
            "Topic dropped it at 0.030 (given up)",
        ),
        (lambda s: s.deliver("m1"), "the last that is known of it: delivered at Worker, 0.030"),
    ],
)
def test_fate_is_read_from_the_history(story, tell, clause):
    told = story().accept("m1")
    tell(told)
    assert clause in History(told.events).fate("m1")


def test_fate_of_what_was_never_stored_names_the_fault(story):
    told = story().tell("attempted", "m1").tell("acknowledged", "m1")
    assert History(told.events).fate("m1") == "nothing shows that it was ever stored"
    told = story().tell("attempted", "m1").tell("faulted", "m1", "OrdersQueue", "storage-refused")
    told.tell("acknowledged", "m1")
    assert "OrdersQueue was struck by “storage-refused” at 0.010" in History(told.events).fate("m1")
    of_another = story().tell("faulted", "m2", "Q", "x").tell("acknowledged", "m1")
    assert "struck" not in History(of_another.events).fate("m1")


def test_last_event_of_a_kind_or_none(story):
    history = History(story().accept("m1").deliver("m1").events)
    assert history.last("m1", "expired") is None
    assert history.last("m1", "stored", "delivered")[1].kind == "delivered"


def test_how_often_in_words():
    assert [times(n) for n in (1, 2, 3)] == ["once", "twice", "3 times"]


def test_a_try_without_answer_beside_a_no_is_indeterminate(story):
    told = story().tell("attempted", "m1").tell("attempted", "m1").tell("rejected", "m1")
    assert History(told.events).indeterminate == {"m1"}


@pytest.mark.parametrize("answer", ["acknowledged", "rejected", "indeterminate"])
def test_what_was_answered_was_attempted(story, answer):
    assert History(story().tell(answer, "m1").events).attempted == {"m1"}


@pytest.mark.parametrize("kind", ["stored", "delivered"])
def test_one_sign_of_storage_is_enough(story, kind):
    told = story().tell("acknowledged", "m1").tell(kind, "m1", "OrdersQueue")
    assert "ever stored" not in History(told.events).fate("m1")
