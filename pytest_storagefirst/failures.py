"""How failures are shown: the user's code and our texts, no frames of ours."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import TracebackType

import pytest

from pytest_storagefirst.collect import StorageFirstItem
from pytest_storagefirst.errors import StorageFirstError
from pytest_storagefirst.explore.result import PropertyFailure

_PACKAGE = Path(__file__).parent
_CONTEXTS = contextlib.__file__  # stands between a `with` of the user and us

MOST_CAPTURED_LINES = 20


def hide_our_frames(excinfo: pytest.ExceptionInfo[BaseException]) -> None:
    """Take this package out of the traceback of an error whose text says all there is to say."""
    if not isinstance(excinfo.value, StorageFirstError | PropertyFailure):
        return
    entry: TracebackType | None = excinfo.tb
    while entry is not None:
        while entry.tb_next is not None and _is_ours(entry.tb_next):
            entry.tb_next = entry.tb_next.tb_next
        entry = entry.tb_next


def _is_ours(entry: TracebackType) -> bool:
    file = entry.tb_frame.f_code.co_filename
    return file == _CONTEXTS or Path(file).is_relative_to(_PACKAGE)


def shorten_captured(item: pytest.Item, report: pytest.TestReport) -> pytest.TestReport:
    """Keep the end of what pytest captured of an item of ours: thousands of runs wrote to it.

    What handlers print and log in a run is not among it, but what libraries that they share with
    this process do.
    """
    if isinstance(item, StorageFirstItem):
        report.sections[:] = [
            (name, _ending(text) if name.startswith("Captured") else text)
            for name, text in report.sections
        ]
    return report


def _ending(text: str) -> str:
    lines = text.splitlines()
    if len(lines) <= MOST_CAPTURED_LINES:
        return text
    left_out = len(lines) - MOST_CAPTURED_LINES
    told = f"… {left_out:,} lines before these left out: those of all runs are here …"
    return "\n".join([told, *lines[-MOST_CAPTURED_LINES:]]) + "\n"


def place_skip(item: pytest.Item, report: pytest.TestReport) -> pytest.TestReport:
    """Let a property that does not apply be skipped at its template, not in our code."""
    if isinstance(item, StorageFirstItem) and report.skipped and isinstance(report.longrepr, tuple):
        report.longrepr = (str(item.path), None, report.longrepr[2])  # type: ignore[assignment]
    return report
