"""Signals that end a drill: noted at once, heeded between two steps, so that undo always runs."""

from __future__ import annotations

import contextlib
import signal
import threading
from types import FrameType
from typing import Any

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Stopped(Exception):
    """The drill is to end now, and to undo what it did; the text says why."""


class Interruptions:
    """While active, Ctrl-C, SIGTERM and a lost terminal set a flag and raise nothing.

    A call to AWS under way is finished first: what it did is then known. In another thread than the
    main one signals stay as they are.
    """

    def __init__(self) -> None:
        self.why = ""
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
        self.stop(f"{signal.Signals(number).name} came")

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
