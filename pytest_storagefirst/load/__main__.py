"""Locust's own command, where a Ctrl-C during its imports ends in one line."""

from __future__ import annotations

import os
import runpy
import signal
from typing import Any

from pytest_storagefirst.load.presses import HANDED_ON, INTERRUPTS

INCONCLUSIVE = 4


def main() -> None:
    for number in (*INTERRUPTS, HANDED_ON):
        signal.signal(number, _too_early)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {*INTERRUPTS, HANDED_ON})
    runpy.run_module("locust", run_name="__main__")


def _too_early(*_: Any) -> None:
    os.write(2, b"storagefirst load: interrupted before anything was sent\n")
    os._exit(INCONCLUSIVE)


if __name__ == "__main__":
    main()
