"""The plugin's fixtures."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_storagefirst.factory import StorageFirst


@pytest.fixture(scope="session")
def storagefirst(request: pytest.FixtureRequest) -> StorageFirst:
    """Stands up stacks: `with storagefirst("template.yaml") as stack:`.

    Session-scoped and a factory, so that it goes with Hypothesis's `@given`.
    """
    from pytest_storagefirst.factory import StorageFirst
    from pytest_storagefirst.options import (
        ACTIVE_PLUGIN,
        replays_directory,
        settings_from,
        shown_path,
    )

    config = request.config
    config.pluginmanager.import_plugin(ACTIVE_PLUGIN)
    roots = dict.fromkeys((config.rootpath, config.invocation_params.dir))
    return StorageFirst(
        tuple(roots), settings_from(config), replays_directory(config), partial(shown_path, config)
    )
