"""Load runs as their users start them, in processes of their own, against front_door.py."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

HERE = Path(__file__).parent
LOCUSTFILE = HERE / "locustfile.py"
PATIENCE_S = 90


@dataclass
class Door:
    url: str

    def state(self):
        with urllib.request.urlopen(f"{self.url}/state", timeout=10) as answer:
            return json.load(answer)


@pytest.fixture
def door():
    """A factory: door(lose_every=100) is a front door that does so."""
    running = []

    def opened(**told):
        process = subprocess.Popen(
            [sys.executable, HERE / "front_door.py", json.dumps(told)],
            env={name: value for name, value in os.environ.items() if "COVERAGE" not in name},
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return Door(f"http://127.0.0.1:{process.stdout.readline().strip()}")

    yield opened
    for process in running:
        process.kill()
        process.communicate()


@dataclass
class Ended:
    exit: int
    text: str
    folder: Path

    @property
    def report(self):
        return json.loads((self.folder / "report" / "report.json").read_text("utf-8"))


class Running:
    """A command in a session of its own, so that a signal reaches all of it, as Ctrl-C does.

    What it says goes to a file: nobody waits on a pipe that a process it left behind holds open.
    """

    def __init__(self, command, folder, door):
        environment = os.environ | {
            "FRONT_DOOR": door.url,
            "PYTHONUNBUFFERED": "1",
            "PYTHONFAULTHANDLER": "1",
        }
        self.folder = folder
        with (folder / "said").open("wb") as said:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self):
        return (self.folder / "said").read_text("utf-8", errors="replace")

    def interrupt(self):
        os.killpg(self.process.pid, signal.SIGINT)

    def interrupt_alone(self, number=signal.SIGINT):
        """As `kill`, a CI runner or a supervisor does it: what is below the command isn't told."""
        self.process.send_signal(number)

    def descendants(self):
        """The processes below the command: Locust, and then the workers that it forked."""
        locust = psutil.Process(self.process.pid).children()
        return locust + [worker for one in locust for worker in one.children()]

    def ended(self):
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.end()
            raise AssertionError(f"it did not end:\n{self.said}") from None
        return Ended(self.process.returncode, self.said, self.folder)

    def end(self):
        """End all of it; each process says first where it was."""
        for number in (signal.SIGABRT, signal.SIGKILL):
            if self.process.poll() is None:
                os.killpg(self.process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(5)


@pytest.fixture
def load(tmp_path):
    """A factory: load(door, "short", …) starts `storagefirst load short …`."""
    started = []

    def start(door, *arguments):
        command = [sys.executable, "-c", "from pytest_storagefirst.cli import main; main()"]
        command += ["load", *arguments, "--file", str(LOCUSTFILE), "--report", "report"]
        started.append(Running(command, tmp_path, door))
        return started[-1]

    yield start
    for running in started:
        running.end()


@pytest.fixture
def locust(tmp_path):
    """A factory: locust(door, …) starts Locust itself on the locustfile."""
    started = []

    def start(door, *arguments):
        command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), *arguments]
        started.append(Running(command, tmp_path, door))
        return started[-1]

    yield start
    for running in started:
        running.end()


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def wait_until(true, what):
    until = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < until, f"never: {what}"
        time.sleep(0.05)
