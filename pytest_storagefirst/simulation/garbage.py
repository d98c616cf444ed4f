"""Python's garbage collector, kept from looking through a long history again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

COLLECTIONS_BETWEEN = 500  # of the middle generation, between two of the oldest


@contextmanager
def rarely_collected() -> Iterator[None]:
    """Within this block old objects are seldom looked through: nearly all of a run's are in use."""
    young, middle, old = gc.get_threshold()
    gc.set_threshold(young, middle, max(old, COLLECTIONS_BETWEEN) if old else 0)
    try:
        yield
    finally:
        gc.set_threshold(young, middle, old)
