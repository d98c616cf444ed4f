"""The algebra of the sets holds for whatever was seen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_storagefirst.ledger.accounting import Account, Finding, balance

IDS = [f"m{number}" for number in range(8)]
SETS = st.frozensets(st.sampled_from(IDS))


@given(SETS, SETS, SETS, SETS, SETS, SETS, SETS, SETS)
def test_acknowledged_is_processed_or_stranded_or_lost(
    attempted, acknowledged, rejected, effective, held, duplicated, partial, redriven
):
    account = balance(
        attempted=attempted,
        acknowledged=acknowledged,
        rejected=rejected,
        effective=effective,
        held=held,
        duplicated=duplicated,
        partial=partial,
        redriven=redriven,
    )
    k, p = account.acknowledged, account.processed
    parts = [k & p, account.stranded, account.lost]
    assert k == frozenset().union(*parts)
    assert len(k) == sum(map(len, parts))
    assert account.attempted == k | account.rejected | account.indeterminate
    assert account.recovered == account.indeterminate & p
    assert account.phantom == account.rejected & p
    assert account.lost == k - effective - held
    assert account.redriven == redriven & p
    assert not account.partial & p
    assert account.check() is account


@given(SETS, SETS, SETS)
def test_no_id_appears_from_nowhere(attempted, effective, held):
    account = balance(
        attempted=attempted, acknowledged=attempted, rejected=set(), effective=effective, held=held
    )
    assert account.processed <= attempted
    assert account.stranded <= attempted


RIGHT = balance(
    attempted={"m1", "m2", "m3", "m4"},
    acknowledged={"m1", "m2"},
    rejected={"m3"},
    effective={"m1", "m3", "m4"},
    held=set(),
)


def test_the_sets_of_one_account():
    assert (RIGHT.lost, RIGHT.phantom, RIGHT.recovered) == ({"m2"}, {"m3"}, {"m4"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"attempted": frozenset({"m1"})},
        {"rejected": frozenset({"m1", "m3"})},
        {"lost": frozenset()},
        {"stranded": frozenset({"m2"})},
        {"processed": frozenset({"m1", "m3", "m4", "m9"})},
        {"recovered": frozenset()},
        {"phantom": frozenset()},
        {"redriven": frozenset({"m2"})},
        {"partial": frozenset({"m1"})},
        {"duplicated": frozenset({"m9"})},
    ],
)
def test_a_broken_law_is_named(wrong):
    with pytest.raises(AssertionError, match=r"the account is wrong: .* does not hold"):
        replace(RIGHT, **wrong).check()


CLEAN = balance(attempted={"m1"}, acknowledged={"m1"}, rejected=set(), effective={"m1"}, held=set())


def test_clean_means_that_nothing_else_was_found():
    assert CLEAN.clean


@pytest.mark.parametrize(
    "more",
    [
        {"processed": frozenset()},
        {"attempted": frozenset({"m1", "m2"})},
        {"doubts": ("x",)},
        {"duplicated": frozenset({"m1"})},
        {"unexpected": (Finding("x"),)},
        {"corrupted": (Finding("x"),)},
        {"by_acknowledgement": frozenset({"m1"})},
    ],
)
def test_anything_more_is_not_clean(more):
    assert not replace(CLEAN, **more).clean


def test_an_empty_account_balances():
    assert Account().check() == Account()
