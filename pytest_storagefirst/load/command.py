"""`storagefirst load`: checks what can be checked at once, then runs Locust in its own process."""

from __future__ import annotations

import importlib.util
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_storagefirst.errors import LoadError
from pytest_storagefirst.load.files import profiles_for, shipped
from pytest_storagefirst.load.fitting import check_fits
from pytest_storagefirst.load.objectives import parse_objective
from pytest_storagefirst.load.presses import HANDED_ON, INTERRUPTS
from pytest_storagefirst.load.profiles import chosen, for_run
from pytest_storagefirst.target.target import find_target

EXITS = (0, 3, 4, 5)
INCONCLUSIVE = 4
TOGETHER_S = 0.3  # signals that come within it are one


@dataclass(frozen=True)
class Asked:
    """What the command line says. `processes` 0 is one process that leads and sends alike."""

    profile: str
    target: str
    objectives: tuple[str, ...] = ()
    report: Path | None = None
    processes: int = 1
    seconds: float | None = None
    file: Path | None = None
    locust: tuple[str, ...] = ()  # options handed on as they are


def run_load(asked: Asked) -> int:
    """The exit code of the run. Raises LoadError before anything is started."""
    if importlib.util.find_spec("locust") is None:
        raise LoadError(
            "Locust is not installed",
            expected="the extra that load runs need",
            remedy="pip install 'pytest-storagefirst[load]'",
        )
    file = asked.file or shipped() / "locustfile.py"
    if not file.is_file():
        raise LoadError("there is no such file", where=str(file), expected="a locustfile")
    for text in asked.objectives:
        parse_objective(text)
    profile = chosen(profiles_for(file.parent, Path.cwd()), asked.profile)
    profile = for_run(profile, objectives=asked.objectives, seconds=asked.seconds)
    if asked.file is None:  # a file of the user's own may look for its target elsewhere
        check_fits(profile, find_target(asked.target, Path.cwd()))
    return _supervised(_command(asked, file))


def _command(asked: Asked, file: Path) -> list[str]:
    command = [
        *(sys.executable, "-m", "pytest_storagefirst.load", "-f", str(file)),
        *("--headless", "--only-summary", "--loglevel", "WARNING", "--storagefirst-quiet"),
        *("--storagefirst-load-profile", asked.profile),
        *("--storagefirst-target", asked.target),
    ]
    for text in asked.objectives:
        command += ["--storagefirst-slo", text]
    if asked.report is not None:
        command += ["--storagefirst-report", str(asked.report)]
    if asked.seconds is not None:
        command += ["--storagefirst-load-duration", str(asked.seconds)]
    if asked.processes:
        port = str(_free_port())
        command += ["--processes", str(asked.processes)]
        command += ["--expect-workers-max-wait", "60"]
        command += ["--master-bind-port", port, "--master-port", port]
    return [*command, *asked.locust]


def _supervised(command: Sequence[str]) -> int:
    """Wait for it to end by itself: on a Ctrl-C it drains and judges first."""
    # What comes before it can say what to do waits until it can.
    signal.pthread_sigmask(signal.SIG_BLOCK, {*INTERRUPTS, HANDED_ON})
    process = subprocess.Popen(command)
    handed_on_s = -TOGETHER_S

    def hand_on(*_: object) -> None:
        """A terminal tells Locust too, `kill` and CI runners the command alone, `timeout` both."""
        nonlocal handed_on_s
        if time.monotonic() - handed_on_s >= TOGETHER_S:
            handed_on_s = time.monotonic()
            process.send_signal(HANDED_ON)

    for number in INTERRUPTS:
        signal.signal(number, hand_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {*INTERRUPTS, HANDED_ON})
    code = process.wait()
    if code in EXITS:
        return code
    print(f"storagefirst load: Locust ended with {code} and without a verdict", file=sys.stderr)
    return INCONCLUSIVE


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
