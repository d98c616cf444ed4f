"""The undo journal: what a drill is about to change, on disk before it is changed.

One file a drill, .storagefirst/drills/ID.jsonl, a JSON object a line, only ever added to. Each line
is written and synced before what it announces is done, so that whatever is gone afterwards, the
process, the machine's power, the network, the journal says what may have been changed:

    begin    which drill on which stack, by whom
    lock     the stack's lock is about to be taken
    change   a setting is about to be given `value`; `before` is what stood there
    undone   it was put back, or found as it was
    closed   nothing is left to undo

A line carries a checksum. The last one may be cut off: what it would have announced was not begun.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from pytest_storagefirst.errors import JournalError

VERSION = 1
FOLDER = Path(".storagefirst") / "drills"
ENDING = ".jsonl"
BEGIN, LOCK, CHANGE, UNDONE, CLOSED = "begin", "lock", "change", "undone", "closed"


class Copy(Protocol):
    """Where else the journal is kept: `keep` returns once all its lines so far are safe there."""

    @property
    def where(self) -> str: ...

    def keep(self, name: str, lines: list[str]) -> None: ...


def line_of(step: Mapping[str, Any]) -> str:
    """A step as a line of the journal, with its checksum."""
    return json.dumps({**step, "crc": _checksum(step)}, ensure_ascii=False)


def _checksum(step: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(step, sort_keys=True).encode())


@dataclass(frozen=True)
class Story:
    """What a journal says: its first line, and the steps after it."""

    path: Path
    begin: Mapping[str, Any]
    steps: tuple[Mapping[str, Any], ...] = ()

    @property
    def name(self) -> str:
        return str(self.begin["id"])

    @property
    def is_closed(self) -> bool:
        return any(step["step"] == CLOSED for step in self.steps)

    def open_changes(self) -> list[Mapping[str, Any]]:
        """Those that were announced and not undone, the last first."""
        undone = {step["number"] for step in self.steps if step["step"] == UNDONE}
        changes = [step for step in self.steps if step["step"] == CHANGE]
        return [step for step in reversed(changes) if step["number"] not in undone]

    def is_of(self, account: str, region: str, stack: str) -> bool:
        begin = self.begin
        return (begin["account"], begin["region"], begin["stack"]) == (account, region, stack)


class Journal:
    """An open journal; as long as it is open, no other process of this machine can open it.

    Raises JournalError where it can't be written: then what it would announce must not be done.
    """

    def __init__(self, path: Path, copies: tuple[Copy, ...] = ()) -> None:
        self.path = path
        self.copies = copies
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "a+b", buffering=0, opener=privately)  # noqa: SIM115 - it is kept open for as long as the drill lasts
        except OSError as error:
            raise _unwritable(path, error) from None
        _hold(self._file, path)
        self._file.seek(0)
        whole, _, _ = self._file.read().rpartition(b"\n")
        self._lines = whole.decode().split("\n") if whole else []
        self._number = sum('"step": "change"' in line for line in self._lines)
        # A line that was cut off is taken away: the next one begins where it did.
        self._file.truncate(len(whole) + 1 if whole else 0)

    @staticmethod
    def begun(path: Path, begin: Mapping[str, Any], copies: tuple[Copy, ...] = ()) -> Journal:
        journal = Journal(path, copies)
        try:
            journal.write({"step": BEGIN, "version": VERSION, **begin})
        except JournalError:  # nothing is begun, and so there is nothing to recover
            journal.close()
            path.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
        return journal

    def write(self, step: Mapping[str, Any], *, must_copy: bool = True) -> None:
        """Returns once the step is safe, here and in every copy.

        Without `must_copy` a copy that can't be reached is no reason not to go on: what is undone
        here may be found undone once more from there.
        """
        line = line_of(step)
        try:
            self._file.write(line.encode() + b"\n")
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _unwritable(self.path, error) from None
        self._lines.append(line)
        for copy in self.copies:
            try:
                copy.keep(self.path.stem, self._lines)
            except Exception as error:
                if must_copy:
                    raise JournalError(
                        "the copy of the undo journal can't be written: nothing more is changed",
                        where=copy.where,
                        found=str(error),
                    ) from None

    def change(self, step: Mapping[str, Any]) -> int:
        """Announce a change; returns its number."""
        self._number += 1
        self.write({"step": CHANGE, "number": self._number, **step})
        return self._number

    def undone(self, number: int, how: str) -> None:
        self.write({"step": UNDONE, "number": number, "how": how}, must_copy=False)

    def close(self) -> None:
        """Let others open it; what is not undone stays so."""
        self._file.close()


def privately(path: str, flags: int) -> int:
    """Open a file that only its owner may read: values before can be secrets."""
    return os.open(path, flags, 0o600)


def read_journal(path: Path) -> Story | None:
    """What a journal says; None where not even its first line was finished.

    Raises JournalError for one that is damaged elsewhere than at its end, or of another version.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise JournalError(
            "the journal can't be read", where=str(path), found=error.strerror or str(error)
        ) from None
    return told(content, path)


def told(content: bytes, path: Path) -> Story | None:
    """The same of a journal's bytes."""
    *lines, cut = content.split(b"\n")
    del cut  # "" where the last line is whole
    steps = [_step(line, number, path) for number, line in enumerate(lines, 1)]
    if not steps:
        return None
    begin = steps[0]
    if begin.get("step") != BEGIN or not {"id", "account", "region", "stack"} <= begin.keys():
        raise _damaged(path, 1, "it does not say which drill this was")
    return Story(path, begin, tuple(steps[1:]))


def salvaged(content: bytes) -> tuple[list[dict[str, Any]], int]:
    """The steps of a journal that can be read, whatever is damaged, and how many lines can't be:
    the last one, where it is cut off, announced nothing.
    """
    lines = content.split(b"\n")[:-1]
    steps = []
    for line in lines:
        with contextlib.suppress(ValueError):
            steps.append(_sound(line))
    return steps, len(lines) - len(steps)


def _sound(line: bytes) -> dict[str, Any]:
    """A line's step. Raises ValueError where it is none, or not as it was written."""
    step = json.loads(line)
    if not isinstance(step, dict) or not isinstance(step.get("step"), str):
        raise ValueError("no step of a journal")
    if _checksum({key: step[key] for key in step if key != "crc"}) != step.get("crc"):
        raise ValueError("its checksum is another one")
    return step


def _step(line: bytes, number: int, path: Path) -> dict[str, Any]:
    try:
        step = json.loads(line)
    except ValueError as error:
        raise _damaged(path, number, str(error)) from None
    if number == 1 and isinstance(step, dict) and step.get("version") != VERSION:
        raise JournalError(
            "the undo journal is from another version of pytest-storagefirst",
            where=str(path),
            found=f"version {step.get('version')!r}",
            expected=f"version {VERSION}",
            remedy="recover with the version that wrote it; nothing was touched",
        )
    try:
        return _sound(line)
    except ValueError as error:
        raise _damaged(path, number, str(error)) from None


def stories_of(folder: Path, account: str, region: str, stack: str) -> Iterator[Story]:
    """What the journals of one stack say. Raises JournalError as `read_journal` does; a damaged one
    is passed over where its first line still says that it is of another stack.
    """
    for path in journals(folder):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            begin = json.loads(path.read_bytes().partition(b"\n")[0])
            if not Story(path, begin).is_of(account, region, stack):
                continue
        story = read_journal(path)
        if story is not None and story.is_of(account, region, stack):
            yield story


def journals(folder: Path) -> Iterator[Path]:
    """The journals below a folder, the oldest first."""
    found = (folder / FOLDER).glob(f"*{ENDING}")
    yield from sorted(found, key=lambda path: (path.stat().st_mtime, path.name))


def _damaged(path: Path, number: int, why: str) -> JournalError:
    return JournalError(
        "the undo journal is damaged",
        where=f"{path}:{number}",
        found=why,
        expected="a line as it was written; only the last one may be cut off",
        remedy=f"nothing was touched; storagefirst recover --salvage {path.stem} undoes what its "
        "other lines say, tells what can't be known, and lets the stack go",
    )


def _unwritable(path: Path, error: OSError) -> JournalError:
    return JournalError(
        "the undo journal can't be written: nothing more is changed",
        where=str(path),
        found=error.strerror or str(error),
        expected="a folder with room",
    )


def _hold(file: IO[bytes], path: Path) -> None:
    """Keep other processes off as long as the file is open, however this one ends."""
    try:
        import fcntl
    except ImportError:  # Windows: there the stack's lock is all that keeps them off
        return
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise JournalError(
            "the drill of this journal is still running",
            where=str(path),
            remedy="wait until it ends, or end it with Ctrl-C: it undoes what it did",
        ) from None


def is_held(path: Path) -> bool | None:
    """Whether a process of this machine has the journal open; None where that can't be seen."""
    try:
        import fcntl

        with path.open("rb") as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (ImportError, OSError):
        return None
    return False


def _sync_folder(folder: Path) -> None:
    """A new file's name has to be on disk as well as what is in it."""
    with contextlib.suppress(OSError):  # Windows opens no folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
