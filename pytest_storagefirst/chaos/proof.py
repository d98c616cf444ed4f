"""Proof that a fault is in effect, and later that it is gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pytest_storagefirst.chaos.settings import SETTINGS
from pytest_storagefirst.chaos.undo import AS_IT_WAS, PUT_BACK, Undone, told_error
from pytest_storagefirst.target.target import Target

SHOWS_WITHIN_LOCALLY_S = 3.0
_POLL_S = 0.2


class Unshown(Exception):
    """A fault was made and did not come into effect."""


def shows(
    target: Target, step: Mapping[str, Any], value: Any, wait: Callable[[float], None]
) -> bool:
    """Whether a value comes into effect in time."""
    setting = SETTINGS[step["setting"]]
    within_s = SHOWS_WITHIN_LOCALLY_S if target.endpoint_url else setting.shows_within_s
    until = time.monotonic() + within_s
    other = step["before"] if value == step["value"] else step["value"]
    while not setting.in_effect(target, step["address"], value, other):
        if time.monotonic() > until:
            return False
        wait(_POLL_S)
    return True


def still_there(
    target: Target, steps: Iterable[Mapping[str, Any]], results: Iterable[Undone]
) -> list[str]:
    """The faults of which it can't be shown that they are gone, though they were undone."""
    how = {one.number: one.how for one in results}
    problems = []
    for step in steps:
        if how.get(step["number"]) not in (PUT_BACK, AS_IT_WAS):
            continue
        name = f"{step['place']}: {SETTINGS[step['setting']].told}"
        try:
            if not shows(target, step, step["before"], time.sleep):
                problems.append(f"{name} was put back, and the fault is still in effect")
        except Exception as error:
            problems.append(f"{name} was put back, and can't be looked at: {told_error(error)}")
    return problems
