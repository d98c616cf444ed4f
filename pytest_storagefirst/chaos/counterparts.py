"""Faults of tests as faults of drills, and the other way round, as far as they have counterparts.

Which faults of tests have none in a deployed stack is said, and why: what strikes one call between
two others (a lost response, a crash after the effect) can't be aimed at from outside.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from pytest_storagefirst.chaos.drill import Drill, Expected, Fault
from pytest_storagefirst.chaos.front_door import FrontDoor
from pytest_storagefirst.errors import DrillError, FaultError, StorageFirstError
from pytest_storagefirst.explore.outcome import write_replay
from pytest_storagefirst.explore.witness import FORMAT, VERSION, read_witness
from pytest_storagefirst.faults import plan as testing
from pytest_storagefirst.faults.catalogue import CALL, HTTP, sort_of_point
from pytest_storagefirst.scripts import HEALTHY, parse_script
from pytest_storagefirst.simulation.schedule import Schedule, Send
from pytest_storagefirst.stack.topology import Topology

LASTS_S = 60.0  # of a fault that a test strikes once
REDRIVE_S = 10.0  # of a fault that is over at once
MESSAGES = 3
_INSIDE = "it strikes within one invocation, where nothing outside can aim"
Doors = tuple[FrontDoor, ...]
_THIRD_PARTY = ("refused", "http-500", "http-429", "brownout", "flapping", "slow-start")


def drill_of_replay(path: Path) -> Drill:
    """The drill that the faults of a replay file come to, or those of a load run's report.json.

    Raises ReplayError, and DrillError where none of them has a counterpart.
    """
    report = _load_report(path)
    if report is not None:
        return _drill_of_load(path, report)
    witness = read_witness(path)
    faults: list[Fault] = []
    unmatched: list[str] = []
    if witness.bad:
        faults.append(Fault("poison", options={"messages": len(witness.bad)}))
    for fault in witness.schedule.plan:
        found = counterpart(fault)
        if isinstance(found, str):
            unmatched.append(f"“{fault}”: {found}")
        elif found not in faults:
            faults.append(found)
    if not faults:
        raise DrillError(
            "no fault of this replay file has a counterpart in a deployed stack",
            where=str(path),
            found="; ".join(unmatched) or "a schedule without faults",
            expected="one of those in docs/drills.md",
        )
    judged = tuple(dict.fromkeys((witness.property_name, "no-message-loss")))
    return Drill(
        name=path.stem,
        summary=f"The faults of {path.name}, which violated {witness.property_name} in a test.",
        faults=tuple(faults),
        expected=Expected(judged),
        unmatched=tuple(unmatched),
    )


def _load_report(path: Path) -> dict[str, Any] | None:
    """The report of a load run; None for any other file, which is read as a replay file is."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("kind") == "load" else None


def _drill_of_load(path: Path, report: Mapping[str, Any]) -> Drill:
    """What the load run did to its target beside the load, at the same moments."""
    faults: list[Fault] = []
    unmatched: list[str] = []
    try:
        for one in report.get("actions", ()):
            at_s = float(one["at_s"])
            if one["kind"] != "downstream":
                faults.append(Fault(one["kind"], at_s=at_s, for_s=REDRIVE_S))
                continue
            for step in parse_script(one["script"]):
                if step.kind in _THIRD_PARTY:
                    faults.append(Fault("outage", at_s=at_s, for_s=step.for_ms / 1000))
                elif step.state != HEALTHY:
                    unmatched.append(f"“{step.state}”: {_INSIDE}")
                at_s += step.for_ms / 1000
    except (KeyError, TypeError, ValueError, FaultError) as error:
        raise DrillError(
            "the load run's actions can't be read", where=str(path), found=str(error)
        ) from None
    if not faults:
        raise DrillError(
            "this load run did nothing to its target that has a counterpart in a drill",
            where=str(path),
            found="; ".join(unmatched) or "load alone",
        )
    return Drill(
        name=path.stem,
        summary=f"What the load run {report.get('run')} did to its target, without the load.",
        faults=tuple(faults),
        unmatched=tuple(unmatched),
    )


def counterpart(fault: testing.Fault) -> Fault | str:
    """The fault of a drill that a test's stands for, or why there is none."""
    for_s = fault.for_ms / 1000 or LASTS_S
    at = (fault.place,)
    sort = sort_of_point(fault.point)
    if sort == HTTP:
        if fault.kind not in _THIRD_PARTY:
            return _INSIDE
        return Fault("outage", for_s=for_s)
    if sort == CALL and fault.kind == "refused":
        return _refused(fault, for_s)
    simple: dict[str, tuple[str, tuple[str, ...]]] = {
        "mapping-disabled": ("mapping-disabled", at),
        "throttled": ("throttled", at),
        "init-failed": ("init-failed", at),
        "visibility-expired": ("visibility-expired", at),
        "ack-lost": ("delete-denied", at),
        "duplicate": ("duplicate", ()),
        "storage-refused": ("send-denied", ()),
        "circuit-lost": ("circuit-lost", ()),
        "flag-flipped": ("flag-flipped", (fault.variant,) if fault.variant else ()),
    }
    if fault.kind not in simple:
        return _INSIDE
    kind, where = simple[fault.kind]
    return Fault(kind, where, for_s=for_s)


def _refused(fault: testing.Fault, for_s: float) -> Fault | str:
    service, _, operation = fault.point.partition(".")
    if service == "dynamodb" and fault.variant == "access-denied":
        actions = [f"dynamodb:{operation}"]
        return Fault("table-denied", for_s=for_s, options={"actions": actions})
    if service == "dynamodb" and fault.variant in ("", "throttle"):
        return Fault("table-throttled", for_s=for_s)
    return f"{service} can't be made to refuse from outside in this way"


# --- from a drill to a test -------------------------------------------------------------------


def replay_of(
    drill: Drill, topology: Topology, doors: Doors, template: Path, violated: str
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A replay file's document of a failed drill, and which of its faults are not in it.

    The simulation plays it on the same template: pytest --storagefirst-replay=FILE. Raises
    DrillError where no fault has a counterpart.
    """
    texts: list[str] = []
    left_out: list[str] = []
    for fault in drill.faults:
        found = list(_texts(fault, topology, doors))
        texts += [text for text in found if text not in texts]
        left_out += [] if found else [fault.kind]
    if not texts:
        raise DrillError("no fault of this drill has a counterpart in a test", found=drill.name)
    try:
        plan = testing.parse_plan(texts)
    except FaultError as error:
        raise DrillError("the drill's faults can't be written down", found=error.problem) from None
    sends = tuple(
        Send(f"m{number}", door.way.name, _body(door))
        for number, door in enumerate(
            islice(cycle(doors), max(MESSAGES, len(doors))),
            1,
        )
    )
    document = {
        "format": FORMAT,
        "version": VERSION,
        "template": Path(os.path.relpath(template)).as_posix(),
        "property": violated,
        "bad": [],
        "kept": {},
        "schedule": Schedule(workload=sends, plan=plan).to_json(),
        "story": [f"the drill {drill.name} violated {violated} on a deployed stack"],
    }
    return document, tuple(left_out)


def _body(door: FrontDoor) -> Any:
    try:
        return json.loads(door.way.body)
    except ValueError:
        return door.way.body


def _texts(fault: Fault, topology: Topology, doors: Doors) -> Iterator[str]:
    """A drill's fault in the words of tests, once for each place that it strikes."""
    from pytest_storagefirst.chaos.breaking.kind import consumers_of, work_queues

    extent = f" for {fault.for_s:g} s"
    functions = [
        one.logical_id
        for one in consumers_of(topology)
        if not fault.where or one.logical_id in fault.where
    ] or [one.logical_id for one in consumers_of(topology)]
    queues = [one.logical_id for one in work_queues(topology)]
    at_functions = {
        "mapping-disabled": "mapping-disabled",
        "throttled": "throttled",
        "init-failed": "init-failed",
        "error": "crash",
        "slow": "timeout",
        "circuit-lost": "circuit-lost",
    }
    if fault.kind in at_functions:
        kind = at_functions[fault.kind]
        lasts = "" if kind == "circuit-lost" else extent
        for name in functions:
            yield f"{name}: invocation #1: {kind}{lasts}"
    elif fault.kind == "send-denied":
        for door in doors:
            if not door.way.service:
                yield f"{door.way.name}: request #1: storage-refused(access-denied){extent}"
    elif fault.kind in ("visibility-expired", "delete-denied", "duplicate"):
        words = {"visibility-expired": "visibility-expired", "duplicate": "duplicate"}
        word = words.get(fault.kind, f"ack-lost{extent}")
        for name in queues:
            yield f"{name}: delivery #1: {word}"
    elif fault.kind == "outage":
        # A port that nobody listens on fails at once, as a 500 does and a connect timeout doesn't.
        settings = doors[0].target.settings
        for name in functions:
            for one in settings.downstreams:
                method = "POST" if one.method == "ANY" else one.method
                yield f"{name}: http {method} {one.url} #1: http-500{extent}"


def written_replay(
    drill: Drill, doors: Doors, template: Path | None, violated: str, folder: Path
) -> str:
    """Write the replay file beside the report; a line that says so, or why there is none."""
    if template is None or not template.is_file():
        return "no replay file: the stack's template is not here"
    try:
        document, left_out = replay_of(drill, doors[0].target.topology(), doors, template, violated)
    except StorageFirstError as error:
        return f"no replay file: {error.line}"
    file = folder / "replay.json"
    try:
        write_replay(file, document)
    except OSError as error:
        return f"no replay file: {file} can't be written: {error.strerror or error}"
    without = f" (without {', '.join(left_out)})" if left_out else ""
    return f"replay: {file}{without}; pytest -p storagefirst --storagefirst-replay={file}"
