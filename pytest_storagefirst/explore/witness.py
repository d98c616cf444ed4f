"""A failing run as a file that any machine can play again, and as a story."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pytest_storagefirst.errors import FaultError, ReplayError
from pytest_storagefirst.explore.judge import Judged
from pytest_storagefirst.ledger.verdict import Verdict
from pytest_storagefirst.report.narrative import story
from pytest_storagefirst.simulation.schedule import Schedule

FORMAT = "storagefirst-replay"
VERSION = 1


def told(judged: Judged, verdict: Verdict) -> tuple[str, ...]:
    """The story of a judged run."""
    observation = judged.played.observation
    return story(
        observation.history,
        observation.names,
        verdict,
        [str(fault) for fault in judged.schedule.plan],
        judged.account,
    )


def witness_document(
    template: Path, name: str, judged: Judged, bad: frozenset[str], lines: tuple[str, ...]
) -> dict[str, Any]:
    """What a replay file holds: all that the run depends on, and what it showed."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "template": Path(os.path.relpath(template)).as_posix(),
        "property": name,
        "bad": sorted(bad & frozenset(judged.schedule.messages)),
        "schedule": judged.schedule.to_json(),
        "story": list(lines),
    }


def read_witness(file: Path) -> tuple[Path, str, frozenset[str], Schedule]:
    """Template, property, bad messages and schedule of a replay file.

    Raises ReplayError for a file that is unreadable, foreign, or from another version.
    """
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReplayError(
            "the replay file can't be read", where=str(file), found=error.strerror or str(error)
        ) from None
    except ValueError as error:
        raise ReplayError(
            "the replay file is no JSON",
            where=str(file),
            found=str(error),
            expected="a file that a failing run wrote",
        ) from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ReplayError(
            "this is no replay file of pytest-storagefirst",
            where=str(file),
            found=f"format {document.get('format')!r}"
            if isinstance(document, dict)
            else type(document).__name__,
            expected=f'"format": "{FORMAT}"',
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
        schedule = Schedule.from_json(document["schedule"])
        name, bad = str(document["property"]), frozenset(document.get("bad", ()))
        template = Path(str(document["template"]))
    except (KeyError, TypeError, ValueError, FaultError) as error:
        raise ReplayError(
            "the replay file is damaged",
            where=str(file),
            found=f"{type(error).__name__}: {error}",
            expected="a whole file",
        ) from None
    return template, name, bad, schedule


def find_template(template: Path, file: Path) -> Path:
    """The template that a replay file names: from here, or from the file's folder upwards."""
    for folder in (Path.cwd(), file.resolve().parent, *file.resolve().parents):
        if (folder / template).is_file():
            return folder / template
    raise ReplayError(
        "the template of the replay file is not here",
        where=str(file),
        found=str(template),
        expected="that path, seen from the current folder or from one above the file",
        remedy="run from the folder that the test ran in",
    )
