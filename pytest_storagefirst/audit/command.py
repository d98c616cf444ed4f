"""`storagefirst audit`: templates and folders in, findings out, and their replay files written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_storagefirst.apart import NoAnswer, apart, for_each
from pytest_storagefirst.audit.run import audit_file
from pytest_storagefirst.audit.told import Audited, is_confirmed
from pytest_storagefirst.audit.witness import Shown
from pytest_storagefirst.errors import ReportError
from pytest_storagefirst.explore.outcome import slug_of, write_replay
from pytest_storagefirst.report.audit_counts import audit_counts
from pytest_storagefirst.report.audit_github import audit_github
from pytest_storagefirst.report.audit_json import Replays, audit_json
from pytest_storagefirst.report.audit_sarif import audit_sarif
from pytest_storagefirst.report.audit_text import audit_lines
from pytest_storagefirst.report.terminal import Line
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.survey import templates_asked_for

DEFAULT_BUDGET_SECONDS = 30.0
_WRITERS: dict[str, Callable[[Sequence[Audited], Replays], str]] = {
    "json": audit_json,
    "sarif": audit_sarif,
    "github": audit_github,
    "counts": audit_counts,
}


@dataclass(frozen=True)
class Asked:
    """What the command line asked for. `budget_seconds` are of each template."""

    templates: tuple[Path, ...]
    format: str = "text"
    output: Path | None = None
    directory: Path | None = None
    witnesses: bool = True
    strict: bool = False
    budget_seconds: float = DEFAULT_BUDGET_SECONDS


def run_audit(asked: Asked) -> tuple[int, list[Line]]:
    """The exit code, and the lines to print (none where they went into a file).

    0: no finding beyond advice; 1: one that a run shows, or with `strict` any; 2: a template that
    can't be read. Raises ReportError where a file can't be written, TemplateError for a folder in
    which there is no template.
    """
    files = list(_files(asked.templates))
    if asked.witnesses:
        audited = list(for_each(files, lambda path: _audited(path, asked)))
    else:  # nothing of the user's is run
        audited = [audit_file(path, shown_name(path), Settings(), None) for path in files]
    try:
        replays = _write_replays(audited, asked.directory)
        if asked.directory is not None:
            file = asked.directory / "audit.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(audit_json(audited, replays) + "\n", encoding="utf-8")
        lines = _lines(asked.format, audited, replays)
        if asked.output is not None:
            asked.output.parent.mkdir(parents=True, exist_ok=True)
            text = "".join(f"{line.text}\n" for line in lines)
            asked.output.write_text(text, encoding="utf-8")
            lines = []
    except OSError as error:
        raise ReportError(
            "the findings can't be written",
            where=str(error.filename or asked.output or asked.directory),
            found=error.strerror or str(error),
            expected="a file, or a folder, that can be written",
        ) from None
    return _exit_code(audited, strict=asked.strict), lines


def _audited(path: Path, asked: Asked) -> Audited:
    name, budget = shown_name(path), asked.budget_seconds
    try:
        return apart(audit_file, path, name, Settings(), budget, budget_seconds=budget)
    except NoAnswer as why:
        return Audited(name, refused=str(why))


def _exit_code(audited: Sequence[Audited], *, strict: bool) -> int:
    if any(one.refused for one in audited):
        return 2
    told = [one for each in audited for one in each.told if not one.finding.suppressed]
    return int(any(strict or is_confirmed(one) for one in told))


def _lines(name: str, audited: Sequence[Audited], replays: Replays) -> list[Line]:
    if name == "text":
        return list(audit_lines(audited, replays))
    return [Line(text) for text in _WRITERS[name](audited, replays).splitlines()]


def _files(given: Sequence[Path]) -> Iterator[Path]:
    for path in given:
        yield from templates_asked_for(path) if path.is_dir() else [path]


def shown_name(path: Path) -> str:
    """Seen from the current folder, where it lies below that."""
    whole, here = path.resolve(), Path.cwd().resolve()
    return whole.relative_to(here).as_posix() if whole.is_relative_to(here) else str(path)


def _write_replays(audited: Sequence[Audited], directory: Path | None) -> dict[int, str]:
    """Beside the report, else where pytest keeps those of its runs."""
    folder = (directory or Path(".storagefirst")) / "replays"
    written: dict[int, str] = {}
    for one in audited:
        for told in one.told:
            if not isinstance(told.shown, Shown):
                continue
            finding = told.finding
            file = (
                folder
                / f"{slug_of(one.name)}-{finding.rule.id}-{finding.resource}-{finding.line}.json"
            )
            number = 2
            while str(file) in written.values():
                file = file.with_name(f"{file.stem}-{number}.json")
                number += 1
            written[id(told)] = str(write_replay(file, told.shown.document))
    return {key: os.path.relpath(file) for key, file in written.items()}
