"""How often someone asked for an end, whichever processes of a run were told.

A terminal's Ctrl-C reaches `storagefirst load` and Locust below it; `kill`, only the command. So
the command hands on what it hears as a signal of its own, and Locust counts both ways.
"""

from __future__ import annotations

import signal
from collections import Counter

INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
HANDED_ON = signal.SIGUSR1


class Presses:
    """Counts what was heard on either way; the larger count is how often it was asked for."""

    def __init__(self) -> None:
        self._heard: Counter[bool] = Counter()
        self._count = 0

    def is_new(self, number: int) -> bool:
        """Whether this signal is another one, not the same on its other way."""
        self._heard[number == HANDED_ON] += 1
        before, self._count = self._count, max(self._heard.values())
        return self._count > before
