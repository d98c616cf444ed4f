from __future__ import annotations

import itertools

import pytest

from pytest_storagefirst.load.outcomes import (
    ACCEPTED,
    ALL,
    DROPPED,
    PENDING,
    REJECTED,
    UNKNOWN,
    UNTRIED,
    Outcomes,
    combined,
)
from pytest_storagefirst.load.replies import outcome_of


def test_packed_and_back():
    found = Outcomes()
    for sequence, outcome in enumerate((ACCEPTED, ACCEPTED, UNKNOWN, DROPPED)):
        found.set(sequence, outcome)
    found.set(9, PENDING)

    assert found.packed() == [["a", 2], ["u", 1], ["d", 1], [".", 5], ["p", 1]]
    again = Outcomes(found.packed())
    assert list(again.items()) == list(found.items())
    assert len(again) == 10
    assert again[12] == UNTRIED


def test_what_another_record_knows_is_learnt_and_nothing_is_forgotten():
    one, other = Outcomes(), Outcomes()
    for sequence, outcome in enumerate((ACCEPTED, PENDING, UNTRIED, REJECTED)):
        one.set(sequence, outcome)
    for sequence, outcome in enumerate((UNKNOWN, ACCEPTED, UNKNOWN, UNTRIED, ACCEPTED)):
        other.set(sequence, outcome)
    one.learn(other)

    assert [one[n] for n in range(5)] == [ACCEPTED, ACCEPTED, UNKNOWN, REJECTED, ACCEPTED]


@pytest.mark.parametrize(("one", "other"), list(itertools.product(ALL, ALL)))
def test_of_two_sends_the_more_telling_holds_in_either_order(one, other):
    found = combined(one, other)

    assert found == combined(other, one) or {one, other} == {PENDING, DROPPED}
    if ACCEPTED in (one, other):
        assert found == ACCEPTED
    elif UNKNOWN in (one, other):
        assert found == UNKNOWN


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, b"{}", ACCEPTED),
        (202, b"", ACCEPTED),
        (200, b"<SendMessageResponse><MessageId>1</MessageId></SendMessageResponse>", ACCEPTED),
        (200, b'{"FailedEntryCount": 0, "Entries": [{}]}', ACCEPTED),
        (200, b'{"FailedEntryCount": 1, "Entries": [{"ErrorCode": "x"}]}', REJECTED),
        (200, b'{"FailedRecordCount": "2"}', REJECTED),
        (200, b'{"Successful": [], "Failed": [{"Id": "1"}]}', REJECTED),
        (200, b'{"UnprocessedItems": {"T": []}}', REJECTED),
        (200, b'{"UnprocessedItems": {}}', ACCEPTED),
        (200, b"<R><BatchResultErrorEntry> <Id>1</Id></BatchResultErrorEntry></R>", REJECTED),
        (200, b'{"executionArn": "a", "status": "FAILED"}', REJECTED),
        (200, b'{"order": {"status": "FAILED"}}', ACCEPTED),
        (200, b"Failed to be JSON", ACCEPTED),
        (301, b"", REJECTED),
        (400, b"", REJECTED),
        (429, b"", REJECTED),
        (408, b"", UNKNOWN),
        (500, b"", UNKNOWN),
        (504, b"", UNKNOWN),
    ],
)
def test_what_an_answer_lets_its_sender_conclude(status, body, outcome):
    assert outcome_of(status, body) == outcome
