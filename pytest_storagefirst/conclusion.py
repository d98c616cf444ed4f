"""The end of a run: reports are written, and the terminal told what became of each stack."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_storagefirst.options import report_directory, settings_from, shown_path
from pytest_storagefirst.session import Session, session_of

MOST_REPLAYS_NAMED = 3  # in the summary


def conclude(config: pytest.Config) -> bool:
    """Gather what all processes found, and write the reports that are asked for.

    False where the report could not be written; the terminal is told why.
    """
    session = session_of(config)
    session.gather()
    if config.getoption("collectonly"):
        return True
    directory = report_directory(config)
    outcomes, expected = session.outcomes(), session.expected()
    shard = settings_from(config).shard
    if os.environ.get("GITHUB_STEP_SUMMARY"):
        from pytest_storagefirst.report.json import report
        from pytest_storagefirst.report.markdown import append_summary, summary_of_tests

        told = report(outcomes, expected, config.invocation_params.dir, shard)
        session.problems += filter(None, [append_summary(summary_of_tests(told))])
    if directory is None:
        return True
    from pytest_storagefirst.report.json import write_report

    try:
        write_report(outcomes, expected, directory, shard)
    except OSError as error:
        name = shown_path(config, directory)
        why = error.strerror or error
        session.problems.append(f"--storagefirst-report: {name} can't be written: {why}")
        return False
    return True


def show(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Add the section `storagefirst` to the terminal's summary, if there was anything to judge."""
    session = session_of(config)
    if not (session.outcomes() or session.replayed() or session.problems):
        return
    from pytest_storagefirst.report.terminal import (
        replay_lines,
        stack_lines,
        story_lines,
        total_lines,
    )

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
    for line in total_lines(session.outcomes(), expected):
        terminalreporter.write_line(line.text, **line.markup)
    for file, outcome in session.replayed().items():
        for line in replay_lines(shown_path(config, Path(file)), outcome):
            terminalreporter.write_line(line.text, **line.markup)
    _say_where(terminalreporter, config, session)


def _say_where(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config, session: Session
) -> None:
    replays = [
        (name, shown_path(config, Path(file)))
        for outcome in session.outcomes().values()
        for name, file in outcome.replays.items()
    ]
    if len(replays) <= MOST_REPLAYS_NAMED:
        for name, file in replays:
            terminalreporter.write_line(f"replay of {name}: {file}")
    else:  # each failure names its own
        for folder in dict.fromkeys(str(Path(file).parent) for _, file in replays):
            inside = sum(str(Path(file).parent) == folder for _, file in replays)
            terminalreporter.write_line(f"replays: {inside} files in {folder}")
    for problem in session.problems:
        terminalreporter.write_line(problem, yellow=True)
    directory = report_directory(config)
    if directory is not None and (directory / "report.html").is_file():
        page = shown_path(config, directory / "report.html")
        terminalreporter.write_line(f"report: {page} (report.json beside it)")
