"""The end of a run: report.json is written, and the terminal told what became of each stack."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_storagefirst.options import report_directory, settings_from, shown_path
from pytest_storagefirst.session import Session, session_of


def conclude(config: pytest.Config) -> None:
    """Gather what all processes found, and write the report that was asked for."""
    session = session_of(config)
    session.gather()
    directory = report_directory(config)
    if directory is not None and not config.getoption("collectonly"):
        from pytest_storagefirst.report.json import write_report

        shard = settings_from(config).shard
        write_report(session.outcomes(), session.expected(), directory, shard)


def show(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Add the section `storagefirst` to the terminal's summary, if there was anything to judge."""
    session = session_of(config)
    if not (session.outcomes() or session.replayed()):
        return
    from pytest_storagefirst.report.terminal import replay_lines, stack_lines, story_lines

    terminalreporter.ensure_newline()
    terminalreporter.section("storagefirst")
    verbosity = config.get_verbosity()
    expected = session.expected()
    for template, outcome in session.outcomes().items():
        lines = stack_lines(template, outcome, expected.get(template, []), verbosity=verbosity)
        if outcome.result is not None and outcome.result.interrupted:
            lines += story_lines(outcome)  # no item came to fail with them
        for line in lines:
            terminalreporter.write_line(line.text, **line.markup)
    for file, outcome in session.replayed().items():
        for line in replay_lines(shown_path(config, Path(file)), outcome):
            terminalreporter.write_line(line.text, **line.markup)
    _say_where(terminalreporter, config, session)


def _say_where(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config, session: Session
) -> None:
    for outcome in session.outcomes().values():
        for name, file in outcome.replays.items():
            terminalreporter.write_line(f"replay of {name}: {shown_path(config, Path(file))}")
    directory = report_directory(config)
    if directory is not None:
        terminalreporter.write_line(f"report: {shown_path(config, directory / 'report.json')}")
