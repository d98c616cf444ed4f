"""What all tests share."""

from __future__ import annotations

import pytest
from hypothesis.database import ExampleDatabase

from pytest_storagefirst.explore import remembered


def _none() -> ExampleDatabase:
    raise LookupError("no test depends on what an earlier one found")


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Explorations in this process neither keep failing schedules nor replay them."""
    monkeypatch.setattr(remembered, "_database", _none)
