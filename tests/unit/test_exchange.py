"""One value for a run, made once, however many processes ask."""

from __future__ import annotations

import multiprocessing
import os
import time
from multiprocessing.synchronize import Barrier
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


def _die(directory: str, log: str) -> None:
    def make() -> None:
        Path(log).write_text("died\n")
        os._exit(9)

    Exchange(Path(directory)).once("one", make)


def _ask(directory: str, log: str, together: Barrier) -> None:
    def make() -> str:
        with open(log, "a") as lines:
            lines.write("made\n")
        time.sleep(0.2)  # the others ask meanwhile
        return "value"

    together.wait()
    value = Exchange(Path(directory)).once("one", make)
    Path(f"{log}.{os.getpid()}").write_text(value)


def test_processes_share_and_take_over_from_a_dead_one(shared, tmp_path):
    log = str(tmp_path / "log")
    context = multiprocessing.get_context("spawn")
    first = context.Process(target=_die, args=(str(shared), log))
    first.start()
    first.join()
    together = context.Barrier(3)
    rest = [context.Process(target=_ask, args=(str(shared), log, together)) for _ in range(3)]
    for process in rest:
        process.start()
    for process in rest:
        process.join()

    assert first.exitcode == 9
    assert [process.exitcode for process in rest] == [0, 0, 0]
    assert Path(log).read_text() == "died\nmade\n"
    assert [path.read_text() for path in tmp_path.glob("log.*")] == ["value"] * 3
