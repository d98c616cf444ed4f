"""What the keys of a drill's faults may hold, so that a file says at once what can't be set.

The bounds are AWS's: SetQueueAttributes (VisibilityTimeout), PutFunctionConcurrency, UpdateTable.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pytest_storagefirst.settings_reader import Reader

LONGEST_VISIBILITY_S = 43_200
# Of the table's own service alone: undo goes through other ones, and is not to be locked out.
_TABLE_ACTION = re.compile(r"dynamodb:[A-Za-z*?]+")


def _whole(least: int, most: int | None = None) -> tuple[Callable[[Any], bool], str]:
    def fits(value: Any) -> bool:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return is_whole and least <= value and (most is None or value <= most)

    return fits, f"a whole number, {least} " + ("or more" if most is None else f"to {most}")


def _number(least: float, most: float) -> tuple[Callable[[Any], bool], str]:
    def fits(value: Any) -> bool:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and least <= value <= most

    return fits, f"a number, {least:g} to {most:g}"


def _are_table_actions(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, str) and _TABLE_ACTION.fullmatch(one) for one in value)
    )


_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "concurrency": _whole(0),  # the account's own limit is asked for the plan
    "visibility_timeout_seconds": _whole(0, LONGEST_VISIBILITY_S),
    "units": _whole(1),
    "actions": (_are_table_actions, 'a list of a table\'s actions, as in ["dynamodb:PutItem"]'),
    "messages": _whole(1, 100),
    "share": _number(0, 1),
    "seconds": _number(0, 900),
}


def option(read: Reader, path: tuple[str | int, ...], key: str, value: Any) -> Any:
    """A fault's own key. Raises SettingsError, which names file, line and key."""
    fits, expected = _RULES.get(key, (lambda _: True, ""))
    if not fits(value):
        raise read.wrong((*path, key), value, expected)
    return read.json((*path, key), value)
