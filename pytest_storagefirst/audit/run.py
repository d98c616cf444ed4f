"""One template audited: what its rules find, and for each finding a witness where one exists."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from pytest_storagefirst.audit.findings import Audit, Finding, audit
from pytest_storagefirst.audit.ground import Ground, ground
from pytest_storagefirst.audit.told import Audited, Told
from pytest_storagefirst.audit.witness import NotShown, Shown, witness
from pytest_storagefirst.errors import StorageFirstError
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings
from pytest_storagefirst.stack.document import read_document
from pytest_storagefirst.stack.parameters import invented_parameters
from pytest_storagefirst.stack.read_ahead import read_template
from pytest_storagefirst.stack.template import Template

OUT_OF_TIME = "the budget ended before a run was tried"
NO_RUNS = "no run was asked for"


def audit_file(path: Path, name: str, base: Settings, budget_seconds: float | None) -> Audited:
    """Audit a template; without a budget nothing is run.

    What a parameter lacks is invented, and noted. Raises nothing.
    """
    invented: dict[str, str] = {}
    try:
        settings = load_settings(path, base)
        invented = invented_parameters(read_document(path), settings.parameters)
        settings = replace(settings, parameters={**settings.parameters, **invented})
        template = read_template(path, settings)
        found = audit(template)
        over = _clock(budget_seconds) if budget_seconds is not None else None
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


def _witness(
    one: Finding, known: Ground, template: Template, settings: Settings
) -> Shown | NotShown:
    """A defect of ours, or a handler that the simulation can't follow, is no evidence."""
    try:
        return witness(one, known, template, settings)
    except StorageFirstError as error:
        return NotShown(f"a run could not be followed: {error.line}")
