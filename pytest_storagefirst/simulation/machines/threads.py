"""What moto's Step Functions interpreter takes for threads: greenlets of an execution.

Put in place of `threading` and `time` in its modules. Each thread is one more greenlet of the
scheduler's, which lets it take part in the choice of who goes first; an event or a sleep is a wait
in virtual time. Outside of a simulation, and in a handler that uses moto by itself, these are the
real ones.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet

from pytest_storagefirst.errors import SimulationError
from pytest_storagefirst.simulation.isolation import current


def _execution() -> tuple[Any, Any]:
    """The simulation and the execution whose code is running; (None, None) anywhere else."""
    simulation: Any = current()
    execution = simulation.current if simulation is not None else None
    if execution is None or not getattr(execution, "is_execution", False):
        return None, None
    return simulation, execution


def note_wait(seconds: float) -> None:
    """The execution that is running will stand still for so long, by its own definition's word."""
    simulation, execution = _execution()
    if simulation is not None:
        until_ms = simulation.now_ms + round(seconds * 1000)
        execution.waits_until_ms = max(execution.waits_until_ms, until_ms)


class _Waiter:
    """A greenlet that stands still, until it is woken or its time has come."""

    __slots__ = ("greenlet", "timer", "woken")

    def __init__(self) -> None:
        self.greenlet = getcurrent()
        self.timer: Any = None
        self.woken = False


class MachineEvent:
    """threading.Event. `set` may come from another greenlet, or from no execution at all."""

    def __init__(self, simulation: Any, execution: Any) -> None:
        self._simulation = simulation
        self._execution = execution
        self._is_set = False
        self._waiters: list[_Waiter] = []

    def is_set(self) -> bool:
        return self._is_set

    def clear(self) -> None:
        self._is_set = False

    def set(self) -> None:
        self._is_set = True
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.woken = True
            if waiter.timer is not None:
                waiter.timer.cancelled = True
            self._simulation.scheduler.wake(waiter.greenlet)

    def wait(self, timeout: float | None = None) -> bool:
        if self._is_set:
            return True
        waiter = _Waiter()
        self._waiters.append(waiter)
        scheduler = self._simulation.scheduler
        if timeout is not None:
            due_ms = scheduler.now_ms + max(0, round(timeout * 1000))
            waiter.timer = scheduler.at(due_ms, lambda: scheduler.wake(waiter.greenlet))
            self._execution.timers.append(waiter.timer)
        scheduler.wait()
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        if waiter.timer in self._execution.timers:
            self._execution.timers.remove(waiter.timer)
        return waiter.woken


class MachineThread:
    """threading.Thread, as a greenlet of the execution that starts it."""

    native_id = 0

    def __init__(self, simulation: Any, execution: Any, target: Callable[..., Any], args: Any):
        self._simulation = simulation
        self._execution = execution
        self._target = target
        self._args = args
        self._ended = MachineEvent(simulation, execution)

    def start(self) -> None:
        simulation = self._simulation
        running = greenlet(self._run, parent=simulation.hub)
        simulation.invocation_of[running] = self._execution
        simulation.scheduler.resume_at(simulation.now_ms, running)

    def _run(self) -> None:
        try:
            self._target(*self._args)
        except GreenletExit:
            raise
        except Exception as error:
            self._simulation.refuse(
                SimulationError(
                    "the interpreter of state machines failed",
                    where=self._execution.function.logical_id,
                    found=f"{type(error).__name__}: {error}",
                )
            )
        finally:
            if not self._simulation.closing:
                self._ended.set()

    def join(self, timeout: float | None = None) -> None:
        self._ended.wait(timeout)

    def is_alive(self) -> bool:
        return not self._ended.is_set()


class MachineLock:
    """threading.Lock and RLock. Nothing waits while it holds one, so nobody waits for one."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        return True

    def release(self) -> None:
        pass

    def __enter__(self) -> bool:
        return True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass


class Threading:
    """The module `threading`, as far as the interpreter uses it."""

    @staticmethod
    def Thread(*, target: Callable[..., Any], args: Any = (), **named: Any) -> Any:
        simulation, execution = _execution()
        if simulation is None:
            return threading.Thread(target=target, args=args, **named)
        return MachineThread(simulation, execution, target, args)

    @staticmethod
    def Event() -> Any:
        simulation, execution = _execution()
        if simulation is None:
            return threading.Event()
        return MachineEvent(simulation, execution)

    @staticmethod
    def Lock() -> Any:
        return threading.Lock() if _execution()[0] is None else MachineLock()

    @staticmethod
    def RLock() -> Any:
        return threading.RLock() if _execution()[0] is None else MachineLock()

    Condition = threading.Condition  # of a distributed Map alone


class Time:
    """The module `time`, as far as the interpreter uses it."""

    time = staticmethod(time.time)

    @staticmethod
    def sleep(seconds: float) -> None:
        simulation, execution = _execution()
        if simulation is None:
            time.sleep(seconds)
        else:
            note_wait(seconds)
            MachineEvent(simulation, execution).wait(seconds)


class Threads(list[Any]):
    """moto's list of all threads that it ever started: none of an execution's is kept in it."""

    def append(self, thread: Any) -> None:
        if not isinstance(thread, MachineThread):
            super().append(thread)
