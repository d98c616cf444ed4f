"""Virtual time, the order of things, and who goes first."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import greenlet
import pytest

from pytest_storagefirst.simulation.scheduler import EPOCH_MS, Scheduler

OTHER_EPOCH_MS = EPOCH_MS + 397 * 86_400_000 + 12_345_678


@contextmanager
def started(epoch_ms: int = EPOCH_MS) -> Iterator[Scheduler]:
    scheduler = Scheduler(epoch_ms)
    scheduler.start(lambda target: target.switch())
    try:
        yield scheduler
    finally:
        scheduler.stop()


def run(scheduler: Scheduler) -> None:
    while scheduler.step():
        pass


def test_timers_fire_in_order_of_time_and_then_of_their_making() -> None:
    seen: list[str] = []
    with started() as scheduler:
        for name, at_ms in (("c", 20), ("a", 10), ("b", 10), ("d", 20)):
            scheduler.at(at_ms, lambda name=name: seen.append(f"{name}{scheduler.now_ms}"))
        run(scheduler)
    assert seen == ["a10", "b10", "c20", "d20"]


def test_a_timer_in_the_past_fires_now() -> None:
    seen: list[int] = []
    with started() as scheduler:
        scheduler.at(50, lambda: scheduler.at(10, lambda: seen.append(scheduler.now_ms)))
        run(scheduler)
    assert seen == [50]


def test_cancelled_timers_are_passed_over() -> None:
    seen: list[int] = []
    with started() as scheduler:
        timer = scheduler.at(10, lambda: seen.append(10))
        scheduler.at(20, lambda: seen.append(20))
        timer.cancelled = True
        assert scheduler.next_ms() == 20
        run(scheduler)
        assert scheduler.next_ms() is None
        assert not scheduler.step()
    assert seen == [20]


@pytest.mark.parametrize("epoch_ms", [EPOCH_MS, OTHER_EPOCH_MS, OTHER_EPOCH_MS + 1])
def test_the_wall_clock_follows_to_the_millisecond(epoch_ms: int) -> None:
    with started(epoch_ms=epoch_ms) as scheduler:
        for at_ms in (0, 1, 1001, 3_333, 86_400_001, 345_600_007, 1_209_600_999):
            scheduler.advance_to(at_ms)
            assert time.time_ns() == (epoch_ms + at_ms) * 1_000_000
            now = dt.datetime.now(dt.UTC)
            assert round(now.timestamp() * 1000) == scheduler.wall_ms == epoch_ms + at_ms
            assert now.microsecond % 1000 == 0


def test_time_does_not_go_back() -> None:
    with started() as scheduler:
        scheduler.advance_to(100)
        scheduler.advance_to(50)
        assert scheduler.now_ms == 100


def test_the_clock_is_the_testers_again_and_goes_on_where_it_was() -> None:
    before = time.time()
    scheduler = Scheduler()
    scheduler.start(lambda target: target.switch())
    scheduler.advance_to(5000)
    scheduler.stop()
    assert 0 <= time.time() - before < 600
    scheduler.start(lambda target: target.switch())
    assert time.time_ns() // 1_000_000 == EPOCH_MS + 5000
    scheduler.stop()


def test_the_earliest_goes_first_and_then_who_was_there_first() -> None:
    seen: list[str] = []
    with started() as scheduler:

        def work(name: int) -> None:
            for step in range(2):
                seen.append(f"{name}.{step}@{scheduler.now_ms}")
                scheduler.pause(2)

        for name in range(3):
            scheduler.resume_at(0, greenlet.greenlet(lambda name=name: work(name)))
        run(scheduler)
    assert seen == ["0.0@0", "1.0@0", "2.0@0", "0.1@2", "1.1@2", "2.1@2"]


def test_a_sleeper_is_woken_by_its_time_alone() -> None:
    seen: list[Any] = []
    with started() as scheduler:

        def sleeper() -> None:
            scheduler.sleep(5)
            seen.append(("slept", scheduler.now_ms))

        def worker() -> None:
            for _ in range(4):
                scheduler.pause(2)
            seen.append(("worked", scheduler.now_ms))

        for work in (sleeper, worker):
            scheduler.resume_at(0, greenlet.greenlet(work))
        run(scheduler)
    assert seen == [("slept", 5), ("worked", 8)]


def test_one_that_waits_goes_on_when_it_is_woken() -> None:
    seen: list[int] = []
    with started() as scheduler:

        def work() -> None:
            scheduler.wait()
            seen.append(scheduler.now_ms)

        waiting = greenlet.greenlet(work)
        scheduler.resume_at(0, waiting)
        scheduler.at(7, lambda: scheduler.wake(waiting))
        run(scheduler)
    assert seen == [7]


def test_the_hub_knows_itself() -> None:
    inside: list[bool] = []
    with started() as scheduler:
        assert scheduler.in_hub()
        scheduler.resume_at(0, greenlet.greenlet(lambda: inside.append(scheduler.in_hub())))
        run(scheduler)
    assert inside == [False]
