"""Composing verdicts keeps the worst."""

from __future__ import annotations

import itertools

from pytest_storagefirst.ledger.verdict import (
    NOT_APPLICABLE,
    OK,
    UNKNOWN,
    VIOLATED,
    Verdict,
    worst,
)


def test_a_shown_violation_outweighs_what_was_not_shown():
    order = [NOT_APPLICABLE, OK, UNKNOWN, VIOLATED]
    for one, other in itertools.product(order, order):
        heavier = max(one, other, key=order.index)
        assert worst([Verdict(one), Verdict(other)]).value == heavier


def test_the_first_among_equals_and_unknown_for_none():
    assert worst([Verdict(OK, "a"), Verdict(OK, "b")]).why == "a"
    assert worst([]).value == UNKNOWN
