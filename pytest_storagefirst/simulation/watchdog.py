"""Ends a handler that computes for ever: no virtual time passes meanwhile, and no one else runs.

The processor's time is measured, by SIGVTALRM: it is nobody else's (pytest-timeout has SIGALRM),
and a busy machine does not make a handler look hung. The limit is for one invocation without any
event in the history.
"""

from __future__ import annotations

import signal
import threading
from _thread import get_ident
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from greenlet import getcurrent

from pytest_storagefirst.errors import SimulationError
from pytest_storagefirst.simulation import isolation
from pytest_storagefirst.simulation.isolation.switch import OBSERVERS, refuse

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation

# Longer than any import takes, on any machine; in seconds of the processor's time.
PATIENCE_SECONDS = 20.0
TICKS = 4

_signal, _setitimer = signal.signal, getattr(signal, "setitimer", None)


_watch: _Watch | None = None


@contextmanager
def armed() -> Iterator[None]:
    """Within this block the run that is watched can't hang, where the main thread plays it."""
    global _watch
    if (
        _setitimer is None
        or threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGVTALRM) is not signal.SIG_DFL
    ):
        yield
        return
    _watch = _Watch()
    _signal(signal.SIGVTALRM, _watch)
    seconds = PATIENCE_SECONDS / TICKS
    _setitimer(signal.ITIMER_VIRTUAL, seconds, seconds)
    try:
        yield
    finally:
        _setitimer(signal.ITIMER_VIRTUAL, 0)
        _signal(signal.SIGVTALRM, signal.SIG_DFL)
        _watch = None


def watch(simulation: Simulation | None) -> Simulation | None:
    """A hung handler of this run is left behind, with a SimulationError that says where.

    Returns the run that was watched until now.
    """
    if _watch is None or get_ident() != _watch.thread:
        return None
    outer, _watch.simulation = _watch.simulation, simulation
    return outer


def _observes(frame: Any) -> bool:
    """Whether coverage or the like is at work: left behind, it would hold its lock for ever."""
    while frame is not None:
        if str(frame.f_globals.get("__name__")).partition(".")[0] in OBSERVERS:
            return True
        frame = frame.f_back
    return False


class _Watch:
    def __init__(self) -> None:
        self.simulation: Simulation | None = None
        self.thread = get_ident()
        self._seen: object = None
        self._ticks = 0

    def __call__(self, number: int, frame: Any) -> None:
        simulation = self.simulation
        if simulation is None or getcurrent() is simulation.hub:
            self._seen = None
            return
        seen = (simulation.current, isolation.is_unwinding(), len(simulation.history))
        if seen != self._seen:
            self._seen, self._ticks = seen, 0
            return
        self._ticks += 1
        if self._ticks < TICKS or _observes(frame):
            return
        self._seen = None
        if simulation.current is not None and not simulation.closing:
            self._end(simulation, simulation.current)
        # The run is over, and this only a `finally` of what was left behind: leave it again.
        simulation.hub.switch()

    def _end(self, simulation: Simulation, invocation: Any) -> None:
        name = invocation.function.logical_id
        with suppress(SimulationError):
            refuse(
                simulation,
                f"{name} computes for more than {PATIENCE_SECONDS:g} s of the processor's time "
                "without a call or a wait, and no virtual time passes meanwhile",
                "wait with time.sleep() instead of looking at the clock, or give the function "
                f"another handler under [functions.{name}] in storagefirst.toml",
            )
        simulation.stop(f"{name} computes for ever")
        if not invocation.is_execution:
            simulation.functions.kill(invocation, "hang")
        simulation.abandon()
