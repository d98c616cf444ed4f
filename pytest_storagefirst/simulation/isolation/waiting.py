"""Waiting in virtual time: the one place where simulated code stands still.

A handler's thread is a greenlet of its environment's *crew*. It runs at once, until its first wait;
then it is parked with what it waits for, and whoever started it goes on. While the invocation
itself waits (sleeps, joins, selects), it *drives* the crew: it runs each thread whose wait is over
and lets time pass up to the next one. So sleeps in two threads overlap, a timer fires when it is
due, and one operating-system thread is enough. Threads left over when a handler returns are frozen,
and thawed with the environment's next invocation (Lambda developer guide,
lambda-runtime-environment).
"""

from __future__ import annotations

import logging
import math
import sys
import threading
from _thread import get_ident
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, NoReturn

from greenlet import GreenletExit, getcurrent, greenlet

from pytest_storagefirst.simulation.isolation import switch
from pytest_storagefirst.simulation.isolation.switch import Surroundings, current, refuse

_MILLISECOND_NS = 1_000_000

_threads: dict[int, threading.Thread] = threading._active  # type: ignore[attr-defined]


class ThreadState(NamedTuple):
    """What asyncio, async generators and `threading` keep for each operating-system thread."""

    running_loop: Any = None
    first_iteration: Any = None
    finalizer: Any = None
    thread: threading.Thread | None = None  # None: the operating system's own


FRESH = ThreadState()
_real_threads: dict[int, threading.Thread] = {}


def swap_running_loop(state: ThreadState | None = None) -> ThreadState:
    """Set the thread's state (None: that of new code) and return the former one.

    To be called round the switch to another greenlet. Without it `asyncio.run` in one invocation
    meets the loop of another that is suspended inside its own, and raises "asyncio.run() cannot be
    called from a running event loop".
    """
    state = state or FRESH
    hooks = sys.get_asyncgen_hooks()
    if hooks.firstiter is not None or state.first_iteration is not None:
        sys.set_asyncgen_hooks(state.first_iteration, state.finalizer)
    events = sys.modules.get("asyncio.events")
    running_loop = None
    if events is not None:
        running_loop = events._get_running_loop()
        events._set_running_loop(state.running_loop)
    ident = get_ident()
    here = _threads.get(ident)
    real = _real_threads.setdefault(ident, here or threading.current_thread())
    if here is not state.thread:
        _threads[ident] = state.thread or real
    thread = None if here is real else here
    return ThreadState(running_loop, hooks.firstiter, hooks.finalizer, thread)


class Member:
    """A thread of a handler's: its greenlet, and what it waits for while it is parked."""

    __slots__ = ("answer", "crew", "due_ns", "greenlet", "parked", "ready", "state")

    def __init__(self, crew: Crew, thread: threading.Thread, run: Callable[[], None]) -> None:
        self.crew = crew
        self.greenlet = greenlet(run)
        self.state = ThreadState(thread=thread)
        self.parked = True
        self.ready: Callable[[], bool] = _at_once
        self.due_ns: int | None = None
        self.answer = False


class Crew:
    """The threads of one execution environment, and the invocation that drives them now."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.driver = getcurrent()

    def resume(self, member: Member) -> None:
        """Run a thread until it waits or ends; called in the driver's greenlet."""
        running = member.greenlet
        self.driver = running.parent = getcurrent()
        member.parked = False
        outer = swap_running_loop(member.state)
        try:
            value = running.switch()
            while not member.parked and not running.dead:
                # The scheduler had suspended the invocation at a call of this thread's, and now
                # gives the invocation its turn back: it is the thread's.
                value = running.switch(value)
        except GreenletExit:
            # The invocation was ended while this thread was at a call.
            if not member.parked and not running.dead:
                _unwind(member)
            raise
        finally:
            member.state = swap_running_loop(outer)
            if running.dead:
                self.members.remove(member)
                _members.pop(running, None)


def _at_once() -> bool:
    return True


def never() -> bool:
    return False


_crews: dict[Hashable, Crew] = {}
_members: dict[greenlet, Member] = {}
# Of environments that have ended. They stay as they are until the run is over, since ending them
# runs their `finally` blocks.
_abandoned: list[Member] = []
# Greenlets that waited even then; nothing may free these.
_graveyard: list[greenlet] = []


def current_crew(simulation: Surroundings) -> Crew:
    """The crew that a thread started here and now belongs to."""
    starter = _members.get(getcurrent())
    if starter is not None:
        return starter.crew
    return _crews.setdefault(simulation.environment(), Crew())


def start_member(
    simulation: Surroundings, thread: threading.Thread, run: Callable[[], None]
) -> Member:
    """Run `run` as a thread of the current environment, at once and until it first waits."""
    crew = current_crew(simulation)
    member = Member(crew, thread, run)
    crew.members.append(member)
    _members[member.greenlet] = member
    if getcurrent() not in _members:
        crew.resume(member)
    return member


def invocation_greenlet() -> greenlet:
    """The greenlet of the invocation that the running code belongs to, also inside its threads.

    It is the one that a scheduler has to resume.
    """
    member = _members.get(getcurrent())
    return member.crew.driver if member is not None else getcurrent()


def is_unwinding() -> bool:
    """The running code is the `finally` of a thread that is no more: let it act on nothing."""
    return switch.unwinding


def abandon(environment: Hashable) -> None:
    """The execution environment has ended: its threads never go on."""
    crew = _crews.pop(environment, None)
    if crew is not None:
        _abandoned.extend(crew.members)


def abandon_all() -> None:
    """The simulation has ended: free what its threads hold."""
    for environment in list(_crews):
        abandon(environment)
    if _abandoned:
        # A pool's worker logs whatever ends it.
        logged = logging.root.manager.disable
        logging.disable()
        while _abandoned:
            _unwind(_abandoned.pop())
        logging.disable(logged)
    _members.clear()


def _unwind(member: Member) -> None:
    """End a thread. Its `finally` blocks run, up to the first that waits or calls out."""
    running = member.greenlet
    if not running:
        return
    switch.unwinding = True
    member.crew.driver = running.parent = getcurrent()
    outer = swap_running_loop(member.state)
    try:
        running.throw(GreenletExit)
    except BaseException:
        pass  # whatever a dying thread raises concerns no one
    finally:
        switch.unwinding = False
        swap_running_loop(outer)
    if not running.dead:
        _graveyard.append(running)


def wait_until(
    simulation: Surroundings, ready: Callable[[], bool], timeout_seconds: float | None, what: str
) -> bool:
    """Stand still until `ready()` or until the timeout; says whether it became ready.

    `ready` may take what it was waiting for; it isn't asked again once it has said yes. `what`
    names the wait in the SimulationError that is raised when there is no timeout and nothing left
    that could end it.
    """
    member = _members.get(getcurrent()) if _members else None
    if member is not None:
        return _park(simulation, member, ready, timeout_seconds)
    if ready():
        return True
    crew = _crews.get(simulation.environment()) if _crews else None
    if crew is not None and crew.members:
        return _drive(simulation, crew, ready, timeout_seconds, what)
    if timeout_seconds is None:
        refuse_endless_wait(simulation, what)
    milliseconds = _milliseconds(timeout_seconds)
    if milliseconds:
        simulation.sleep(milliseconds / 1000)
    return ready()


def pause(seconds: float) -> None:
    """Let virtual time pass in the running invocation; outside a simulation, nothing."""
    simulation = current()
    if simulation is not None and seconds > 0:
        wait_until(simulation, never, seconds, "a pause")


def refuse_endless_wait(simulation: Surroundings, what: str) -> NoReturn:
    refuse(
        simulation,
        f"{what} never ends: nothing is left in this invocation that could end it, so it can't be "
        "followed in virtual time",
        "give it a timeout, or let what it waits for happen in the same invocation",
    )


def _milliseconds(seconds: float) -> int:
    # Rounded up, or a loop that sleeps until its deadline would go on for ever just before it; a
    # thousandth is forgiven, which floating point and the clocks' readings add.
    return max(0, math.ceil(seconds * 1000 - 1e-3))


def _park(
    simulation: Surroundings,
    member: Member,
    ready: Callable[[], bool],
    timeout_seconds: float | None,
) -> bool:
    if ready():
        return True
    member.ready = ready
    member.due_ns = None
    if timeout_seconds is not None:
        # At least one: a loop of empty sleeps must let time pass for what it waits for.
        milliseconds = max(1, _milliseconds(timeout_seconds))
        member.due_ns = simulation.monotonic_ns() + milliseconds * _MILLISECOND_NS
    member.parked = True
    member.crew.driver.switch()
    return member.answer


def _drive(
    simulation: Surroundings,
    crew: Crew,
    ready: Callable[[], bool],
    timeout_seconds: float | None,
    what: str,
) -> bool:
    deadline_ns: int | None = None
    if timeout_seconds is not None:
        length_ns = _milliseconds(timeout_seconds) * _MILLISECOND_NS
        deadline_ns = simulation.monotonic_ns() + length_ns
    while True:
        moved = False
        for member in list(crew.members):
            if member.parked and _is_over(simulation, member):
                crew.resume(member)
                moved = True
                if ready():
                    return True
        now_ns = simulation.monotonic_ns()
        if deadline_ns is not None and now_ns >= deadline_ns:
            return False
        if moved:
            continue
        moments_ns = [member.due_ns for member in crew.members if member.due_ns is not None]
        if deadline_ns is not None:
            moments_ns.append(deadline_ns)
        if not moments_ns:
            refuse_endless_wait(simulation, what)
        milliseconds = max(1, -((now_ns - min(moments_ns)) // _MILLISECOND_NS))
        simulation.sleep(milliseconds / 1000)
        if ready():
            return True


def _is_over(simulation: Surroundings, member: Member) -> bool:
    member.answer = member.ready()
    if member.answer:
        return True
    return member.due_ns is not None and simulation.monotonic_ns() >= member.due_ns
