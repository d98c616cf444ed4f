"""A pytest plugin for benchmarks: no schedules are drawn, so that the work of a run is fixed."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    from pytest_storagefirst.explore import exploration

    exploration.search = lambda *_: 0
