"""Signals that come again, or late: what was begun is undone, and the verdict is the exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.chaos import command as commands
from pytest_storagefirst.chaos import journal as journals
from pytest_storagefirst.chaos.guards import live_name
from pytest_storagefirst.chaos.recover import recover
from pytest_storagefirst.chaos.run import run
from tests.chaos import stage
from tests.chaos.test_every_drill import drilling, quick
from tests.chaos.test_trouble import left_open

SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


def signalling(monkeypatch: pytest.MonkeyPatch, number: int) -> list[int]:
    """Signals come before each undone change is noted."""
    sent: list[int] = []
    plain = journals.Journal.undone

    def undone(self: Any, *given: Any) -> None:
        for _ in range(2):
            sent.append(number)
            os.kill(os.getpid(), number)
        plain(self, *given)

    monkeypatch.setattr(journals.Journal, "undone", undone)
    return sent


@SIGNALS
def test_a_signal_that_comes_again_while_undoing_is_told_once(number, shop, tmp_path, monkeypatch):
    before = stage.configuration(shop)
    sent = signalling(monkeypatch, number)
    said: list[str] = []
    watching = stage.Watching(lambda: os.kill(os.getpid(), number))

    how = replace(drilling(shop, tmp_path, said), watcher=lambda *_: watching)
    outcome = run(quick("health-check-flapping"), how)

    name = signal.Signals(number).name
    assert len(sent) >= 2
    assert outcome.is_undone
    assert outcome.problems == [f"it was ended early: {name} came"]
    assert said.count(f"{name} came again: the undo goes on") == 1
    assert stage.configuration(shop) == before
    assert recover(shop, tmp_path).found == 0


def test_what_is_undone_three_times_is_told_three_times(shop, tmp_path):
    said: list[str] = []
    assert run(quick("health-check-flapping"), drilling(shop, tmp_path, said)).is_undone
    assert len([line for line in said if "put back" in line]) == 3


@SIGNALS
def test_recover_goes_on_to_its_end(number, shop, tmp_path, monkeypatch):
    before = stage.configuration(shop)
    left_open(shop, tmp_path)
    sent = signalling(monkeypatch, number)
    said: list[str] = []

    assert recover(shop, tmp_path, tell=said.append).left == ()
    assert sent
    assert f"{signal.Signals(number).name} came: the undo goes on" in said
    assert stage.configuration(shop) == before
    assert recover(shop, tmp_path).found == 0


@SIGNALS
def test_while_the_verdict_is_told_nothing_ends_the_process(
    number,
    command,
    shop,
    tmp_path,
    monkeypatch,
):
    plain = commands.document
    handlers = signal.getsignal(number)

    def document(*given: Any) -> dict[str, Any]:
        os.kill(os.getpid(), number)
        return plain(*given)

    monkeypatch.setattr(commands, "document", document)
    result = command(
        *("drill", "consumer-disabled", "--target", "stack:shop", "--live", live_name(shop)),
        *("--duration", "0.05", "--faults-only", "--report", "out"),
    )

    assert result.exit_code == 4, result.output
    assert (tmp_path / "out" / "report.json").is_file()
    assert signal.getsignal(number) == handlers


AT_THE_END = """
import atexit, os, signal, sys
atexit.register(lambda: os.kill(os.getpid(), int(sys.argv.pop())))  # run last of all
from pytest_storagefirst.cli import main
main(sys.argv[1:-1])
"""


@SIGNALS
@pytest.mark.parametrize("what", ["drill", "recover"])
def test_a_signal_when_all_is_done_leaves_the_exit_code(
    what,
    number,
    command,
    shop,
    tmp_path,
):
    asked = ["recover", "--target", "stack:shop"]
    if what == "drill":
        asked = ["drill", "consumer-disabled", "--target", "stack:shop", "--faults-only"]
        asked += ["--live", live_name(shop), "--duration", "0.05"]
    root = Path(stage.__file__).parent.parent.parent
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_END, *asked, str(int(number))],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == {"drill": 4, "recover": 0}[what], done.stdout + done.stderr
    assert "Traceback" not in done.stderr
