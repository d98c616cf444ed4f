"""Where a simulation takes hold of every queue of the process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.queues.messages import SimulatedMessage
    from pytest_storagefirst.simulation.queues.moves import MoveTask
    from pytest_storagefirst.simulation.queues.queue import SimulatedQueue
    from pytest_storagefirst.simulation.queues.service import SimulatedSQSBackend


@dataclass
class Seams:
    """What the simulation may replace, at any time; `seams` is the one that all queues use.

    `now_ms` is the clock, in milliseconds since the epoch. `observer` is told of each thing that
    happens to a message: (kind, queue, message, detail); it must not call the queue. `wait` is
    called by a long poll that finds nothing, with the queue and the seconds that it may wait; the
    poll looks once more when it returns, and never really waits. `run_move_task` is given (backend,
    task) when StartMessageMoveTask starts one, to move its messages later by `queue_moves.advance`;
    without it the task is done before the call returns.

    Kinds: "stored", "deduplicated", "received", "released", "deleted", "dead-lettered" (queue: the
    DLQ; detail: the source's name), "expired", "redriven" (queue: the DLQ; message: the new one,
    its `previous_id` set; detail: the destination's name), "purged".
    """

    now_ms: Callable[[], int] = field(default=lambda: time.time_ns() // 1_000_000)
    observer: Callable[[str, SimulatedQueue, SimulatedMessage, str], None] | None = None
    wait: Callable[[SimulatedQueue, int], None] | None = None
    run_move_task: Callable[[SimulatedSQSBackend, MoveTask], None] | None = None


seams = Seams()
