"""A drill whose undo journal is damaged or lost: what can be read of it is made whole again.

`storagefirst recover --salvage DRILL` is asked for by name, never done by itself. A whole
journal is left as it is: what of that drill can't be undone is given up (recover.py). Lines whose
checksum is right can be trusted, and undo compares before it writes; what stood in the others
nobody knows, and that is told. The damaged file is kept beside, for who wants to read it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pytest_storagefirst.chaos import lock
from pytest_storagefirst.chaos.copies import copies_of
from pytest_storagefirst.chaos.drill import drill_names
from pytest_storagefirst.chaos.journal import (
    BEGIN,
    CHANGE,
    CLOSED,
    ENDING,
    FOLDER,
    VERSION,
    Story,
    is_held,
    lines_of,
    privately,
    read_journal,
    salvaged,
    told,
)
from pytest_storagefirst.chaos.settings import SETTINGS
from pytest_storagefirst.chaos.sign_of_life import refuse_if_alive
from pytest_storagefirst.chaos.undo import shown, told_error
from pytest_storagefirst.chaos.whole import SALVAGED, whole
from pytest_storagefirst.errors import DrillError, JournalError, StorageFirstError
from pytest_storagefirst.report.covered import counted
from pytest_storagefirst.target.target import Target

KEPT = ".damaged"  # added to the name of the file that is kept


@dataclass(frozen=True)
class _Readable:
    """What can be read, and how many lines can't; `where` is told of it."""

    steps: tuple[Mapping[str, Any], ...] = ()
    unreadable: int = 0
    where: str = ""

    @property
    def begin(self) -> Mapping[str, Any] | None:
        return next((one for one in self.steps if one["step"] == BEGIN), None)


def salvage(
    target: Target,
    folder: Path,
    name: str,
    copies: Iterable[str] = (),
    *,
    tell: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """Make the journal of the drill `name` whole, so that it can be recovered; what of the drill
    is not known: a line each; none where its journal is whole, and open.

    Raises DrillError and JournalError, before anything is written, where the drill gives a sign of
    life, its journal is closed, a copy of a damaged one is whole, or it is not this stack's.
    """
    path = folder / FOLDER / f"{name}{ENDING}"
    holding = _holding(target, name)
    is_here = Path(name).name == name and path.is_file()
    if not is_here and holding is None:
        raise DrillError(
            f"no drill {name} holds this stack, and no journal of it is here",
            where=str(path.parent),
            remedy="storagefirst recover without --salvage says which drill does",
        )
    if is_here and is_held(path):
        raise JournalError("the drill of this journal is still running", where=str(path))
    if holding is not None:
        refuse_if_alive(target, name, path)
    if is_here:
        story = _read_whole(target, read_journal, path)
        if story is not None and not story.is_closed:
            return []
        if story is not None and holding is None:
            raise JournalError("the journal is closed: there is nothing to undo", where=str(path))
    places = tuple(dict.fromkeys((*copies, *(holding or {}).get("copies", ()))))
    doubts = _unreadable_copies(target, path, name, places)
    found = _Readable()
    if is_here:
        steps, unreadable = salvaged(path.read_bytes())
        found = _Readable(tuple(steps), unreadable, str(path))
    begin = _whose(target, found, holding, path)
    tell(f"salvaging {name}:")
    if is_here:
        kept = _kept_beside(path)
        tell(f"  what is left of the journal is kept in {kept}")
        lines = _lacks(found, lock.announced(holding or {}))
        if lines:
            doubts.append(f"{lines}: what was changed there, from what, is not known{_hint(begin)}")
    else:
        theirs = holding or {}
        doubts.append(
            f"the journal is lost (it was {theirs.get('journal')}, on {theirs.get('host')}): what "
            f"the drill changed, and what stood there, is not known{_hint(begin)}"
        )
    if begin is None:
        doubts += [
            f"{one['place']}: {_setting(one)} was to be changed from {shown(one['before'])} to "
            f"{shown(one['value'])}, in which stack is not known: it is left as it is"
            for one in found.steps
            if one["step"] == CHANGE
        ]
        path.unlink()
    else:
        # Who salvages what is closed already has a lock to let go: that is how a journal ends.
        begin = {**begin, SALVAGED: True}
        _write(path, [begin, *(one for one in found.steps if one["step"] not in (BEGIN, CLOSED))])
    return doubts


def _lacks(found: _Readable, announced: int) -> str:
    """What of a journal can't be read, or is gone; changes are numbered, and the lock says how many
    were `announced`.
    """
    if not found.steps:
        return "no line of the journal can be read"
    told = {int(one["number"]) for one in found.steps if one["step"] == CHANGE}
    gone = max([announced, *told]) - len(told)
    lines = f"{counted(found.unreadable, 'line')} of the journal can't be read"
    if not gone:
        return lines if found.unreadable else ""
    changes = f"{counted(gone, 'change')} of the drill {'is' if gone == 1 else 'are'} not in it"
    return f"{lines}, and {changes}" if found.unreadable else f"the journal is cut: {changes}"


def _hint(begin: Mapping[str, Any] | None) -> str:
    """Where to begin to look."""
    name = str((begin or {}).get("drill", ""))
    return f"; storagefirst drill {name} tells what it changes" if name in drill_names() else ""


def _setting(step: Mapping[str, Any]) -> str:
    known = SETTINGS.get(step["setting"])
    return known.told if known is not None else str(step["setting"])


def _holding(target: Target, name: str) -> Mapping[str, Any] | None:
    """What the stack's lock says, where this drill holds it."""
    try:
        found = lock.holder(target)
    except Exception as error:
        raise JournalError(
            "the stack's lock can't be read: whether the drill runs is not known",
            where=lock.lock_name(target.stack_name),
            found=told_error(error),
        ) from None
    return found if found is not None and found.get("id") == name else None


def _read_whole(target: Target, read: Callable[[Path], Story | None], path: Path) -> Story | None:
    """What a journal says that has nothing to salvage; that of another version is whole.

    Raises JournalError for that, and for one of another stack.
    """
    try:
        story = read(path)
        if story is None:
            return None
        if not story.is_of(target.account, target.region, target.stack_name):
            raise JournalError("the journal is of a drill on another stack", where=str(path))
        return whole(target, story)
    except JournalError as error:
        if "damaged" not in error.problem:
            raise
        return None


def _unreadable_copies(target: Target, path: Path, name: str, places: tuple[str, ...]) -> list[str]:
    """Which copies can't be read. Raises JournalError for one that is whole."""
    doubts = []
    for copy in copies_of(places, target):
        try:
            content = copy.fetch(name)
        except Exception as error:
            doubts.append(f"the copy {copy.where} can't be read: {told_error(error)}")
            continue
        if content is None:
            doubts.append(f"the copy {copy.where} is not there")
            continue
        story = _read_whole(target, partial(told, content), path)
        if story is not None and not story.is_closed:
            away = f"move {path} away, then " if path.is_file() else ""
            raise JournalError(
                "a copy of the journal is whole: there is nothing to salvage",
                where=copy.where,
                remedy=f"{away}storagefirst recover --target {target.name} --journal {copy.where}",
            )
        doubts.append(f"the copy {copy.where} is damaged, too")
    return doubts


def _whose(
    target: Target, found: _Readable, holding: Mapping[str, Any] | None, path: Path
) -> Mapping[str, Any] | None:
    """The journal's first line, or the lock in its place; None where neither says whose it is."""
    mine = (target.account, target.region, target.stack_name)
    if found.begin is not None:
        if not Story(path, found.begin).is_of(*mine):
            raise JournalError("the journal is of a drill on another stack", where=str(path))
        return found.begin
    if holding is None:
        return None
    stack = dict(zip(("account", "region", "stack"), mine, strict=True))
    return {"step": BEGIN, "version": VERSION, **holding, **stack}


def _kept_beside(path: Path) -> Path:
    """A copy of the damaged file, under a name that is free."""
    kept = path.with_name(path.name + KEPT)
    number = 1
    while kept.exists():
        number += 1
        kept = path.with_name(f"{path.name}{KEPT}-{number}")
    _put(kept, path.read_bytes())
    return kept


def _write(path: Path, steps: list[Mapping[str, Any]]) -> None:
    lines = [line + "\n" for line in lines_of(steps)]
    part = path.with_name(path.name + ".part")
    _put(part, "".join(lines).encode())
    try:
        os.replace(part, path)
    except OSError as error:
        raise _unwritable(path, error) from None


def _put(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        with open(path, "wb", opener=privately) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> StorageFirstError:
    return JournalError(
        "what was salvaged can't be written: nothing was touched",
        where=str(path),
        found=error.strerror or str(error),
    )
