"""Schedules that failed, kept in Hypothesis's example database and played first the next time.

Where they are kept, and whether at all, the user's Hypothesis profile says; by default it is the
folder .hypothesis, or the one that HYPOTHESIS_STORAGE_DIRECTORY names.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_storagefirst.explore import bursts
from pytest_storagefirst.explore.result import PropertyResult
from pytest_storagefirst.ledger.verdict import VIOLATED
from pytest_storagefirst.simulation.schedule import Schedule

if TYPE_CHECKING:
    from hypothesis.database import ExampleDatabase

    from pytest_storagefirst.explore.exploration import Exploration
    from pytest_storagefirst.explore.judge import Judge, Judged

VERSION = 1
MOST_PLAYED = 8  # of one property
MOST_BYTES = 1_000_000  # of an entry: what is larger is none of ours


@dataclass(frozen=True)
class Remembered:
    """A schedule that violated a property; `value` is what the database holds of it."""

    property_name: str
    schedule: Schedule
    value: bytes


def play_remembered(exploration: Exploration, template: Path) -> None:
    """Play what failed before: what still fails is counted in, and what does not is forgotten.

    A message whose body was the entry's own gets what that is now, so that a body that the handler
    no longer takes accuses nobody.
    """
    for kept in remembered(template, exploration.judge.names):
        judged = _played(exploration.judge, kept)
        if judged is not None:
            exploration.take(bursts.said_of(judged))
        else:
            forget(template, kept.property_name, kept.value)


def _played(judge: Judge, kept: Remembered) -> Judged | None:
    """The run, if it still shows the same; None for any other, and for what can't be played."""
    with contextlib.suppress(Exception):
        judged = judge.judge(_as_of_today(judge, kept.schedule))
        observation = judged.played.observation
        struck = set(observation.faults_required) <= set(observation.faults_fired)
        if struck and judged.verdicts[kept.property_name].value == VIOLATED:
            return judged
    return None


def _as_of_today(judge: Judge, schedule: Schedule) -> Schedule:
    """The schedule with the bodies of now.

    Raises LookupError where an entry is gone, or no longer takes a body that a strategy drew.
    """
    workload = []
    for send in schedule.workload:
        entry = judge.deployed.entry(send.entry)
        if entry.bodies is None:
            send = replace(send, body=entry.body)
        elif not judge.alone(send)[0].effects:
            raise LookupError(send.entry)
        workload.append(send)
    return replace(schedule, workload=tuple(workload))


def remembered(template: Path, names: Iterable[str]) -> list[Remembered]:
    """What failed before of these properties, in a fixed order; what is damaged is deleted."""
    found: list[Remembered] = []
    for name in names:
        count = 0
        for value in _fetched(_key(template, name)):
            schedule = _read(value)
            if schedule is None or count == MOST_PLAYED:
                forget(template, name, value)
            else:
                found.append(Remembered(name, schedule, value))
                count += 1
    return found


def remember(template: Path, results: Iterable[PropertyResult]) -> None:
    """Keep the witnesses of these results.

    Not those with a bad message, or about what is found again in storage, or about an object's key:
    these are tried each time, with bodies that follow from the entry's own.
    """
    for one in results:
        witness = one.witness
        if one.verdict == VIOLATED and witness and not witness["bad"] and not witness["kept"]:
            if Schedule.from_json(witness["schedule"]).names_keys:
                continue
            value = _value(witness["schedule"])
            with contextlib.suppress(Exception):
                _database().save(_key(template, one.name), value)


def forget(template: Path, name: str, value: bytes) -> None:
    with contextlib.suppress(Exception):
        _database().delete(_key(template, name), value)


def _fetched(key: bytes) -> list[bytes]:
    if not _may_hold_any():
        return []
    with contextlib.suppress(Exception):
        return sorted(set(_database().fetch(key)), key=lambda value: (len(value), value))
    return []


def _may_hold_any() -> bool:
    """Whether to ask Hypothesis, which a short run need not import otherwise.

    Who gave it another database than the one in its folder has imported it to do so.
    """
    folder = os.environ.get("HYPOTHESIS_STORAGE_DIRECTORY", ".hypothesis")
    return "hypothesis" in sys.modules or Path(folder).exists()


def _database() -> ExampleDatabase:
    """The example database of the user's profile. Raises LookupError where the profile has none.

    It may also lie in a folder that can't be written, or on a server that is not there. Callers
    then keep nothing and tell nobody, as Hypothesis itself does.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from hypothesis import settings

        database = settings().database
    if database is None:
        raise LookupError("the profile keeps no examples")
    return database


def _key(template: Path, name: str) -> bytes:
    """By the template's path from the current folder, where Hypothesis keeps its folder too."""
    return f"storagefirst {VERSION} {Path(os.path.relpath(template)).as_posix()} {name}".encode()


def _value(schedule: Mapping[str, Any]) -> bytes:
    return json.dumps({"version": VERSION, "schedule": schedule}, sort_keys=True).encode()


def _read(value: bytes) -> Schedule | None:
    with contextlib.suppress(Exception):
        if len(value) <= MOST_BYTES:
            document = json.loads(value)
            schedule = Schedule.from_json(document["schedule"])
            if document["version"] == VERSION and schedule.workload:
                return schedule
    return None
