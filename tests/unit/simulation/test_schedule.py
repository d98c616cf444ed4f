"""A schedule as a replay file holds it, and bodies with their ids in."""

from __future__ import annotations

import json

import pytest

from pytest_storagefirst.errors import FaultError
from pytest_storagefirst.faults.plan import parse_plan
from pytest_storagefirst.simulation.schedule import AHEAD_MS, Schedule, Send, as_text, render

WHOLE = Schedule(
    (Send("m1", "POST /orders", {"a": ["{unique}", 1]}), Send("m1", "Queue", "text")),
    parse_plan(["Worker: dynamodb.PutItem #2 under m1: refused(throttle) for 90 s"]),
    choices=(1, 0),
    seed=3,
    concurrency=2,
    batch_limit=1,
    one_by_one=True,
    redrives=("during", "after"),
    gap_ms=20_000,
    late=1,
    ahead=1,
)
ADDED = ("gap_ms", "late", "ahead")  # files of an earlier version lack them


def test_it_comes_back_whole_from_a_file() -> None:
    assert Schedule.from_json(json.loads(json.dumps(WHOLE.to_json()))) == WHOLE
    plain = Schedule(())
    assert Schedule.from_json(plain.to_json()) == plain


def test_a_file_of_before_is_read_as_it_was_meant() -> None:
    document = {name: value for name, value in WHOLE.to_json().items() if name not in ADDED}
    read = Schedule.from_json(document)
    before = Schedule(())
    assert (read.gap_ms, read.late, read.ahead) == (before.gap_ms, before.late, before.ahead)


def test_who_is_sent_ahead_has_the_time_to_be_tried() -> None:
    schedule = Schedule((Send("m1", "Queue", ""),) * 4, gap_ms=5, ahead=2)
    moments = [schedule.moment_ms(index) for index in range(4)]
    assert moments == [0, AHEAD_MS, 2 * AHEAD_MS, 2 * AHEAD_MS + 5]


@pytest.mark.parametrize("name", sorted(WHOLE.to_json().keys() - set(ADDED)))
def test_a_document_without_a_part_is_not_one(name: str) -> None:
    document = WHOLE.to_json()
    del document[name]
    with pytest.raises(KeyError):
        Schedule.from_json(document)


def test_a_document_with_no_fault_where_one_should_be() -> None:
    with pytest.raises(FaultError):
        Schedule.from_json({**WHOLE.to_json(), "plan": ["nonsense"]})


def test_messages_are_named_once() -> None:
    assert WHOLE.messages == ("m1",)


def test_bodies() -> None:
    body = {"{unique}": ["a{unique}b", {"c": "{unique}{unique}"}], "n": 1, "none": None}
    assert render(body, "X") == {"X": ["aXb", {"c": "XX"}], "n": 1, "none": None}
    assert render("{unique}", "X") == "X"
    assert as_text("é") == "é"
    assert as_text({"a": "é"}) == '{"a": "é"}'
