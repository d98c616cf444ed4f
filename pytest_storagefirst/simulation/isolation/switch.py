"""The switch between a simulation and the real world, and the patches that hang on it.

Patches are installed once per process and ask the switch at each call: a run that begins or ends
costs one assignment. They act on the thread that entered the simulation and on no other, so that
pytest-timeout's, execnet's or a user's own threads stay as they are.
"""

from __future__ import annotations

import functools
import gc
import importlib
import linecache
import os
import random
import sys
import sysconfig
from _thread import get_ident
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, FunctionType
from typing import Any, NoReturn, Protocol

from greenlet import GreenletExit

from pytest_storagefirst.errors import SimulationError


class Surroundings(Protocol):
    """What a simulation offers to the code that runs inside it."""

    random: random.Random

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass: whole milliseconds, as isolation rounds finer ones up.

        Always called in the invocation's own greenlet, also when it is a thread that sleeps.
        """

    def monotonic_ns(self) -> int:
        """Virtual nanoseconds since some fixed moment."""

    def environment(self) -> Hashable:
        """The execution environment whose code runs now: the threads that it starts stay in it."""

    def refused(self, host: str, port: int) -> None:
        """A socket was to be opened to `host`, which no one in the simulation answers."""

    def refuse(self, error: Exception) -> None:
        """Told before `error` is raised, as a handler's `except Exception` may swallow it."""


active: Surroundings | None = None
# True while what runs is the `finally` of a thread that is no more.
unwinding = False
_owner = 0


def enter(simulation: Surroundings) -> None:
    """From here on, code on this thread lives in `simulation`."""
    global active, _owner
    active, _owner = simulation, get_ident()


def current() -> Surroundings | None:
    """The simulation that the calling code runs inside; None in the real world."""
    return active if active is not None and get_ident() == _owner else None


def stop_the_unwinding() -> None:
    """At each way out: end, here and now, code that only runs because its thread has ended."""
    if unwinding:
        raise GreenletExit


def refuse(simulation: Surroundings, problem: str, remedy: str = "") -> NoReturn:
    """Raise SimulationError for what the handler just did, having told the simulation."""
    stop_the_unwinding()
    error = SimulationError(problem, where=_handler_line(), remedy=remedy)
    simulation.refuse(error)
    raise error


_NOT_THE_HANDLERS = (
    *{sysconfig.get_paths()[scheme] + os.sep for scheme in ("stdlib", "purelib", "platlib")},
    str(Path(__file__).parents[2]) + os.sep,
    "<",
)


def _handler_line() -> str:
    """File and line of the innermost frame that is neither the standard library's nor ours."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        path = frame.f_code.co_filename
        if not path.startswith(_NOT_THE_HANDLERS):
            line = linecache.getline(path, frame.f_lineno).strip()
            return f"{os.path.relpath(path)}:{frame.f_lineno}" + (f" ({line})" if line else "")
        frame = frame.f_back
    return ""


# What a patch does inside a simulation: gets it, the original, then the call's own arguments.
Act = Callable[..., Any]


class Function:
    """A patched function: `act` inside a simulation, the original outside.

    Not a plain function, because builtins don't bind: `class Clock: now = time.monotonic` must not
    begin to pass `self` once `time.monotonic` is patched.
    """

    def __init__(self, original: Callable[..., Any], act: Act) -> None:
        functools.update_wrapper(self, original, updated=())
        self.original = original
        self.act = act

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        simulation = current()
        if simulation is None:
            return self.original(*arguments, **named)
        return self.act(simulation, self.original, *arguments, **named)

    def __reduce__(self) -> str:
        return str(self.original.__name__)

    def __or__(self, other: object) -> object:
        # `threading.Lock | None` is legal where Lock is a type (Python 3.13).
        return Any

    __ror__ = __or__


def _method(original: Callable[..., Any], act: Act) -> Callable[..., Any]:
    @functools.wraps(original)
    def method(*arguments: Any, **named: Any) -> Any:
        simulation = current()
        if simulation is None:
            return original(*arguments, **named)
        return act(simulation, original, *arguments, **named)

    return method


@dataclass(frozen=True)
class Patch:
    """`act`, or else `value`, in place of "module.function" or "module:Class.method"."""

    name: str
    act: Act | None = None
    value: Any = None


_undo: list[Callable[[], None]] = []


def is_installed() -> bool:
    return bool(_undo)


def install(patches: Iterable[Patch]) -> None:
    """Patch until `uninstall`.

    Names that other modules took earlier (`from time import sleep`, `def f(sleep=time.sleep)`) are
    found through the garbage collector and replaced too.
    """
    functions: dict[int, Function] = {}
    for patch in patches:
        module_name, _, class_path = patch.name.partition(":")
        if not class_path:
            module_name, _, class_path = module_name.rpartition(".")
        owner: Any = importlib.import_module(module_name)
        *classes, name = class_path.split(".")
        for part in classes:
            owner = getattr(owner, part, None)
        if not hasattr(owner, name):
            continue  # another platform or Python has no such function
        original = getattr(owner, name)
        if patch.act is None:
            replacement = patch.value
        elif classes:
            replacement = _method(original, patch.act)
        else:
            replacement = functions[id(original)] = Function(original, patch.act)
        _undo.append(restoring(owner, name))
        setattr(owner, name, replacement)
    _replace_earlier_names(functions)


def uninstall() -> None:
    """Put every original back."""
    while _undo:
        _undo.pop()()


def restoring(owner: Any, name: str) -> Callable[[], None]:
    """What puts an attribute back as it is now, or away if the owner only inherits it."""
    if name in vars(owner):
        return functools.partial(setattr, owner, name, vars(owner)[name])
    return functools.partial(delattr, owner, name)


# Their time is real even while a simulation runs: they measure and bound the test session.
OBSERVERS = {"_pytest", "pytest", "hypothesis", "xdist", "execnet", "coverage", "time_machine"}
# What locks and imports are made of; patches there would wait for themselves.
_MACHINERY = {"_allocate_lock", "_start_new_thread"}


def _replace_earlier_names(functions: dict[int, Function]) -> None:
    originals = [function.original for function in functions.values()]
    # A search looks at every object of the process: as few of them as can be.
    referrers = gc.get_referrers(*originals)
    tuples = [referrer for referrer in referrers if type(referrer) is tuple]
    identities = {id(found) for found in tuples}
    for holder in gc.get_referrers(*tuples) if tuples else ():
        if type(holder) is FunctionType and id(holder.__defaults__) in identities:
            defaults = holder.__defaults__ or ()
            _undo.append(functools.partial(setattr, holder, "__defaults__", defaults))
            holder.__defaults__ = tuple(functions.get(id(value), value) for value in defaults)
    for referrer in referrers:
        if type(referrer) is dict and _is_foreign_namespace(referrer):
            for name, value in list(referrer.items()):
                if id(value) in functions and name not in _MACHINERY:
                    _undo.append(functools.partial(referrer.__setitem__, name, value))
                    referrer[name] = functions[id(value)]


def _is_foreign_namespace(names: dict[Any, Any]) -> bool:
    """A module's, an instance's or a `__kwdefaults__` dictionary, of someone else's.

    Not a class's, which has a cache beside it, and not this package's, which needs the originals.
    """
    if "__name__" in names and "__spec__" in names:
        package = str(names["__name__"]).partition(".")[0]
        return package not in OBSERVERS and package not in ("_thread", "pytest_storagefirst")
    return "__module__" not in names and names is not globals()
