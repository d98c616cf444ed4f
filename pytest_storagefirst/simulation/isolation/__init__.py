"""Nothing that a handler does may reach the network, wait for real, or be random.

`isolated` puts the code of its block, on this thread, into a simulation: waiting takes virtual
time, threads are greenlets, sockets and processes are refused with a reason, chance follows the
seed. The patches behind it are installed once per process; while no simulation is active each of
them is the original.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pytest_storagefirst.simulation.isolation import clocks, outside, randomness, switch, threads
from pytest_storagefirst.simulation.isolation.clocks import in_utc
from pytest_storagefirst.simulation.isolation.randomness import kept, seeded
from pytest_storagefirst.simulation.isolation.switch import Surroundings, current, uninstall
from pytest_storagefirst.simulation.isolation.waiting import (
    ThreadState,
    abandon,
    abandon_all,
    invocation_greenlet,
    is_unwinding,
    pause,
    swap_running_loop,
)

__all__ = [
    "Surroundings",
    "ThreadState",
    "abandon",
    "current",
    "in_utc",
    "install",
    "invocation_greenlet",
    "is_unwinding",
    "isolated",
    "kept",
    "pause",
    "seeded",
    "swap_running_loop",
    "uninstall",
]

_NO_TERMINAL = outside.NoTerminal()


def install() -> None:
    """Install the patches, once per process. `isolated` does it too."""
    if not switch.is_installed():
        switch.install(
            [*clocks.patches(), *threads.patches(), *outside.patches(), *randomness.patches()]
        )


@contextmanager
def isolated(simulation: Surroundings, seed: int) -> Iterator[None]:
    """Within this block all code on this thread lives in `simulation`, its randomness from `seed`.

    Threads that are left when the block ends are ended with it.
    """
    install()
    terminal, outer = sys.stdin, switch.active
    with seeded(seed):
        sys.stdin = _NO_TERMINAL
        clocks.start_afresh()
        switch.enter(simulation)
        try:
            yield
        finally:
            abandon_all()
            switch.active = outer
            sys.stdin = terminal
