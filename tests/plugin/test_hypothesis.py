"""Schedules and state machines of the examples, in a pytest of their own as a user runs them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"

TESTS = """
from hypothesis import Phase, given, settings
from pytest_storagefirst import schedules, stateful

QUICK = dict(
    max_examples={examples}, derandomize=True, database=None, phases=set(Phase) - {{Phase.explain}})

@settings(deadline=None, **QUICK)
@given(schedule=schedules("{name}/template.yaml", max_faults=2))
def test_no_loss(storagefirst, schedule):
    storagefirst.verify(schedule, "no-message-loss")

TestOrders = stateful("{name}/template.yaml", "no-message-loss", max_faults=1)
TestOrders.settings = settings(TestOrders.settings, stateful_step_count=6, **QUICK)

def test_by_hand(storagefirst):
    with storagefirst("{name}/template.yaml") as stack:
        stack.send("POST /orders", {{"orderId": "o-1", "amount": 12}})
        stack.inject("Worker: dynamodb.PutItem #1: response-lost")
        stack.run()                                   # until quiet, in virtual time
        assert stack.table("Orders").item(orderId="o-1")["amount"] == 12
        stack.verify("no-message-loss")
"""


@pytest.fixture
def run(pytester):
    """Runs TESTS on a copy of an example; the result, and its output with lines joined."""

    def run_on(name, examples):
        shutil.copytree(EXAMPLES / name, pytester.path / name)
        pytester.makepyfile(test_orders=TESTS.format(name=name, examples=examples))
        result = pytester.runpytest_subprocess("-p", "storagefirst", "-p", "no:cacheprovider")
        return result, result.stdout.str()

    return run_on


def test_a_sound_stack_passes(run):
    result, _ = run("orders", examples=15)

    result.assert_outcomes(passed=3)


def test_the_defect_is_found_and_shrunk(run, pytester):
    result, output = run("orders_broken", examples=100)

    result.assert_outcomes(failed=3)
    assert "Traceback" not in output
    assert "pytest_storagefirst/" not in output
    by_schedule, by_steps = (
        output.index(f"_ {name} _") for name in ("test_no_loss", "TestOrders.runTest")
    )
    schedule = output[by_schedule:by_steps]
    steps = output[by_steps : output.index("_ test_by_hand _")]

    assert "Violated: no-message-loss: m1 was acknowledged and left" in schedule
    falsifying = schedule[schedule.index("test_no_loss(") :]
    assert falsifying.count("Send(") <= 2
    assert falsifying.count("Fault(") == 1
    assert "FAULT  Worker: dynamodb.PutItem" in schedule

    file = ".storagefirst/replays/test_orders.py-test_no_loss-no-message-loss.json"
    assert f"again: pytest -p storagefirst --storagefirst-replay={file}" in schedule
    again = pytester.runpytest_subprocess("-p", "storagefirst", f"--storagefirst-replay={file}")
    again.assert_outcomes(failed=1)
    told = [line for line in again.stdout.lines if re.match(r" *\d+\.\d{3}  ", line)]
    assert len(told) > 5
    assert all(line.strip() in schedule for line in told)

    assert "Violated: no-message-loss: m1 was acknowledged and left" in steps
    told = re.findall(r"E +(state\..*)", steps)
    assert told[-1] == "state.teardown()"
    assert 1 <= sum(line.startswith("state.send(entry='POST /orders')") for line in told) <= 2
    assert len([line for line in told if line.startswith("state.inject(fault='")]) == 1
    assert not [line for line in told if "data(...)" in line]


def test_a_missing_template_is_told_without_a_frame_of_ours(pytester):
    pytester.makepyfile(
        """
        from hypothesis import given
        from pytest_storagefirst import schedules, stateful

        @given(schedule=schedules("nowhere.yaml"))
        def test_no_loss(storagefirst, schedule):
            storagefirst.verify(schedule, "no-message-loss")

        TestNowhere = stateful("nowhere.yaml")
        """
    )

    result = pytester.runpytest_subprocess("-p", "storagefirst")

    result.assert_outcomes(failed=2)
    output = result.stdout.str()
    assert output.count("TemplateError: nowhere.yaml: no such template") >= 2
    assert "pytest_storagefirst/" not in output
