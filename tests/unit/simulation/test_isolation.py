"""Inside a simulation nothing waits for real, leaves the process or is random."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import inspect
import logging
import multiprocessing
import multiprocessing.pool
import os
import platform
import queue
import random
import secrets
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from greenlet import GreenletExit, getcurrent, greenlet

from pytest_storagefirst.errors import SimulationError
from pytest_storagefirst.simulation import isolation

REAL_SLEEP = time.sleep
REAL_MONOTONIC = time.monotonic


class Simulation:
    """The least that isolation needs: a clock, a generator, one environment and ears."""

    def __init__(self, seed: int = 1) -> None:
        self.random = random.Random(seed)
        self.ms = 0
        self.slept: list[float] = []
        self.here: object = "Worker"
        self.told: list[tuple[str, int]] = []
        self.errors: list[Exception] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.ms += round(seconds * 1000)

    def monotonic_ns(self) -> int:
        return (self.ms + 1_000_000) * 1_000_000

    def environment(self) -> object:
        return self.here

    def refused(self, host: str, port: int) -> None:
        self.told.append((host, port))

    def refuse(self, error: Exception) -> None:
        self.errors.append(error)


@contextlib.contextmanager
def simulated(seed: int = 1) -> Iterator[Simulation]:
    simulation = Simulation(seed)
    with isolation.isolated(simulation, seed):
        yield simulation


# -- clocks -----------------------------------------------------------------------------------


def test_sleep_takes_virtual_time_only() -> None:
    with simulated() as simulation:
        time.sleep(86_400)
        time.sleep(0.0001)
    assert simulation.slept == [86_400, 0.001]


def test_sleep_refuses_what_sleep_refuses() -> None:
    with simulated() as simulation, pytest.raises(ValueError, match="non-negative"):
        time.sleep(-1)
    assert not simulation.slept


@pytest.mark.parametrize("clock", ["monotonic", "perf_counter", "process_time", "thread_time"])
def test_clocks_follow_virtual_time(clock: str) -> None:
    with simulated():
        seconds, nanoseconds = getattr(time, clock), getattr(time, f"{clock}_ns")
        before, before_ns = seconds(), nanoseconds()
        time.sleep(90)
        assert seconds() - before == pytest.approx(90, abs=1e-6)
        assert 90e9 <= nanoseconds() - before_ns < 90e9 + 1000


def test_time_goes_on_for_who_only_looks_at_the_clock() -> None:
    with simulated() as simulation:
        end = time.monotonic() + 0.02
        while time.monotonic() < end:
            pass
    assert 15 <= simulation.ms <= 21


def test_names_taken_before_the_patches_are_found(tmp_path: Path) -> None:
    isolation.uninstall()
    try:
        module: dict[str, Any] = {"__name__": "app", "__spec__": None}
        exec(
            "import time\nfrom time import sleep, monotonic as now\n"
            "def waits(seconds, pause=time.sleep, *, clock=time.monotonic):\n"
            "    pause(seconds)\n    return clock()\n",
            module,
        )
        sleep, waits = module["sleep"], module["waits"]
        with simulated() as simulation:
            module["sleep"](5)
            before = module["now"]()
            assert waits(7) - before == pytest.approx(7, abs=1e-6)
        assert simulation.ms == 12_000
    finally:
        isolation.uninstall()
    assert (module["sleep"], waits.__defaults__) == (sleep, (sleep,))
    assert waits.__kwdefaults__ == {"clock": module["now"]}
    isolation.install()


def test_botocore_and_urllib3_wait_in_virtual_time() -> None:
    from botocore.retries.standard import RetryHandler
    from urllib3.util import Retry

    # A default in newer botocore; an older one, as of boto3 1.40, waits elsewhere.
    given = inspect.signature(RetryHandler).parameters.get("sleep")
    with simulated() as simulation:
        (given.default if given is not None else time.sleep)(3)
        Retry(backoff_factor=1).increment().increment().sleep()
    assert simulation.ms == 5000


def test_a_clock_in_a_class_gets_no_self() -> None:
    isolation.install()

    class Handler:
        now = time.monotonic
        wait = time.sleep

    Handler().now()
    with simulated() as simulation:
        Handler().now()
        Handler().wait(2)
    assert simulation.ms == 2000


def test_the_sessions_own_clocks_stay_real() -> None:
    import _pytest.timing

    with simulated() as simulation:
        _pytest.timing.sleep(0.001)
        _pytest.timing.perf_counter()
    assert not simulation.slept


# -- waiting for descriptors ------------------------------------------------------------------


def test_select_waits_in_virtual_time() -> None:
    with simulated() as simulation:
        assert select.select([], [], [], 4) == ([], [], [])
        left, right = socket.socketpair()
        with left, right:
            left.send(b"x")
            assert select.select([right], [], [], 4) == ([right], [], [])
    assert simulation.ms == 4000


def test_a_selector_that_nothing_can_wake_is_refused() -> None:
    import selectors

    with simulated() as simulation, selectors.DefaultSelector() as selector:
        assert selector.select(2.5) == []
        assert selector.select(0) == []
        with pytest.raises(SimulationError, match="never ends"):
            selector.select()
        with pytest.raises(SimulationError, match="never ends"):
            select.select([], [], [])
    assert simulation.ms == 2500
    assert len(simulation.errors) == 2


# -- asyncio ----------------------------------------------------------------------------------


def test_asyncio_sleeps_overlap() -> None:
    async def work(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    async def main() -> list[float]:
        return await asyncio.gather(work(3600), work(7200), work(0.5))

    with simulated() as simulation:
        assert asyncio.run(main()) == [3600, 7200, 0.5]
    assert simulation.ms == 7_200_000


def test_asyncio_timeouts_fire_on_time() -> None:
    async def main() -> float:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.sleep(60), 5)
        async with asyncio.timeout(10):
            await asyncio.sleep(9)
        return time.monotonic()

    with simulated() as simulation:
        asyncio.run(main())
    assert simulation.ms == 14_000


def test_to_thread_runs_beside_the_loop() -> None:
    async def beats() -> int:
        for _ in range(10):
            await asyncio.sleep(1)
        return 10

    def blocks(seconds: float) -> str:
        time.sleep(seconds)
        return threading.current_thread().name.split("_")[0]

    async def main() -> list[Any]:
        return await asyncio.gather(
            asyncio.to_thread(blocks, 7),
            asyncio.to_thread(blocks, 8),
            beats(),
            asyncio.get_running_loop().run_in_executor(None, lambda: asyncio.run(beats())),
        )

    with simulated() as simulation:
        assert asyncio.run(main()) == ["asyncio", "asyncio", 10, 10]
    assert simulation.ms == 10_000


def test_a_loop_that_nothing_can_wake_is_refused() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    refused = pytest.raises(SimulationError, match=r"an event loop .* never ends")
    with simulated() as simulation, refused as caught:
        asyncio.run(main())
    assert "test_isolation.py:" in caught.value.where
    assert simulation.errors == [caught.value]


def test_two_suspended_loops_do_not_meet() -> None:
    """As the scheduler does it: each invocation's loop follows its greenlet."""
    seen: list[str] = []
    hub = getcurrent()

    async def generated() -> Any:
        yield 1

    async def handler(name: str) -> None:
        seen.append(f"{name} begins")
        generator = generated()
        await anext(generator)
        hub.switch()
        assert asyncio.current_task() is not None
        assert asyncio.get_running_loop().is_running()
        seen.append(f"{name} ends")

    with simulated():
        turns = [
            greenlet(lambda: asyncio.run(handler("a"))),
            greenlet(lambda: asyncio.run(handler("b"))),
        ]
        states: list[Any] = [None, None]
        for _ in range(2):
            for index, turn in enumerate(turns):
                outer = isolation.swap_running_loop(states[index])
                turn.switch()
                states[index] = isolation.swap_running_loop(outer)
        assert all(turn.dead for turn in turns)
    assert seen == ["a begins", "b begins", "a ends", "b ends"]
    assert sys.get_asyncgen_hooks() == (None, None)


# -- threads ----------------------------------------------------------------------------------


def test_a_thread_runs_and_is_joined() -> None:
    names: list[str] = []
    with simulated() as simulation:
        thread = threading.Thread(
            target=lambda: names.append(threading.current_thread().name), name="helper"
        )
        thread.start()
        thread.join()
        assert not thread.is_alive()
        with pytest.raises(RuntimeError, match="started once"):
            thread.start()
    assert names == ["helper"]
    assert threading.current_thread() is threading.main_thread()
    assert not simulation.slept


def test_threads_that_sleep_do_so_side_by_side() -> None:
    order: list[int] = []

    def work(number: int) -> None:
        time.sleep(4 - number)
        order.append(number)

    with simulated() as simulation:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        assert all(thread.is_alive() for thread in threads)
        for thread in threads:
            thread.join()
    assert order == [2, 1, 0]
    assert simulation.ms == 4000


def test_join_gives_up_after_its_timeout() -> None:
    with simulated() as simulation:
        thread = threading.Thread(target=time.sleep, args=(60,))
        thread.start()
        thread.join(5)
        assert thread.is_alive()
        assert simulation.ms == 5000
        thread.join()
        assert simulation.ms == 60_000


def test_a_thread_may_start_and_join_threads() -> None:
    seen: list[str] = []

    def inner() -> None:
        time.sleep(1)
        seen.append("inner")

    def outer() -> None:
        thread = threading.Thread(target=inner)
        thread.start()
        thread.join()
        seen.append("outer")
        with pytest.raises(RuntimeError, match="cannot join current thread"):
            threading.current_thread().join()

    with simulated():
        thread = threading.Thread(target=outer)
        thread.start()
        thread.join()
    assert seen == ["inner", "outer"]


def test_an_exception_in_a_thread_goes_to_the_excepthook(monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", got.append)
    with simulated():
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
    assert [arguments.exc_type for arguments in got] == [ZeroDivisionError]


def test_threads_log_under_their_names(caplog: pytest.LogCaptureFixture) -> None:
    with simulated(), caplog.at_level(logging.INFO):
        threads = [
            threading.Thread(target=logging.info, args=("from %s", name), name=name)
            for name in ("one", "two")
        ]
        for thread in threads:
            thread.start()
            thread.join()
    assert [(record.threadName, record.getMessage()) for record in caplog.records] == [
        ("one", "from one"),
        ("two", "from two"),
    ]


def test_a_refresher_in_the_background_does_not_stop_the_handler() -> None:
    ticks: list[int] = []

    def refresh() -> None:
        while True:
            ticks.append(1)
            time.sleep(60)

    with simulated() as simulation:
        threading.Thread(target=refresh, daemon=True).start()
        assert len(ticks) == 1
        time.sleep(150)
        assert len(ticks) == 3
    assert simulation.ms == 150_000


def test_a_thread_left_over_goes_on_with_its_environments_next_invocation() -> None:
    ticks: list[str] = []

    def refresh(name: str) -> None:
        while True:
            ticks.append(name)
            time.sleep(60)

    def invocation(body: Callable[[], None]) -> None:
        greenlet(body).switch()

    with simulated() as simulation:
        invocation(lambda: threading.Thread(target=refresh, args=("a",), daemon=True).start())
        simulation.here = "Other"
        invocation(lambda: time.sleep(300))
        assert ticks == ["a"]
        simulation.here = "Worker"
        invocation(lambda: time.sleep(61))
        assert ticks == ["a", "a", "a"]
        isolation.abandon("Worker")
        invocation(lambda: time.sleep(600))
        assert ticks == ["a", "a", "a"]


def test_timers_fire_when_due_and_not_when_cancelled() -> None:
    fired: list[int] = []
    with simulated() as simulation:
        late = threading.Timer(30, lambda: fired.append(-1))
        late.start()
        threading.Timer(5, lambda: fired.append(simulation.ms)).start()
        time.sleep(10)
        late.cancel()
        time.sleep(100)
    assert fired == [5000]


def test_workers_on_a_queue() -> None:
    done: list[tuple[int, int]] = []
    with simulated() as simulation:
        jobs: queue.Queue[int] = queue.Queue(maxsize=2)

        def work() -> None:
            while True:
                job = jobs.get()
                time.sleep(1)
                done.append((job, simulation.ms))
                jobs.task_done()

        for _ in range(2):
            threading.Thread(target=work, daemon=True).start()
        for job in range(6):
            jobs.put(job)
        jobs.join()
    assert done == [(0, 1000), (1, 1000), (2, 2000), (3, 2000), (4, 3000), (5, 3000)]


def test_pools_have_as_many_workers_as_they_say() -> None:
    def work(number: int) -> int:
        time.sleep(1)
        return number * number

    with simulated() as simulation:
        with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
            assert list(pool.map(work, range(6))) == [0, 1, 4, 9, 16, 25]
        assert simulation.ms == 3000
        with multiprocessing.pool.ThreadPool(3) as threads:
            assert threads.map(work, range(6)) == [0, 1, 4, 9, 16, 25]
        assert simulation.ms == 5000


def test_a_pools_exceptions_timeouts_and_first_results() -> None:
    with simulated() as simulation, concurrent.futures.ThreadPoolExecutor() as pool:
        failing = pool.submit(lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            failing.result()
        slow, quick = pool.submit(time.sleep, 60), pool.submit(time.sleep, 2)
        with pytest.raises(concurrent.futures.TimeoutError):
            slow.result(timeout=1)
        assert next(concurrent.futures.as_completed([slow, quick])) is quick
        assert simulation.ms == 2000


def test_a_task_may_submit_to_its_own_pool() -> None:
    with simulated(), concurrent.futures.ThreadPoolExecutor(2) as pool:
        nested = pool.submit(lambda: pool.submit(lambda: "inner").result())
        assert nested.result() == "inner"


def test_a_pools_first_task_may_submit_to_another_pool() -> None:
    pool = concurrent.futures.ThreadPoolExecutor
    with simulated(), pool(1) as outer, pool(1) as inner:
        nested = outer.submit(lambda: inner.submit(lambda: "inner").result())
        assert nested.result() == "inner"


def test_a_thread_that_only_yields_lets_time_pass() -> None:
    yields: list[int] = []
    with simulated() as simulation:
        stop = threading.Event()

        def poll() -> None:
            while not stop.is_set():
                yields.append(1)
                time.sleep(0)

        thread = threading.Thread(target=poll)
        thread.start()
        time.sleep(0.05)
        stop.set()
        thread.join()
    assert 10 <= len(yields) <= 60
    assert simulation.ms <= 60


def test_a_pool_serves_several_runs_environments_and_the_real_world() -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert pool.submit(threading.get_native_id).result() != threading.get_native_id()
        for _ in range(2):
            with simulated() as simulation:
                for environment in ("a", "b", "a"):
                    simulation.here = environment
                    assert pool.submit(threading.get_native_id).result() == (
                        threading.get_native_id()
                    )
        assert pool.submit(threading.get_native_id).result() != threading.get_native_id()


@pytest.mark.parametrize("kind", ["Lock", "RLock", "Semaphore", "Condition"])
def test_a_lock_held_while_sleeping_keeps_others_out(kind: str) -> None:
    inside: list[tuple[int, int]] = []
    with simulated() as simulation:
        lock = getattr(threading, kind)()

        def work(number: int) -> None:
            with lock:
                time.sleep(1)
                inside.append((number, simulation.ms))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert inside == [(0, 1000), (1, 2000), (2, 3000)]


def test_locks_behave_like_locks() -> None:
    with simulated() as simulation:
        lock, reentrant = threading.Lock(), threading.RLock()
        assert lock.acquire()
        assert lock.locked()
        assert not lock.acquire(blocking=False)
        assert not lock.acquire(timeout=3)
        assert simulation.ms == 3000
        lock.release()
        with pytest.raises(RuntimeError):
            lock.release()
        with reentrant, reentrant:
            pass
        with pytest.raises(RuntimeError, match="un-acquired"):
            reentrant.release()
        condition = threading.Condition()
        with pytest.raises(RuntimeError, match="un-acquired"):
            condition.wait()
    with lock, reentrant:
        assert lock.locked()


def test_a_deadlock_is_refused() -> None:
    with simulated() as simulation:
        lock = threading.Lock()
        lock.acquire()
        with pytest.raises(SimulationError, match="the wait for a lock never ends"):
            lock.acquire()
    assert simulation.errors


def test_conditions_wake_who_waits() -> None:
    seen: list[str] = []
    with simulated() as simulation:
        condition, ready = threading.Condition(), threading.Event()

        def consumer() -> None:
            with condition:
                assert condition.wait_for(lambda: seen, timeout=50)
                seen.append("consumed")
            ready.set()

        threading.Thread(target=consumer).start()
        time.sleep(5)
        with condition:
            seen.append("produced")
            condition.notify()
        assert ready.wait(100)
    assert seen == ["produced", "consumed"]
    assert simulation.ms == 5000


def test_waits_with_a_timeout_give_up_on_time() -> None:
    with simulated() as simulation:
        assert not threading.Event().wait(1)
        with pytest.raises(queue.Empty):
            queue.Queue().get(timeout=2)
        with pytest.raises(queue.Empty):
            queue.SimpleQueue().get(timeout=4)
        assert not threading.Semaphore(0).acquire(timeout=8)
        with pytest.raises(threading.BrokenBarrierError):
            threading.Barrier(2).wait(16)
        with pytest.raises(queue.Empty):
            queue.SimpleQueue().get(block=False)
        with pytest.raises(ValueError, match="non-negative"):
            queue.SimpleQueue().get(timeout=-1)
    assert simulation.ms == 31_000


@pytest.mark.parametrize(
    "wait",
    [
        lambda: threading.Event().wait(),
        lambda: queue.Queue().get(),
        lambda: queue.SimpleQueue().get(),
        lambda: concurrent.futures.Future().result(),
        lambda: threading.Semaphore(0).acquire(),
    ],
)
def test_waits_that_can_not_end_are_refused(wait: Callable[[], Any]) -> None:
    refused = pytest.raises(SimulationError, match=r"never ends.*can't be followed")
    with simulated() as simulation, refused as caught:
        wait()
    assert simulation.errors == [caught.value]
    assert "give it a timeout" in str(caught.value)


def test_a_bare_thread_is_refused() -> None:
    import _thread

    with simulated(), pytest.raises(SimulationError, match=r"threading\.Thread"):
        _thread.start_new_thread(print, ())


def test_threads_end_with_the_run_and_touch_nothing() -> None:
    acted: list[str] = []

    def worker() -> None:
        try:
            threading.Event().wait(1000)
        finally:
            acted.append("unwinding" if isolation.is_unwinding() else "alive")
            time.sleep(1)
            acted.append("went on")

    with simulated():
        thread = threading.Thread(target=worker)
        thread.start()
        isolation.abandon("Worker")
        assert (isolation.is_unwinding(), acted) == (False, [])
    assert (isolation.is_unwinding(), acted) == (False, ["unwinding"])
    thread.join()


def test_an_idle_pool_ends_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    with simulated():
        pool = concurrent.futures.ThreadPoolExecutor(2)
        assert pool.submit(int).result() == 0
    logging.critical("goes on")
    assert [record.getMessage() for record in caplog.records] == ["goes on"]


@pytest.mark.parametrize(
    "call",
    [
        lambda: socket.create_connection(("db.example", 5432)),
        lambda: socket.getaddrinfo("db.example", 5432),
        lambda: socket.gethostbyname("db.example"),
        lambda: os.system("true"),
        lambda: threading.Event().wait(),
        lambda: urllib.request.urlopen("https://a.example"),
    ],
)
def test_what_a_thread_does_while_it_is_ended_is_nothing(call: Callable[[], Any]) -> None:
    acted: list[str] = []

    def worker() -> None:
        try:
            time.sleep(1000)
        finally:
            with contextlib.suppress(Exception):
                call()
            acted.append("went on")

    with simulated() as simulation:
        thread = threading.Thread(target=worker)
        thread.start()
    assert (acted, simulation.told, simulation.errors) == ([], [], [])


def test_a_thread_may_end_its_own_environment() -> None:
    """As a crash at a thread's call does: the scheduler then never goes on with it."""
    hub, acted = getcurrent(), []

    def call() -> None:
        isolation.abandon("Worker")
        hub.switch("ended")
        acted.append("went on")

    with simulated():
        invocation = greenlet(lambda: threading.Thread(target=call).start())
        assert invocation.switch() == "ended"
    assert not acted


def test_a_call_inside_a_thread_suspends_and_resumes_its_invocation() -> None:
    """The scheduler knows invocations only; what it resumes is the thread that made the call."""
    hub, order = getcurrent(), []

    def call() -> str:
        order.append(isolation.invocation_greenlet() is invocation)
        answer: str = hub.switch("called")
        order.append(threading.current_thread().name)
        return answer

    def handler() -> str:
        answers: list[str] = []
        thread = threading.Thread(target=lambda: answers.append(call()), name="caller")
        thread.start()
        thread.join()
        return answers[0]

    with simulated():
        invocation = greenlet(handler)
        assert invocation.switch() == "called"
        state = isolation.swap_running_loop()
        assert threading.current_thread() is threading.main_thread()
        isolation.swap_running_loop(state)
        assert invocation.switch("the answer") == "the answer"
    assert order == [True, "caller"]


def test_an_invocation_that_is_ended_at_its_threads_call_ends_the_thread() -> None:
    hub, acted = getcurrent(), []

    def call() -> None:
        try:
            hub.switch()
        finally:
            acted.append(isolation.is_unwinding())

    def handler() -> None:
        threading.Thread(target=call).start()
        acted.append("went on")

    with simulated():
        invocation = greenlet(handler)
        invocation.switch()
        invocation.throw(GreenletExit)
        assert (invocation.dead, acted) == (True, [True])


def test_an_end_raised_inside_a_thread_reaches_the_invocation() -> None:
    class Crash(BaseException):
        pass

    def call() -> None:
        raise Crash

    with simulated(), pytest.raises(Crash):
        threading.Thread(target=call).start()


# -- the outside ------------------------------------------------------------------------------


def test_sockets_are_refused_and_told() -> None:
    with simulated() as simulation:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("db.example", 5432), timeout=1)
        with socket.socket() as tcp:
            with pytest.raises(ConnectionRefusedError):
                tcp.connect(("10.0.0.1", 6379))
            assert tcp.connect_ex(("10.0.0.1", 6380)) != 0
        with socket.socket(socket.AF_UNIX) as local, pytest.raises(ConnectionRefusedError):
            local.connect("/var/run/docker.sock")
        with socket.socket(type=socket.SOCK_DGRAM) as udp:
            with pytest.raises(ConnectionRefusedError):
                udp.sendto(b"x", ("192.0.2.1", 53))
            with pytest.raises(ConnectionRefusedError):
                udp.sendmsg([b"x"], [], 0, ("192.0.2.1", 54))
        with pytest.raises(socket.gaierror):
            socket.getaddrinfo("api.example", "443")
        with pytest.raises(socket.gaierror):
            socket.getaddrinfo("localhost", 8000)
        with pytest.raises(socket.gaierror):
            socket.gethostbyname("api.example")
        with pytest.raises(socket.gaierror):
            socket.getnameinfo(("192.0.2.1", 80), 0)
    assert simulation.told == [
        ("db.example", 5432),
        ("10.0.0.1", 6379),
        ("10.0.0.1", 6380),
        ("/var/run/docker.sock", 0),
        ("192.0.2.1", 53),
        ("192.0.2.1", 54),
        ("api.example", 443),
        ("localhost", 8000),
        ("api.example", 0),
        ("192.0.2.1", 80),
    ]


def test_asyncio_connections_are_refused_and_told() -> None:
    async def main(host: str) -> None:
        await asyncio.open_connection(host, 5432)

    with simulated() as simulation:
        with pytest.raises(OSError):  # noqa: PT011
            asyncio.run(main("10.0.0.1"))
        with pytest.raises(OSError):  # noqa: PT011
            asyncio.run(main("db.example"))
    assert simulation.told == [("10.0.0.1", 5432), ("db.example", 5432)]


def test_what_needs_no_one_outside_works() -> None:
    with simulated() as simulation:
        left, right = socket.socketpair()
        with left, right:
            left.sendmsg([b"a", b"b"])
            assert right.recv(2) == b"ab"
        assert socket.getaddrinfo("127.0.0.1", 80)[0][4] == ("127.0.0.1", 80)
        with socket.socket(type=socket.SOCK_DGRAM) as daemon:
            assert daemon.sendto(b"segment", ("127.0.0.1", 2000)) == 7
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()
            with pytest.raises(SimulationError, match="waits for connections"):
                server.accept()
            server.setblocking(False)
            with pytest.raises(BlockingIOError):
                server.accept()
    assert not simulation.told


@pytest.mark.parametrize(
    ("what", "call"),
    [
        ("subprocess", lambda: subprocess.run(["true"], check=False)),
        ("os.system()", lambda: os.system("true")),
        ("subprocess", lambda: os.popen("true")),
        ("os.fork()", lambda: os.fork()),
        ("os._exit()", lambda: os._exit(3)),
        ("os.kill()", lambda: os.kill(os.getpid(), signal.SIGKILL)),
        ("multiprocessing", lambda: multiprocessing.Process(target=print).start()),
        ("multiprocessing", lambda: concurrent.futures.ProcessPoolExecutor().submit(print)),
        ("signal.alarm()", lambda: signal.alarm(1)),
        ("standard input", lambda: input()),
        ("standard input", lambda: sys.stdin.read()),
    ],
)
def test_other_processes_and_the_terminal_are_refused(what: str, call: Callable[[], Any]) -> None:
    with simulated() as simulation, pytest.raises(SimulationError) as caught:
        call()
    assert what in str(caught.value)
    assert "test_isolation.py:" in str(caught.value)
    assert simulation.errors == [caught.value]


def test_a_refusal_that_the_handler_swallows_is_told_all_the_same() -> None:
    with simulated() as simulation, contextlib.suppress(Exception):
        os.system("true")
    assert len(simulation.errors) == 1


# -- chance -----------------------------------------------------------------------------------

DRAW = """
import os, random, secrets, socket, tempfile, uuid, platform
def draw():
    with tempfile.NamedTemporaryFile() as file:
        name = file.name
    return [
        str(uuid.uuid4()), secrets.token_hex(8), random.random(), random.SystemRandom().random(),
        random.Random().random(), os.urandom(4).hex(), uuid.uuid1().fields[3:],
        random.sample(range(99), 5), os.getpid(), socket.gethostname(), platform.node(), name,
        (random.seed(), random.random()), uuid.getnode(),
    ]
"""


def _draw() -> list[Any]:
    names: dict[str, Any] = {}
    exec(DRAW, names)
    drawn: list[Any] = names["draw"]()
    return drawn


def test_chance_is_the_seeds() -> None:
    with simulated(1):
        first = _draw()
    with simulated(1):
        assert _draw() == first
    _draw()
    with simulated(1):
        assert _draw() == first
    with simulated(2):
        other = _draw()
    constant = {8, 9, 10, 13}
    for index, (one, two) in enumerate(zip(first, other, strict=True)):
        assert (one == two) is (index in constant), index


def test_chance_is_the_same_in_every_process() -> None:
    script = (
        "import random\nfrom pytest_storagefirst.simulation import isolation\n"
        "class Simulation:\n    random = random.Random(3)\n"
        f"{DRAW}\n"
        "with isolation.isolated(Simulation(), 3):\n    drawn = draw()\nprint(drawn)\n"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("0", "1", "77")
    }
    assert len(printed) == 1
    assert printed != {""}


def test_uuid1_takes_its_time_from_the_wall_clock() -> None:
    import time_machine

    with simulated(), time_machine.travel(1_767_225_600, tick=False):
        made = uuid.uuid1()
    assert (made.time - 0x01B21DD213814000) / 1e7 == 1_767_225_600
    assert made.version == 1


def test_the_sessions_own_chance_goes_on_as_if_nothing_had_been() -> None:
    random.seed(5)
    expected = [random.random() for _ in range(3)]
    random.seed(5)
    got = [random.random()]
    with simulated(9):
        random.random()
    got.append(random.random())
    with isolation.seeded(4):
        first = random.random()
    with isolation.seeded(4):
        assert random.random() == first
    got.append(random.random())
    assert got == expected


# -- outside a simulation ---------------------------------------------------------------------


def test_nothing_is_changed_outside() -> None:
    with simulated():
        pass
    assert isolation.current() is None
    assert type(sys.stdin).__name__ != "NoTerminal"
    before = REAL_MONOTONIC()
    time.sleep(0.001)
    assert time.monotonic() > before
    assert os.urandom(8) != os.urandom(8)
    assert uuid.uuid4() != uuid.uuid4()
    assert os.getpid() not in (0, 8)
    assert secrets.token_hex(8) != secrets.token_hex(8)
    assert type(threading.Lock()).__module__ == "_thread"
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert pool.submit(threading.get_native_id).result() != threading.get_native_id()
    thread = threading.Thread(target=time.sleep, args=(0.001,))
    thread.start()
    thread.join()
    assert not thread.is_alive()
    assert not threading.Event().wait(0.001)
    with pytest.raises(queue.Empty):
        queue.SimpleQueue().get(timeout=0.001)
    assert asyncio.run(asyncio.sleep(0.001, "slept")) == "slept"
    assert subprocess.run(
        [sys.executable, "-c", "print(1)"], capture_output=True, check=True
    ).stdout
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.connect(server.getsockname())
        server.accept()[0].close()
    with tempfile.TemporaryFile():
        pass
    assert platform.node() == os.uname().nodename


def test_a_failure_inside_leaves_nothing_behind() -> None:
    terminal, chance = sys.stdin, random.getstate()
    with pytest.raises(ZeroDivisionError), simulated():
        raise ZeroDivisionError
    assert (isolation.current(), sys.stdin, random.getstate()) == (None, terminal, chance)


def test_simulations_nest() -> None:
    with simulated() as outer:
        with simulated() as inner:
            time.sleep(1)
        time.sleep(2)
    assert (inner.ms, outer.ms) == (1000, 2000)


def test_other_threads_live_in_the_real_world() -> None:
    started, go_on = threading.Event(), threading.Event()
    seen: list[Any] = []

    def outside() -> None:
        started.set()
        go_on.wait()
        before = time.monotonic()
        time.sleep(0.001)
        seen.extend([isolation.current(), time.monotonic() > before, os.getpid() != 8])

    thread = threading.Thread(target=outside)
    thread.start()
    started.wait()
    with simulated() as simulation:
        go_on.set()
        while len(seen) < 3:
            pass
    thread.join()
    assert seen == [None, True, True]
    assert not simulation.slept


def test_uninstall_puts_every_original_back() -> None:
    isolation.uninstall()
    try:
        assert inspect.isbuiltin(time.sleep)
        assert inspect.isbuiltin(os.urandom)
        assert "connect" not in vars(socket.socket)
        assert threading.Thread.start.__module__ == "threading"
        assert threading.Condition.wait.__code__.co_filename == threading.__file__
        assert queue.SimpleQueue.__module__ == "_queue"
        kept = {name: getattr(time, name) for name in ("sleep", "monotonic", "perf_counter")}
        isolation.install()
        assert not inspect.isbuiltin(time.sleep)
        isolation.install()
        isolation.uninstall()
        assert {name: getattr(time, name) for name in kept} == kept
    finally:
        isolation.install()


def test_patched_functions_pickle_by_name_and_show_their_signature() -> None:
    import pickle

    isolation.install()
    assert pickle.loads(pickle.dumps(time.sleep)) is time.sleep
    assert time.sleep.__name__ == "sleep"
    assert (threading.Lock | None) is Any  # type: ignore[operator]
