"""What an audit comes to, as data: findings with their runs, as properties and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_storagefirst.audit.findings import Finding
from pytest_storagefirst.audit.witness import NotShown, Shown
from pytest_storagefirst.explore.result import PropertyResult
from pytest_storagefirst.ledger.verdict import NOT_APPLICABLE, VIOLATED


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
