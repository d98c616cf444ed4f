"""What a handler asks its message for, also where it catches the KeyError that answers it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pytest_storagefirst.simulation import functions

Path = tuple[str, ...]

# What parses JSON on the way to the handler and back from it.
_NOT_THE_HANDLER = frozenset({"pytest_storagefirst", "moto", "boto3", "botocore"})


class Asked:
    """Paths of fields that were asked for and not there, in the order of asking.

    `demanded`: by `body["name"]`; `optional`: by `body.get("name")` or `"name" in body`.
    """

    def __init__(self) -> None:
        self.demanded: dict[Path, None] = {}
        self.optional: dict[Path, None] = {}


@contextmanager
def watched(token: re.Pattern[str], body: Any = None) -> Iterator[Asked]:
    """Within this block what a handler's `json.loads` makes of a text with a token listens.

    So does what holds the fields of `body` in an event that comes to a handler as it is.
    """
    asked = Asked()
    original = json.loads
    names = frozenset(body) if isinstance(body, dict) else frozenset()

    def loads(text: str | bytes | bytearray, *arguments: Any, **options: Any) -> Any:
        value = original(text, *arguments, **options)
        caller = str(sys._getframe(1).f_globals.get("__name__", ""))
        if caller.partition(".")[0] in _NOT_THE_HANDLER:
            return value
        plain = text if isinstance(text, str) else bytes(text).decode("utf-8", "replace")
        return _listening(value, (), asked) if token.search(plain) else value

    json.loads = loads  # type: ignore[assignment]
    functions.listening = lambda event: _with_body(event, names, token, asked) if names else event
    try:
        yield asked
    finally:
        json.loads = original
        functions.listening = None


def _with_body(event: Any, names: frozenset[str], token: re.Pattern[str], asked: Asked) -> Any:
    """An event in which each object with all these fields and a token in them listens: the message,
    as it was sent. An event of EventBridge has an `id`, too, and it is none of the sender's.
    """
    if isinstance(event, list):
        return [_with_body(one, names, token, asked) for one in event]
    if not isinstance(event, dict):
        return event
    if names <= event.keys():
        own = json.dumps([event[name] for name in sorted(names)], default=str)
        if token.search(own):
            return _listening(event, (), asked)
    return {name: _with_body(inner, names, token, asked) for name, inner in event.items()}


def _listening(value: Any, path: Path, asked: Asked) -> Any:
    if type(value) is dict:
        return _Object(
            {name: _listening(inner, (*path, name), asked) for name, inner in value.items()},
            path,
            asked,
        )
    if type(value) is str:
        return _Text.at(value, path, asked)
    return value


class _Object(dict[str, Any]):
    def __init__(self, value: dict[str, Any], path: Path, asked: Asked) -> None:
        super().__init__(value)
        self._path = path
        self._asked = asked

    def __missing__(self, name: str) -> Any:
        self._note(self._asked.demanded, name)
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        found = super().__contains__(name)
        if not found:
            self._note(self._asked.optional, name)
        return found

    def get(self, name: str, default: Any = None) -> Any:
        present = name in self  # notes it where it is not
        return super().__getitem__(name) if present else default

    def _note(self, into: dict[Path, None], name: object) -> None:
        if isinstance(name, str):
            into[(*self._path, name)] = None


class _Text(str):
    """A text where the handler may want an object: then it indexes it with a name."""

    __slots__ = ("_asked", "_path")
    _asked: Asked
    _path: Path

    @classmethod
    def at(cls, value: str, path: Path, asked: Asked) -> _Text:
        text = cls(value)
        text._path, text._asked = path, asked
        return text

    def __getitem__(self, name: Any) -> str:
        if isinstance(name, str):
            self._asked.demanded[(*self._path, name)] = None
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._asked.demanded[(*self._path, name)] = None
        raise AttributeError("'str' object has no attribute 'get'")
