"""The files that a run leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytest_storagefirst.load import account
from pytest_storagefirst.report.junit import write_junit
from pytest_storagefirst.report.load_html import write_html
from pytest_storagefirst.report.load_terminal import load_lines
from pytest_storagefirst.report.timeline import write_timeline


def write_reports(document: dict[str, Any], folder: Path, say: Callable[[str], None]) -> None:
    """Write and tell it. What can't be written is a doubt, noted in the document."""
    told = []
    try:
        _write_json(document, folder)
        write_timeline(document, folder)
        write_junit(document, folder / "junit.xml")
        told = [f"report: {write_html(document, folder)}"]
    except OSError as error:
        account.doubt(document, f"the report can't be written: {error}")
        with suppress(OSError):  # what there is of it should say so
            _write_json(document, folder)
    for text in [*(line.text for line in load_lines(document)), *told]:
        say(text)


def _write_json(document: dict[str, Any], folder: Path) -> None:
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    (folder / "report.json").write_text(text, "utf-8")
