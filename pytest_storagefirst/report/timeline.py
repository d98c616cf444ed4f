"""timeline.csv of a load run: a row for each second, empty where there was no reading."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from pytest_storagefirst.report.load_story import Document

COLUMNS = (
    *("at_s", "offered", "accepted", "rejected", "unknown", "not_sent", "dropped"),
    *("service_p99_ms", "latency_p99_ms", "visible", "in_flight", "dead", "oldest_age_s"),
    *("downstream", "circuit", "mapping", "processed"),
)
# A spreadsheet takes a text that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_timeline(document: Document, directory: Path) -> Path:
    """Write timeline.csv into `directory`, which is made; return its path."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "timeline.csv"
    rows = document.get("timeline", ())
    more = sorted({name for row in rows for name in row} - {*COLUMNS})
    with file.open("w", encoding="utf-8", newline="") as written:
        table = csv.writer(written, lineterminator="\n")
        table.writerow((*COLUMNS, *more))
        for row in rows:
            table.writerow(_cell(row.get(name)) for name in (*COLUMNS, *more))
    return file


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value
