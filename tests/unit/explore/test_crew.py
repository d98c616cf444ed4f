"""Work is done once, whoever does it, and what a dead member left the others do."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path

import pytest

from pytest_storagefirst.explore.crew import Alone, crew_in


@pytest.fixture(params=["alone", "together"])
def crew(request, tmp_path):
    return Alone() if request.param == "alone" else crew_in(tmp_path / "crew")


def test_all_chunks_in_order(crew):
    asked = []

    found = crew.work("one", 3, lambda chunk: asked.append(chunk) or {"chunk": chunk})

    assert asked == [0, 1, 2]
    assert found == crew.done("one") == [{"chunk": 0}, {"chunk": 1}, {"chunk": 2}]
    assert crew.done("other") == []


def test_no_chunk_is_begun_when_the_time_is_over(crew):
    asked = []
    found = crew.work("one", 9, lambda chunk: asked.append(chunk), lambda: len(asked) < 2)

    assert asked == [0, 1]
    assert found == [None, None]


def test_what_is_kept_is_there_at_the_end(crew):
    crew.keep("rest", [1])
    crew.leave()

    assert crew.all_kept("rest") == [[1]]
    assert crew.conclude(lambda: {"whole": 1}) == {"whole": 1}


def test_what_ends_the_waiting_ends_it(tmp_path):
    one, other = crew_in(tmp_path), crew_in(tmp_path)
    one._take("one", 1)  # and is at it

    def interrupt():
        raise KeyboardInterrupt

    other.tick = interrupt
    with pytest.raises(KeyboardInterrupt):
        other.work("one", 1, lambda chunk: chunk)
    with pytest.raises(KeyboardInterrupt):
        other.all_kept("rest")
    assert other.work("one", 1, lambda chunk: chunk, waits=False) == []
    assert other.all_kept("rest", waits=False) == []


def test_the_first_that_asks_concludes(tmp_path):
    one, other = crew_in(tmp_path), crew_in(tmp_path)

    assert one.conclude(lambda: 1) == 1
    assert other.conclude(lambda: 2) == 1
    assert (one.member, other.member) == (0, 1)
    assert one.began == other.began


def test_a_chunk_that_could_not_be_done_is_done_again(tmp_path):
    one, other = crew_in(tmp_path), crew_in(tmp_path)
    with pytest.raises(ZeroDivisionError):
        one.work("one", 2, lambda chunk: 1 // 0)
    one.leave()

    assert other.work("one", 2, lambda chunk: chunk) == [0, 1]


def _member(directory: str, dies_at: int) -> None:
    crew = crew_in(Path(directory))

    def do(chunk: int) -> int:
        with open(Path(directory, "log"), "a") as log:
            log.write(f"{chunk}\n")
        if chunk == dies_at:
            os._exit(9)
        time.sleep(0.005)
        return chunk * chunk

    found = crew.work("squares", 40, do)
    assert found == [chunk * chunk for chunk in range(40)]
    crew.keep("rest", crew.member)
    crew.leave()
    crew.conclude(lambda: crew.all_kept("rest"))


@pytest.mark.parametrize(("deaths", "times"), [((), 40), ((7,), 41), ((7, 23), 42)])
def test_processes_share_the_work_and_take_over_from_the_dead(tmp_path, deaths, times):
    context = multiprocessing.get_context("spawn")
    members = [
        context.Process(target=_member, args=(str(tmp_path), dies_at))
        for dies_at in (*deaths, -1, -1)
    ]
    for number, member in enumerate(members):
        member.start()
        if number < len(deaths):
            member.join()  # the first die alone, so that each surely comes to its chunk
    for member in members:
        member.join(60)

    assert [member.exitcode for member in members] == [9] * len(deaths) + [0, 0]
    log = (tmp_path / "log").read_text().split()
    assert len(log) == times
    assert set(log) == {str(chunk) for chunk in range(40)}
    last = crew_in(tmp_path)
    assert sorted(last.conclude(list)) == [len(deaths), len(deaths) + 1]
