"""Whether a journal says all that its drill announced: its end may be cut off, or gone.

The line of a change is on disk before the change is made; then its number is in the stack's lock,
and only then it is made. So a line that was cut off by a crash amid writing has no number there
yet: nothing was begun. What the lock or a copy of the journal tells beyond the file was cut off
later, and may stand.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from pytest_storagefirst.chaos import lock
from pytest_storagefirst.chaos.copies import copies_of
from pytest_storagefirst.chaos.journal import (
    CLOSED,
    LOCK,
    UNDONE,
    Story,
    damaged,
    last_change,
    salvaged,
    torn_change,
)
from pytest_storagefirst.chaos.undo import told_error
from pytest_storagefirst.errors import JournalError
from pytest_storagefirst.target.target import Target

SALVAGED = "salvaged"  # in a journal's first line: what is gone was told, and is known to be
_HARMLESS = tuple(f'{{"step": "{word}"'.encode() for word in (LOCK, UNDONE, CLOSED))


def whole(target: Target, story: Story) -> Story:
    """The story of an open journal, with the change that a line cut off at its end may have made.

    Undo compares what stands there before it writes: such a change is undone as any other.
    Raises JournalError for a journal that lacks one which can't be known, and where the lock can't
    be read.
    """
    if story.is_closed or story.begin.get(SALVAGED):
        return story
    told = story.changes
    in_lock = _of_the_lock(target, story.name)
    elsewhere = [*([in_lock] if in_lock is not None else []), *_of_copies(target, story)]
    known = max(elsewhere, default=told)
    may_be_one = bool(story.cut) and not story.cut.startswith(_HARMLESS)
    if known <= told and (in_lock is not None or not may_be_one):
        return story
    torn = torn_change(story.cut)
    if torn is not None and torn["number"] == told + 1 >= known:
        return replace(story, steps=(*story.steps, torn))
    why = f"it ends with change {told}, and the drill has announced {known}"
    if known <= told:
        why = "its last line is cut off, and may have announced a change"
    raise damaged(str(story.path), story.path, why)


def unreadable_lock(target: Target, error: Exception) -> JournalError:
    """Without it, nothing is touched."""
    return JournalError(
        "the stack's lock can't be read: whether a drill is open is not known",
        where=lock.lock_name(target.stack_name),
        found=told_error(error),
    )


def _of_the_lock(target: Target, name: str) -> int | None:
    """How many changes the lock says that the drill announced; None where it holds it no more."""
    try:
        found = lock.holder(target)
    except Exception as error:
        raise unreadable_lock(target, error) from None
    if found is None or found.get("id") != name:
        return None
    return lock.announced(found)


def _of_copies(target: Target, story: Story) -> Iterator[int]:
    """The same of each copy that can be read; one that can't is no witness."""
    for text in story.begin.get("copies", ()):
        with contextlib.suppress(Exception):
            for copy in copies_of([text], target):
                content = copy.fetch(story.name)
                if content is not None:
                    yield last_change(salvaged(content)[0])
