"""Two emulators for all tests of drills, each a process of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from pytest_storagefirst.chaos import proof
from pytest_storagefirst.target.target import Target
from tests.chaos import stage

_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """An emulator does at once what it does at all."""
    monkeypatch.setattr(proof, "SHOWS_WITHIN_LOCALLY_S", 0.1)


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    with stage.moto_server() as url:
        yield url


@pytest.fixture(scope="session")
def shop(moto_url: str) -> Target:
    """One stack for tests that leave it as it was, which is what drills do."""
    return stage.deploy(moto_url)


@pytest.fixture
def own_shop(moto_url: str) -> Target:
    """A stack that a test may spoil."""
    return stage.deploy(moto_url, f"shop-{next(_numbers)}")
