"""Every key of storagefirst.toml.

The reader is asked: it tells which keys a table may have, and, given something that no key takes,
what it would have taken. What a key is for stands in MEANING, and every key has to be there.
"""

from __future__ import annotations

from typing import Any

from generated.markdown import code, table
from generated.meaning_of_settings import MEANING
from pytest_storagefirst import settings_file
from pytest_storagefirst.errors import StorageFirstError
from pytest_storagefirst.load.profiles import _KEYS as PROFILE_KEYS
from pytest_storagefirst.settings import ENTRY_KINDS, Settings
from pytest_storagefirst.settings_reader import Document, Reader

_NOTHING = object()  # no key takes it
# The least that lets the reader get to a table's keys.
_ENTRY = {"queue": "Orders"}
_DOWNSTREAM = {"url": "https://payments.example", "reply": {}}
_TARGET = {"stack": "orders", "account": "123456789012", "region": "eu-west-1"}
_WHOLE: dict[str, Any] = {
    "entry": [_ENTRY],
    "downstream": [_DOWNSTREAM],
    "target": [_TARGET],
    "flag": [{}],
    "functions": {"Worker": {"handler": "tests.doubles:worker"}},
    "circuit": {},
    "drills": {},
}
_SHOWN = {
    (): "At the top",
    ("entry",): "`[[entry]]`",
    ("downstream",): "`[[downstream]]`",
    ("downstream", "reply"): "`reply` of a `[[downstream]]`",
    ("flag",): "`[[flag]]`",
    ("functions", "Worker"): "`[functions.LOGICAL_ID]`",
    ("circuit",): "`[circuit]`",
    ("target",): "`[[target]]`",
    ("drills",): "`[drills]`",
    ("profiles",): "`[profiles.NAME]`",
}


def keys() -> dict[tuple[str, ...], tuple[str, ...]]:
    """The keys of every table, by the table's path."""
    found: dict[tuple[str, ...], tuple[str, ...]] = {}
    asked = Reader.table

    def noted(self: Reader, path: Any, value: Any, valid: Any = None) -> Any:
        if valid is not None:
            found.setdefault(tuple(part for part in path if isinstance(part, str)), tuple(valid))
        return asked(self, path, value, valid)

    # The reader is listened to while it reads: it alone knows its keys.
    Reader.table = noted  # type: ignore[method-assign]
    try:
        settings_file._apply(Settings(), _WHOLE, Document("storagefirst.toml", ""))
    finally:
        Reader.table = asked  # type: ignore[method-assign]
    return {**found, ("profiles",): PROFILE_KEYS}


def _takes(path: tuple[str, ...], key: str) -> str:
    """What the reader says that it expects of a key; "" where it takes whatever comes."""
    whole = {**_WHOLE}
    at = path[0] if path else ""
    if not path:
        whole[key] = _NOTHING
    elif path == ("entry",):
        whole["entry"] = [
            {key: _NOTHING} if key in ENTRY_KINDS else {**_fitting(key), key: _NOTHING}
        ]
    elif path == ("downstream", "reply"):
        whole["downstream"] = [{**_DOWNSTREAM, "reply": {key: _NOTHING}}]
    elif path == ("functions", "Worker"):
        whole["functions"] = {"Worker": {key: _NOTHING}}
    elif at in ("downstream", "target", "flag"):
        whole[at] = [{**whole[at][0], key: _NOTHING}]
    else:
        whole[at] = {key: _NOTHING}
    try:
        settings_file._apply(Settings(), whole, Document("storagefirst.toml", ""))
    except StorageFirstError as error:
        return error.expected
    return ""


def _fitting(key: str) -> dict[str, str]:
    return {"stream": "Clicks"} if key == "key" else _ENTRY


def settings_keys() -> str:
    """A table of keys for each table of the file."""
    parts = []
    for path, valid in sorted(keys().items(), key=lambda one: list(_SHOWN).index(one[0])):
        meant = MEANING[".".join(path)]
        rows = [
            (code(key), meant[key], _takes(path, key) if path != ("profiles",) else "")
            for key in valid
        ]
        parts.append(f"### {_SHOWN[path]}\n\n{table(('key', 'what for', 'takes'), rows)}")
    return "\n\n".join(parts)


PARTS = (settings_keys,)
