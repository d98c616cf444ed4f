"""Deep copies of moto's state, of which `copy.deepcopy` can't make some.

moto has dictionaries whose constructors want arguments, and objects with locks. A lock is shared by
the copy: none is held between two calls.
"""

from __future__ import annotations

import copy
import threading
import types
from collections import OrderedDict, defaultdict, deque
from typing import Any

_LOCKS = (type(threading.Lock()), type(threading.RLock()), threading.Condition, threading.Event)
_SHARED = (
    type,
    types.ModuleType,
    types.BuiltinFunctionType,
    *_LOCKS,
)
_ATOMIC = frozenset(
    {type(None), bool, int, float, complex, str, bytes, type(...), types.FunctionType, range}
)


def deep_copy(value: Any, memo: dict[int, Any] | None = None) -> Any:
    """A copy that shares nothing that changes. Raises TypeError for what can't be copied."""
    memo = {} if memo is None else memo
    kind = type(value)
    if kind in _ATOMIC or isinstance(value, _SHARED):
        return value
    found = memo.get(id(value))
    if found is not None:
        return found
    if isinstance(value, dict):
        return _dictionary(value, memo)
    if kind is list:
        made = memo[id(value)] = []
        made.extend(deep_copy(inner, memo) for inner in value)
        return made
    if kind is tuple:
        return tuple(deep_copy(inner, memo) for inner in value)
    if kind in (set, frozenset):
        return kind(deep_copy(inner, memo) for inner in value)
    if kind is deque:
        return deque((deep_copy(inner, memo) for inner in value), value.maxlen)
    if kind is types.MethodType:
        return types.MethodType(value.__func__, deep_copy(value.__self__, memo))
    if _is_plain(kind):
        return _plain(value, memo)
    return copy.deepcopy(value, memo)


def _dictionary(value: dict[Any, Any], memo: dict[int, Any]) -> Any:
    kind: Any = type(value)
    made: Any = kind.__new__(kind)
    memo[id(value)] = made
    if isinstance(value, defaultdict):
        made.default_factory = deep_copy(value.default_factory, memo)
    # Past what the class makes of it, but not past OrderedDict's own list of what it holds.
    store = OrderedDict.__setitem__ if isinstance(value, OrderedDict) else dict.__setitem__
    for name, inner in dict.items(value):
        store(made, deep_copy(name, memo), deep_copy(inner, memo))
    if hasattr(value, "__dict__"):
        vars(made).update({name: deep_copy(inner, memo) for name, inner in vars(value).items()})
    return made


def _is_plain(kind: Any) -> bool:
    """An object of a class in Python that says nothing of its own about being copied."""
    return (
        kind.__reduce_ex__ is object.__reduce_ex__
        and kind.__reduce__ is object.__reduce__
        and not hasattr(kind, "__deepcopy__")
        and not hasattr(kind, "__getnewargs__")
        and not hasattr(kind, "__getnewargs_ex__")
        and getattr(kind, "__getstate__", None) is getattr(object, "__getstate__", None)
        and not hasattr(kind, "__setstate__")
        and kind.__basicsize__ == _Plain.__basicsize__
        and kind.__dictoffset__ != 0
    )


class _Plain:
    pass


def _plain(value: Any, memo: dict[int, Any]) -> Any:
    made = memo[id(value)] = object.__new__(type(value))
    vars(made).update({name: deep_copy(inner, memo) for name, inner in vars(value).items()})
    return made
