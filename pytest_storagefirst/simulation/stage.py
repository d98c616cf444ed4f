"""The process as a handler finds it, and as its tester gets it back.

One environment at a time is in force: its variables, modules, search path, folder, loggers and
default boto3 session. What a handler changes beside these (signals, hooks, warnings, locale, …) is
undone when the run ends.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import locale
import logging
import os
import signal
import socket
import sys
import threading
import traceback
import types
import warnings
import weakref
from collections.abc import Callable
from typing import Any

from pytest_storagefirst.simulation import modules
from pytest_storagefirst.simulation.environment import Environment

_MOST_LINES = 200  # of a run that are kept, so that a thousand runs don't fill the memory
_IGNORED = ("ignore", None, Warning, None, 0)


class _Sink(io.TextIOBase):
    """Takes what handlers print."""

    encoding = "utf-8"
    errors = "strict"

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, text: str) -> int:
        if len(self.lines) < _MOST_LINES:
            self.lines.append(text[:2000])
        return len(text)

    def writable(self) -> bool:
        return True

    def reconfigure(self, **options: Any) -> None:
        pass

    @property
    def buffer(self) -> _BytesSink:
        return _BytesSink(self)


class _BytesSink(io.RawIOBase):
    def __init__(self, sink: _Sink) -> None:
        self._sink = sink

    def write(self, content: Any) -> int:
        self._sink.write(bytes(content).decode("utf-8", "replace"))
        return len(content)

    def writable(self) -> bool:
        return True


class _Manager(logging.Manager):
    """An environment's loggers. A logger that a shared module keeps in a global is no one's."""

    def __init__(self, root: logging.RootLogger, environment: Environment) -> None:
        super().__init__(root)
        self._environment = environment

    def getLogger(self, name: str) -> logging.Logger:
        caller = sys._getframe(2)
        if caller.f_code.co_name == "<module>":
            module = caller.f_globals.get("__name__", "")
            if module not in self._environment.module_names:
                return _REAL_MANAGER.getLogger(name)
        return super().getLogger(name)


_REAL_MANAGER: logging.Manager = logging.Logger.manager
# Where the logging module keeps its state.
_LOGGING = (
    (logging, "root"),
    (logging.Logger, "root"),
    (logging.Logger, "manager"),
    (logging, "_handlers"),
    (logging, "_handlerList"),
    (logging, "_loggerClass"),
    (logging, "_logRecordFactory"),
    (logging, "_warnings_showwarning"),
)


class _Silent(logging.NullHandler):
    """One that `logging` need not know of: to enter and remove each takes longer than a call."""

    def __init__(self) -> None:
        logging.Filterer.__init__(self)
        self._name = None
        self.level = logging.NOTSET
        self.formatter = None
        self._closed = False
        self.createLock()


def _fresh_logging(environment: Environment) -> list[Any]:
    root = logging.RootLogger(logging.WARNING)
    # Lambda's runtime has put a handler on the root logger before the module is imported.
    root.handlers.append(_Silent())
    return [
        root,
        root,
        _Manager(root, environment),
        weakref.WeakValueDictionary(),
        [],
        logging.Logger,
        logging.LogRecord,
        None,
    ]


def _read(places: tuple[tuple[Any, str], ...]) -> list[Any]:
    return [getattr(owner, name) for owner, name in places]


def _write(places: tuple[tuple[Any, str], ...], values: list[Any]) -> None:
    for (owner, name), value in zip(places, values, strict=True):
        setattr(owner, name, value)


# What a handler may replace, and what is put there while one is at work.
_HOOKS: tuple[tuple[Any, str], ...] = (
    (sys, "stdout"),
    (sys, "stderr"),
    (sys, "excepthook"),
    (sys, "unraisablehook"),
    (threading, "excepthook"),
    (warnings, "filters"),
    (warnings, "showwarning"),
    (os, "putenv"),
    (os, "unsetenv"),
    (atexit, "register"),
    (signal, "signal"),
    (sys, "dont_write_bytecode"),
)


class Stage:
    """Puts one environment at a time in force, and the tester's own process back at the end."""

    def __init__(self) -> None:
        self.printed = _Sink()
        self._current: Environment | None = None
        self._outer: dict[str, Any] | None = None
        self._hidden: dict[str, types.ModuleType] = {}

    def enter(self, environment: Environment) -> None:
        if self._current is environment:
            return
        outer = self._outer or self._save()
        self._withdraw()
        self._current = environment
        modules.finder.environment = environment
        self._hidden = modules.show(environment)
        os.environ._data = environment.variables  # type: ignore[attr-defined]
        os.environb._data = environment.variables  # type: ignore[attr-defined]
        if environment.path is None:
            environment.path = [*environment.search, *outer["path"]]
            environment.folder = environment.search[0] if environment.search else outer["folder"]
            environment.logging = _fresh_logging(environment)
        sys.path[:] = environment.path
        with contextlib.suppress(OSError):
            os.chdir(environment.folder)
        _write(_LOGGING, environment.logging)
        outer["boto3"].DEFAULT_SESSION = environment.default_session

    def leave(self) -> None:
        """Give the process back as it was."""
        outer, self._outer = self._outer, None
        if outer is None:
            return
        self._withdraw()
        self._current = None
        modules.finder.environment = None
        with contextlib.suppress(ValueError):
            sys.meta_path.remove(modules.finder)
        outer["boto3"].DEFAULT_SESSION = outer["default_session"]
        os.environ._data = outer["variables"]  # type: ignore[attr-defined]
        os.environb._data = outer["variables"]  # type: ignore[attr-defined]
        sys.path[:] = outer["path"]
        with contextlib.suppress(OSError):
            os.chdir(outer["folder"])
        _write(_LOGGING, outer["logging"])
        _write(_HOOKS, outer["hooks"])
        _tell_of_filters()
        root = logging.getLogger()
        root.handlers[:] = outer["log_handlers"]
        if root.level != outer["log_level"]:
            root.setLevel(outer["log_level"])
        if locale.setlocale(locale.LC_ALL) != outer["locale"]:
            locale.setlocale(locale.LC_ALL, outer["locale"])
        socket.setdefaulttimeout(outer["socket_timeout"])
        sys.setrecursionlimit(outer["recursion_limit"])

    def _save(self) -> dict[str, Any]:
        import boto3

        root = logging.getLogger()
        try:
            folder = os.getcwd()
        except OSError:
            folder = os.sep  # it was removed under the tester's feet
        self._outer = outer = {
            "boto3": boto3,
            "default_session": boto3.DEFAULT_SESSION,
            "variables": os.environ._data,  # type: ignore[attr-defined]
            "path": list(sys.path),
            "folder": folder,
            "logging": _read(_LOGGING),
            "hooks": _read(_HOOKS),
            "log_handlers": list(root.handlers),
            "log_level": root.level,
            "locale": locale.setlocale(locale.LC_ALL),
            "socket_timeout": socket.getdefaulttimeout(),
            "recursion_limit": sys.getrecursionlimit(),
        }
        modules.finder.outer_path = frozenset(outer["path"])
        sys.meta_path.insert(0, modules.finder)
        # Shared libraries log to the tester's loggers; nobody is to see or format that.
        root.handlers[:] = [logging.NullHandler()]
        if root.level != logging.WARNING:
            root.setLevel(logging.WARNING)
        _write(_HOOKS, self._hooks())
        _tell_of_filters()
        return outer

    def _hooks(self) -> list[Any]:
        sink = self.printed

        def print_exception(kind: Any, value: Any, trace: Any) -> None:
            sink.write("".join(traceback.format_exception(kind, value, trace)))

        def print_arguments(arguments: Any) -> None:
            print_exception(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)

        return [
            sink,
            sink,
            print_exception,
            print_arguments,
            print_arguments,
            [_IGNORED],  # a tester's `-W error` is not in force in Lambda
            warnings.showwarning,
            _forget,  # os.environ is the environment's; the process's own stays as it is
            _forget,
            self._register,
            _Signals(signal.signal),
            True,
        ]

    def _register(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """atexit: a handler's own are never run, as Lambda freezes environments and ends them."""
        if isinstance(sys._getframe(1).f_globals.get("__loader__"), modules.Loader):
            return function
        assert self._outer is not None
        return self._outer["hooks"][_HOOKS.index((atexit, "register"))](function, *args, **kwargs)

    def _withdraw(self) -> None:
        """Keep what the environment in force has made of the process for its next turn."""
        environment = self._current
        if environment is None:
            return
        modules.take(environment, self._hidden)
        self._hidden = {}
        environment.path = list(sys.path)
        with contextlib.suppress(OSError):
            environment.folder = os.getcwd()
        environment.logging = _read(_LOGGING)
        environment.default_session = sys.modules["boto3"].DEFAULT_SESSION


class _Signals:
    """signal.signal for handlers: it remembers, and no signal is ever told."""

    def __init__(self, real: Callable[..., Any]) -> None:
        self._set: dict[Any, Any] = {}
        self._real = real

    def __call__(self, number: Any, handler: Any) -> Any:
        before = self._set.get(number, signal.getsignal(number))
        self._set[number] = handler
        return before


def _forget(*arguments: Any) -> None:
    pass


def _tell_of_filters() -> None:
    mutated = getattr(warnings, "_filters_mutated", None)
    if mutated is not None:
        mutated()
