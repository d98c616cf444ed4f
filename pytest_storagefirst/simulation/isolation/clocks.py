"""Sleeping, waiting for descriptors and monotonic clocks, in virtual time.

The wall clock is time-machine's. It leaves monotonic clocks alone (3.6) and swaps the C functions
behind `time.time`, `time.gmtime`, `time.clock_gettime` and the like: a Python function in place of
one of those would crash it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pytest_storagefirst.simulation.isolation.switch import Act, Patch, Surroundings
from pytest_storagefirst.simulation.isolation.waiting import never, wait_until

_SELECTORS = (
    "SelectSelector",
    "PollSelector",
    "EpollSelector",
    "DevpollSelector",
    "KqueueSelector",
)
# Processor time is a measurement; what a handler makes of it must not differ from run to run.
_READINGS_OF_A_BUSY_WAIT = 10_000
_CLOCKS = ("monotonic", "perf_counter", "process_time", "thread_time")


def patches() -> Iterator[Patch]:
    yield Patch("time.sleep", _sleep)
    for clock in _CLOCKS:
        yield Patch(f"time.{clock}", _seconds)
        yield Patch(f"time.{clock}_ns", _nanoseconds)
    for selector in _SELECTORS:
        yield Patch(f"selectors:{selector}.select", _select_events)
    yield Patch("select.select", _select)


def _sleep(simulation: Surroundings, original: Act, seconds: float, /) -> None:
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    wait_until(simulation, never, seconds, "time.sleep()")


@contextmanager
def in_utc() -> Iterator[None]:
    """Within this block local time is UTC, as in Lambda."""
    if time.tzname[0] == "UTC" and not time.timezone and not time.daylight:
        yield
        return
    zone = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    try:
        yield
    finally:
        if zone is None:
            os.environ.pop("TZ", None)
        else:
            os.environ["TZ"] = zone
        time.tzset()


class _Readings:
    """How often the clocks have been read: in this run, and at this moment of virtual time."""

    def __init__(self) -> None:
        self.count = 0
        self.at_ns = 0
        self.count_then = 0


_readings = _Readings()


def start_afresh() -> None:
    """A run begins: its clocks have not been read yet."""
    global _readings
    _readings = _Readings()


def _nanoseconds(simulation: Surroundings, original: Act) -> int:
    readings, now_ns = _readings, simulation.monotonic_ns()
    # A nanosecond for each reading, as code rightly expects that time goes on while it looks
    # (multiprocessing.connection.wait does); a millisecond for those who do nothing but look.
    readings.count += 1
    if now_ns != readings.at_ns:
        readings.at_ns, readings.count_then = now_ns, readings.count
    elif readings.count - readings.count_then >= _READINGS_OF_A_BUSY_WAIT:
        wait_until(simulation, never, 0.001, "a busy wait")
        now_ns = simulation.monotonic_ns()
    return now_ns + readings.count


def _seconds(simulation: Surroundings, original: Act) -> float:
    return _nanoseconds(simulation, original) / 1e9


def _select_events(
    simulation: Surroundings, original: Callable[..., list[Any]], selector: Any, timeout: Any = None
) -> list[Any]:
    if timeout is not None and timeout <= 0:
        return original(selector, 0)
    events: list[Any] = []

    def ready() -> bool:
        events[:] = original(selector, 0)
        return bool(events)

    wait_until(simulation, ready, timeout, "an event loop or selector without a timeout")
    return events


def _select(
    simulation: Surroundings,
    original: Act,
    readers: Any,
    writers: Any,
    exceptional: Any,
    timeout: float | None = None,
    /,
) -> Any:
    # An argument may be an iterator, and the wait asks more than once.
    waiting = (list(readers), list(writers), list(exceptional))
    found: Any = ([], [], [])

    def ready() -> bool:
        nonlocal found
        found = original(*waiting, 0)
        return any(found)

    if timeout is not None and timeout < 0:
        raise ValueError("timeout must be non-negative")
    wait_until(simulation, ready, timeout, "select.select() without a timeout")
    return found
