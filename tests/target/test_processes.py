"""Processes that one command starts and another ends."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from pytest_storagefirst.target.processes import Process, start

WAITS = [sys.executable, "-c", "import sys, time; print('here', flush=True); time.sleep(60)"]


@pytest.fixture
def waiting(tmp_path):
    process, running = start("waiting", WAITS, os.environ, tmp_path, tmp_path / "log")
    yield process, running
    process.end()
    running.wait()


def test_it_is_alive_until_it_is_ended(waiting):
    process, running = waiting
    assert process.is_alive()

    assert process.end()
    assert not process.is_alive()
    assert not process.end()
    assert running.wait() != 0


def test_one_that_was_given_its_id_later_is_left_alone(waiting):
    process, running = waiting

    assert not replace(process, started="another time").end()
    assert process.is_alive()
    assert running.poll() is None


def test_one_that_is_gone_is_not_alive():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()

    assert not Process("ended", ended.pid, "").is_alive()


def test_those_that_it_started_end_with_it(tmp_path):
    code = f"import subprocess, time; subprocess.Popen({WAITS!r}); time.sleep(60)"
    process, running = start(
        "parent",
        [sys.executable, "-c", code],
        os.environ,
        tmp_path,
        tmp_path / "log",
        subprocess.PIPE,
    )
    assert running.stdout is not None
    assert running.stdout.readline() == b"here\n"

    process.end()

    assert running.stdout.read() == b""  # its end is seen when nobody can write any more
    running.stdout.close()
    running.wait()


def test_what_it_says_is_kept(tmp_path):
    _, running = start(
        "says", [sys.executable, "-c", "print('x')"], os.environ, tmp_path, tmp_path / "log"
    )
    running.wait()

    assert (tmp_path / "log").read_text() == "x\n"
