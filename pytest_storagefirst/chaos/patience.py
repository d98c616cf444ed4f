"""How long a stack may take until all is well again, by the visibility timeouts of its queues."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_storagefirst.chaos.drill import Drill
from pytest_storagefirst.stack.topology import Queue, Topology
from pytest_storagefirst.target.queues import queues_of

LEAST_S, MARGIN_S = 300.0, 60.0
MOST_FOR_BAD_S = 900.0  # that a drill waits by itself until bad messages are set aside


@dataclass(frozen=True)
class Patience:
    """`within_s` is how long the drill waits after the undo.

    A message that failed is hidden for `hidden_s`, by the queue of this logical id; a bad one is
    set aside after `receives` of them, in `tried_s`. Nought: the stack has no such queue.
    """

    within_s: float
    hidden_s: int = 0
    hidden_by: str = ""
    receives: int = 0
    tried_s: int = 0
    tried_by: str = ""

    @property
    def sees_bad_set_aside(self) -> bool:
        return self.tried_s <= self.within_s

    @property
    def told_hidden(self) -> str:
        return f"{self.hidden_by} gives a message that failed again after {self.hidden_s} s"

    @property
    def told_tried(self) -> str:
        return (
            f"{self.tried_by} gives a bad message {self.receives} times before it sets it aside: "
            f"{self.tried_s} s"
        )


def patience_with(drill: Drill, topology: Topology) -> Patience:
    """What the drill's file says, or else twice the longest visibility timeout and a minute: who
    comes again while a breaker tries one call has to wait once more.
    """
    work = queues_of(topology).work
    hiding = max(work, key=lambda one: one.visibility_timeout_seconds, default=None)
    trying = max((one for one in work if one.max_receive_count), key=_tried_s, default=None)
    hidden_s = hiding.visibility_timeout_seconds if hiding else 0
    tried_s = _tried_s(trying) if trying else 0
    within_s = drill.expected.recovers_within_s
    if within_s is None:
        within_s = max(LEAST_S, 2 * hidden_s + MARGIN_S)
        is_bad = any(fault.kind == "poison" for fault in drill.faults)
        if is_bad and tried_s + MARGIN_S <= MOST_FOR_BAD_S:
            within_s = max(within_s, tried_s + MARGIN_S)
    return Patience(
        within_s,
        hidden_s,
        hiding.logical_id if hiding else "",
        (trying.max_receive_count or 0) if trying else 0,
        tried_s,
        trying.logical_id if trying else "",
    )


def _tried_s(queue: Queue) -> int:
    return queue.visibility_timeout_seconds * (queue.max_receive_count or 0)
