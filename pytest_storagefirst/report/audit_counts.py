"""How often each rule finds something, and in how many places it looked: a table of Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_storagefirst.audit.catalogue import rules
from pytest_storagefirst.audit.told import Audited, is_confirmed
from pytest_storagefirst.report.audit_json import Replays
from pytest_storagefirst.report.audit_text import summary


def audit_counts(audited: Sequence[Audited], replays: Replays) -> str:
    """Findings that are suppressed count, too: this is about what templates say."""
    lines = ["| rule | found | of | templates | with a witness |", "|---|---|---|---|---|"]
    for name in rules():
        looked = sum((one.examined or {}).get(name, 0) for one in audited)
        found = [[told for told in one.told if told.finding.rule.id == name] for one in audited]
        count = sum(map(len, found))
        templates = sum(map(bool, found))
        shown = sum(is_confirmed(told) for each in found for told in each)
        lines.append(f"| `{name}` | {count} | {looked} | {templates} | {shown} |")
    return "\n".join([*lines, "", summary(audited)])
