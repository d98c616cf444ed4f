"""Putting back what a drill changed: compare and swap, change by change, the last first."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_storagefirst.chaos.journal import Journal, Story
from pytest_storagefirst.chaos.setting import Moved, Setting, Value
from pytest_storagefirst.chaos.settings import SETTINGS
from pytest_storagefirst.errors import JournalError, StorageFirstError
from pytest_storagefirst.target.target import Target

PUT_BACK, AS_IT_WAS, MOVED, MOVED_ITSELF, GONE, FAILED = (
    "put back",
    "as it was",
    "changed meanwhile by someone else",
    "moved on by itself",
    "no longer there",
    "not undone",
)
DONE = (PUT_BACK, AS_IT_WAS, MOVED_ITSELF, GONE)
TRIES = 3
_REMEDY = "; put back what is wrong, or run storagefirst recover with --keep-changes"
_PAUSE_S = 0.3
SHOWN_AT_MOST = 120  # characters of a value
ERROR_AT_MOST = 400  # characters of what a service says
_PAGE = re.compile(r"<!doctype html|<html", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")
_GONE = (
    *("ResourceNotFoundException", "QueueDoesNotExist", "NonExistentQueue", "NoSuchEntity"),
    *("NoSuchEntityException", "TableNotFoundException"),
)
# Waiting does not help against these.
_FINAL = (
    *("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "ExpiredToken"),
    *("ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"),
)
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired")


@dataclass(frozen=True)
class Undone:
    """What came of undoing one change: `how` is one of the words above, `told` a line of it."""

    number: int
    how: str
    told: str

    @property
    def is_done(self) -> bool:
        return self.how in DONE

    @property
    def brief(self) -> str:
        """What is said at once; of what is left `told` is told at the end, and once."""
        return self.told if self.is_done else self.told.partition(self.how)[0] + self.how

    @property
    def kept(self) -> str:
        """Of what someone else changed, once that is known to be meant."""
        return self.told.removesuffix(_REMEDY)


def check_settings(story: Story) -> None:
    """Raises JournalError for a journal with a kind of setting that is not known here."""
    for step in story.open_changes():
        if step["setting"] not in SETTINGS:
            raise JournalError(
                "the journal changes what this version of pytest-storagefirst doesn't know",
                where=str(story.path),
                found=str(step["setting"]),
                expected=", ".join(SETTINGS),
                remedy="recover with the version that wrote it; nothing was touched",
            )


def undo_all(
    target: Target,
    changes: Sequence[Mapping[str, Any]],
    journal: Journal,
    say: Callable[[str], None] = lambda _: None,
) -> list[Undone]:
    """Undo these changes of a journal, in this order; what fails keeps none of the others up."""
    results = []
    for step in changes:
        result = undo(target, step)
        if result.is_done:
            try:
                journal.undone(result.number, result.how)
            except JournalError as error:  # it is undone all the same, and will be found so
                say(f"{error}")
        say(result.brief)
        results.append(result)
    return results


def undo(target: Target, step: Mapping[str, Any]) -> Undone:
    """Put one setting back to what it was, unless someone else has changed it. Raises nothing."""
    setting = SETTINGS[step["setting"]]
    number, name = int(step["number"]), f"{step['place']}: {setting.told}"
    problem: Exception | None = None
    for attempt in range(TRIES):
        time.sleep(_PAUSE_S * attempt)
        try:
            how, now = _swapped(target, setting, step)
        except Moved as moved:
            return _moved(number, name, setting, step, moved.current)
        except Exception as error:
            code = code_of(error)
            if code in _GONE:
                return Undone(number, GONE, f"{name} is {GONE}: there is nothing to undo")
            problem = error
            if code in _FINAL:
                break
        else:
            told = f"put back to {shown(now)}" if how == PUT_BACK else f"is {shown(now)}, as it was"
            return Undone(number, how, f"{name} {told}")
    return Undone(number, FAILED, f"{name} is {FAILED}: {told_error(problem)}")


def _swapped(target: Target, setting: Setting, step: Mapping[str, Any]) -> tuple[str, Value]:
    """How, and what stands there then. Raises Moved.

    What the stack's own code changes between reading and writing is read once more.
    """
    address = step["address"]
    for attempt in range(TRIES):
        current = setting.read(target, address)
        wanted = setting.undone(address, current, step["before"], step["value"])
        if wanted == current:
            return AS_IT_WAS, current
        try:
            setting.write(target, address, wanted, current)
        except Moved:
            if attempt == TRIES - 1:
                raise
        else:
            break
    return PUT_BACK, wanted


def _moved(
    number: int, name: str, setting: Setting, step: Mapping[str, Any], current: Value
) -> Undone:
    before, value = shown(step["before"]), shown(step["value"])
    if setting.moves_itself:
        told = f"{name} has {MOVED_ITSELF} to {shown(current)} (it was {before}): it is left so"
        return Undone(number, MOVED_ITSELF, told)
    told = (
        f"{name} was {MOVED}, and is left as it is: it was {before}, the drill set {value}, now it "
        f"is {shown(current)}{_REMEDY}"
    )
    return Undone(number, MOVED, told)


def shown(value: Value) -> str:
    """A value on a line."""
    if value is None:
        return "absent"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= SHOWN_AT_MOST else text[:SHOWN_AT_MOST] + "…"


def code_of(error: Exception) -> str:
    """AWS's code of an error: "QueueDoesNotExist" of "AWS.SimpleQueueService.QueueDoesNotExist"."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", "")).rpartition(".")[2]


def told_error(error: Exception | None) -> str:
    """What went wrong and what to do, on a line."""
    text = str(error)
    if _PAGE.search(text):  # what stands in the place of a service answers with pages
        text = _TAG.sub(" ", text)
    first = " ".join(text.split()) or type(error).__name__
    if len(first) > ERROR_AT_MOST:
        first = first[:ERROR_AT_MOST] + "…"
    if isinstance(error, StorageFirstError):  # its other lines are of the place where it arose
        first = error.problem
    code = code_of(error) if error is not None else ""
    if code in _EXPIRED:
        return f"the credentials have expired ({first}): get new ones"
    if code in _FINAL:
        return f"the credentials do not allow it ({first}): use some that do"
    return first
