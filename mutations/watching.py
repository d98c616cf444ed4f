"""What a mutant may not do: write outside of its folder, go on without end."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MOST_SECONDS = 60
PREFIX = "storagefirst-mutant-"  # of a mutant's folder


class Hangs(BaseException):
    """It does not come to an end. No `except Exception` holds it up."""


class _Writes:
    """The paths that were opened for writing. An audit hook can't be taken back, only be off."""

    def __init__(self) -> None:
        self.paths: list[str] | None = None
        sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.paths is None:
            return
        if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            path, mode, flags = arguments
            writes = any(one in (mode or "") for one in "wax+")
            if writes or (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)):
                self.paths.append(os.fsdecode(path))
        elif event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink"):
            self.paths += [os.fsdecode(one) for one in arguments[:2] if isinstance(one, str)]


_writes: list[_Writes] = []


@contextmanager
def watched(folder: Path) -> Iterator[list[str]]:
    """The list is filled, at the end, with what was written outside of `folder`. Raises Hangs."""
    if not _writes:
        _writes.append(_Writes())
    writes = _writes[0]
    outside: list[str] = []
    previous = signal.signal(signal.SIGALRM, _alarm)
    signal.alarm(MOST_SECONDS)
    writes.paths = []
    try:
        yield outside
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
        written, writes.paths = writes.paths, None
        outside += sorted({path for path in written if _is_outside(path, folder)})


def _is_outside(path: str, folder: Path) -> bool:
    whole = os.path.realpath(path)
    own = os.path.join(os.path.dirname(os.path.realpath(folder)), PREFIX)
    return not (
        whole.startswith((own, "/dev/", "/proc/"))  # or another mutant's, tidied up late
        or "__pycache__" in whole  # Python's own, of handlers
        or ".hypothesis" in whole
    )


def _alarm(number: int, frame: Any) -> None:
    raise Hangs(f"it did not come to an end within {MOST_SECONDS} s")
