"""One template audited: what its rules find, and for each finding a witness where one exists."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_storagefirst.audit.findings import Audit, Finding, audit
from pytest_storagefirst.audit.ground import ground
from pytest_storagefirst.audit.witness import NotShown, Shown, witness
from pytest_storagefirst.errors import StorageFirstError
from pytest_storagefirst.explore.result import PropertyResult
from pytest_storagefirst.ledger.verdict import NOT_APPLICABLE, VIOLATED
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings
from pytest_storagefirst.stack.document import read_document
from pytest_storagefirst.stack.parameters import invented_parameters
from pytest_storagefirst.stack.read_ahead import read_template
from pytest_storagefirst.stack.template import Template

OUT_OF_TIME = "the budget ended before a run was tried"
NO_RUNS = "no run was asked for"


@dataclass(frozen=True)
class Told:
    """A finding, and the run that shows it or why there is none."""

    finding: Finding
    shown: Shown | NotShown


@dataclass(frozen=True)
class Audited:
    """What the audit of one template comes to.

    `name` is what reports call it. `refused` says why it could not be read, else "". `examined` is
    how many places each rule looked at.
    """

    name: str
    told: tuple[Told, ...] = ()
    examined: Mapping[str, int] | None = None
    notes: tuple[str, ...] = ()
    refused: str = ""


def audit_file(
    path: Path, name: str, base: Settings, *, witnesses: bool, budget_seconds: float
) -> Audited:
    """Audit a template. What a parameter lacks is invented, and noted; raises nothing."""
    invented: dict[str, str] = {}
    try:
        settings = load_settings(path, base)
        invented = invented_parameters(read_document(path), settings.parameters)
        settings = replace(settings, parameters={**settings.parameters, **invented})
        template = read_template(path, settings)
        found = audit(template)
        over = _clock(budget_seconds) if witnesses else None
        told, notes = tell(found, template, settings, over)
    except StorageFirstError as error:
        return Audited(name, refused=str(error))
    except Exception as error:
        return Audited(name, refused=f"internal error: {type(error).__name__}: {error}")
    made_up = [f"parameter {key} has no value: '{text}' is used" for key, text in invented.items()]
    told = tuple(_with_parameters(one, invented) for one in told)
    return Audited(name, told, found.examined, (*made_up, *found.notes, *notes))


def _clock(budget_seconds: float) -> Callable[[], bool]:
    ends = time.monotonic() + budget_seconds
    return lambda: time.monotonic() >= ends


def _with_parameters(one: Told, invented: Mapping[str, str]) -> Told:
    """The replay has to make up the same values."""
    if not invented or isinstance(one.shown, NotShown):
        return one
    document = {**one.shown.document, "parameters": dict(invented)}
    return replace(one, shown=replace(one.shown, document=document))


def tell(
    found: Audit, template: Template, settings: Settings, over: Callable[[], bool] | None
) -> tuple[tuple[Told, ...], tuple[str, ...]]:
    """Each finding with its witness, and what qualifies them all.

    Without `over` nothing is run; else it is asked before each finding whether time is up. What is
    suppressed gets no run.
    """
    wanted = [one for one in found.open if one.rule.trials]
    why, known = NO_RUNS, None
    notes: tuple[str, ...] = ()
    if over is not None and wanted:
        try:
            known = ground(template, settings)
        except StorageFirstError as error:
            why = f"the stack could not be run: {error.line}"
            notes = (why,)
    told = []
    for one in found.findings:
        if one.suppressed:
            shown: Shown | NotShown = NotShown(f"suppressed: {one.suppressed}")
        elif not one.rule.trials:
            shown = NotShown("no run can show it")
        elif known is None:
            shown = NotShown(why)
        elif over is not None and over():
            shown = NotShown(OUT_OF_TIME)
        else:
            shown = _witness(one, known, template, settings)
        told.append(Told(one.cured_by(shown.cure) if isinstance(shown, Shown) else one, shown))
    return tuple(told), notes


def _witness(one: Finding, known: Any, template: Template, settings: Settings) -> Shown | NotShown:
    """A defect of ours, or a handler that the simulation can't follow, is no evidence."""
    try:
        return witness(one, known, template, settings)
    except StorageFirstError as error:
        return NotShown(f"a run could not be followed: {error.line}")


def as_properties(told: Iterable[Told], file: str) -> tuple[PropertyResult, ...]:
    """One property for each rule with an open finding: violated where a run shows one of them."""
    by_rule: dict[str, list[Told]] = {}
    for one in told:
        if not one.finding.suppressed:
            by_rule.setdefault(one.finding.rule.name, []).append(one)
    return tuple(_property(name, found, file) for name, found in by_rule.items())


def _property(name: str, found: list[Told], file: str) -> PropertyResult:
    first = next((one for one in found if isinstance(one.shown, Shown)), found[0])
    finding, shown = first.finding, first.shown
    runs = sum(one.shown.runs for one in found)
    about = {
        "rule": finding.rule.id,
        "severity": finding.rule.severity,
        "resource": finding.resource,
        "file": file,
        "line": finding.line,
        "remedy": list(finding.remedy),
        "page": finding.rule.page,
        "findings": [as_json(one, file) for one in found],
    }
    at = f"{file}:{finding.line} ({finding.resource})"
    if isinstance(shown, NotShown):
        why = f"advice: {at}: {finding.message}; not shown by a run: {shown.why}"
        if len(found) > 1:
            why += f" (and {len(found) - 1} more like it)"
        return PropertyResult(name, NOT_APPLICABLE, why, runs, about=about)
    return PropertyResult(
        name,
        VIOLATED,
        f"{at}: {finding.message}; {shown.property_name}: {shown.why}",
        runs,
        sum(one.shown.faults for one in found if isinstance(one.shown, Shown)),
        lost=shown.lost,
        story=shown.story,
        witness=shown.document,
        steps=shown.steps,
        about=about,
    )


def as_json(one: Told, file: str) -> dict[str, Any]:
    """A finding as reports hold it, without where its replay file lies."""
    finding, shown = one.finding, one.shown
    is_shown = isinstance(shown, Shown)
    return {
        "rule": finding.rule.id,
        "severity": finding.rule.severity,
        "resource": finding.resource,
        "file": file,
        "line": finding.line,
        "column": finding.column,
        "message": finding.message,
        "remedy": list(finding.remedy),
        "page": finding.rule.page,
        "property": shown.property_name if isinstance(shown, Shown) else None,
        "why": shown.why if is_shown else "",
        "story": list(shown.story) if isinstance(shown, Shown) else [],
        "advice": None if is_shown else shown.why,
        "suppressed": finding.suppressed or None,
    }


def with_witness(one: Told, file: str) -> dict[str, Any]:
    """A finding with what its replay file would hold, None where no run shows it."""
    document = one.shown.document if isinstance(one.shown, Shown) else None
    return {**as_json(one, file), "witness": document}


def is_confirmed(one: Told) -> bool:
    return isinstance(one.shown, Shown)
