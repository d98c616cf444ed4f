"""What was tried, left out and never seen, as lines."""

from __future__ import annotations

import pytest

from pytest_storagefirst.explore.coverage import Cell, Coverage
from pytest_storagefirst.report.covered import coverage_lines, with_article

PUT, GET = "Worker: dynamodb.PutItem #1", "Worker: dynamodb.GetItem #1"
COVERAGE = Coverage(
    cells=(
        Cell(PUT, "refused(access-denied)", "held"),
        Cell(PUT, "response-lost", "violated"),
        Cell(PUT, "slow", "not tried"),
        Cell(GET, "refused(throttle) for 90 s", "held"),
        *(Cell(GET, f"stale {number}", "never fired") for number in range(1, 6)),
    ),
    pairs_tried=1204,
    pairs_skipped=96,
    pairs_left=40,
    orders_tried=12,
    orders_left=3,
    drawn=50,
    sometimes={"redelivery": 12, "dead letter": 0, "open breaker": 0},
)


def test_a_line_or_two_a_stack():
    assert coverage_lines(COVERAGE, 0) == [
        "tried: 8 faults at 2 sites (1 not tried), 1,204 pairs (96 skipped as seen before, "
        "40 left), 12 orders of crossings (3 left), 50 schedules drawn",
        f"never fired: {GET}: stale 1; {GET}: stale 2; {GET}: stale 3, and 2 more",
        "never seen: a dead letter, an open breaker",
    ]


def test_all_of_it_when_asked():
    tried, fired, seen, unseen, *matrix = coverage_lines(COVERAGE, 2)

    assert fired.count("stale") == 5
    assert "more" not in fired
    assert seen == "seen: a redelivery in 12 runs"
    assert unseen == "never seen: a dead letter, an open breaker"
    assert matrix == [
        f"{PUT}  violated: response-lost; held: refused(access-denied); not tried: slow",
        f"{GET}  held: refused(throttle) for 90 s; "
        "never fired: stale 1, stale 2, stale 3, stale 4, stale 5",
    ]
    assert coverage_lines(COVERAGE, 1) == [tried, fired, seen, unseen]


def test_nothing_is_said_of_what_there_was_none_of():
    assert coverage_lines(Coverage(), 2) == []
    assert coverage_lines(Coverage(pairs_skipped=1), 0) == [
        "tried: 0 pairs (1 skipped as seen before)"
    ]
    assert coverage_lines(Coverage(orders_tried=1), 0) == ["tried: 1 order of crossings"]
    assert coverage_lines(Coverage(drawn=1), 0) == ["tried: 1 schedule drawn"]


@pytest.mark.parametrize(
    ("fact", "told"),
    [
        ("dead letter", "a dead letter"),
        ("open breaker", "an open breaker"),
        ("two at work at once", "two at work at once"),
        ("overlapping invocations", "overlapping invocations"),
        ("a redrive", "a redrive"),
    ],
)
def test_facts_are_told_as_words(fact, told):
    assert with_article(fact) == told
