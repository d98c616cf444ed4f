"""A handler's threads, and what they wait on each other with, as greenlets of one thread.

Only five things stand still in Python's threading: starting and joining a thread, a lock, a
condition, and a C-level queue. With these five cooperative, everything above them (Event, Queue,
Timer, ThreadPoolExecutor, asyncio.to_thread, …) is the standard library's own code.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from _thread import allocate_lock, get_ident
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from greenlet import getcurrent

from pytest_storagefirst.simulation.isolation.switch import (
    Act,
    Patch,
    Surroundings,
    current,
    refuse,
)
from pytest_storagefirst.simulation.isolation.waiting import (
    Crew,
    Member,
    current_crew,
    is_unwinding,
    refuse_endless_wait,
    start_member,
    wait_until,
)

# Longer than any Lambda function runs (configuration-timeout): who still waits then waits for ever.
_LONGEST_WAIT_SECONDS = 900.0


def patches() -> Iterator[Patch]:
    yield Patch("threading:Thread.start", _start)
    yield Patch("threading:Thread.join", value=_join)
    yield Patch("threading:Thread.is_alive", value=_is_alive)
    yield Patch("threading:Condition.wait", _wait)
    yield Patch("threading.Lock", lambda simulation, original: Lock())
    yield Patch("threading.RLock", lambda simulation, original: RLock())
    yield Patch("queue.SimpleQueue", value=SimpleQueue)
    yield Patch("concurrent.futures.thread:ThreadPoolExecutor.submit", value=_submit)
    # Held while a worker starts: a worker which submits would wait for its own starter, and one
    # whose environment ends while it starts would hold it for every environment after.
    yield Patch("concurrent.futures.thread:_global_shutdown_lock", value=contextlib.nullcontext())
    yield Patch("_thread.start_new_thread", _start_bare_thread)


def _start_bare_thread(simulation: Surroundings, original: Act, *arguments: Any) -> None:
    refuse(
        simulation,
        "a thread made with _thread.start_new_thread can't be followed in virtual time",
        "use threading.Thread",
    )


def _start(simulation: Surroundings, original: Act, thread: Any) -> None:
    if not thread._initialized:
        raise RuntimeError("thread.__init__() not called")
    if thread._started.is_set():
        raise RuntimeError("threads can only be started once")
    thread._started.set()
    thread._ident = get_ident()

    def run() -> None:
        try:
            thread.run()
        except (Exception, SystemExit):
            if not is_unwinding():
                thread._invoke_excepthook(thread)

    # Before it runs: it may be joined from within.
    thread._simulated = None
    thread._simulated = start_member(simulation, thread, run)


_real_join, _real_is_alive = threading.Thread.join, threading.Thread.is_alive


def _member(thread: threading.Thread) -> Member | None:
    return getattr(thread, "_simulated", None)


def _join(self: threading.Thread, timeout: float | None = None) -> None:
    if not hasattr(self, "_simulated"):
        return _real_join(self, timeout)
    if threading.current_thread() is self:
        raise RuntimeError("cannot join current thread")
    simulation = current()
    # A run that is over has ended its threads.
    if simulation is not None:
        what = f"the join of thread {self.name!r}"
        wait_until(simulation, lambda: not self.is_alive(), timeout, what)
    return None


def _is_alive(self: threading.Thread) -> bool:
    if not hasattr(self, "_simulated"):
        return _real_is_alive(self)
    member = _member(self)
    return member is None or not member.greenlet.dead


class Lock:
    """A lock made inside a simulation: who waits for it lets the other greenlets run."""

    def __init__(self) -> None:
        self._lock = allocate_lock()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        simulation = current()
        if simulation is None or not blocking:
            return self._lock.acquire(blocking, timeout)
        if timeout >= 0:
            return wait_until(simulation, self._take, timeout, "a lock")
        # Its holder may be another invocation, of which this one's crew knows nothing: look again.
        pause_seconds = 0.001
        while not wait_until(simulation, self._take, pause_seconds, "a lock"):
            pause_seconds *= 2
            if pause_seconds > _LONGEST_WAIT_SECONDS:
                refuse_endless_wait(simulation, "the wait for a lock")
        return True

    def _take(self) -> bool:
        return self._lock.acquire(False)

    def release(self) -> None:
        self._lock.release()

    def locked(self) -> bool:
        return self._lock.locked()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exception: object) -> None:
        self.release()

    def _at_fork_reinit(self) -> None:
        self._lock = allocate_lock()


class RLock(Lock):
    """Reentrant for the greenlet that holds it, as all greenlets are one thread."""

    def __init__(self) -> None:
        super().__init__()
        self._owner: object = None
        self._count = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self._owner is getcurrent():
            self._count += 1
            return True
        taken = super().acquire(blocking, timeout)
        if taken:
            self._owner, self._count = getcurrent(), 1
        return taken

    def release(self) -> None:
        if self._owner is not getcurrent():
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if not self._count:
            self._owner = None
            super().release()

    # What threading.Condition asks of a reentrant lock.
    def _release_save(self) -> int:
        count, self._count, self._owner = self._count, 0, None
        self._lock.release()
        return count

    def _acquire_restore(self, count: int) -> None:
        super().acquire()
        self._owner, self._count = getcurrent(), count

    def _is_owned(self) -> bool:
        return self._owner is getcurrent()


def _wait(
    simulation: Surroundings, original: Act, condition: Any, timeout: float | None = None
) -> bool:
    if not condition._is_owned():
        raise RuntimeError("cannot wait on un-acquired lock")
    waiter = allocate_lock()
    waiter.acquire()
    condition._waiters.append(waiter)
    held = condition._release_save()
    notified = False
    try:
        what = "a wait (Event, Condition, Queue, Future, …) without a timeout"
        notified = wait_until(simulation, partial(waiter.acquire, False), timeout, what)
    finally:
        condition._acquire_restore(held)
        if not notified and waiter in condition._waiters:
            condition._waiters.remove(waiter)
    return notified


_CSimpleQueue: Any = queue.SimpleQueue


class SimpleQueue(_CSimpleQueue):  # type: ignore[misc]
    """queue.SimpleQueue, whose `get` waits in C."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        simulation = current()
        if simulation is None or not block:
            return super().get(block, timeout)
        if timeout is not None and timeout < 0:
            raise ValueError("'timeout' must be a non-negative number")
        taken: list[Any] = []
        take: Callable[[], Any] = super().get_nowait

        def ready() -> bool:
            try:
                taken.append(take())
            except queue.Empty:
                return False
            return True

        if not wait_until(simulation, ready, timeout, "SimpleQueue.get() without a timeout"):
            raise queue.Empty
        return taken[0]


_real_submit: Any = ThreadPoolExecutor.submit


def _submit(self: Any, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    simulation = current()
    crew: Crew | None = current_crew(simulation) if simulation is not None else None
    if getattr(self, "_crew", None) is not crew:
        # Its workers belong to another environment, to a run that is over, or to the real world:
        # they would never take the work up.
        self._work_queue = queue.SimpleQueue()
        self._threads = set()
        self._idle_semaphore = threading.Semaphore(0)
        self._crew = crew
    return _real_submit(self, fn, *args, **kwargs)
