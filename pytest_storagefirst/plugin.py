"""The hooks that every pytest run pays for, and nothing else.

Where the plugin is installed each run imports this module, so it imports next to nothing. The hooks
of a run that judges something stand in `active.py`, which is registered when there is a cause.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.fixtures import storagefirst as storagefirst
from pytest_storagefirst.options import (
    ACTIVE_PLUGIN,
    add_options,
    check_files,
    is_meant,
    not_yet_collected,
)


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    check_files(config)
    if config.getoption("storagefirst_report"):
        config.pluginmanager.import_plugin(ACTIVE_PLUGIN)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> Generator[None, list[Any], list[Any]]:
    collectors = yield
    if not is_meant(file_path, parent, claimed=bool(collectors)):
        return collectors
    from pytest_storagefirst.collect import collector_for

    parent.config.pluginmanager.import_plugin(ACTIVE_PLUGIN)
    return [*collectors, collector_for(file_path, parent)]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    missed = not_yet_collected(config, items)
    if missed:
        from pytest_storagefirst.collect import collect_also

        config.pluginmanager.import_plugin(ACTIVE_PLUGIN)
        items += collect_also(session, missed)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """An xdist worker is about to start; what it will find is not known here."""
    from pytest_storagefirst.session import share_with_worker

    node.config.pluginmanager.import_plugin(ACTIVE_PLUGIN)
    share_with_worker(node.config, node.workerinput)
