"""What libraries that all environments share keep in their own globals, one of each for everyone.

A library of site-packages is imported once for all environments, as that is dear. What it counts or
caches in a module's dictionary, list, set, `threading.local` or rebound global is an environment's
own in Lambda (lambda-runtime-environment): Powertools' circuit breaker counts failures so. Of these
only what was empty when the import was over is kept apart, and what functions rebind (`global`): a
registry that the import itself has filled is the same for all.
"""

from __future__ import annotations

import importlib.machinery
import re
import sys
import threading
import types
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable, Iterator
from typing import Any

_CONTAINERS = frozenset({dict, OrderedDict, defaultdict, list, set, deque, threading.local})
_REBOUND = re.compile(r"^[ \t]+global[ \t]+(\w+(?:[ \t]*,[ \t]*\w+)*)", re.MULTILINE)

Contents = dict[int, Any]  # what a container holds, or a global is, by its number

_seen: set[str] = set()  # modules that have been looked at
_known: set[int] = set()  # ids of containers: one may have several names
_containers: list[Any] = []
_globals: list[tuple[dict[str, Any], str, Any]] = []  # a module's, the name, its value at first
_under_way: list[types.ModuleType] = []  # imported while another module is


class SharedLoader(importlib.machinery.SourceFileLoader):
    """Imports a module for all environments, and looks at it when all that it imports is there."""

    _depth = 0

    def exec_module(self, module: types.ModuleType) -> None:
        SharedLoader._depth += 1
        try:
            super().exec_module(module)
            _under_way.append(module)
        finally:
            SharedLoader._depth -= 1
            if not SharedLoader._depth:
                _look_at(_under_way)
                _under_way.clear()


def adopt(own: Iterable[types.ModuleType], taken: frozenset[str]) -> None:
    """Look at libraries that an environment's own modules use and someone had imported before."""
    tops = {
        str(getattr(value, "__module__", None) or getattr(value, "__name__", "")).partition(".")[0]
        for module in own
        for value in vars(module).values()
        if isinstance(value, (types.ModuleType, types.FunctionType, type))
    } - taken
    for top in sorted(tops & sys.modules.keys() - _seen):
        origin = getattr(sys.modules[top], "__file__", None) or ""
        _seen.add(top)
        if "site-packages" in origin:
            prefix = f"{top}."
            _look_at([m for name, m in list(sys.modules.items()) if f"{name}.".startswith(prefix)])


def _look_at(modules: Iterable[types.ModuleType]) -> None:
    for module in modules:
        if f"{module.__name__}:" in _seen:
            continue
        _seen.add(f"{module.__name__}:")
        names = vars(module)
        for name, value in list(names.items()):
            if type(value) not in _CONTAINERS or name.startswith("__") or _content(value):
                continue
            if id(value) not in _known:
                _known.add(id(value))
                _containers.append(value)
        for name in _rebound(module):
            if name in names and type(names[name]) not in _CONTAINERS:
                _globals.append((names, name, names[name]))


def _rebound(module: types.ModuleType) -> Iterator[str]:
    loader = getattr(module, "__loader__", None)
    if not isinstance(loader, importlib.machinery.SourceFileLoader):
        return
    try:
        source = loader.get_data(loader.path).decode("utf-8", "replace")
    except OSError:
        return
    for found in _REBOUND.findall(source):
        yield from (name.strip() for name in found.split(","))


def _content(container: Any) -> Any:
    return vars(container) if type(container) is threading.local else container


def swap(contents: Contents) -> Contents:
    """Put these contents in force; returns those that were."""
    before: Contents = {}
    for number, container in enumerate(_containers):
        held = _content(container)
        if held:
            before[number] = held.copy()
            held.clear()
        if number in contents:
            fill = held.extend if isinstance(held, (list, deque)) else held.update
            fill(contents[number])
    for number, (names, name, first) in enumerate(_globals, start=1):
        value = names.get(name, first)
        if value is not first:
            before[-number] = value
        if value is not contents.get(-number, first):
            names[name] = contents.get(-number, first)
    return before
