"""The ledger over several workers: reports that come late, twice or never, and journals."""

from __future__ import annotations

import pytest

from pytest_storagefirst.load import account
from pytest_storagefirst.load.drain import LEFT_OUT
from pytest_storagefirst.load.journal import Journal
from pytest_storagefirst.load.outcomes import (
    ACCEPTED,
    DROPPED,
    NOT_SENT,
    PENDING,
    REJECTED,
    UNKNOWN,
    Outcomes,
)
from pytest_storagefirst.load.plan import Plan, Way
from pytest_storagefirst.load.profiles import Phase, Profile
from pytest_storagefirst.load.seconds import Seconds
from pytest_storagefirst.load.standing import Standing, journal_of


@pytest.fixture
def standing():
    """Two workers with five messages each, one every second."""
    phases = (Phase("act", 5, 2, 2),)
    profile = Profile("p", "", phases, ("lost==0",))
    return Standing(Plan("r1", profile, Way("POST /x", "http://x"), ("one", "other")))


def report(worker, outcomes, *, run="r1", done=False):
    found, seconds = Outcomes(), Seconds()
    for sequence, outcome in enumerate(outcomes):
        found.set(sequence, outcome)
        seconds.offered(sequence)
        if outcome != PENDING:
            seconds.answered(sequence, outcome, 0.1, 0.2)
    return {
        "run": run,
        "worker": worker,
        "outcomes": found.packed(),
        "seconds": seconds.report(whole=True),
        "reasons": {},
        "late_ms": 0,
        "sends": len(outcomes),
        "began_at": 1000.0,
        "done": done,
    }


def known(standing):
    return {message: outcome for message, outcome, _ in standing.messages()}


def test_reports_add_up_and_repeat_without_harm(standing):
    early = report(0, [ACCEPTED, PENDING])
    late = report(0, [ACCEPTED] * 5, done=True)
    for one in (early, late, late, early, report(1, [REJECTED] * 5, done=True)):
        standing.take(one)

    assert standing.is_done
    assert known(standing) == {f"r1-0-{n}": ACCEPTED for n in range(5)} | {
        f"r1-1-{n}": REJECTED for n in range(5)
    }
    assert sum(row.offered for row in standing.rows.values()) == 10
    assert list(standing.doubts()) == []


def test_a_report_of_another_run_is_not_ours(standing):
    standing.take(report(0, [ACCEPTED], run="r2"))

    assert known(standing) == {}


def test_what_is_under_way_may_have_been_taken(standing):
    standing.take(report(0, [ACCEPTED, PENDING]))

    assert known(standing) == {"r1-0-0": ACCEPTED, "r1-0-1": UNKNOWN}
    assert not standing.is_done


def test_a_worker_that_vanished_may_have_sent_what_was_due_meanwhile(standing):
    standing.take(report(0, [ACCEPTED, PENDING]))
    standing.workers[0].vanished_s = 3.0  # its messages are due at 0, 1, 2, 3, 4

    assert known(standing) == {"r1-0-0": ACCEPTED} | {f"r1-0-{n}": UNKNOWN for n in (1, 2, 3)}
    assert "worker 0 vanished 3 s into the run" in standing.doubts()
    assert list(standing.troubles()) == ["worker 0 vanished 3 s into the run"]


def test_a_worker_that_was_ended_did_not_vanish(standing):
    standing.take(report(0, [ACCEPTED, PENDING]))
    standing.take(report(1, [ACCEPTED] * 5, done=True))
    standing.given_up_s, standing.workers[0].vanished_s = 2.5, 3.0

    assert list(standing.doubts()) == [LEFT_OUT]
    assert list(standing.unsent()) == ["worker 0 was ended before 3 of its 5 messages"]
    assert known(standing)["r1-0-2"] == UNKNOWN


def test_its_journal_tells_what_it_did_send(standing, tmp_path):
    standing.take(report(0, [ACCEPTED, PENDING]))
    standing.workers[0].vanished_s = 3.0
    journal = Journal(journal_of(tmp_path, 0), "r1", 0, 5)
    for sequence in range(3):
        journal.sending(sequence)
    journal.answered(0, ACCEPTED)
    journal.answered(1, ACCEPTED)
    standing.read_journals(tmp_path)

    assert known(standing) == {"r1-0-0": ACCEPTED, "r1-0-1": ACCEPTED, "r1-0-2": UNKNOWN}
    assert "worker 0 vanished 3 s into the run" in standing.doubts()


def test_a_worker_that_could_not_begin_is_a_doubt(standing):
    standing.take({"run": "r1", "worker": 1, "problem": "no room"})

    assert standing.workers[1].is_done
    assert "worker 1 sent nothing: no room" in standing.doubts()


def test_a_generator_behind_its_own_schedule_is_a_doubt(standing):
    for worker in range(2):
        standing.take(report(worker, [ACCEPTED] * 5, done=True) | {"late_ms": 1200 * worker})

    [doubt] = standing.doubts()
    assert "worker 1 was 1.2 s behind its own schedule" in doubt


@pytest.mark.parametrize(
    ("why", "told"),
    [
        ("no sender was free", "(no sender was free): raise at_once or use --processes"),
        (
            "the journal can't be written: No space left on device",
            "(the journal can't be written: No space left on device): make room, or start it in "
            "another folder",
        ),
    ],
)
def test_what_was_dropped_has_its_own_remedy(standing, why, told):
    one = report(0, [ACCEPTED] * 4 + [DROPPED], done=True)
    standing.take(one | {"reasons": {f"dropped: {why}": 1}})
    standing.take(report(1, [ACCEPTED] * 5, done=True))

    assert list(standing.doubts()) == [f"1 message was dropped by the generator {told}"]


def test_the_ledgers_sets(standing):
    standing.take(report(0, [ACCEPTED, ACCEPTED, ACCEPTED, UNKNOWN, UNKNOWN], done=True))
    standing.take(report(1, [REJECTED, NOT_SENT, REJECTED, ACCEPTED, ACCEPTED], done=True))
    effects = {"r1-0-0": 1, "r1-0-3": 1, "r1-1-0": 1, "r1-1-3": 2, "r9-0-0": 1}
    found = account.account_of(account.sent(standing), effects, {"r1-0-1": "DeadLetters"})

    assert len(found.attempted) == 10
    assert found.processed == {"r1-0-0", "r1-0-3", "r1-1-0", "r1-1-3"}
    assert found.stranded == {"r1-0-1"}
    assert found.lost == {"r1-0-2", "r1-1-4"}
    assert found.recovered == {"r1-0-3"}
    assert found.phantom == {"r1-1-0"}
    assert found.duplicated == {"r1-1-3"}
