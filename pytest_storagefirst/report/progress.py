"""How far an exploration has come: a bar on a terminal, a line now and then elsewhere.

Both are called after each run, a thousand times a second, and look at the clock before they do
anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable

BAR_SECONDS = 0.2  # from one drawing of the bar to the next, and to its first
LINE_SECONDS = 30.0  # from one line to the next, and to the first: logs stay short
_SPARE_COLUMNS = 4  # a terminal echoes "^C" where the cursor stands
_BAR_COLUMNS = (24, 16, 8)
_ERASE = "\x1b[K"  # to the end of the line


class Bar:
    """Drawn to the right of the cursor, which stays where it was, so that others may write on.

    `room` says how many columns there are from the cursor on; where they don't do, nothing is
    drawn.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        room: Callable[[], int],
        *,
        coloured: bool = False,
        ascii_only: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._write = write
        self._room = room
        self._coloured = coloured
        self._ascii_only = ascii_only
        self._clock = clock
        self._next = clock() + BAR_SECONDS
        self._drawn = False

    def __call__(self, done: int, total: int | None, what: str) -> None:
        now = self._clock()
        if now < self._next:
            return
        text = bar_text(
            done, total, what, self._room() - _SPARE_COLUMNS, ascii_only=self._ascii_only
        )
        if text or self._drawn:
            shown = f"\x1b[36m{text}\x1b[0m" if self._coloured else text
            back = f"\x1b[{len(text)}D" if text else ""
            self._write(f"{_ERASE}{shown}{back}")
            self._drawn = bool(text)
        self._next = self._clock() + BAR_SECONDS

    def end(self) -> None:
        """Leave nothing behind."""
        if self._drawn:
            self._write(_ERASE)
            self._drawn = False


class Lines:
    """A line every half minute; none for what is over before."""

    def __init__(
        self,
        name: str,
        write_line: Callable[[str], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._name = name
        self._write_line = write_line
        self._clock = clock
        self._began = clock()
        self._next = self._began + LINE_SECONDS
        self.written = 0

    def __call__(self, done: int, total: int | None, what: str) -> None:
        now = self._clock()
        if now < self._next:
            return
        seconds = round(now - self._began)
        self._write_line(f"{self._name}: {_counted(done, total)} after {seconds} s{_at(what)}")
        self.written += 1
        self._next = now + LINE_SECONDS


def bar_text(
    done: int, total: int | None, what: str, columns: int, *, ascii_only: bool = False
) -> str:
    """The first way to say it that fits into that many columns; "" when none does.

    Where room is short, the bar shrinks first, then what is being tried goes unsaid, then the bar.
    """
    counted = _counted(done, total)
    full, empty = ("#", "-") if ascii_only else ("━", "─")
    widths = _BAR_COLUMNS if total else ()
    bars = [
        f"{full * filled}{empty * (width - filled)} "
        for width in widths
        for filled in [width * min(done, total or 0) // (total or 1)]
    ]
    told = [f"{counted}{_at(what)}", counted]
    for text in [*(bar + rest for rest in told for bar in bars), *told]:
        if len(text) <= columns and (text.isascii() or not ascii_only):
            return text
    return ""


def _counted(done: int, total: int | None) -> str:
    if total is None:
        return f"{done:,} run" if done == 1 else f"{done:,} runs"
    return f"{min(done, total):,} of {total:,} runs"


def _at(what: str) -> str:
    return f": {what}" if what else ""
