"""A story drawn: who stands beside whom, and what goes from one to the other."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from pytest_storagefirst.ledger.events import KINDS, Event
from pytest_storagefirst.report.json import property_as_json
from pytest_storagefirst.report.sequence import LONG, MOST_LANES, lanes_of, rows_of, sequence
from pytest_storagefirst.report.topology_svg import order_of
from tests.unit.report.outline import outline_of, words_of
from tests.unit.report.stack_documents import FAULT, GRAPH, HISTORY, losing, told

TOPOLOGY = GRAPH.to_json()


def as_json(steps):
    return property_as_json(replace(losing().properties[0], steps=tuple(steps)))["steps"]


STEPS = as_json(told())


def drawn(steps=STEPS, topology=TOPOLOGY):
    return sequence(steps, topology, order_of(topology), "no-message-loss")


def rows(*events):
    steps = as_json(told(events))[: len(events)]
    return [(one.source, one.target, one.label) for one in rows_of(steps, TOPOLOGY["links"])]


def test_lifelines_stand_as_messages_go():
    assert lanes_of(rows_of(STEPS, TOPOLOGY["links"]), order_of(TOPOLOGY)) == [
        "sender",
        "POST /orders",
        "OrdersQueue",
        "Worker",
        "Orders",
        "payments.example",
    ]


def test_each_step_goes_from_one_to_the_other():
    assert [(one.source, one.target, one.label) for one in rows_of(STEPS, TOPOLOGY["links"])] == [
        ("sender", "POST /orders", "m1"),
        ("POST /orders", "OrdersQueue", "m1 stored"),
        ("POST /orders", "sender", "✓ m1 acknowledged (200)"),
        ("OrdersQueue", "Worker", "m1"),
        ("Worker", "Orders", "PutItem #1 for m1"),
        ("Orders", "Orders", "✓ PutItem #1 for m1 took effect"),
        ("Worker", "payments.example", "POST #1 for m1"),
        ("Worker", "Orders", "PutItem #2 for m1"),
        ("Worker", "Worker", f"⚡\ufe0e FAULT {FAULT}"),
        ("Orders", "Worker", "✗ AccessDeniedException"),
        ("Worker", "Worker", "✗ failed with m1: an exception"),
        ("OrdersQueue", "Worker", "m1 (receive 2)"),
        ("Worker", "Worker", "✓ success with m1"),
        ("OrdersQueue", "OrdersQueue", "m1 deleted"),
        ("", "", "acknowledged 1 = processed 0 + stranded 0 + lost 1"),
        ("", "", "violated: m1 was acknowledged and left no effect"),
    ]


def test_dead_letters_are_set_aside_and_come_back():
    stored = Event(0, "stored", ("m1",), "OrdersQueue")

    assert rows(
        stored,
        Event(1, "dead-lettered", ("m1",), "OrdersDeadLetters", "OrdersQueue"),
        Event(2, "redriven", ("m1",), "OrdersDeadLetters", "OrdersQueue"),
        Event(3, "delivered", ("m1",), "Worker", "receive 1, invocation 2", 2),
    )[1:] == [
        ("OrdersQueue", "OrdersDeadLetters", "m1 set aside"),
        ("OrdersDeadLetters", "OrdersQueue", "m1 redriven"),
        ("OrdersQueue", "Worker", "m1"),
    ]


def test_what_was_never_seen_stored_comes_from_where_it_must():
    """A function's only source, or else nobody."""
    assert rows(Event(0, "delivered", ("m1",), "Worker", "", 1)) == [
        ("OrdersQueue", "Worker", "m1")
    ]
    assert rows(Event(0, "delivered", ("m1",), "Other", "", 1)) == [("Other", "Other", "m1")]


def test_a_call_about_something_unknown_goes_to_its_service():
    (row,) = rows_of(
        [{"kind": "called", "text": "", "where": "Worker", "detail": "ses.SendEmail #1"}], []
    )

    assert (row.source, row.target, row.label) == ("Worker", "ses", "SendEmail #1")


@pytest.mark.parametrize(("kind", "sign"), [("rejected", "✗"), ("indeterminate", "?")])
def test_a_front_door_that_does_not_say_yes(kind, sign):
    ((source, target, label),) = rows(Event(0, kind, ("m1",), "POST /orders", "500"))

    assert (source, target) == ("POST /orders", "sender")
    assert label.startswith(f"{sign} m1 ")
    assert "(500)" in label


def test_what_one_subscription_leaves_out_is_not_gone():
    why = "the subscription of Cold (kind is not cold)"

    ((_, _, of_one),) = rows(Event(0, "filtered", ("m1",), "News", why))
    ((_, _, of_all),) = rows(Event(0, "filtered", ("m1",), "OrdersQueue", "Mapping"))

    assert of_one == f"m1 not given to {why}"
    assert of_all == "m1 filtered away by Mapping"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn(kind):
    for messages, detail in ((("m1",), "dynamodb.PutItem #1"), ((), ""), (("m1", "m2"), "why")):
        steps = as_json(told([Event(0, kind, messages, "Worker", detail)]))
        outline = outline_of(f"{drawn(steps)}")
        assert {"Worker", "Orders"} & set(outline.text) or kind == "healed"


def test_many_messages_are_counted():
    many = tuple(f"m{n}" for n in range(1, 10))

    assert rows(Event(0, "stored", many, "OrdersQueue"))[0][2] == "m1 m2 m3 and 6 more stored"


def test_a_long_gap_in_virtual_time_is_told():
    words = words_of(drawn())

    assert "✗ failed with m1: an exception 3 min later 180.201 m1 (receive 2)" in words
    assert words.count(" later ") == 1


def test_the_fault_and_what_the_verdict_names_stay_in_a_story_that_is_cut():
    long = [
        event
        for n in range(600)
        for event in (
            Event(n * 1000, "stored", (f"m{n}",), "OrdersQueue"),
            Event(n * 1000 + 1, "noted", (), "Worker", f"note {n * n}"),
        )
    ]
    long.insert(600, Event(300_000, "faulted", ("m300",), "Worker", FAULT))
    steps = as_json(told(long))

    words = words_of(drawn(steps))

    assert f"FAULT {FAULT}" in words
    assert "lines left out" in words
    assert words.endswith("violated: m1 was acknowledged and left no effect")
    assert len(steps) < 140 < 600
    assert 'class="scrolls sequence long"' in drawn(steps)
    assert len(STEPS) < LONG
    assert 'class="scrolls sequence"' in drawn()


def test_times_are_told_where_they_change():
    clocks = re.findall(r'<span class="clock">([^<]+)</span>', drawn())

    assert clocks == [
        *("0.000", "0.101", "0.103", "0.104", "0.106", "⚡\ufe0e 0.108", "0.111", "0.112"),
        *("180.201", "180.207"),
    ]


def test_those_that_find_no_room_are_told():
    events = [Event(n, "noted", (), f"Function{n}", "something") for n in range(MOST_LANES + 2)]

    words = words_of(drawn(as_json(told(events))))

    assert f"Not drawn, for want of room: Function{MOST_LANES}, Function{MOST_LANES + 1}." in words
    assert "something" in words


def test_a_story_without_anyone_is_not_drawn():
    assert drawn([]) is None
    assert drawn(as_json(told(()))) is None


def test_an_arrow_points_to_where_it_goes():
    text = drawn().replace("<wbr/>", "")

    forth = re.search(r"m1 stored</span><i class=\"shaft (\w+)\"", text)
    back = re.search(r"AccessDeniedException</span><i class=\"shaft (\w+)\"", text)
    assert forth is not None
    assert back is not None
    assert (forth.group(1), back.group(1)) == ("right", "left")


def test_the_page_of_a_real_run_is_drawn_from_its_document_alone():
    """What a run's JSON holds is enough: no other value of Python is asked for."""
    steps = json.loads(json.dumps(STEPS))

    assert drawn(steps, json.loads(json.dumps(TOPOLOGY))) == drawn()
    assert len(HISTORY) + 2 == len(STEPS)


def test_a_fault_that_strikes_again_is_told_shortly():
    other = Event(3, "faulted", ("m1",), "Worker", "Worker: invocation #2: crash")
    struck = Event(1, "faulted", ("m1",), "Worker", FAULT)

    labels = [label for _, _, label in rows(struck, struck._replace(at_ms=2), other, struck)]

    sign = "⚡\ufe0e FAULT"
    assert labels == [
        f"{sign} {FAULT}",
        f"{sign} the same again",
        f"{sign} Worker: invocation #2: crash",
        f"{sign} {FAULT}",
    ]
