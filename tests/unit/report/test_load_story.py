"""What a load run's document comes to in words."""

from __future__ import annotations

import pytest

from pytest_storagefirst.report.load_story import (
    NO_READING,
    amiss,
    done,
    drained_at,
    duration,
    headline,
    measured,
    stands,
)
from tests.unit.report import load_documents


def rows(*states, visible=0):
    return {
        "timeline": [
            {"at_s": at, "circuit": state, "visible": visible, "in_flight": 0}
            for at, state in enumerate(states)
        ]
    }


def states(document):
    return [(one.state, one.from_s, one.to_s) for one in stands(document)]


def test_without_transitions_the_samples_say_how_the_circuit_stood():
    found = states(rows("CLOSED", "OPEN", "OPEN", "HALF_OPEN", "CLOSED", "CLOSED"))

    assert found == [
        ("CLOSED", 0, 1),
        ("OPEN", 1, 3),
        ("HALF_OPEN", 3, 4),
        ("CLOSED", 4, 5),
    ]


def test_where_nobody_could_see_it_no_state_is_claimed():
    found = states(rows("CLOSED", "OPEN", None, None, None, "OPEN", "CLOSED"))

    assert found == [
        ("CLOSED", 0, 1),
        ("OPEN", 1, 2),
        (NO_READING, 2, 5),
        ("OPEN", 5, 6),
        ("CLOSED", 6, 6),
    ]


def test_a_stack_without_circuit_has_no_band():
    assert states(rows(None, None)) == []


def test_one_that_never_was_seen_to_change():
    assert states(rows("CLOSED", "CLOSED", "CLOSED")) == [("CLOSED", 0, 2)]


def test_drained_is_when_nothing_waits_till_the_end():
    def waiting(*values):
        return {
            "timeline": [
                {"at_s": at, "visible": value, "in_flight": value and 0}
                for at, value in enumerate(values)
            ]
        }

    assert drained_at(waiting(3, 0, 2, 0, 0)) == 3
    assert drained_at(waiting(3, 0, None, 0)) == 1
    assert drained_at(waiting(3, 0, None)) is None
    assert drained_at(waiting(3, 1)) is None
    assert drained_at({"timeline": []}) is None


def test_what_is_accepted_is_processed_stranded_lost_or_unaccounted_for():
    ledger = {
        "accepted": 10,
        "processed": 8,  # one of them unknown to its sender, and one rejected
        "recovered": 1,
        "phantom": ["p"],
        "stranded": 2,
        "lost": ["a"],
    }

    assert done(ledger) == 6
    assert amiss(ledger) == 1


@pytest.mark.parametrize(
    ("ledger", "verdict", "expected"),
    [
        ({"accepted": 5, "processed": 5}, "ok", "All 5 accepted messages were processed"),
        ({"accepted": 5, "lost": ["a"]}, "violated", "1 of 5 accepted messages is lost"),
        ({"accepted": 0}, "unknown", "No message was accepted"),
        (
            {"accepted": 5, "processed": 3, "stranded": 2},
            "ok",
            "3 messages processed, 2 held in storage, none lost",
        ),
        (
            {"accepted": 5, "processed": 3},
            "unknown",
            "2 of 5 accepted messages are unaccounted for",
        ),
        (
            {"accepted": 5, "processed": 5},
            "unknown",
            "All 5 accepted messages were processed, but the run shows too little for a verdict",
        ),
    ],
)
def test_headlines(ledger, verdict, expected):
    assert headline({"ledger": ledger, "verdict": verdict}) == expected


def test_a_missed_objective_is_in_the_headline():
    document = load_documents.outage()
    document["verdict"] = "violated"
    document["objectives"][0]["met"] = False

    assert headline(document).endswith("but 1 objective was missed")


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.5, "0.5 s"), (82, "82 s"), (250, "4 min 10 s"), (7500, "2 h 5 min")]
)
def test_durations(seconds, said):
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (None, "ms", "?"),
        (41.0, "ms", "41 ms"),
        (1, "calls", "1 call"),
        (1234.5, "/s", "1,234.5 /s"),
    ],
)
def test_measured_values(value, unit, said):
    assert measured(value, unit) == said
