"""Runs as they are told, from what the simulation really records."""

from __future__ import annotations

import pytest

from pytest_storagefirst.explore.witness import told
from pytest_storagefirst.faults.plan import parse_fault
from pytest_storagefirst.ledger.verdict import Verdict
from pytest_storagefirst.simulation.schedule import Schedule, Send

BODY = {"id": "{unique}"}
VERDICT = Verdict("violated", "so it is")


def story(judge, *messages, plan="", **schedule):
    faults = (parse_fault(plan),) if plan else ()
    sends = tuple(Send(message, "Orders", BODY) for message in messages)
    judged = judge.judge(Schedule(sends, plan=faults, **schedule))
    return [
        line.split(None, 1)[1] for line in told(judged, VERDICT) if line.split()[0][0].isdigit()
    ]


def test_a_response_that_reports_a_failure(sound):
    refused = "Worker: dynamodb.PutItem #1: refused(access-denied)"
    lines = story(sound, "m1", "m2", plan=refused)

    assert "Worker returned, reporting m1 as failed; m2 succeeded" in lines
    assert not any("reported by" in line for line in lines)


def test_a_message_that_two_invocations_have_at_once(losing):
    lines = story(losing, "m1", plan="Orders: delivery #1: visibility-expired")

    first, second = (
        lines.index(f"Worker [{one}] got m1{x}")
        for one, x in (("1st", ""), ("2nd", " (receive 2)"))
    )
    assert first < second < lines.index("Worker [1st] succeeded with m1")
    for number in (1, 2):
        named = [line for line in lines if f"PutItem #{number}" in line]
        assert {line[:12] for line in named} == {f"Worker [{'1st' if number == 1 else '2nd'}]"}


@pytest.mark.parametrize(
    "plan", ["", "Worker: invocation #1: crash", "Worker: invocation #1: timeout"]
)
def test_one_after_the_other_needs_no_number(sound, plan):
    assert not any("[" in line for line in story(sound, "m1", "m2", plan=plan))
