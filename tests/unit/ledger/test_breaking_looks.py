"""What excuses a call while the circuit is open: a look at it that failed, or was stale."""

from __future__ import annotations

import pytest

from pytest_storagefirst.ledger.breaking import MOST_FAILURES, _calls, _opens
from pytest_storagefirst.ledger.circuit import (
    ANSWERED,
    CALLED,
    CLOSED,
    HALF_OPEN,
    OPEN,
    READ,
    UNREAD,
    UNWRITTEN,
    WROTE,
    Circuit,
    Step,
)


def step(at_seconds: int, kind: str, state: str = "", *, good: bool = False, m: str = "m1") -> Step:
    messages = (m,) if m else ()
    return Step(at_seconds * 1000, kind, "Worker", 1, at_seconds, messages, state, good)


OPENED = (step(1, WROTE, OPEN), step(2, READ, OPEN))
HALF = (step(100, WROTE, HALF_OPEN), step(101, WROTE, OPEN))


@pytest.mark.parametrize("look", [step(199, UNREAD), step(199, READ, CLOSED)])
def test_a_look_that_came_to_nothing_excuses_a_call(look):
    steps = (*OPENED, *HALF, look, step(200, CALLED))

    assert list(_calls(Circuit("Circuit", steps))) == []


def test_without_it_the_call_is_found():
    steps = (*OPENED, *HALF, step(199, READ, OPEN), step(200, CALLED))

    assert "without a probe's leave" in next(_calls(Circuit("Circuit", steps)))[0]


def test_it_excuses_no_longer_than_it_may_be_kept():
    steps = (*OPENED, *HALF, step(199, UNREAD), step(300, CALLED))

    assert list(_calls(Circuit("Circuit", steps)))


@pytest.mark.parametrize("refused", [True, False])
def test_a_probe_that_could_not_say_that_it_failed_may_try_again(refused):
    probe = (step(100, WROTE, HALF_OPEN), step(101, CALLED), step(102, ANSWERED))
    said = (step(103, UNWRITTEN),) if refused else ()
    steps = (*OPENED, *probe, *said, step(120, READ, HALF_OPEN), step(121, CALLED))

    assert [what for what, _ in _calls(Circuit("Circuit", steps))] == (
        [] if refused else ["at 121.000 Worker called for m1 though its probe had just failed"]
    )


@pytest.mark.parametrize("checked", [True, False])
def test_where_health_is_checked_it_opens_by_that(checked):
    check = (step(1, ANSWERED, good=True, m=""),) if checked else ()
    failures = tuple(step(2 + number, ANSWERED) for number in range(MOST_FAILURES))

    assert bool(list(_opens(Circuit("Circuit", (*check, *failures))))) is not checked
