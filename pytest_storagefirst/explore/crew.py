"""Who shares the work of one exploration: one process, or several that share a directory.

Work comes in stages, a stage in chunks, and each chunk is done by whoever takes it first. What it
came to is kept under its number, so that neither the results nor their order tell who did what.
A member that dies leaves its chunk to the others: its lock, which the operating system then frees,
says so.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

POLL_SECONDS = 0.02  # between two looks at what others have done


def _always() -> bool:
    return True


class Crew(Protocol):
    """`member` numbers the processes from 0; `began` is when the first began, by the wall clock.

    `tick` is called again and again while others are waited for; what it raises ends the waiting.
    """

    member: int
    began: float
    tick: Callable[[], None]

    def work(
        self,
        stage: str,
        chunks: int,
        do: Callable[[int], Any],
        goes_on: Callable[[], bool] = _always,
        *,
        waits: bool = True,
    ) -> list[Any]:
        """Do chunks 0, 1, … until none is left to take, also those of members that died.

        Returns what the chunks came to, in order. With `waits` that is all of them: the others are
        waited for. When `goes_on` is False no chunk is begun, and nobody waited for.
        """
        ...

    def keep(self, name: str, value: Any) -> None:
        """Add what came of this member's own work, beside the chunks."""
        ...

    def all_kept(self, name: str, *, waits: bool = True) -> list[Any]:
        """What was kept under a name, by members in order, when all have left or died."""
        ...

    def done(self, stage: str) -> list[Any]:
        """What the chunks of a stage that are done came to, in order."""
        ...

    def conclude(self, make: Callable[[], Any]) -> Any:
        """What all came to, made by the member that asks first."""
        ...

    def leave(self) -> None:
        """This member takes no more chunks."""
        ...


class Alone:
    """A crew of one, which keeps everything in memory."""

    def __init__(self) -> None:
        self.member = 0
        self.began = time.time()
        self.tick: Callable[[], None] = lambda: None
        self._done: dict[str, dict[int, Any]] = {}
        self._kept: dict[str, list[Any]] = {}

    def work(
        self,
        stage: str,
        chunks: int,
        do: Callable[[int], Any],
        goes_on: Callable[[], bool] = _always,
        *,
        waits: bool = True,
    ) -> list[Any]:
        done = self._done.setdefault(stage, {})
        for chunk in range(chunks):
            if not goes_on():
                break
            done[chunk] = do(chunk)
        return self.done(stage)

    def keep(self, name: str, value: Any) -> None:
        self._kept.setdefault(name, []).append(value)

    def all_kept(self, name: str, *, waits: bool = True) -> list[Any]:
        return self._kept.get(name, [])

    def done(self, stage: str) -> list[Any]:
        return [value for _, value in sorted(self._done.get(stage, {}).items())]

    def conclude(self, make: Callable[[], Any]) -> Any:
        return make()

    def leave(self) -> None:
        """There is nobody to tell."""


if sys.platform != "win32":
    import fcntl

    def _try_to_lock(handle: IO[str]) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    class Together:
        """One of several processes that share `directory`, which is made by the first."""

        def __init__(self, directory: Path) -> None:
            directory.mkdir(parents=True, exist_ok=True)
            self._directory = directory
            self.tick: Callable[[], None] = lambda: None
            self._alive: IO[str] | None = None
            with self._board() as board:
                self.member = board.setdefault("members", 0)
                board["members"] += 1
                self.began = board.setdefault("began", time.time())
                # Before anyone can see the number: who is on the board holds a lock, or is dead.
                lock = self._file(f"member-{self.member}.lock")
                self._alive = lock.open("w", encoding="utf-8")
                fcntl.flock(self._alive, fcntl.LOCK_EX)

        def work(
            self,
            stage: str,
            chunks: int,
            do: Callable[[int], Any],
            goes_on: Callable[[], bool] = _always,
            *,
            waits: bool = True,
        ) -> list[Any]:
            while goes_on():
                chunk, missing = self._take(stage, chunks)
                if chunk is not None:
                    self._write(f"{stage}-{chunk}.json", do(chunk))
                elif missing and waits:
                    self._wait()
                else:
                    break
            return self.done(stage)

        def _take(self, stage: str, chunks: int) -> tuple[int | None, bool]:
            """A chunk to do, if there is one, and whether some are not done yet."""
            with self._board() as board:
                taken: list[int] = board.setdefault("stages", {}).setdefault(stage, [])
                if len(taken) < chunks:
                    taken.append(self.member)
                    return len(taken) - 1, True
                missing = [
                    chunk
                    for chunk in range(chunks)
                    if not self._file(f"{stage}-{chunk}.json").exists()
                ]
                for chunk in missing:
                    if taken[chunk] == self.member or self._is_dead(taken[chunk]):
                        taken[chunk] = self.member
                        return chunk, True
                return None, bool(missing)

        def keep(self, name: str, value: Any) -> None:
            self._write(f"{name}-{self.member}.json", value)

        def all_kept(self, name: str, *, waits: bool = True) -> list[Any]:
            with self._board() as board:
                members = range(board["members"])
            while waits and not all(self._has_left(member) for member in members):
                self._wait()
            return self._read_all(name)

        def done(self, stage: str) -> list[Any]:
            return self._read_all(stage)

        def conclude(self, make: Callable[[], Any]) -> Any:
            file = self._file("conclusion.json")
            with open(self._file("conclusion.lock"), "w") as handle:
                while not _try_to_lock(handle):
                    self._wait()
                if not file.exists():
                    self._write(file.name, make())
                return _read(file)

        def leave(self) -> None:
            self._write(f"left-{self.member}.json", True)
            if self._alive is not None:
                self._alive.close()
                self._alive = None

        def _wait(self) -> None:
            self.tick()
            time.sleep(POLL_SECONDS)

        def _has_left(self, member: int) -> bool:
            if member == self.member or self._file(f"left-{member}.json").exists():
                return True
            return self._is_dead(member)

        def _is_dead(self, member: int) -> bool:
            with open(self._file(f"member-{member}.lock"), "w") as handle:
                return _try_to_lock(handle)

        @contextmanager
        def _board(self) -> Iterator[dict[str, Any]]:
            """What the members write on in turns. What one that died left half-written is lost."""
            with open(self._file("board.lock"), "w") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX)
                file = self._file("board.json")
                board = _read(file) if file.exists() else {}
                yield board
                self._write("board.json", board)

        def _read_all(self, name: str) -> list[Any]:
            files = {
                int(file.stem.rpartition("-")[2]): file
                for file in self._directory.glob(f"{name}-*.json")
            }
            return [_read(file) for _, file in sorted(files.items())]

        def _write(self, name: str, value: Any) -> None:
            """A file appears whole or not at all."""
            draft = self._file(f"{name}.{os.getpid()}")
            draft.write_text(json.dumps(value), encoding="utf-8")
            os.replace(draft, self._file(name))

        def _file(self, name: str) -> Path:
            return self._directory / name

    def _read(file: Path) -> Any:
        return json.loads(file.read_text(encoding="utf-8"))

    def crew_in(directory: Path) -> Crew:
        """This process's place in the crew that shares a directory."""
        return Together(directory)

else:

    def crew_in(directory: Path) -> Crew:
        """Windows has no flock: each process explores for itself, to the same result."""
        return Alone()
