"""A handler that computes for ever is left behind, and its tester told where it was."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from greenlet import greenlet

from pytest_storagefirst.errors import SimulationError
from pytest_storagefirst.simulation import watchdog


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "PATIENCE_SECONDS", 0.2)


HANGS = {
    "nothing": "while True: pass",
    "asking for the time": "while time.time() < 4e9: pass",
    "asking for the processor's time": "while time.monotonic() < 4e9: pass",
    "sleeping no time": "while True: time.sleep(0)",
    "catching everything": """
    while True:
        try:
            while True: pass
        except BaseException:
            pass""",
    "in a function of its own": """
    def inner():
        while True: pass
    inner()""",
    "in a thread": """
    def inner():
        while True: pass
    thread = threading.Thread(target=inner)
    thread.start()
    thread.join()""",
    "in a coroutine": """
    async def inner():
        while True: pass
    asyncio.run(inner())""",
    "in a pattern": "re.match(r'(a|aa)+$', 'a' * 60 + 'b')",
}


def source_of(statements: str) -> str:
    body = textwrap.indent(textwrap.dedent(statements).strip(), "    ")
    return "import asyncio, re, threading, time\ndef handler(event, context):\n" + body + "\n"


@pytest.mark.parametrize("statements", HANGS.values(), ids=HANGS)
def test_a_hang_is_an_error_that_says_where(rig: Any, tmp_path: Path, statements: str) -> None:
    stack = rig.with_files(tmp_path, app=source_of(statements))
    with pytest.raises(SimulationError) as error:
        stack.play()
    text = str(error.value)
    assert "Worker computes for more than 0.2 s" in text
    assert re.search(r"app\.py:\d+", text)
    assert "[functions.Worker]" in text
    assert rig.play().observation.quiet


def test_a_hang_at_import_is_one_too(rig: Any, tmp_path: Path) -> None:
    stack = rig.with_files(tmp_path, app="while True: pass\n")
    with pytest.raises(SimulationError, match=r"app\.py:1"):
        stack.play()


FINALLY = """
    import boto3
    try:
        boto3.client("dynamodb").put_item(TableName="keys", Item={"id": {"S": "x"}})
    finally:
        while True: pass"""
SWALLOWING = """
    import boto3
    while True:
        try:
            boto3.client("dynamodb").put_item(TableName="keys", Item={"id": {"S": "x"}})
            break
        except BaseException:
            while True: pass"""
IN_A_THREAD = f"""
    def inner():
{textwrap.indent(FINALLY, "    ")}
    thread = threading.Thread(target=inner)
    thread.start()
    thread.join()"""


@pytest.mark.parametrize("statements", [FINALLY, SWALLOWING, IN_A_THREAD],
                         ids=["finally", "except", "thread"])  # fmt: skip
def test_what_hangs_when_it_is_ended_is_left_behind(
    rig: Any, items: Any, tmp_path: Path, statements: str
) -> None:
    """The handler was killed long ago, by a fault of the plan: no one's fault but the plan's."""
    stack = rig.with_files(tmp_path, app=source_of(statements))
    played = stack.play("Worker: dynamodb.PutItem #1: crash-after for 1000000 s", redrives=())
    assert items(played) == [{"id": {"S": "x"}}]
    assert rig.play().observation.quiet


def test_long_waits_and_many_calls_are_no_hang(rig: Any, items: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        client = boto3.client("dynamodb")
        number = 0
        while True:
            client.put_item(TableName="keys", Item={"id": {"S": "x"}})
            time.sleep(0.01)
            number += 1
            if number == 400:
                break

    played = rig.with_handlers(Worker=worker).play()
    assert played.errors == ()
    assert len(items(played)) == 1


def test_each_invocation_counts_for_itself(rig: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        # The clocks of `time` are virtual in here.
        end = resource.getrusage(resource.RUSAGE_SELF).ru_utime + 0.08
        while resource.getrusage(resource.RUSAGE_SELF).ru_utime < end:
            pass

    played = rig.with_handlers(Worker=worker).play(messages=6, batch_limit=1)
    assert played.errors == ()


def test_signals_are_as_before(rig: Any) -> None:
    before = signal.getsignal(signal.SIGVTALRM), signal.getitimer(signal.ITIMER_VIRTUAL)
    rig.play()
    assert (signal.getsignal(signal.SIGVTALRM), signal.getitimer(signal.ITIMER_VIRTUAL)) == before


def test_a_signal_that_is_someone_elses_stays_theirs(rig: Any) -> None:
    def own(number: int, frame: Any) -> None:
        pass

    before = signal.signal(signal.SIGVTALRM, own)
    try:
        rig.play()
        assert signal.getsignal(signal.SIGVTALRM) is own
    finally:
        signal.signal(signal.SIGVTALRM, before)


def test_in_another_thread_there_is_no_watchdog_but_a_run(rig: Any) -> None:
    quiet: list[bool] = []
    thread = threading.Thread(target=lambda: quiet.append(rig.play().observation.quiet))
    thread.start()
    thread.join()
    assert quiet == [True]


def test_pytest_timeout_strikes_as_always(tmp_path: Path) -> None:
    """As it does it: an alarm whose handler calls pytest.fail, wherever the test is."""
    here = Path(__file__).with_name("conftest.py")
    (tmp_path / "conftest.py").write_text(here.read_text())
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent(
            """
            import signal
            import pytest

            def alarmed(number, frame):
                pytest.fail("Timeout >1s")

            def test_it(rig, tmp_path):
                signal.signal(signal.SIGALRM, alarmed)
                signal.setitimer(signal.ITIMER_REAL, 1)
                source = "def handler(event, context):\\n    while True: pass\\n"
                rig.with_files(tmp_path, app=source).play()
            """
        )
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:storagefirst",
         "--rootdir", str(tmp_path), str(tmp_path)],
        capture_output=True, text=True, timeout=120, check=False, cwd=Path.cwd(),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert "Failed: Timeout >1s" in done.stdout
    assert "1 failed" in done.stdout


@pytest.mark.parametrize(("module", "observes"), [("coverage.collector", True), ("app", False)])
def test_no_observer_is_left_behind_amid_its_work(module: str, observes: bool) -> None:
    """Coverage's lock would stay taken, and the next handler under it wait for ever."""
    names: dict[str, Any] = {"__name__": module, "getframe": sys._getframe}
    exec("def look(check): return check(getframe())", names)
    # In a greenlet, as handlers are: their frames end where it begins.
    assert greenlet(names["look"]).switch(watchdog._observes) is observes
