"""What a drill is run with, who looks on, and what it came to: data."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pytest_storagefirst.chaos.drill import Drill
from pytest_storagefirst.chaos.guards import Guards
from pytest_storagefirst.chaos.interruptions import Interruptions
from pytest_storagefirst.chaos.setting import Change
from pytest_storagefirst.chaos.undo import Undone
from pytest_storagefirst.target.target import Target


class Watcher(Protocol):
    """Who judges: sends messages and looks at what becomes of them. What it raises ends the drill.

    `before` says whether the steady state is there. `made` is told each change, `broken` when the
    clock begins, `ending` before the first fault is undone; `during` is called again and again, and
    `mended` when all is undone.
    """

    def before(self) -> bool: ...
    def made(self, change: Change) -> None: ...
    def broken(self) -> None: ...
    def during(self) -> None: ...
    def ending(self) -> None: ...
    def mended(self) -> None: ...


@dataclass
class Outcome:
    """What a drill came to. `problems` are why it shows nothing, `undo_problems` why undo is not
    whole. `taken_away` are messages of its own that were dead letters.
    """

    name: str
    drill: Drill
    changes: list[Change] = field(default_factory=list)
    shown: bool = False
    stopped: str = ""
    problems: list[str] = field(default_factory=list)
    undone: list[Undone] = field(default_factory=list)
    undo_problems: list[str] = field(default_factory=list)
    times: dict[str, float] = field(default_factory=dict)  # seconds of the epoch
    journal: Path | None = None
    taken_away: list[str] = field(default_factory=list)

    @property
    def is_undone(self) -> bool:
        return not self.undo_problems and all(one.is_done for one in self.undone)

    def not_tried(self, *settings: str) -> tuple[str, ...]:
        """What the faults were not made for, and why; of these settings alone, if any is named."""
        changes = [one for one in self.changes if not settings or one.setting in settings]
        return tuple(dict.fromkeys(line for one in changes for line in one.not_tried))


@dataclass
class Drilling:
    """What a drill is run with."""

    target: Target
    guards: Guards
    folder: Path
    live: str
    copies: tuple[str, ...] = ()
    tell: Callable[[str], None] = lambda _: None
    watcher: Callable[[str, Interruptions], Watcher] | None = None

    def say(self, line: str) -> None:
        say_if_heard(self.tell, line)


def say_if_heard(tell: Callable[[str], None], line: str) -> None:
    """Tell a line, if anyone still listens: a closed terminal or pipe ends no undo."""
    with contextlib.suppress(Exception):
        tell(line)
