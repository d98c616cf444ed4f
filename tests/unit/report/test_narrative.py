"""Stories: one line for each thing that happened, cycles folded, the ledger at the end."""

from __future__ import annotations

from random import Random

import pytest

from pytest_storagefirst.ledger.accounting import Account
from pytest_storagefirst.ledger.events import KINDS, OF_RECORD, Event
from pytest_storagefirst.ledger.verdict import Verdict
from pytest_storagefirst.report.narrative import (
    LONGEST_DETAIL,
    LONGEST_STORY_LINES,
    MOST_MESSAGES_OF_A_STEP,
    in_lines,
    steps,
    story,
)

LOST = Verdict("violated", "m1 was acknowledged and is lost", ("m1",))


def test_a_message_is_lost():
    history = [
        Event(0, "attempted", ("m1",), "POST /orders", "1"),
        Event(0, "stored", ("m1",), "Orders", "<m1.messageId>"),
        Event(12, "acknowledged", ("m1",), "POST /orders", "200"),
        Event(20, "delivered", ("m1",), "Worker", "receive 1, invocation 1"),
        Event(20, "delivered", ("m2",), "Worker", "receive 1, invocation 1"),
        Event(21, "called", ("m2",), "Worker", "dynamodb.PutItem #1"),
        Event(21, "effected", ("m2",), "Worker", "dynamodb.PutItem #1"),
        Event(31, "called", ("m1",), "Worker", "dynamodb.PutItem #2"),
        Event(31, "faulted", ("m1",), "Worker", "Worker: dynamodb.PutItem #2: refused(throttle)"),
        Event(31, "errored", ("m1",), "Worker", "dynamodb.PutItem #2: ThrottlingException"),
        Event(32, "succeeded", ("m1", "m2"), "Worker", ""),
        Event(32, "deleted", ("m1", "m2"), "Orders", ""),
        Event(120_000, "healed", (), ""),
    ]
    account = Account(
        attempted=frozenset({"m1", "m2"}),
        acknowledged=frozenset({"m1", "m2"}),
        processed=frozenset({"m2"}),
        lost=frozenset({"m1"}),
    )

    plan = ["Worker: dynamodb.PutItem #2: refused(throttle)"]

    assert story(history, {}, LOST, plan, account) == (
        "  0.000  m1 sent to POST /orders",
        "  0.000  m1 stored in Orders",
        "  0.012  m1 acknowledged (200)",
        "  0.020  Worker invocation 1 got m1 m2",
        "  0.021  Worker: dynamodb.PutItem #1 took effect for m2",
        "  0.031  Worker calls dynamodb.PutItem #2 for m1",
        "  0.031  FAULT  Worker: dynamodb.PutItem #2: refused(throttle)",
        "  0.031  Worker: dynamodb.PutItem #2: ThrottlingException, for m1",
        "  0.032  Worker succeeded with m1 m2",
        "  0.032  m1 m2 deleted from Orders",
        "120.000  all faults end",
        "acknowledged 2 = processed 1 + stranded 0 + lost 1",
        "violated: m1 was acknowledged and is lost",
    )


def test_who_counts_as_processed_without_an_effect_is_told():
    """A bad message leaves none when it is alone: that it was acknowledged is all there is."""
    account = Account(
        attempted=frozenset({"m1", "m2"}),
        acknowledged=frozenset({"m1", "m2"}),
        processed=frozenset({"m1", "m2"}),
        by_acknowledgement=frozenset({"m1"}),
    )

    told = story([], {}, LOST, [], account)

    assert "acknowledged 2 = processed 2 (1 without effect) + stranded 0 + lost 0" in told


def cycles(number, *, first=0):
    for turn in range(first, first + number):
        at = turn * 30_000
        yield Event(
            at, "delivered", ("m1",), "Worker", f"receive {turn + 1}, invocation {turn + 1}"
        )
        yield Event(at, "called", ("m1",), "Worker", f"dynamodb.PutItem #{turn + 1}")
        yield Event(at + 5, "failed", ("m1",), "Worker", "KeyError")
        yield Event(at + 30_000, "released", ("m1",), "Orders")


def test_what_stands_behind_a_reported_record_is_read_again():
    """services-kinesis-batchfailurereporting: the first reported one is the checkpoint."""
    history = [
        *batch(("m2",), "reported by the handler"),
        Event(5, "failed", ("m3",), "Worker", "behind a reported one"),
    ]
    told = "Worker returned, reporting m2 as failed; m3 behind is read again; m1 succeeded"
    assert story(history, {}, LOST)[1:-1] == (f"0.005  {told}",)


def test_a_cycle_is_told_once():
    assert story(cycles(5), {}, LOST)[:-1] == (
        " 0.000  Worker invocation 1 got m1",
        " 0.000  Worker calls dynamodb.PutItem #1 for m1",
        " 0.005  Worker failed with m1: KeyError",
        "30.000  m1 visible again in Orders",
        "        … the same 4 times more, until 150.000",
    )


def test_what_concerns_nobodys_message_is_a_sentence_too():
    history = [
        Event(0, "delivered", (), "Trial", "sent by EveryMinute"),
        Event(1, "stored", (), "Healer"),
        Event(2, "failed", (), "Trial", "crash"),
    ]
    assert story(history, {}, LOST)[:3] == (
        "0.000  Trial invoked (sent by EveryMinute)",
        "0.001  another message stored in Healer",
        "0.002  Trial failed: crash",
    )


def test_a_subscription_that_filters_says_nothing_of_the_others():
    history = [
        Event(0, "filtered", ("m1",), "News", "the subscription of Cold (kind is not cold)"),
        Event(0, "stored", ("m1",), "Warm"),
        Event(0, "filtered", ("m2",), "Warm", "Mapping"),
    ]

    lines = story(history, {}, LOST)

    assert lines[:3] == (
        "0.000  m1 not given by News to the subscription of Cold (kind is not cold)",
        "0.000  m1 stored in Warm",
        "0.000  m2 matched no filter and was deleted from Warm",
    )


def test_a_cycle_is_told_from_where_a_turn_begins():
    first, *rest = cycles(5)
    history = [first, Event(0, "effected", ("m1",), "Worker", "dynamodb.PutItem #1"), *rest]

    lines = story(history, {}, LOST)

    assert lines[5:10] == (
        "30.000  Worker invocation 2 got m1 (receive 2)",
        "30.000  Worker calls dynamodb.PutItem #2 for m1",
        "30.005  Worker failed with m1: KeyError",
        "60.000  m1 visible again in Orders",
        "        … the same 3 times more, until 150.000",
    )


def test_what_comes_twice_is_told_twice():
    lines = story(cycles(2, first=1), {}, LOST)

    assert len(lines) == 9
    assert not any("…" in line for line in lines)


def test_a_cycle_that_differs_is_told_apart():
    history = [*cycles(4), Event(130_000, "dead-lettered", ("m1",), "OrdersDLQ", "Orders")]

    assert story(history, {}, LOST)[-2] == "130.000  m1 moved to OrdersDLQ from Orders"


def test_ids_of_the_system_are_told_by_their_names():
    history = [Event(0, "noted", (), "Worker", "wrote 4f1c")]

    assert story(history, {"4f1c": "<m1.messageId>"}, Verdict("unknown", "4f1c?"))[-2:] == (
        "0.000  Worker: wrote <m1.messageId>",
        "unknown: <m1.messageId>?",
    )


def test_a_fault_that_never_struck_is_told():
    assert story([], {}, Verdict("unknown"), ["Worker: invocation #9: crash"]) == (
        "never struck: Worker: invocation #9: crash",
        "unknown",
    )


def test_a_story_without_end_is_cut_in_the_middle():
    history = [Event(at, "noted", (), "", f"thing{'x' * at}") for at in range(500)]

    lines = story(history, {}, LOST)

    assert len(lines) == LONGEST_STORY_LINES + 2
    assert "… 380 lines left out …" in lines
    assert lines[-2].startswith("0.499  thing")


def test_what_the_verdict_names_and_where_a_fault_begins_is_not_cut_out():
    history = [Event(at, "noted", (), "", f"thing{'x' * at}") for at in range(500)]
    history[200] = Event(200, "faulted", ("m1",), "Worker", "Worker: invocation #1: crash")

    lines = story(history, {}, Verdict("violated", "at 0.300 it went wrong"))

    assert "0.200  FAULT  Worker: invocation #1: crash" in lines
    assert any(line.startswith("0.300  thing") for line in lines)
    cut = [line for line in lines if "left out" in line]
    assert cut == [f"… {number} lines left out …" for number in (117, 93, 156)]


def test_what_the_verdict_names_is_not_folded_away():
    def is_told(verdict):
        lines = [line.strip() for line in story(cycles(9), {}, verdict)]
        return "120.000  Worker invocation 5 got m1 (receive 5)" in lines

    assert is_told(Verdict("violated", "at 120.000 it went wrong"))
    assert not is_told(LOST)


def test_a_second_request_is_told_as_one():
    history = [Event(0, "attempted", ("m1",), "POST /orders", "request 2")]

    assert story(history, {}, LOST)[0] == "0.000  m1 sent to POST /orders (request 2)"


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("messages", [("m1",), ()])
@pytest.mark.parametrize("detail", ["", "detail"])
def test_every_kind_has_a_phrase(kind, messages, detail):
    line = story([Event(0, kind, messages, "Place", detail)], {}, LOST)[0]

    assert line.startswith("0.000  ")
    assert line == line.rstrip()
    assert "{" not in line
    if kind != "healed":
        assert "Place" in line or detail in line


def at_work(at_ms, kind, message, where, invocation, detail=""):
    return Event(at_ms, kind, (message,), where, detail, invocation)


def test_two_invocations_at_work_at_once_are_told_apart():
    history = [
        at_work(100, "delivered", "m1", "Worker", 1, "receive 1 from Orders"),
        at_work(101, "called", "m1", "Worker", 1, "dynamodb.GetItem #1"),
        at_work(102, "delivered", "m1", "Worker", 3, "receive 2 from Orders"),
        at_work(103, "called", "m1", "Worker", 3, "dynamodb.GetItem #2"),
        at_work(104, "effected", "m1", "Worker", 1, "dynamodb.PutItem #1"),
        at_work(105, "errored", "m1", "Worker", 3, "dynamodb.PutItem #2: no answer"),
        at_work(106, "succeeded", "m1", "Worker", 1),
        Event(106, "deleted", ("m1",), "Orders"),
        at_work(107, "failed", "m1", "Worker", 3, "timeout"),
    ]

    assert story(history, {}, LOST)[:-1] == (
        "0.100  Worker [1st] got m1",
        "0.101  Worker [1st] calls dynamodb.GetItem #1 for m1",
        "0.102  Worker [2nd] got m1 (receive 2)",
        "0.103  Worker [2nd] calls dynamodb.GetItem #2 for m1",
        "0.104  Worker [1st]: dynamodb.PutItem #1 took effect for m1",
        "0.105  Worker [2nd]: dynamodb.PutItem #2: no answer, for m1",
        "0.106  Worker [1st] succeeded with m1",
        "0.106  m1 deleted from Orders",
        "0.107  Worker [2nd] failed with m1: timeout",
    )


def test_invocations_one_after_the_other_and_of_other_functions_need_no_number():
    history = [
        at_work(0, "delivered", "m1", "Worker", 1),
        at_work(1, "delivered", "m2", "Biller", 2),
        at_work(2, "succeeded", "m1", "Worker", 1),
        at_work(3, "delivered", "m3", "Worker", 3),
        at_work(4, "failed", "m3", "Worker", 3),
    ]

    assert not any("[" in line for line in story(history, {}, LOST))


def test_what_two_invocations_do_at_one_moment_is_two_things():
    history = [
        at_work(0, "delivered", "m1", "Worker", 1),
        at_work(0, "delivered", "m2", "Worker", 2),
    ]

    assert story(history, {}, LOST)[:2] == (
        "0.000  Worker [1st] got m1",
        "0.000  Worker [2nd] got m2",
    )


@pytest.mark.parametrize(
    ("number", "told"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (21, "21st")],
)
def test_the_last_of_many_is_counted_as_people_do(number, told):
    history = []
    for one in range(1, number + 1):
        history += [
            at_work(one, "delivered", "m1", "Worker", one),
            at_work(one, "succeeded", "m1", "Worker", one),
        ]
    history[-1:] = [at_work(99, "delivered", "m2", "Worker", 999)]

    assert f"Worker [{told}] got m1" in " ".join(story(history, {}, LOST))


def batch(failed, why):
    return [
        Event(0, "delivered", ("m1", "m2", "m3"), "Worker", "", 1),
        Event(5, "succeeded", ("m1", "m2", "m3"), "Worker", "", 1),
        Event(5, "failed", failed, "Worker", why),
    ]


@pytest.mark.parametrize(
    ("failed", "why", "told"),
    [
        (
            ("m1", "m3"),
            "reported by the handler",
            "Worker returned, reporting m1 m3 as failed; m2 succeeded",
        ),
        (
            ("m1", "m2", "m3"),
            "reported by the handler",
            "Worker returned, reporting m1 m2 m3 as failed",
        ),
        (
            ("m1", "m2", "m3"),
            "its response fails the whole batch",
            "Worker returned a response that fails the whole batch: m1 m2 m3",
        ),
    ],
)
def test_a_response_that_reports_failures_is_told_once(failed, why, told):
    assert story(batch(failed, why), {}, LOST)[1:-1] == (f"0.005  {told}",)


def test_a_failure_of_another_invocation_is_no_report():
    history = [*batch(("m4",), "reported by the handler"), *batch(("m1",), "KeyError")]

    lines = story(history, {}, LOST)

    assert "0.005  Worker failed with m4: reported by the handler" in lines
    assert "0.005  Worker failed with m1: KeyError" in lines


def test_a_step_says_what_its_line_is_made_of():
    history = [
        Event(101, "called", ("m1",), "Worker", "dynamodb.PutItem #1, attempt 2", 1),
        Event(103, "noted", (), "Worker", "4f1c " + "x" * 500),
    ]
    asked = []

    def callee(where, call):
        asked.append((where, call))
        return "Orders"

    first, second, verdict = steps(history, {"4f1c": "<m1.id>"}, LOST, callee=callee)

    assert asked == [("Worker", "dynamodb.PutItem #1")]
    assert first == (
        101,
        "called",
        "Worker calls dynamodb.PutItem #1, attempt 2 for m1",
        ("m1",),
        "Worker",
        "dynamodb.PutItem #1, attempt 2",
        "Orders",
    )
    assert second.detail == "<m1.id> " + "x" * (LONGEST_DETAIL - 8) + "…"
    assert (verdict.at_ms, verdict.kind) == (None, "verdict")


def test_the_steps_of_a_story_are_its_lines():
    for history in (list(cycles(5)), list(cycles(200)), []):
        told = steps(history, {}, LOST, ["Worker: invocation #9: crash"])

        assert in_lines(told) == story(history, {}, LOST, ["Worker: invocation #9: crash"])
        assert len(told[0].messages) <= 50


def test_a_step_names_some_of_very_many_messages():
    many = tuple(f"m{n}" for n in range(200))

    (step, _) = steps([Event(0, "stored", many, "Orders")], {}, LOST)

    assert len(step.messages) == MOST_MESSAGES_OF_A_STEP
    assert "m199" in step.text


def reads(turn, messages, order):
    """A read of a shard at which several invocations fail, each after a wait that was drawn."""
    at = turn * 30_000
    for number, message in enumerate(messages, 1):
        detail = f"read {turn + 1} from Stream"
        yield Event(at, "delivered", (message,), "Worker", detail, turn * 10 + number)
    for late, which in enumerate(order):
        invocation = turn * 10 + which + 1
        yield Event(at + 5 + late, "failed", (messages[which],), "Worker", "KeyError", invocation)


def test_reads_of_a_stream_are_told_once():
    history = [event for turn in range(9) for event in reads(turn, ("m1",), (0,))]
    history.append(Event(400_000, "expired", ("m1",), "Stream", OF_RECORD))

    assert story(history, {}, LOST)[:-1] == (
        "  0.000  Worker got m1 (read 1 from Stream)",
        "  0.005  Worker failed with m1: KeyError",
        "         … the same 8 times more, until 240.005",
        "400.000  the stream record of m1 expired in Stream and is gone",
    )


def test_what_comes_in_another_order_each_time_is_told_once():
    orders = [(0, 1), (1, 0), (1, 0), (0, 1), (1, 0)]
    history = [
        event for turn, order in enumerate(orders) for event in reads(turn, ("m1", "m2"), order)
    ]

    lines = story(history, {}, LOST)

    assert len(lines) == 6
    assert lines[4] == "       … the same 4 times more, until 120.006"


def test_a_turn_in_which_something_else_happens_is_told():
    history = [event for turn in range(4) for event in reads(turn, ("m1",), (0,))]
    history += [*reads(4, ("m1",), (0,)), Event(120_010, "faulted", (), "", "Worker: crash")]
    history += [event for turn in range(5, 9) for event in reads(turn, ("m1",), (0,))]

    lines = story(history, {}, LOST)

    assert "  0.005  Worker failed with m1: KeyError" in lines
    assert "         … the same 4 times more, until 120.005" in lines
    assert "120.010  FAULT  Worker: crash" in lines
    assert lines[-2] == "         … the same 3 times more, until 240.005"


def test_the_moment_that_a_verdict_names_is_told_among_turns():
    history = [event for turn in range(9) for event in reads(turn, ("m1",), (0,))]
    verdict = Verdict("violated", "m1 was given up at 120.005")

    assert "120.005  Worker failed with m1: KeyError" in story(history, {}, verdict)


def test_of_a_long_story_turns_that_come_to_the_same_are_told_once():
    """Clients retry after waits that are drawn: no two turns make as many calls."""
    history, drawn = [], Random(7)
    for turn in range(60):
        read, failed = reads(turn, ("m1",), (0,))
        calls = [
            Event(read.at_ms + 1, "called", ("m1",), "Worker", f"iot.Publish #1, attempt {number}")
            for number in range(1, drawn.randint(2, 8))
        ]
        history += [read, *calls, failed]

    lines = story(history, {}, LOST)

    assert len(lines) < 10
    assert lines[-2] == "       … much the same 59 times more, until 1770.005"
    assert len(story(history[:40], {}, LOST)) > 20  # a short one is told as it was


def test_turns_of_several_messages_are_told_once_up_to_the_last():
    history = [
        event
        for turn in range(5)
        for number, message in enumerate(("m1", "m2"))
        for event in reads(turn * 10 + number, (message,), (0,))
    ]
    history.append(Event(1_300_000, "dead-lettered", ("m1", "m2"), "Dead", "Queue"))

    lines = story(history, {}, LOST)

    assert len(lines) == 7
    assert lines[4] == "          … the same 4 times more, until 1230.005"
    assert lines[5] == "1300.000  m1 m2 moved to Dead from Queue"


def test_what_a_client_tries_again_and_again_is_told_once():
    history = [Event(0, "delivered", ("m1",), "Worker", "receive 1")]
    for number in range(1, 10):
        again = f", attempt {number}" if number > 1 else ""
        history += [
            Event(number, "called", ("m1",), "Worker", f"dynamodb.PutItem #1{again}"),
            Event(number, "faulted", ("m1",), "Worker", "Worker: dynamodb.PutItem #1: refused"),
        ]

    assert story(history, {}, LOST)[1:-1] == (
        "0.001  Worker calls dynamodb.PutItem #1 for m1",
        "0.001  FAULT  Worker: dynamodb.PutItem #1: refused",
        "       … the same 8 times more, until 0.009",
    )
