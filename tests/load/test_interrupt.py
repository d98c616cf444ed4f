"""Ctrl-C at any moment: what was sent is drained and judged, and the report is written."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from .conftest import wait_until


@pytest.mark.parametrize("processes", ["0", "2"])
def test_amid_the_load(door, load, processes):
    server = door()
    running = load(server, "long", "--processes", processes)
    wait_until(lambda: len(server.state()["requests"]) > 50, "fifty messages")
    running.interrupt()
    ended = running.ended()
    ledger, state = ended.report["ledger"], server.state()

    assert ended.exit == 4, ended.text
    assert "Traceback" not in ended.text
    unsent = 480 - len(state["requests"]) + 1  # all but the one that was sent ahead
    [why] = ended.report["why"]
    assert why.endswith(f" s into the run: {unsent} of 480 messages were not sent")
    assert "not waited for" not in ended.text
    assert ledger["attempted"] == ledger["processed"] == len(state["requests"]) < 480


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_of_the_command_alone(door, load, number):
    server = door()
    running = load(server, "long", "--processes", "2")
    wait_until(lambda: len(server.state()["requests"]) > 50, "fifty messages")
    running.interrupt_alone(number)
    ended = running.ended()
    ledger, state = ended.report["ledger"], server.state()

    assert ended.exit == 4, ended.text
    assert "of 480 messages were not sent" in ended.report["why"][0]
    assert "not waited for" not in ended.text
    assert ledger["attempted"] == ledger["processed"] == len(state["requests"]) < 480


def test_a_loss_stands_though_the_run_was_interrupted(door, load):
    server = door(lose_every=20)
    running = load(server, "long")
    wait_until(lambda: len(server.state()["requests"]) > 50, "fifty messages")
    running.interrupt()
    ended = running.ended()

    assert ended.exit == 3, ended.text
    assert ended.report["ledger"]["lost"] == server.state()["lost"]


def test_when_all_was_sent_it_is_judged_as_ever(door, load):
    server = door(at_work_s=7)
    running = load(server, "short", "--processes", "2")
    wait_until(lambda: "draining" in running.said, "it drains")
    running.interrupt()
    ended = running.ended()

    assert "interrupted: what was sent is drained" in ended.text
    assert ended.exit == 0, ended.text
    assert ended.report["why"] == []
    assert ended.report["ledger"]["attempted"] == len(server.state()["requests"])


def test_a_script_that_was_cut_short_is_told(door, load):
    server = door(at_work_s=7)
    running = load(server, "out-of-order")
    wait_until(lambda: "draining" in running.said, "it drains")
    running.interrupt()
    ended = running.ended()

    assert ended.exit == 4, ended.text
    assert "the third party was healed before its script did it" in ended.report["why"][0]


def test_amid_the_drain(door, load):
    server = door(lose_every=50)
    running = load(server, "short")
    wait_until(lambda: len(server.state()["requests"]) > 200, "nearly all messages")
    running.interrupt()
    wait_until(lambda: "interrupted" in running.said, "it was heard")
    running.interrupt()
    ended = running.ended()

    assert ended.exit == 4, ended.text
    assert ended.report["ledger"]["lost"] == []  # they may have come yet
    assert "Traceback" not in ended.text


@pytest.mark.parametrize("alone", [False, True])
def test_twice_amid_the_load(door, load, alone):
    server = door(stall_from_s=1, stall_s=60)
    running = load(server, "long", "--processes", "2")
    interrupt = running.interrupt_alone if alone else running.interrupt
    wait_until(lambda: len(server.state()["requests"]) > 80, "some are under way")
    interrupt()
    wait_until(lambda: "interrupted" in running.said, "it was heard")
    time.sleep(0.5)
    interrupt()
    ended = running.ended()

    assert ended.exit == 4, ended.text
    assert "interrupted: the drain was not waited for" in ended.report["why"]
    assert ended.report["ledger"]["unknown"] > 0
    for untrue in ("vanished", "come to rest", "time was up", "objective missed", "Traceback"):
        assert untrue not in ended.text


def test_before_anything_was_sent(door, load):
    running = load(door(), "short")
    wait_until(running.descendants, "Locust is started")
    running.interrupt()
    ended = running.ended()

    assert ended.exit == 4, ended.text
    assert "Traceback" not in ended.text


KILLED_AMID = """
import gevent
from pytest_storagefirst.load.master import Master

class Slow(Master):
    document, _is_concluding, tries = None, False, 0

    def __init__(self): ...

    def _concluded(self):
        self.tries += 1
        if self.tries == 1:
            gevent.sleep(60)
        return {"exit": 0}

master = Slow()
first = gevent.spawn(master.conclude)
gevent.sleep(0)
second = gevent.spawn(master.conclude)
gevent.sleep(0)
first.kill()
print(second.get(timeout=30), master.conclude(), master.tries)
"""


def test_whoever_asks_for_the_verdict_gets_it_though_the_first_was_killed_amid():
    """When its last worker quits, Locust kills the shape's greenlet, which is where the run
    concludes; then it asks again as it quits."""
    answer = subprocess.run(
        [sys.executable, "-c", KILLED_AMID], capture_output=True, text=True, timeout=60
    )
    assert answer.stdout == "{'exit': 0} {'exit': 0} 2\n", answer.stderr
