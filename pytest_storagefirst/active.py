"""The hooks of a run that has something to judge; `plugin.py` registers them."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from pytest_storagefirst.collect import note_expected
from pytest_storagefirst.conclusion import conclude, show
from pytest_storagefirst.failures import hide_our_frames, place_skip, shorten_captured
from pytest_storagefirst.told_once import note_text, tell_once

_WITHOUT_FAILURE = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


def pytest_collection_finish(session: pytest.Session) -> None:
    if not session.config.getoption("collectonly"):
        note_expected(session.items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    if call.excinfo is not None:
        hide_our_frames(call.excinfo)
    report = shorten_captured(item, place_skip(item, (yield)))
    return note_text(item, call, report)


@pytest.hookimpl(trylast=True)  # when xdist's workers have ended: interrupted ones still write
def pytest_sessionfinish(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):
        if not conclude(session.config) and session.exitstatus in _WITHOUT_FAILURE:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
        terminal = session.config.pluginmanager.getplugin("terminalreporter")
        if terminal is not None:
            tell_once(terminal.stats.get("failed", []))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    show(terminalreporter, config)
