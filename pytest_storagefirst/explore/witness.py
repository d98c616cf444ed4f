"""A failing run as a file that any machine can play again, and as a story."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_storagefirst.errors import FaultError, ReplayError
from pytest_storagefirst.explore.callees import callees
from pytest_storagefirst.explore.judge import Judged
from pytest_storagefirst.explore.workload import as_sent
from pytest_storagefirst.ledger.events import Event
from pytest_storagefirst.ledger.properties import registered
from pytest_storagefirst.ledger.verdict import Verdict
from pytest_storagefirst.report.narrative import Step, in_lines, renamed, steps
from pytest_storagefirst.simulation.schedule import Schedule, render

FORMAT = "storagefirst-replay"
VERSION = 1
MOST_TOLD = 5_000  # events; of a longer history the story is that of a few messages
MOST_MESSAGES_TOLD = 3
MOST_SHOWN = 120  # characters of a bad message's body


def told(judged: Judged, verdict: Verdict, bad: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The story of a judged run; what its bad messages are comes first."""
    return in_lines(told_in_steps(judged, verdict, bad))


def told_in_steps(
    judged: Judged, verdict: Verdict, bad: frozenset[str] = frozenset()
) -> tuple[Step, ...]:
    """The same story for whoever draws it."""
    observation = judged.played.observation
    # The end of faults is news only where one would have gone on.
    lasting = any(fault.lasts for fault in judged.schedule.plan)
    history = [event for event in observation.history if lasting or event.kind != "healed"]
    names = observation.names
    if len(history) > MOST_TOLD:
        history, names = _concerning(verdict.messages[:MOST_MESSAGES_TOLD], history, names)
    about = tuple(Step(None, "about", line) for line in _about(judged.schedule, bad))
    return about + steps(
        history,
        names,
        verdict,
        [str(fault) for fault in judged.schedule.plan],
        judged.account,
        callees(judged.played),
    )


def named(why: str, judged: Judged) -> str:
    """A verdict's reason with the names of messages where its run has their ids."""
    return renamed(why, judged.played.observation.names)


def _concerning(
    messages: Sequence[str], history: Sequence[Event], names: Mapping[str, str]
) -> tuple[list[Event], dict[str, str]]:
    """What befell these messages, and the faults, of a history too long to be read."""
    wanted = frozenset(messages)
    told = []
    for event in history:
        own = tuple(message for message in event.messages if message in wanted)
        if own or event.kind in ("faulted", "healed"):
            told.append(event._replace(messages=own))
    beginnings = tuple(f"<{message}{end}" for message in messages for end in (">", "."))
    return told, {raw: name for raw, name in names.items() if name.startswith(beginnings)}


def _about(schedule: Schedule, bad: frozenset[str]) -> tuple[str, ...]:
    """One line on each bad message: its body, or that its refused writes stand for a bad one; and
    one on each object with a key of its own."""
    lines = []
    for send in schedule.workload:
        if send.key:
            key = render(send.key, send.message)
            lines.append(f"{send.message} is an object with the key {key!r}")
        if send.message in bad and schedule.plan:
            lines.append(f"{send.message} stands for a bad message: what it writes is refused")
        elif send.message in bad:
            body = as_sent(send.body)
            shown = repr(body if len(body) <= MOST_SHOWN else body[:MOST_SHOWN] + "…")
            lines.append(f"{send.message} is the bad message: its body is {shown}")
    return tuple(lines)


def witness_document(
    template: Path,
    name: str,
    judged: Judged,
    bad: frozenset[str],
    lines: tuple[str, ...],
    kept: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What a replay file holds: all that the run depends on, and what it showed.

    `kept` are the fields whose values must be found again in what was stored, where that is judged.
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "template": Path(os.path.relpath(template)).as_posix(),
        "property": name,
        "bad": sorted(bad & frozenset(judged.schedule.messages)),
        "kept": dict(kept or {}),
        "schedule": judged.schedule.to_json(),
        "story": list(lines),
    }


@dataclass(frozen=True)
class Witness:
    """What a replay file says. `kept` are the fields whose values must be found again.

    `stand_ins` are the functions that did nothing in that run, `parameters` what was made up for
    those of the template that have no value.
    """

    template: Path
    property_name: str
    bad: frozenset[str]
    kept: Mapping[str, str]
    schedule: Schedule
    stand_ins: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)


def read_witness(file: Path) -> Witness:
    """What a replay file holds.

    Raises ReplayError for a file that is unreadable, foreign, damaged, or from another version.
    """
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReplayError(
            "the replay file can't be read",
            where=str(file),
            found=error.strerror or str(error),
            expected="a file that a failing run wrote",
            remedy="copy the path from the failing run's last lines",
        ) from None
    except (ValueError, RecursionError) as error:
        raise ReplayError(
            "the replay file is no JSON",
            where=str(file),
            found=str(error),
            expected="a file that a failing run wrote",
            remedy="run the test once more; it writes the file again",
        ) from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ReplayError(
            "this is no replay file of pytest-storagefirst",
            where=str(file),
            found=f"format {document.get('format')!r}"
            if isinstance(document, dict)
            else type(document).__name__,
            expected=f'"format": "{FORMAT}"',
            remedy="name a file that a failing run wrote",
        )
    if document.get("version") != VERSION:
        raise ReplayError(
            "the replay file is from another version",
            where=str(file),
            found=f"version {document.get('version')!r}",
            expected=f"version {VERSION}",
            remedy="run the test once more with this version; it writes a new file",
        )
    try:
        return _read(document)
    except (
        *(ArithmeticError, AttributeError, LookupError, TypeError, ValueError, FaultError),
    ) as error:
        said = error.problem if isinstance(error, FaultError) else str(error)
        raise ReplayError(
            "the replay file is damaged",
            where=str(file),
            found=f"{type(error).__name__}: {said}",
            expected="a whole file, as a failing run wrote it",
            remedy="run the test once more; it writes the file again",
        ) from None


def _read(document: Mapping[str, Any]) -> Witness:
    """Raises LookupError, TypeError, ValueError, AttributeError or FaultError for a damaged one."""
    schedule = Schedule.from_json(document["schedule"])
    bad, kept = document["bad"], document["kept"]
    name, template = document["property"], document["template"]
    if not schedule.workload:
        raise ValueError("the workload is empty")
    if not isinstance(name, str) or name not in registered():
        raise ValueError(f"no property {name!r}; there are {', '.join(registered())}")
    if not isinstance(template, str) or not template:
        raise ValueError(f"the template is {template!r}")
    if not isinstance(bad, list) or not set(bad) <= set(schedule.messages):
        raise ValueError(f"the bad messages {bad!r} are not among {', '.join(schedule.messages)}")
    if not isinstance(kept, dict) or not all(isinstance(value, str) for value in kept.values()):
        raise ValueError(f"the fields to be kept are {kept!r}")
    stand_ins, parameters = document.get("stand_ins", []), document.get("parameters", {})
    if not all(isinstance(one, str) for one in (*stand_ins, *parameters, *parameters.values())):
        raise ValueError(f"stand-ins {stand_ins!r}, parameters {parameters!r}")
    return Witness(
        Path(template), name, frozenset(bad), kept, schedule, tuple(stand_ins), parameters
    )


def find_template(template: Path, file: Path) -> Path:
    """The template that a replay file names: from here, or from the file's folder upwards."""
    for folder in (Path.cwd(), file.resolve().parent, *file.resolve().parents):
        if os.path.isfile(folder / template):  # pathlib raises for a name that is too long
            return folder / template
    raise ReplayError(
        "the template of the replay file is not here",
        where=str(file),
        found=str(template),
        expected="that path, seen from the current folder or from one above the file",
        remedy="run from the folder that the test ran in",
    )
