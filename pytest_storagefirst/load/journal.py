"""A worker's own record of what it sends, so that one that is killed leaves unknowns, not losses.

A line is written before a message is sent ("> 17") and one after its answer ("a 17"). Each goes to
the operating system at once, so that a SIGKILL loses none; to the disk once a second.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from pytest_storagefirst.errors import LoadError
from pytest_storagefirst.load.outcomes import ALL, PENDING, UNKNOWN, Outcomes, combined

VERSION = 1
BYTES_A_MESSAGE = 24
_SENT = {b">": PENDING}


def journal_folder(folder: Path, run: str) -> Path:
    return folder / ".storagefirst" / "load" / run


class Journal:
    """An append-only file of one worker. Raises LoadError where it can't be begun."""

    def __init__(self, path: Path, run: str, worker: int | str, expected_messages: float) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            header = {"version": VERSION, "run": run, "worker": str(worker)}
            self._write(json.dumps(header).encode() + b"\n")
            if path.is_file():
                os.fsync(self._file)
            state = os.statvfs(path.parent)
        except OSError as error:
            raise _cannot(path, error.strerror or str(error)) from None
        needed = int(expected_messages * BYTES_A_MESSAGE)
        free = state.f_bavail * state.f_frsize
        if free < needed:
            raise _cannot(path, f"{free:,} bytes are free, and the run may need {needed:,}")

    def sending(self, sequence: int) -> None:
        """Raises OSError: then it must not be sent."""
        self._write(b"> %d\n" % sequence)

    def answered(self, sequence: int, outcome: bytes) -> None:
        self._write(b"%s %d\n" % (outcome, sequence))

    def sync(self) -> None:
        os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)

    def _write(self, line: bytes) -> None:
        written = os.write(self._file, line)
        if written != len(line):
            raise OSError(28, "No space left on device")


def read_journal(path: Path, run: str) -> Outcomes | None:
    """What a worker wrote down; None where there is no journal of that run.

    A last line that is cut off is what it stood before: an unanswered message stays PENDING.
    """
    try:
        text = path.read_bytes()
    except OSError:
        return None
    header, *lines = text.split(b"\n")
    try:
        told = json.loads(header)
    except ValueError:
        return None
    if not isinstance(told, dict) or told.get("run") != run or told.get("version") != VERSION:
        return None
    found = Outcomes()
    under_way: dict[int, int] = {}
    for line in lines[:-1]:
        kind, _, number = line.partition(b" ")
        if not number.isdigit() or kind not in (*ALL, *_SENT):
            continue
        sequence = int(number)
        under_way[sequence] = under_way.get(sequence, 0) + (1 if kind in _SENT else -1)
        found.set(sequence, combined(found[sequence], _SENT.get(kind, kind)))
    for sequence, count in under_way.items():
        if count > 0:  # one send of it was never answered
            found.set(sequence, combined(found[sequence], UNKNOWN))
    return found


def _cannot(path: Path, why: str) -> LoadError:
    return LoadError(
        "the journal of the run can't be written",
        where=str(path),
        found=why,
        expected="a folder with room, which outlives a killed worker",
        remedy="start it in another folder, or make room",
    )
