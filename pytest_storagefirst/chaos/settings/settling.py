"""Waiting until a service has done what it was told."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

SETTLES_WITHIN_S = 90.0
_POLL_S = 0.5

Seen = TypeVar("Seen")


def settled(look: Callable[[], Seen], is_settled: Callable[[Seen], bool]) -> Seen:
    """What is seen once it has settled. Raises TimeoutError after 90 s."""
    until = time.monotonic() + SETTLES_WITHIN_S
    pause_s = 0.02
    while True:
        seen = look()
        if is_settled(seen):
            return seen
        if time.monotonic() > until:
            raise TimeoutError(f"it was still not settled after {SETTLES_WITHIN_S:g} s")
        time.sleep(pause_s)
        pause_s = min(_POLL_S, pause_s * 2)
