"""What several properties of a template have in common is printed once; the others refer to it."""

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
    """Let a failure whose text another of its template has already told say no more than that."""
    first: dict[tuple[str, str], str] = {}
    for report in reports:
        told = getattr(report, _ATTRIBUTE, None)
        if told is None or not hasattr(report.longrepr, "reprcrash"):
            continue
        key = (told["template"], told["text"])
        known = first.setdefault(key, told["name"])
        if known != told["name"]:
            lines = [f"{told['name']}: as told above, of {known}"]
            if told["again"]:
                lines.append(f"again: {told['again']}")
            report.longrepr = _Reference(report.longrepr.reprcrash, "\n".join(lines))


class _Reference:
    """A failure's text in place of pytest's own representation, whose crash line it keeps."""

    def __init__(self, reprcrash: Any, text: str) -> None:
        self.reprcrash = reprcrash
        self._text = text

    def __str__(self) -> str:
        return self._text

    def toterminal(self, terminal: Any) -> None:
        terminal.line(self._text)
