"""Signals in the Locust process, whose own way with them ends workers amid their requests.

Imported in the Locust process alone.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import gevent

from pytest_storagefirst.load.presses import HANDED_ON, INTERRUPTS, Presses


def on_interrupt(handler: Callable[[], None]) -> None:
    """Call it for each Ctrl-C, SIGTERM, or either sent to the command alone."""
    # Under --headless a SIGTERM would kill.
    presses = Presses()

    def hear(number: int) -> None:
        if presses.is_new(number):
            handler()

    for number in (*INTERRUPTS, HANDED_ON):
        gevent.signal_handler(number, hear, number)


def raise_on_interrupt() -> None:
    """The first raises KeyboardInterrupt, others nothing: there is nothing to drain yet."""
    for number in (*INTERRUPTS, HANDED_ON):
        signal.signal(number, _raise)


def _raise(*_: Any) -> None:
    for number in (*INTERRUPTS, HANDED_ON):  # it may come on both ways
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
