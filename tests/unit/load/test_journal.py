from __future__ import annotations

from pathlib import Path

import pytest

from pytest_storagefirst.errors import LoadError
from pytest_storagefirst.load.journal import Journal, read_journal
from pytest_storagefirst.load.outcomes import (
    ACCEPTED,
    NOT_SENT,
    PENDING,
    REJECTED,
    UNKNOWN,
    UNTRIED,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "worker-0.journal"


def test_what_was_written_is_read_though_nobody_closed_it(path):
    journal = Journal(path, "r1", 0, 10)
    for sequence, outcome in enumerate((ACCEPTED, REJECTED, NOT_SENT, UNKNOWN)):
        journal.sending(sequence)
        journal.answered(sequence, outcome)
    journal.sending(4)
    found = read_journal(path, "r1")

    assert [found[n] for n in range(4)] == [ACCEPTED, REJECTED, NOT_SENT, UNKNOWN]
    assert found[4] == UNKNOWN  # it may have been sent
    assert found[5] == UNTRIED


def test_of_a_message_sent_twice_a_yes_stands_and_an_open_send_is_unknown(path):
    journal = Journal(path, "r1", 0, 10)
    for outcomes in ((REJECTED, ACCEPTED), (ACCEPTED, UNKNOWN), (REJECTED,)):
        sequence = len(outcomes) * 10 + outcomes[0][0]
        journal.sending(sequence)
        journal.answered(sequence, outcomes[0])
        journal.sending(sequence)
        for outcome in outcomes[1:]:
            journal.answered(sequence, outcome)
    found = read_journal(path, "r1")

    assert found[20 + REJECTED[0]] == ACCEPTED
    assert found[20 + ACCEPTED[0]] == ACCEPTED
    assert found[10 + REJECTED[0]] == UNKNOWN


def test_a_line_that_is_cut_off_counts_as_not_written(path):
    journal = Journal(path, "r1", 0, 10)
    journal.sending(1)
    with path.open("ab") as file:
        file.write(b"a 1")
    assert read_journal(path, "r1")[1] == UNKNOWN


def test_a_journal_of_another_run_or_none_at_all(path, tmp_path):
    Journal(path, "r1", 0, 10)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "other").write_bytes(b"[]\n> 1\n")

    assert read_journal(path, "r2") is None
    assert read_journal(tmp_path / "none", "r1") is None
    assert read_journal(tmp_path / "empty", "r1") is None
    assert read_journal(tmp_path / "other", "r1") is None


def test_a_disk_that_is_full_is_refused_before_anything_is_sent():
    with pytest.raises(LoadError, match="can't be written") as error:
        Journal(Path("/dev/full"), "r1", 0, 10)
    assert "No space left" in error.value.line


def test_a_disk_without_room_for_the_run_is_refused(path):
    with pytest.raises(LoadError, match="bytes are free, and the run may need"):
        Journal(path, "r1", 0, 1e15)


def test_pending_is_no_outcome_of_a_journal_line(path):
    journal = Journal(path, "r1", 0, 10)
    journal.sending(0)
    journal.answered(0, PENDING)
    assert read_journal(path, "r1")[0] == PENDING
