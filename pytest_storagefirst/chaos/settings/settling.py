"""Waiting until a service has done what it was told."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

SETTLES_WITHIN_S = 90.0
_POLL_S = 0.5

Seen = TypeVar("Seen")


def settled(
    look: Callable[[], Seen], is_settled: Callable[[Seen], bool], within_s: float | None = None
) -> Seen:
    """What is seen once it has settled. Raises TimeoutError, after 90 s unless told."""
    within_s = SETTLES_WITHIN_S if within_s is None else within_s
    until = time.monotonic() + within_s
    pause_s = 0.02
    while True:
        seen = look()
        if is_settled(seen):
            return seen
        if time.monotonic() > until:
            raise TimeoutError(f"it was still not settled after {within_s:g} s")
        time.sleep(pause_s)
        pause_s = min(_POLL_S, pause_s * 2)
