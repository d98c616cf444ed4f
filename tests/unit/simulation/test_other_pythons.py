"""The same schedules tell the same in the Pythons that STORAGEFIRST_TEST_PYTHONS names.

`make compatibility` names those that it has made environments of.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.simulation.test_run import told_by, told_here

PYTHONS = os.environ["STORAGEFIRST_TEST_PYTHONS"].split(os.pathsep)

__all__ = ["told_here"]  # a fixture


@pytest.mark.parametrize("python", PYTHONS)
def test_another_python_tells_the_same(told_here: str, tmp_path: Path, python: str) -> None:
    assert told_by(python, tmp_path) == told_here
