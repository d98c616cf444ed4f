"""What a run takes of the process that the next run would take again at once.

Local time, the collector, moto's state and the watchdog: to take each and give it back takes as
long as a message does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from pytest_storagefirst.simulation import isolation, watchdog
from pytest_storagefirst.simulation.garbage import rarely_collected
from pytest_storagefirst.simulation.world.world import World

_held: World | None = None
_NOTHING = nullcontext()


@contextmanager
def held(world: World) -> Iterator[None]:
    """Within this block the process stays as the runs of one world want it."""
    global _held
    outer = _held
    with _taken(world), isolation.kept():
        _held = world
        try:
            yield
        finally:
            _held = outer


def around(world: World) -> AbstractContextManager[None]:
    """What a single run of this world is to be in."""
    return _NOTHING if _held is world else _taken(world)


@contextmanager
def _taken(world: World) -> Iterator[None]:
    with isolation.in_utc(), rarely_collected(), world.attached(), watchdog.armed():
        yield
