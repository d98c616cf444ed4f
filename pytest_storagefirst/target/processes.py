"""Processes that outlive the command that started them, and are ended by another.

A process is known by its id and the time at which it started, so that one which was given a used id
is never taken for it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ENDS_WITHIN_S = 3.0
_POLL_S = 0.05


@dataclass(frozen=True)
class Process:
    """One that was started: `started` is what the system says of when, in its own words."""

    what: str
    pid: int
    started: str

    def is_alive(self) -> bool:
        return bool(self.started) and _started(self.pid) == self.started

    def end(self) -> bool:
        """End it and those that it started; False when it was gone already."""
        if not self.is_alive():
            return False
        # It leads a group of its own: see `start`.
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)
            until = time.monotonic() + ENDS_WITHIN_S
            while self.is_alive() and time.monotonic() < until:
                time.sleep(_POLL_S)
        with suppress(ProcessLookupError):  # workers that did not end with it
            os.killpg(self.pid, signal.SIGKILL)
        return True


def start(
    what: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    log: Path,
    output: IO[bytes] | int | None = None,
) -> tuple[Process, subprocess.Popen[bytes]]:
    """Start a process in a session of its own; what it says is added to `log`."""
    with log.open("ab") as kept:
        started = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=kept if output is None else output,
            stderr=kept,
            start_new_session=True,
        )
    return Process(what, started.pid, _started(started.pid)), started


def _started(pid: int) -> str:
    """When a process started; "" when there is none, or it has ended and waits to be asked how."""
    if Path("/proc/self/stat").exists():
        try:
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        except OSError:
            return ""
        fields = text.rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else f"{boot} {fields[19]}"
    told = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], check=False, capture_output=True, text=True
    ).stdout.split(maxsplit=1)
    return "" if not told or told[0].startswith("Z") else told[1].strip()
