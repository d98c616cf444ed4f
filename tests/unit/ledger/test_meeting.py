"""Where messages meet: what is left of them is explained within a bound, or told as unknown."""

from __future__ import annotations

from pytest_storagefirst.ledger import meeting
from pytest_storagefirst.ledger.attribution import take_account
from pytest_storagefirst.ledger.effects import Effect
from pytest_storagefirst.ledger.judgements import judge_duplicates, judge_loss
from pytest_storagefirst.ledger.oracle import Oracle
from pytest_storagefirst.ledger.properties import Context
from pytest_storagefirst.ledger.verdict import UNKNOWN, VIOLATED


def listed(ids, tag):
    """A list in which the order of processing stands, and how often."""
    return [Effect("item", "Lists", {"id": "all"}, {"lines": [f"{m}-{tag}" for m in ids]})]


def twice_processed(story):
    told = story().accept("m1 m2 m3")
    for message in ("m1", "m2", "m3", "m2"):
        told.handle(message)
    return told.observe(*listed(["m1", "m2", "m3", "m2"], "t"))


def judged(world, observed):
    made = world(listed)
    oracle = Oracle(made.alone("m1", "m2", "m3"), made)
    before = sum(made.runs.values())
    return take_account(observed, oracle), sum(made.runs.values()) - before


def test_an_explanation_within_the_bound_accuses(world, story):
    account, _ = judged(world, twice_processed(story))

    assert judge_duplicates(account, twice_processed(story), Context()).value == VIOLATED


def test_what_takes_more_runs_than_are_allowed_is_unknown_and_accuses_nobody(
    world, story, monkeypatch
):
    monkeypatch.setattr(meeting, "MOST_EVENTS", 100)
    account, runs = judged(world, twice_processed(story))

    for judge in (judge_loss, judge_duplicates):
        verdict = judge(account, twice_processed(story), Context())
        assert verdict.value == UNKNOWN
        assert verdict.why == (
            "m1, m2, m3 meet in Lists, and what each of them left there was not found out within "
            "the time that one run is given"
        )
    assert runs < 8


def test_where_a_policy_forbids_a_call_no_run_is_asked_for(world, story):
    denied = "WorkerRole allows no dynamodb:UpdateItem on Lists"
    told = story().accept("m1 m2 m3")
    for message in ("m1", "m2", "m3"):
        told.deliver(message).tell("denied", message, "Worker", denied).tell(
            "failed", message, "Worker", "AccessDenied"
        )
    observed = told.observe(*listed(["m3", "m3", "m1"], "t"))
    account, runs = judged(world, observed)

    assert runs <= 2
    assert judge_duplicates(account, observed, Context()).why == denied
