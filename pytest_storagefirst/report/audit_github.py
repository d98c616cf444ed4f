"""Findings as annotations of GitHub Actions: they stand beside the line in a pull request.

https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_storagefirst.audit.told import Audited, Told
from pytest_storagefirst.audit.witness import Shown
from pytest_storagefirst.report.audit_json import Replays
from pytest_storagefirst.report.audit_text import summary

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def audit_github(audited: Sequence[Audited], replays: Replays) -> str:
    """A command a line. What no run shows is a notice, whatever its severity."""
    lines = [line for one in audited for line in _lines(one)]
    return "\n".join([*lines, summary(audited)])


def _lines(one: Audited) -> Iterator[str]:
    if one.refused:
        yield _command("error", one.name, 1, 1, "can't be audited", one.refused)
    for told in one.told:
        if not told.finding.suppressed:
            yield _annotation(one.name, told)


def _annotation(name: str, told: Told) -> str:
    finding, shown = told.finding, told.shown
    rule = finding.rule
    remedy = "\n".join(finding.remedy)
    if isinstance(shown, Shown):
        command, said = _COMMANDS[rule.severity], f"{shown.property_name}: {shown.why}"
    else:
        command, said = "notice", f"Advice: {rule.harm}."
    text = f"{finding.message}\n{said}\n\n{remedy}\n\n{rule.page}"
    return _command(command, name, finding.line, finding.column, rule.id, text)


def _command(name: str, file: str, line: int, column: int, title: str, text: str) -> str:
    place = f"file={_property(file)},line={line},col={column},title={_property(title)}"
    return f"::{name} {place}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
