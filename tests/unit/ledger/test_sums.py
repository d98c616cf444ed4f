"""Totals that are off by a message's own share."""

from __future__ import annotations

import pytest

from pytest_storagefirst.ledger.attribution import take_account
from pytest_storagefirst.ledger.effects import Effect
from pytest_storagefirst.ledger.oracle import Oracle
from pytest_storagefirst.ledger.sums import times_added

AMOUNTS = {"m1": 5, "m2": 7}


@pytest.mark.parametrize(
    ("expected", "observed", "share", "times"),
    [
        ({"sum": 5}, {"sum": 10}, {"sum": 5}, 1),
        ({"sum": {"N": "12"}}, {"sum": {"N": "5"}}, {"sum": {"N": "7"}}, -1),
        ([1, {"sum": 12, "n": 2}], [1, {"sum": 19, "n": 3}], [1, {"sum": 7, "n": 1}], 1),
        ([1, {"sum": 12, "n": 2}], [1, {"sum": 19, "n": 4}], [1, {"sum": 7, "n": 1}], None),
        ({"sum": 5}, {"sum": 8}, {"sum": 5}, None),
        ({"sum": 5}, {"sum": 10}, {"sum": 0}, None),
        ({"name": "a"}, {"name": "b"}, {"name": "a"}, None),
        ({"sum": 5}, {"sum": 10, "more": 1}, {"sum": 5}, None),
        ({"on": True}, {"on": False}, {"on": True}, None),
        ({"sum": 5}, {"sum": "NaN"}, {"sum": 5}, None),
        ({"sum": 5}, {"sum": 5}, {"sum": 5}, None),
    ],
)
def test_a_share_is_found_in_what_differs(expected, observed, share, times):
    assert times_added(expected, observed, share) == times


def once(ids, _tag):
    """A handler that checks before it adds: one after the other it never counts twice."""
    ids = list(dict.fromkeys(ids))
    return [Effect("item", "Totals", {"id": "all"}, {"sum": sum(AMOUNTS[m] for m in ids)})]


def learnt(story, *messages):
    def fault_free(ids, variant=0):
        told = story().accept(" ".join(dict.fromkeys(ids)))
        for message in ids:
            told.handle(message)
        return told.observe(*once(ids, ""))

    alone = {message: [fault_free((message,)), fault_free((message,), 1)] for message in messages}
    return Oracle(alone, fault_free)


def account(story, oracle, total, handled):
    told = story().accept(" ".join(oracle.alone))
    for message in handled.split():
        told.handle(message)
    return take_account(
        told.observe(Effect("item", "Totals", {"id": "all"}, {"sum": total})), oracle
    )


def test_one_message_counted_twice_at_one_time_is_doubled(story):
    found = account(story, learnt(story, "m1"), 10, "m1 m1")
    assert (found.duplicated, found.lost, found.copies) == ({"m1"}, set(), {"m1": 2})


def test_of_several_the_one_whose_share_is_too_much_is_doubled(story):
    found = account(story, learnt(story, "m1", "m2"), 19, "m1 m2 m2")
    assert (found.duplicated, found.processed, found.corrupted) == ({"m2"}, {"m1", "m2"}, ())


def test_the_one_whose_share_is_missing_is_lost(story):
    found = account(story, learnt(story, "m1", "m2"), 7, "m1 m2")
    assert (found.lost, found.corrupted) == ({"m1"}, ())


def test_a_total_that_no_share_explains_is_corrupted(story):
    found = account(story, learnt(story, "m1", "m2"), 13, "m1 m2")
    assert found.corrupted
