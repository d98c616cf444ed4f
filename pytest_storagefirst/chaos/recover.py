"""Finishing the undo of drills that could not do it themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pytest_storagefirst.chaos import lock
from pytest_storagefirst.chaos.canaries import BAD
from pytest_storagefirst.chaos.copies import copies_of
from pytest_storagefirst.chaos.interruptions import Interruptions
from pytest_storagefirst.chaos.journal import (
    CLOSED,
    ENDING,
    FOLDER,
    Journal,
    Story,
    privately,
    stories_of,
    told,
)
from pytest_storagefirst.chaos.outcome import say_if_heard
from pytest_storagefirst.chaos.proof import still_there
from pytest_storagefirst.chaos.settings.messages import dead_letters_taken_away
from pytest_storagefirst.chaos.sign_of_life import refuse_if_alive
from pytest_storagefirst.chaos.undo import MOVED, check_settings, told_error, undo_all
from pytest_storagefirst.errors import JournalError, StorageFirstError
from pytest_storagefirst.target.target import Target


@dataclass(frozen=True)
class Recovered:
    """How many drills were open, and what of them is still: a line each. `kept` is what someone
    else changed and is meant.
    """

    found: int
    left: tuple[str, ...]
    kept: tuple[str, ...] = ()


def recover(
    target: Target,
    folder: Path,
    copies: Iterable[str] = (),
    *,
    keep_changes: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Recovered:
    """Undo what drills on this stack left open, by the journals in `folder` and in `copies`.

    A drill whose journal is here no longer is found through the stack's lock, where its journal has
    a copy. With `keep_changes` what someone else changed meanwhile is taken for meant.

    Raises JournalError, before anything is touched, for a journal that is damaged, from another
    version, or of a drill that is still running; DrillError for one that runs elsewhere.
    """
    say = partial(say_if_heard, tell)

    stories = list(stories_of(folder, target.account, target.region, target.stack_name))
    fetched = _fetched(target, folder, [story.name for story in stories], copies)
    stories += [fetched] if fetched is not None else []
    unfinished = [story for story in stories if not story.is_closed]
    for story in unfinished:
        check_settings(story)
        _refuse_if_alive(target, story.name, story.path)
    left: list[str] = []
    kept: list[str] = []
    opened = [
        (Journal(story.path, copies_of(story.begin.get("copies", ()), target)), story)
        for story in unfinished
    ]
    try:
        with Interruptions(say, undoing=True):
            for journal, story in reversed(opened):
                left += _finish(target, journal, story, kept if keep_changes else None, say)
    finally:
        for journal, _ in opened:
            journal.close()
    return Recovered(len(unfinished), tuple(left), tuple(kept))


def _finish(
    target: Target,
    journal: Journal,
    story: Story,
    kept: list[str] | None,
    say: Callable[[str], None],
) -> list[str]:
    """What is left of one drill; nothing, then its journal is closed and its lock let go.

    What someone else changed is left as well, unless there is a list of what is `kept`.
    """
    say(f"{story.begin.get('drill')} ({story.name}), begun {story.begin.get('began')}:")
    changes = story.open_changes()
    results = undo_all(target, changes, journal, lambda line: say(f"  {line}"))
    left = [one for one in results if not one.is_done]
    if kept is not None:
        for one in left:
            if one.how == MOVED:
                journal.undone(one.number, "kept")
                kept.append(one.kept)
        left = [one for one in left if one.how != MOVED]
    problems = [one.told for one in left] + still_there(target, changes, results)
    if left:
        return problems
    try:
        taken_away = dead_letters_taken_away(target, story.name)
    except Exception as error:
        taken_away = []
        problems.append(
            f"whether messages of the drill lie in dead-letter queues: {told_error(error)}"
        )
    if taken_away:
        say(f"  deleted dead letters: {', '.join(taken_away)}")
    if any(one["setting"] == BAD for one in changes):
        say(
            "  bad messages that were not dead letters yet are given again until they are; where "
            "there is no dead-letter queue, until retention ends"
        )
    try:
        if lock.release(target, story.name):
            say("  the stack's lock is let go")
        journal.write({"step": CLOSED}, must_copy=False)
    except Exception as error:
        problems.append(f"the stack's lock can't be let go: {told_error(error)}")
    return problems


def _refuse_if_alive(target: Target, name: str, path: Path) -> None:
    """The same, where it can't be asked: then nothing is touched either."""
    try:
        refuse_if_alive(target, name, path)
    except StorageFirstError:
        raise
    except Exception as error:
        raise _unreadable_lock(target, error) from None


def _unreadable_lock(target: Target, error: Exception) -> JournalError:
    return JournalError(
        "the stack's lock can't be read: whether a drill is open is not known",
        where=lock.lock_name(target.stack_name),
        found=told_error(error),
    )


def _fetched(target: Target, folder: Path, known: list[str], copies: Iterable[str]) -> Story | None:
    """The journal of the drill that holds the stack's lock, where it is not in this folder."""
    try:
        found = lock.holder(target)
    except Exception as error:
        raise _unreadable_lock(target, error) from None
    if found is None or found.get("id") in known:
        return None
    name = str(found.get("id"))
    path = folder / FOLDER / f"{name}{ENDING}"
    places = tuple(dict.fromkeys((*copies, *found.get("copies", ()))))
    for copy in copies_of(places, target):
        try:
            content = copy.fetch(name)
        except StorageFirstError:
            raise
        except Exception as error:
            raise JournalError(
                "the copy of the undo journal can't be read",
                where=copy.where,
                found=told_error(error),
            ) from None
        story = None if content is None else told(content, path)
        if content is not None and story is not None:
            _refuse_if_alive(target, name, path)
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "wb", opener=privately) as file:
                file.write(content)
            return story
    raise JournalError(
        "a drill on this stack is under way, or its journal is elsewhere",
        where=lock.lock_name(target.stack_name),
        found=f"{found.get('drill')} by {found.get('who')} on {found.get('host')} since "
        f"{found.get('began')}, its journal is {found.get('journal')}",
        remedy="run storagefirst recover in that folder, or name a copy: --journal s3://…; where "
        f"it is lost, --salvage {name} tells what can't be known, and lets the stack go",
    )
