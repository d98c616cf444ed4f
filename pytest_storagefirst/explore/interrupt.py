"""Ctrl-C in the middle of an exploration: it ends between two runs, and what was found is kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

# Called after each run: how many are done, how many there are to be (None: nobody knows), at what.
Progress = Callable[[int, int | None, str], None]


def silence(done: int, total: int | None, what: str) -> None:
    """Progress that nobody asked for."""


class BetweenRuns:
    """`progress`, made to raise the KeyboardInterrupt of a Ctrl-C that came since its last call.

    An interrupt inside a run strikes in the user's handler, whose bare `except:` may swallow it,
    and the run would then be judged. So, within the `with` block and from the first call on, Ctrl-C
    waits for the next one, and `asked` says that it came. A second Ctrl-C does not wait. Outside of
    the main thread Python delivers no signals, and where SIGINT is ignored (a background job) it
    stays so.
    """

    def __init__(self, progress: Progress) -> None:
        self.asked = False
        self._progress = progress
        self._begun = False
        self._before: Any = None

    def __call__(self, done: int, total: int | None, what: str) -> None:
        self._begun = True
        self._progress(done, total, what)
        if self.asked:
            raise KeyboardInterrupt

    def __enter__(self) -> BetweenRuns:
        before = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread() and callable(before):
            self._before = before
            signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again, self.asked = self.asked, True
        if again or not self._begun:
            self._before(number, frame)
