"""Sending without a run of the process: at the front door nothing of a handler's is at work.

To take over clock, network and randomness for each message of a backlog would take longer than the
message does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_storagefirst.simulation.garbage import rarely_collected

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation


@contextmanager
def at_the_door(simulation: Simulation) -> Iterator[None]:
    """Within this block messages can be sent, and the process stays as it is.

    What must go to moto whole is answered `wholly`.
    """
    simulation.queues.watch()
    with rarely_collected():
        try:
            yield
        finally:
            simulation.queues.close()


@contextmanager
def wholly(simulation: Simulation) -> Iterator[None]:
    """Within this block the process is the run's, if it is not already."""
    if simulation.is_running:
        yield
        return
    with simulation.running():
        yield
    simulation.queues.watch()
