"""Findings as lines to read: where, what, the run that shows it, and what to write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_storagefirst.audit.told import Audited, Told
from pytest_storagefirst.audit.witness import Shown
from pytest_storagefirst.report.audit_json import Replays
from pytest_storagefirst.report.covered import counted
from pytest_storagefirst.report.terminal import Line

_COLOUR = {"error": "red", "warning": "yellow", "note": "cyan"}


def audit_lines(audited: Sequence[Audited], replays: Replays) -> Iterator[Line]:
    for one in audited:
        if one.refused:
            yield Line(f"{one.name}: can't be audited", {"red": True})
            yield from (Line(f"  {text}") for text in one.refused.splitlines())
        for told in one.told:
            if not told.finding.suppressed:
                yield from _finding(one.name, told, replays)
        yield from (Line(f"{one.name}: note: {note}") for note in one.notes)
    yield Line(summary(audited))


def _finding(name: str, told: Told, replays: Replays) -> Iterator[Line]:
    finding, shown = told.finding, told.shown
    rule = finding.rule
    is_shown = isinstance(shown, Shown)
    kind = rule.severity if is_shown else "advice"
    markup = {_COLOUR[rule.severity]: True} if is_shown else {}
    at = f"{name}:{finding.line}:{finding.column}"
    yield Line(f"{at}: {kind}: {rule.id} ({finding.resource}): {finding.message}", markup)
    if isinstance(shown, Shown):
        yield Line(f"  {shown.property_name}: {shown.why}")
        yield from (Line(f"    {text}") for text in shown.story)
    else:
        yield Line(f"  {rule.harm}; not shown by a run: {shown.why}")
    yield Line("  do:")
    yield from (Line(f"    {text}") for text in finding.remedy)
    yield Line(f"  page: {rule.page}")
    if id(told) in replays:
        yield Line(f"  again: pytest -p storagefirst --storagefirst-replay={replays[id(told)]}")
    yield Line("")


def summary(audited: Sequence[Audited]) -> str:
    """ "3 findings: 1 with a witness, 2 advice; 1 suppressed, in 2 templates".

    A template that could not be audited has none, and is counted apart.
    """
    refused = sum(bool(one.refused) for one in audited)
    unread = f"{counted(refused, 'template')} can't be audited" if refused else ""
    if refused and refused == len(audited):
        return unread
    told = [one for each in audited for one in each.told]
    kept = sum(bool(one.finding.suppressed) for one in told)
    shown = sum(isinstance(one.shown, Shown) for one in told)
    found = counted(len(told) - kept, "finding")
    text = f"{found}: {shown} with a witness, {len(told) - kept - shown} advice"
    if kept:
        text += f"; {kept} suppressed"
    text += f", in {counted(len(audited) - refused, 'template')}"
    return f"{text}; {unread}" if unread else text
