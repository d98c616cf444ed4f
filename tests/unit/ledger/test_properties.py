"""The registry: what it takes, what it refuses, and that no crash is ever a pass."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_storagefirst.errors import SettingsError
from pytest_storagefirst.ledger import properties
from pytest_storagefirst.ledger.accounting import Account, balance
from pytest_storagefirst.ledger.effects import Observation
from pytest_storagefirst.ledger.properties import (
    Context,
    Facts,
    Property,
    judge_all,
    register,
    registered,
    select,
)
from pytest_storagefirst.ledger.verdict import NOT_APPLICABLE, OK, UNKNOWN, VIOLATED, Verdict

ALL = (
    "no-message-loss",
    "no-duplicate-effects",
    "poison-isolated",
    "redrive-completes",
    "order-preserved",
    "drains",
    "circuit",
    "load-levelled",
)


def fine(account, observation, context):
    return Verdict(OK)


def crashes(account, observation, context):
    raise ZeroDivisionError("division by zero")


def everywhere(facts):
    return ""


RIGHT = Property("stays-right", everywhere, fine, "It stays right.")


@pytest.fixture
def registry(monkeypatch):
    registered()
    copy = dict(properties._REGISTRY)
    monkeypatch.setattr(properties, "_REGISTRY", copy)
    return copy


def test_ours_are_registered_in_the_order_of_reports():
    assert tuple(registered()) == ALL
    assert all(entry.docstring.strip() for entry in registered().values())


def test_a_right_entry_is_taken(registry):
    assert register(RIGHT) is RIGHT
    assert tuple(registered())[-1] == "stays-right"


@pytest.mark.parametrize(
    ("wrong", "found", "expected"),
    [
        ("stays-right", "str", "Property("),
        (replace(RIGHT, name="Stays Right"), "Stays Right", "lower-case words"),
        (replace(RIGHT, name="drains"), "drains", "none of: no-message-loss"),
        (replace(RIGHT, judge="fine"), "nothing to call", "judge(account, observation, context)"),
        (replace(RIGHT, judge=lambda account: None), "judge(account)", "judge(account, obs"),
        (replace(RIGHT, applies=lambda: ""), "applies()", "applies(facts)"),
        (replace(RIGHT, docstring="  "), "empty docstring", "one sentence"),
    ],
)
def test_a_wrong_entry_is_refused_naming_what_is_right(registry, wrong, found, expected):
    with pytest.raises(SettingsError) as refused:
        register(wrong)
    assert found in refused.value.found
    assert expected in refused.value.expected
    assert "no-message-loss" in refused.value.remedy
    assert set(registry) == set(ALL)


def test_selecting_by_name_all_or_none():
    assert [entry.name for entry in select()] == list(ALL)
    assert [entry.name for entry in select(["drains"])] == ["drains"]
    with pytest.raises(SettingsError, match="no such property") as refused:
        select(["no-mesage-loss"])
    assert refused.value.found == "no-mesage-loss"
    assert "no-message-loss" in refused.value.expected


@pytest.mark.parametrize(
    ("facts", "missing"),
    [
        (Facts(consumed=True, ordered=True, redrivable=True, breaks=True, capped=True), set()),
        (Facts(breaks=True, capped=True), {"redrive-completes", "order-preserved"}),
        (
            Facts(consumed=False, ordered=True, redrivable=True),
            {*ALL[1:3], "drains", "circuit", "load-levelled"},
        ),
    ],
)
def test_what_a_stack_lacks_decides_what_applies(facts, missing):
    reasons = {entry.name: entry.applies(facts) for entry in select()}
    assert {name for name, reason in reasons.items() if reason} == missing


CLEAN = balance(attempted={"m1"}, acknowledged={"m1"}, rejected=set(), effective={"m1"}, held=set())
NOTHING = Observation(("m1",), (), ())


def test_a_clean_run_is_ok_and_claims_nothing_it_did_not_test():
    verdicts = {n: v.value for n, v in judge_all(CLEAN, NOTHING, Context()).items()}
    assert verdicts == {
        "no-message-loss": OK,
        "no-duplicate-effects": OK,
        "poison-isolated": NOT_APPLICABLE,
        "redrive-completes": NOT_APPLICABLE,
        "order-preserved": NOT_APPLICABLE,
        "drains": OK,
        "circuit": NOT_APPLICABLE,
        "load-levelled": NOT_APPLICABLE,
    }
    redriven = replace(CLEAN, redriven=frozenset({"m1"}))
    assert judge_all(redriven, NOTHING, Context())["redrive-completes"].value == OK


def test_the_short_way_and_the_long_way_agree(monkeypatch):
    short = judge_all(CLEAN, NOTHING, Context())
    monkeypatch.setattr(Account, "clean", property(lambda self: False))
    assert {n: v.value for n, v in judge_all(CLEAN, NOTHING, Context()).items()} == {
        n: v.value for n, v in short.items()
    }


@pytest.mark.parametrize(
    ("observation", "context"),
    [
        (replace(NOTHING, quiet=False), Context()),
        (NOTHING, Context(bad=frozenset({"m1"}))),
        (NOTHING, Context(groups=(("m1",),))),
    ],
)
def test_the_short_way_is_not_taken_where_there_is_more_to_judge(registry, observation, context):
    def judge(account, observation, context):
        return Verdict(VIOLATED, "looked")

    register(Property("looks", everywhere, judge, "It looks.", lambda _: Verdict(OK)))
    assert judge_all(CLEAN, NOTHING, Context(), ["looks"])["looks"].value == OK
    assert judge_all(CLEAN, observation, context, ["looks"])["looks"].value == VIOLATED


def test_held_messages_are_looked_at(registry, held_message):
    observation = replace(NOTHING, held=(held_message("m1", "in flight"),))
    assert judge_all(CLEAN, observation, Context(), ["drains"])["drains"].value == VIOLATED


def test_a_crash_is_unknown_with_the_error_named(registry):
    register(Property("crashes", everywhere, crashes, "It crashes."))
    verdicts = judge_all(CLEAN, NOTHING, Context(), ["crashes", "no-message-loss"])
    assert verdicts["crashes"] == Verdict(
        UNKNOWN, "judging crashes crashed: ZeroDivisionError: division by zero"
    )
    assert verdicts["no-message-loss"].value == OK
