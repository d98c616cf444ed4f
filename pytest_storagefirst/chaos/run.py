"""One drill: guards, lock, journal, faults, proof, clock, undo, proof. In this order, always."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime

from pytest_storagefirst.chaos import lock
from pytest_storagefirst.chaos.breakage import Breakage
from pytest_storagefirst.chaos.breaking import Aim
from pytest_storagefirst.chaos.copies import check_copies, copies_of
from pytest_storagefirst.chaos.drill import Drill
from pytest_storagefirst.chaos.interruptions import Interruptions, Stopped
from pytest_storagefirst.chaos.journal import (
    ENDING,
    FOLDER,
    Journal,
)
from pytest_storagefirst.chaos.outcome import Drilling, Outcome, Watcher
from pytest_storagefirst.chaos.plan import make_plan
from pytest_storagefirst.chaos.undo import told_error
from pytest_storagefirst.errors import DrillError, StorageFirstError


def new_id() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def run(drill: Drill, how: Drilling) -> Outcome:
    """Run a drill on its target, and undo it, whatever happens.

    Raises DrillError, JournalError or TargetError before anything is changed. After that it raises
    nothing but what ends the process itself: what went wrong is in the outcome.
    """
    with Interruptions(how.say) as interruptions:
        outcome = _run(drill, how, interruptions)
    outcome.times["ended"] = time.time()
    return outcome


def _run(drill: Drill, how: Drilling, interruptions: Interruptions) -> Outcome:
    target, name = how.target, new_id()
    how.guards.check(target, drill, how.live)
    lock.refuse_open_journals(target, how.folder)
    aim = Aim(target, name, how.guards.alarms)
    make_plan(drill, aim)
    copies = copies_of(how.copies, target)
    check_copies(copies)
    outcome = Outcome(name, drill, times={"started": time.time()})
    watcher = how.watcher(name, interruptions) if how.watcher is not None else None
    if watcher is not None and not _steady(watcher, how, outcome, interruptions):
        return outcome
    path = how.folder / FOLDER / f"{name}{ENDING}"
    outcome.journal = path
    mine = lock.signature(drill, name, target, path, how.copies)
    journal = Journal.begun(path, mine, copies)
    breakage = Breakage(drill, how, aim, journal, outcome, interruptions, watcher)
    try:
        breakage.take_lock(mine)
        breakage.drive()
    except Stopped as stopped:
        outcome.stopped = str(stopped)
        outcome.problems.append(f"it was ended early: {stopped}")
        how.say(f"{stopped}: undoing what was done")
    except Exception as error:
        if isinstance(error, StorageFirstError) and not outcome.changes:
            breakage.end()
            raise
        outcome.problems.append(told_error(error))
        how.say(f"{told_error(error)}: undoing what was done")
    except BaseException:
        breakage.end()
        raise
    breakage.mend()
    breakage.judge()
    breakage.end()
    return outcome


def _steady(
    watcher: Watcher, how: Drilling, outcome: Outcome, interruptions: Interruptions
) -> bool:
    """Whether the steady state is there before anything is changed; if not, why."""
    try:
        interruptions.check()
        if watcher.before():
            how.guards.check_alarms(how.target)  # to look took a while
            return True
        outcome.problems.append("the steady state was not there before: nothing was broken")
    except DrillError as error:
        outcome.problems.append(f"{error.problem}: nothing was broken")
    except Stopped as stopped:
        outcome.problems.append(f"it was ended before anything was broken: {stopped}")
    except Exception as error:
        told = f"the steady state can't be seen ({told_error(error)}): nothing was broken"
        outcome.problems.append(told)
    return False
