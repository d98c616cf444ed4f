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

VERSION = 1


def report(
    outcomes: Mapping[str, Outcome],
    expected: Mapping[str, Sequence[str]],
    directory: Path,
    shard: tuple[int, int] = (1, 1),
) -> dict[str, Any]:
    """The report as JSON values; `witness` is the replay file's path, seen from `directory`.

    A stack that was refused, or lost on the way, stands in it with the reason in `refused` and
    every expected property unknown. `shard` is the part that the run was to try.
    """
    return {
        "version": VERSION,
        "stacks": [
            _stack(template, outcome, expected.get(template, ()), directory, shard)
            for template, outcome in outcomes.items()
        ],
    }


def write_report(
    outcomes: Mapping[str, Outcome],
    expected: Mapping[str, Sequence[str]],
    directory: Path,
    shard: tuple[int, int] = (1, 1),
) -> Path:
    """Write report.json into `directory`, which is made; return its path."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "report.json"
    value = report(outcomes, expected, directory, shard)
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return file


def _stack(
    template: str,
    outcome: Outcome,
    expected: Sequence[str],
    directory: Path,
    shard: tuple[int, int],
) -> dict[str, Any]:
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
        "properties": [
            {
                **property_as_json(one),
                "witness": _witness(outcome.replays.get(one.name), directory),
            }
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
        **result.about,
    }


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


def _witness(file: str | None, directory: Path) -> str | None:
    return Path(os.path.relpath(file, directory)).as_posix() if file else None
