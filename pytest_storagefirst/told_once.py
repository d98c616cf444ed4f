"""How our failures look in the terminal: coloured where it has colours, and each told once.

What several properties of a template have in common is printed with the first; others refer to it.
"""

from __future__ import annotations

from typing import Any

import pytest

from pytest_storagefirst.collect import StorageFirstItem
from pytest_storagefirst.explore.outcome import InternalError, Refused
from pytest_storagefirst.explore.result import PropertyFailure

_ATTRIBUTE = "storagefirst_told"  # of a report; it crosses xdist's border with it


def note_text(
    item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport
) -> pytest.TestReport:
    """Keep with a failed property's report what its text says beside the property's name."""
    error = call.excinfo.value if call.excinfo is not None else None
    if isinstance(item, StorageFirstItem) and isinstance(
        error, PropertyFailure | Refused | InternalError
    ):
        text = str(error)
        named, again = f"{item.name}: ", ""
        if isinstance(error, PropertyFailure):
            text, _, again = text.removeprefix(named).partition("\n\nagain: ")
        told = {"template": item.template, "name": item.name, "text": text, "again": again}
        setattr(report, _ATTRIBUTE, told)
    return report


def tell_once(reports: list[Any]) -> None:
    """Colour our failures, and let one whose text another of its template has told say just that.

    Called when all is over: by then the text has gone wherever else it goes, uncoloured.
    """
    first: dict[tuple[str, str], str] = {}
    for report in reports:
        told = getattr(report, _ATTRIBUTE, None)
        if told is None or not hasattr(report.longrepr, "reprcrash"):
            continue
        key = (told["template"], told["text"])
        known = first.setdefault(key, told["name"])
        if known != told["name"]:
            lines = [f"{told['name']}: for the same reason as {known}"]
            if told["again"]:
                lines.append(f"again: {told['again']}")
            report.longrepr = _Text(report.longrepr.reprcrash, "\n".join(lines))
        else:
            report.longrepr = _Text(report.longrepr.reprcrash, str(report.longrepr))


def _look(line: str) -> dict[str, bool]:
    """pytest's names for how a line of a failure looks: the fault and the ledger stand out."""
    story = line.lstrip().partition("  ")
    if story[2].startswith("FAULT  "):
        return {"red": True, "bold": True}
    if story[2].startswith("CIRCUIT  "):
        return {"yellow": True}
    return {"bold": True} if line.startswith("  acknowledged ") else {}


class _Text:
    """A failure's text in place of pytest's own representation, whose crash line it keeps."""

    def __init__(self, reprcrash: Any, text: str) -> None:
        self.reprcrash = reprcrash
        self._text = text

    def __str__(self) -> str:
        return self._text

    def toterminal(self, terminal: Any) -> None:
        first, *rest = self._text.splitlines() or [""]
        terminal.line(first, red=True)
        for line in rest:
            terminal.line(line, **_look(line))
