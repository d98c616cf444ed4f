"""Two emulators for all tests of drills, each a process of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from botocore.config import Config
from click.testing import CliRunner, Result

from pytest_storagefirst.chaos import proof
from pytest_storagefirst.cli import main
from pytest_storagefirst.target import target as target_module
from pytest_storagefirst.target.target import Target
from tests.chaos import stage

Command = Callable[..., Result]
CONFIGURATION = """
[[downstream]]
url = "https://payments.example/charges"

[circuit]
table = "Circuit"
key = { name = "downstream" }
"""

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


@pytest.fixture
def command(moto_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """storagefirst, in a folder of its own, with moto's server as AWS."""
    for name, value in {
        "AWS_ENDPOINT_URL": moto_url,
        "AWS_ACCESS_KEY_ID": "000000000000",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": stage.REGION,
        "AWS_DEFAULT_REGION": stage.REGION,
    }.items():
        monkeypatch.setenv(name, value)
    # moto answers 500 to what it doesn't know: no need to ask three times.
    once = Config(retries={"total_max_attempts": 1})
    monkeypatch.setattr(target_module, "_patience", lambda: once)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "storagefirst.toml").write_text(CONFIGURATION)

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(main, [str(one) for one in arguments])

    return call
