"""One value for a run, made once, however many processes ask."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path

import pytest

from pytest_storagefirst.exchange import Exchange


@pytest.fixture(params=["memory", "directory"])
def exchange(request, tmp_path):
    return Exchange(tmp_path / "shared" if request.param == "directory" else None)


@pytest.fixture(autouse=True)
def shared(tmp_path):
    (tmp_path / "shared").mkdir()
    return tmp_path / "shared"


def test_a_value_is_made_once(exchange):
    made = []

    def make():
        made.append(1)
        return {"a": [1, 2]}

    assert exchange.once("one", make) == {"a": [1, 2]}
    assert exchange.once("one", make) == {"a": [1, 2]}
    assert made == [1]


def test_an_interrupted_making_leaves_nothing(exchange):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exchange.once("one", interrupted)

    assert exchange.get("one") is None
    assert exchange.once("one", lambda: 2) == 2


def test_names_and_values_of_other_processes(shared):
    one, other = Exchange(shared), Exchange(shared)
    one.put("b", 1)
    other.put("a", {"x": None})

    assert one.names() == ["a", "b"]
    assert one.get("a") == {"x": None}
    assert one.get("c") is None


def test_gathering_keeps_the_values_and_removes_the_directory(shared):
    Exchange(shared).put("a", 1)
    controller = Exchange(shared)

    controller.gather()

    assert not shared.exists()
    assert (controller.names(), controller.get("a")) == (["a"], 1)


def _ask(directory: str, log: str, dies: bool) -> None:
    def make() -> str:
        with open(log, "a") as lines:
            lines.write(f"{os.getpid()}\n")
        if dies:
            os._exit(9)
        return "made"

    value = Exchange(Path(directory)).once("one", make)
    with open(f"{log}.{os.getpid()}", "w") as answer:
        json.dump(value, answer)


def test_processes_share_and_take_over_from_a_dead_one(shared, tmp_path):
    log = tmp_path / "made"
    context = multiprocessing.get_context("spawn")
    first = context.Process(target=_ask, args=(str(shared), str(log), True))
    first.start()
    first.join()
    rest = [context.Process(target=_ask, args=(str(shared), str(log), False)) for _ in range(3)]
    for process in rest:
        process.start()
    for process in rest:
        process.join()

    assert first.exitcode == 9
    assert [process.exitcode for process in rest] == [0, 0, 0]
    assert len(log.read_text().splitlines()) == 2  # the one that died, and one of the others
    assert {path.read_text() for path in tmp_path.glob("made.*")} == {'"made"'}
