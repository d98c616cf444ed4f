"""What was sent is looked for in what was stored, wherever that is."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pytest_storagefirst.explore.content import PROPERTY, judge_content, play_for_content
from pytest_storagefirst.ledger.effects import Effect
from pytest_storagefirst.ledger.events import Event
from pytest_storagefirst.simulation.deployed import Entry
from pytest_storagefirst.simulation.schedule import Schedule, Send

SENT = 'a&b+c%41"d\\é\nf'
SCHEDULE = Schedule((Send("m1", "POST /orders", {"note": SENT}),))


def judge(queued=(), item=None, answer="acknowledged", more=()):
    """A judge whose every run stores this."""
    effects = (Effect("item", "Table", "1", item, None),) if item is not None else ()
    history = (Event(0, answer, ("m1",), "POST /orders", ""), *more)
    played = SimpleNamespace(
        stored_texts={"m1": tuple(queued)} if queued else {},
        observation=SimpleNamespace(effects=effects, history=history),
    )
    return SimpleNamespace(play=lambda schedule: played)


def verdict(judge):
    return play_for_content(judge, SCHEDULE, {"note": SENT}).verdicts[PROPERTY]


def test_it_is_found_in_a_queue():
    assert verdict(judge(queued=[f"<note>{SENT}</note>"])).value == "ok"


def test_it_is_found_deep_in_an_item():
    item = {"orders": {"L": [{"M": {"note": {"S": SENT}, "size": {"N": "1"}}}]}, "flag": True}

    assert verdict(judge(item=item)).value == "ok"


@pytest.mark.parametrize("found", ["a", "a&b c%41", "x" * 1000])
def test_what_is_not_found_was_changed(found):
    told = verdict(judge(queued=[found]))

    assert (told.value, told.messages) == ("violated", ("m1",))
    assert told.why.startswith("m1 was acknowledged and what was stored of note is not what was se")
    assert repr(SENT) in told.why
    assert len(told.why) < 350


def test_nothing_stored_is_not_what_was_sent():
    failed = Event(1, "failed", ("m1",), "Worker", "UnicodeDecodeError")

    told = verdict(judge(more=(failed,)))

    assert told.value == "violated"
    assert "left no effect in which what was sent of note" in told.why
    assert told.why.endswith("; Worker failed with it: UnicodeDecodeError")
    assert verdict(judge()).why.endswith("could be found again")


def test_a_sender_who_was_refused_was_promised_nothing():
    assert verdict(judge(answer="rejected")).value == "unknown"


@pytest.mark.parametrize(
    ("body", "engine"),
    [
        ("a text", judge(queued=["a text"])),
        ({"id": "{unique}"}, judge(queued=["nothing of what was sent"])),
        ({"id": "{unique}"}, judge(queued=["plain text"], answer="rejected")),
    ],
    ids=["no fields", "not kept even when plain", "rejected"],
)
def test_nothing_to_compare(body, engine):
    assert judge_content(engine, Entry("POST /orders", body)) is None
