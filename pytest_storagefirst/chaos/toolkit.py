"""Drills as actions and probes of Chaos Toolkit, which guard and undo themselves.

    {"type": "action", "name": "consumer off", "provider": {"type": "python",
     "module": "pytest_storagefirst.chaos.toolkit", "func": "run_drill",
     "arguments": {"drill": "consumer-disabled", "target": "stack:shop",
                   "live": "123456789012:eu-west-1:shop"}}}

Chaos Toolkit leaves a fault in place on SIGINT and SIGTERM by default, and calls an experiment
completed whose rollback raised, or whose action did. So an action is a whole drill: it has undone
what it did when it returns, and raises unless the verdict is ok; and the probe `drills_were_ok` in
the steady state hypothesis, which is asked again at the end, lets the experiment deviate then.
`recover_all` belongs among the rollbacks all the same, for a process that was killed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_storagefirst.chaos import command
from pytest_storagefirst.chaos.breaking import Aim
from pytest_storagefirst.chaos.drill import find_drill
from pytest_storagefirst.chaos.journal import stories_of
from pytest_storagefirst.chaos.plan import make_plan
from pytest_storagefirst.errors import StorageFirstError
from pytest_storagefirst.target.target import find_target

__all__ = ["drill_fits", "drills_were_ok", "nothing_left_open", "recover_all", "run_drill"]

# The drills of this process whose verdict was not ok, until a probe has told it: what an action
# raises Chaos Toolkit writes down and goes on, so nothing else carries it to the experiment's end.
_not_ok: list[str] = []


def run_drill(
    drill: str,
    target: str,
    live: str,
    *,
    folder: str = ".",
    report: str | None = None,
    alarms: list[str] | None = None,
    journals: list[str] | None = None,
    seconds: float | None = None,
) -> dict[str, Any]:
    """An action: the whole drill, judged and undone. Returns its verdict and what it said.

    Raises Chaos Toolkit's ActivityFailed unless the verdict is ok.
    """
    said: list[str] = []
    asked = command.Asked(
        name=drill,
        target=target,
        live=live,
        report=Path(report) if report else None,
        alarms=tuple(alarms or ()),
        journals=tuple(journals or ()),
        seconds=seconds,
    )
    try:
        exit_code = command.drill(asked, Path(folder), said.append)
    except StorageFirstError as error:
        _not_ok.append(drill)
        raise _failed(f"{drill}: {error.line}") from None
    if exit_code:
        _not_ok.append(drill)
        raise _failed(f"{drill} exits with {exit_code}: " + "; ".join(said))
    return {"drill": drill, "exit": exit_code, "said": said}


def recover_all(target: str, *, folder: str = ".") -> dict[str, Any]:
    """A rollback: undo what drills on this target left open. Raises where something is left."""
    said: list[str] = []
    try:
        exit_code = command.recovery(target, Path(folder), (), False, said.append)
    except StorageFirstError as error:
        raise _failed(error.line) from None
    if exit_code:
        raise _failed("; ".join(said))
    return {"exit": exit_code, "said": said}


def drill_fits(drill: str, target: str, *, folder: str = ".") -> bool:
    """A probe: whether the drill could be run on the target as it is now. Only reads."""
    try:
        place = Path(folder)
        make_plan(find_drill(drill, place), Aim(find_target(target, place), "probe"))
    except StorageFirstError:
        return False
    return True


def drills_were_ok() -> bool:
    """A probe: whether the verdict of each drill that this process has run since it was asked last
    was ok. Chaos Toolkit asks it before and after the method; after one that was not, the
    experiment deviates, and `chaos run` exits with 1.
    """
    is_ok = not _not_ok
    _not_ok.clear()
    return is_ok


def nothing_left_open(target: str, *, folder: str = ".") -> bool:
    """A probe: whether every drill on this target is undone, by the journals in the folder."""
    aimed = find_target(target, Path(folder))
    stories = stories_of(Path(folder), aimed.account, aimed.region, aimed.stack_name)
    return all(story.is_closed for story in stories)


def _failed(text: str) -> Exception:
    """Chaos Toolkit's own error, so that its journal tells it."""
    try:
        from chaoslib.exceptions import ActivityFailed
    except ImportError:
        return RuntimeError(text)
    error: Exception = ActivityFailed(text)
    return error
