"""A pytest plugin for benchmarks: a sweep of fixed work, and enough of it.

No schedules are drawn, and the workload has so many messages that trying all pairs of faults takes
much longer than to start pytest and to stand the stack up.
"""

from __future__ import annotations

import pytest

MESSAGES = 12


def pytest_configure(config: pytest.Config) -> None:
    from pytest_storagefirst.explore import exploration, stages

    stages.MESSAGES = MESSAGES
    exploration.search = lambda *_: 0
