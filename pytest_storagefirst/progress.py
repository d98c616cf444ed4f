"""Who watches pytest run sees how far an exploration has come."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import pytest

from pytest_storagefirst.explore.interrupt import Progress, silence
from pytest_storagefirst.report.progress import Bar, Lines


@contextmanager
def shown_progress(item: pytest.Item, name: str) -> Iterator[Progress]:
    """What an exploration is to call after each run, while `item` waits for it.

    A bar on a terminal, a line every half minute elsewhere: in a log, in CI, in a terminal that
    can't move its cursor, and where others write, too (`-s`, live logs). Nothing with `-q`,
    without pytest's terminal, and in the workers of xdist, whose controller tells what is done.
    """
    config = item.config
    terminal = config.pluginmanager.getplugin("terminalreporter")
    if terminal is None or hasattr(config, "workerinput") or config.get_verbosity() < 0:
        yield silence
        return
    with _uncaptured(config):
        on_terminal = _takes_a_bar(config)
        encoding = sys.stdout.encoding or "ascii"
    if on_terminal:
        writer = config.get_terminal_writer()

        def write(text: str) -> None:
            with _uncaptured(config):
                sys.stdout.write(text)
                sys.stdout.flush()

        def room() -> int:
            with _uncaptured(config):
                return _columns() - writer.width_of_current_line

        bar = Bar(
            write,
            room,
            coloured=writer.hasmarkup,
            ascii_only=not encoding.lower().startswith("utf"),
        )
        try:
            yield bar
        finally:
            bar.end()
        return

    def write_line(text: str) -> None:
        with _uncaptured(config):
            terminal.ensure_newline()
            terminal.write_line(text)
            terminal.flush()

    lines = Lines(name, write_line)
    yield lines
    if lines.written and config.get_verbosity() == 0:
        with _uncaptured(config):
            terminal.write_fspath_result(item.nodeid, "")  # the results of its items follow


def _uncaptured(config: pytest.Config) -> AbstractContextManager[None]:
    manager = config.pluginmanager.getplugin("capturemanager")
    uncaptured: AbstractContextManager[None] = (
        manager.global_and_fixture_disabled() if manager is not None else nullcontext()
    )
    return uncaptured


def _takes_a_bar(config: pytest.Config) -> bool:
    """Whether a bar would stand on the screen alone and be taken away again."""
    logs_live = config.pluginmanager.hasplugin("logging-plugin") and (
        config.getini("log_cli") or config.getoption("log_cli_level") is not None
    )
    return (
        sys.stdout.isatty()
        and os.environ.get("TERM") != "dumb"
        and not os.environ.get("CI")
        and config.getoption("capture", "no") != "no"
        and not logs_live
        and _columns() > 0
    )


def _columns() -> int:
    """As the terminal says it now; pytest takes any width below 40 for 80."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):  # ValueError: what stands in for stdout has no descriptor
        return 0
