"""One emulator for all tests of a session, started as a user starts it and ended by its id."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.settings_file import load_settings
from pytest_storagefirst.stack.locating import template_path
from pytest_storagefirst.stack.template import load_template
from pytest_storagefirst.target import local
from pytest_storagefirst.target.deployment import deploy
from pytest_storagefirst.target.target import Target

PROGRAM = "from pytest_storagefirst.cli import main; main()"
DONE_WITHIN_S = 60


def storagefirst(folder: Path, *arguments: str, **environment: str) -> Any:
    """The command as a user gives it, in a process of its own."""
    running = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said, told = running.communicate(timeout=180)
    except subprocess.TimeoutExpired:  # what it started holds the pipes as well
        os.killpg(running.pid, signal.SIGKILL)
        said, told = running.communicate()
        raise AssertionError(f"it did not end:\n{said}\n{told}") from None
    return subprocess.CompletedProcess(arguments, running.returncode, said, told)


def post(url: str, body: Any, method: str = "POST") -> tuple[int, str]:
    """The status and text of an answer."""
    text = body if isinstance(body, str) else json.dumps(body)
    request = urllib.request.Request(
        url, text.encode(), {"Content-Type": "application/json"}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def eventually(found: Callable[[], Any], within_s: float = DONE_WITHIN_S) -> Any:
    """The first that is true; the last when the time is over."""
    until = time.monotonic() + within_s
    while not (value := found()) and time.monotonic() < until:
        time.sleep(0.1)
    return value


def items(target: Target, table: str) -> list[dict[str, Any]]:
    """What a table holds, by its logical id."""
    name = next(one.name for one in target.topology().tables if one.logical_id == table)
    scanned = target.session().client("dynamodb").scan(TableName=name, ConsistentRead=True)
    return list(scanned["Items"])


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The local target with the first blueprint on it."""
    folder = tmp_path_factory.mktemp("emulator")
    try:
        yield local.up("api-queue-table", {}, folder).target
    finally:
        local.down(folder)


@pytest.fixture(scope="session")
def deployed(emulator: Target, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Target]:
    """Deploys a template or blueprint beside what is on the emulator already."""
    built = tmp_path_factory.mktemp("built")
    assert emulator.downstream_url is not None
    third_parties = emulator.downstream_url.rpartition("/")[0]

    def made(template: str | Path, name: str = "") -> Target:
        path = template_path(template)
        settings = load_settings(path)
        stack_name = name or local.stack_name_of(path)
        loaded = load_template(
            path,
            settings.parameters,
            settings.imports,
            account=emulator.account,
            region=emulator.region,
            stack_name=stack_name,
        )
        deploy(loaded, emulator.clients, settings.downstreams, third_parties, built)
        return replace(emulator, stack_name=stack_name, settings=settings)

    return made
