"""report.json, version 1: what a machine reads of a run."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pytest_storagefirst.explore.coverage import NEVER_FIRED, Coverage
from pytest_storagefirst.explore.outcome import Outcome
from pytest_storagefirst.explore.result import PropertyResult
from pytest_storagefirst.report.again import command_from_here
from pytest_storagefirst.report.narrative import Step

VERSION = 1


def report(
    outcomes: Mapping[str, Outcome],
    expected: Mapping[str, Sequence[str]],
    directory: Path,
    shard: tuple[int, int] = (1, 1),
) -> dict[str, Any]:
    """The report as JSON values; `witness` is the replay file's path, seen from `directory`, and
    `again` the command that replays it from the current folder.

    A stack that was refused, or lost on the way, stands in it with the reason in `refused` and
    every expected property unknown. `shard` is the part that the run was to try.
    """
    return {
        "version": VERSION,
        "stacks": [
            stack_as_json(template, outcome, expected.get(template, ()), directory, shard)
            for template, outcome in outcomes.items()
        ],
    }


def write_report(
    outcomes: Mapping[str, Outcome],
    expected: Mapping[str, Sequence[str]],
    directory: Path,
    shard: tuple[int, int] = (1, 1),
) -> Path:
    """Write report.json and report.html into `directory`, which is made; return the former's path.

    Raises OSError where that can't be written.
    """
    from pytest_storagefirst.report.stack_html import write_html

    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "report.json"
    value = report(outcomes, expected, directory, shard)
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    write_html(value, directory)
    return file


def stack_as_json(
    template: str,
    outcome: Outcome,
    expected: Sequence[str],
    directory: Path,
    shard: tuple[int, int] = (1, 1),
) -> dict[str, Any]:
    """One stack of the report, which lies in `directory`."""
    result = outcome.result
    return {
        "template": template,
        "refused": outcome.refusal or outcome.defect or None,
        "seconds": round(result.seconds, 3) if result else 0.0,
        "notes": list(result.notes) if result else [],
        "inert": list(result.inert) if result else [],
        "shard": list(result.shard if result else shard),
        "interrupted": result.interrupted if result else False,
        "plugin": version("pytest-storagefirst"),
        "coverage": _coverage(result.coverage) if result else None,
        "topology": result.graph.to_json() if result and result.graph else None,
        "properties": [
            {**property_as_json(one), **_witness(outcome.replays.get(one.name), directory)}
            for one in outcome.judged(expected)
        ],
    }


def property_as_json(result: PropertyResult) -> dict[str, Any]:
    """A property's result, without where its witness lies."""
    return {
        "name": result.name,
        "verdict": result.verdict,
        "why": result.why,
        "runs": result.runs,
        "faults_tried": result.faults_tried,
        "lost": list(result.lost),
        "story": list(result.story),
        **({"transitions": _transitions(result)} if result.transitions else {}),
        **({"calls": _calls(result)} if result.calls else {}),
        **({"steps": [_step(one) for one in result.steps]} if result.steps else {}),
        **result.about,
    }


def _step(one: Step) -> dict[str, Any]:
    """What it has; its time in seconds, as the story's lines and `transitions` tell it."""
    told = {
        "at": None if one.at_ms is None else one.at_ms / 1000,
        "kind": one.kind,
        "text": one.text,
        "messages": list(one.messages),
        "where": one.where,
        "detail": one.detail,
        "to": one.to,
    }
    always = ("kind", "text")
    return {key: one for key, one in told.items() if key in always or one not in (None, "", [])}


def _calls(result: PropertyResult) -> list[dict[str, Any]]:
    names = ("downstream", "second", "calls")
    return [dict(zip(names, one, strict=True)) for one in result.calls]


def _transitions(result: PropertyResult) -> list[dict[str, Any]]:
    return [{"at": at, "from": before, "to": after} for at, before, after in result.transitions]


def _coverage(coverage: Coverage) -> dict[str, Any]:
    """Its own fields, and what readers would otherwise each work out for themselves."""
    return {
        **coverage.to_json(),
        "sites": coverage.sites,
        "never_fired": coverage.count(NEVER_FIRED),
        "never_seen": [fact for fact, runs in coverage.sometimes.items() if not runs],
    }


def _witness(file: str | None, directory: Path) -> dict[str, str | None]:
    if not file:
        return {"witness": None}
    seen = Path(os.path.relpath(file, directory)).as_posix()
    return {"witness": seen, "again": command_from_here(file)}
