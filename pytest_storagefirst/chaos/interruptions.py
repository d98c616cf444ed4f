"""Signals that end a drill: noted at once, heeded between two steps, so that undo always runs."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Stopped(Exception):
    """The drill is to end now, and to undo what it did; the text says why."""


class Interruptions:
    """While active, Ctrl-C, SIGTERM and a lost terminal set a flag and raise nothing.

    A call to AWS under way is finished first: what it did is then known. In another thread than the
    main one signals stay as they are. `say` is told, once, of a signal that changes nothing any
    more: of any where it is `undoing` already, else of one after the first.
    """

    def __init__(
        self, say: Callable[[str], None] = lambda _: None, *, undoing: bool = False
    ) -> None:
        self.why = ""
        self._say, self._undoing, self._is_told = say, undoing, False
        self._event = threading.Event()
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruptions:
        for name in _NAMES:
            number = getattr(signal, name, None)
            if number is not None:
                with contextlib.suppress(ValueError):  # not the main thread
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        again = " again" if self._event.is_set() else ""
        self.stop(f"{name} came")
        if (again or self._undoing) and not self._is_told:
            self._is_told = True
            self._say(f"{name} came{again}: the undo goes on")

    def stop(self, why: str) -> None:
        """End the drill, from whatever thread, as a signal would."""
        self.why = self.why or why
        self._event.set()

    def check(self) -> None:
        """Raises Stopped once a signal has come, or something else has ended the drill."""
        if self._event.is_set():
            raise Stopped(self.why)

    def wait(self, seconds: float) -> None:
        """Raises Stopped as soon as a signal comes."""
        self._event.wait(max(0.0, seconds))
        self.check()


def ignore_signals() -> None:
    """For the end of a process whose work is done: what it exits with is to be its verdict."""
    for name in _NAMES:
        number = getattr(signal, name, None)
        if number is not None:
            with contextlib.suppress(ValueError):  # not the main thread
                signal.signal(number, signal.SIG_IGN)
