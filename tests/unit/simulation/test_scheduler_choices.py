"""Who goes next, by choice: what may be late and what may not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import greenlet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_storagefirst.simulation.choosing import (
    BEFORE_TIMEOUT_MS,
    REST_BEFORE_TIMEOUT_MS,
    TIME_PASSES,
    ChoosingScheduler,
    Names,
    Recording,
    scheduler_of,
)
from pytest_storagefirst.simulation.scheduler import EPOCH_MS, Scheduler

TIMEOUT_MS = 3000
choices = st.lists(st.integers(TIME_PASSES, 7), max_size=12)


@contextmanager
def started(*made: int, recording: Recording | None = None) -> Iterator[ChoosingScheduler]:
    scheduler = ChoosingScheduler(made, recording=recording)
    scheduler.start(lambda target: target.switch())
    try:
        yield scheduler
    finally:
        scheduler.stop()


def run(scheduler: Scheduler) -> None:
    while scheduler.step():
        pass


def invoke(scheduler: Scheduler, work: Callable[[], None], timeout_ms: int = TIMEOUT_MS) -> None:
    """An invocation: what it does, and its timeout, which is over when the work is."""

    def body() -> None:
        work()
        deadline.cancelled = True

    scheduler.resume_at(scheduler.now_ms, greenlet.greenlet(body))
    deadline = scheduler.at(scheduler.now_ms + timeout_ms, lambda: None, deadline=True)


def play(
    *made: int, count: int = 3, recording: Recording | None = None
) -> tuple[list[str], ChoosingScheduler]:
    """So many invocations that each pause twice; who was at work when."""
    seen: list[str] = []
    with started(*made, recording=recording) as scheduler:

        def work(name: int) -> None:
            for step in range(3):
                seen.append(f"{name}.{step}@{scheduler.now_ms}")
                if step < 2:
                    scheduler.pause(2)

        for name in range(count):
            invoke(scheduler, lambda name=name: work(name))
        run(scheduler)
    return seen, scheduler


def test_without_choices_it_goes_as_it_does_without_this_scheduler() -> None:
    seen, scheduler = play()
    assert seen[:4] == ["0.0@0", "1.0@0", "2.0@0", "0.1@2"]
    assert scheduler.choices_offered > 0
    assert type(scheduler_of((), EPOCH_MS)) is Scheduler


def test_a_choice_decides() -> None:
    assert play(2, 1)[0][:2] == ["2.0@0", "1.0@0"]


def test_one_may_do_all_of_its_work_while_the_others_have_not_begun() -> None:
    seen, _ = play(2, 2, 2)
    assert seen[:3] == ["2.0@0", "2.1@2", "2.2@4"]
    assert seen[3:5] == ["0.0@4", "1.0@4"]


@given(choices, st.integers(1, 4))
def test_any_choices_run_everyone_to_the_end(made: list[int], count: int) -> None:
    seen, _ = play(*made, count=count)
    assert len(seen) == 3 * count
    times = [int(entry.rpartition("@")[2]) for entry in seen]
    assert times == sorted(times)
    assert max(times) < TIMEOUT_MS
    assert seen == play(*made, count=count)[0]


@given(choices)
def test_a_recording_makes_the_choices_that_bring_its_order_about(made: list[int]) -> None:
    names = Names()
    first = Recording(names)
    play(recording=first)
    wanted = [step.process for step in first.steps]
    order = sorted(range(9), key=lambda number: (made[number % len(made)] if made else 0, number))
    recording = Recording(names, [wanted[number % 3] for number in order])
    seen, _ = play(recording=recording)
    assert play(*recording.choices)[0] == seen


@given(choices)
def test_a_timeout_is_never_late_and_nobody_is_brought_too_near_to_it(made: list[int]) -> None:
    fired: list[int] = []
    with started(*made) as scheduler:

        def work() -> None:
            for _ in range(4):
                scheduler.pause(2)

        invoke(scheduler, work)
        scheduler.resume_at(0, greenlet.greenlet(lambda: scheduler.sleep(60_000)))
        scheduler.at(500, lambda: fired.append(scheduler.now_ms), deadline=True)
        scheduler.at(450, lambda: fired.append(scheduler.now_ms))
        run(scheduler)
    assert 500 in fired


@pytest.mark.parametrize(
    ("after_ms", "may_come_first"),
    [(TIMEOUT_MS - BEFORE_TIMEOUT_MS, True), (TIMEOUT_MS - BEFORE_TIMEOUT_MS + 1, False)],
)
def test_a_timer_may_come_before_a_slow_call_is_answered(
    after_ms: int, may_come_first: bool
) -> None:
    seen: list[str] = []
    with started(0, 1) as scheduler:

        def work() -> None:
            scheduler.pause(2)
            seen.append("answered")

        invoke(scheduler, work)
        scheduler.at(after_ms, lambda: seen.append("timer"))
        run(scheduler)
    assert (seen[0] == "timer") == may_come_first


def test_when_nobody_is_at_work_everything_comes_in_time() -> None:
    seen: list[int] = []
    with started(1, 1, 1) as scheduler:
        for at_ms in (5, 10, 20):
            scheduler.at(at_ms, lambda at_ms=at_ms: seen.append(at_ms))
        run(scheduler)
        assert scheduler.choices_offered == 0
    assert seen == [5, 10, 20]


def test_time_passes_for_all_who_could_go_on_and_leaves_them_time_for_the_rest() -> None:
    seen, _ = play(0, 0, 0, TIME_PASSES, count=2)
    late_ms = TIMEOUT_MS - REST_BEFORE_TIMEOUT_MS
    assert seen[:3] == ["0.0@0", "1.0@0", "0.1@2"]
    assert seen[3:] == [f"1.1@{late_ms}", f"0.2@{late_ms}", f"1.2@{late_ms + 2}"]


def test_a_sleeper_may_be_woken_late_but_not_early() -> None:
    seen: list[tuple[str, int]] = []
    with started(0, 0, 1, 1, 1) as scheduler:

        def sleeper() -> None:
            scheduler.sleep(5)
            seen.append(("slept", scheduler.now_ms))

        def worker() -> None:
            for _ in range(4):
                scheduler.pause(2)
            seen.append(("worked", scheduler.now_ms))

        invoke(scheduler, sleeper)
        invoke(scheduler, worker)
        run(scheduler)
    assert dict(seen)["slept"] >= 5


def test_what_happens_between_two_steps_comes_between_them_in_every_order() -> None:
    recording = Recording(Names())
    with started(recording=recording) as scheduler:
        scheduler.at(1, lambda: None)
        scheduler.step()
        scheduler.at(2, lambda: None)
        run(scheduler)
    assert [step.process for step in recording.steps][1] == 0
    assert recording.steps[1].touched == [("", "", None)]
