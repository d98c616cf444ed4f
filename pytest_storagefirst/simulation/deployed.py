"""A stack as the simulation needs it: topology, code, entries and third parties. Made once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_storagefirst.simulation.environment import Code
from pytest_storagefirst.simulation.world import World
from pytest_storagefirst.stack.states_language import patience_seconds
from pytest_storagefirst.stack.topology import (
    EventSourceMapping,
    Function,
    Queue,
    Route,
    StateMachine,
    Topology,
)


@dataclass(frozen=True)
class Entry:
    """A way in, by its name: a route ("POST /orders"), or a queue's logical id.

    `bodies` is a Hypothesis strategy of further bodies, where the user gave one.
    """

    name: str
    body: Any
    route: Route | None = None
    queue: Queue | None = None
    group: str = "group-1"  # MessageGroupId of direct sends to a FIFO queue
    bodies: Any = None


@dataclass(frozen=True)
class Downstream:
    """How a third party answers: by method and URL (a prefix), status, headers and body."""

    url: str
    method: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    idempotency: str = ""


@dataclass(frozen=True)
class Deployed:
    """One stack that stands in a world of its own."""

    world: World
    topology: Topology
    code: Mapping[str, Code]  # function's logical id -> its code
    entries: tuple[Entry, ...]
    downstreams: tuple[Downstream, ...] = ()
    lookups: dict[str, Any] = field(default_factory=dict, compare=False)

    def entry(self, name: str) -> Entry:
        return next(entry for entry in self.entries if entry.name == name)

    def function_by_arn(self, arn: str) -> Function | None:
        """The function of an ARN, a name, or either with a version or alias behind it."""
        functions = self._index("functions", self._functions)
        found = functions.get(arn)
        if found is None and arn.startswith("arn:"):
            found = functions.get(":".join(arn.split(":")[:7]))
        if found is None:
            found = functions.get(arn.split(":")[0])
        return found

    def _functions(self) -> dict[str, Any]:
        return {
            key: function
            for function in self.topology.functions
            for key in (function.arn, function.name)
        }

    def queue_by_name(self, name: str) -> Queue | None:
        queues = self._index(
            "queues", lambda: {queue.name: queue for queue in self.topology.queues}
        )
        found: Queue | None = queues.get(name)
        return found

    def queue_by_arn(self, arn: str) -> Queue | None:
        return self.queue_by_name(arn.rpartition(":")[2])

    def machine_by_arn(self, arn: str) -> StateMachine | None:
        """The state machine of an ARN, perhaps with a version or an alias behind it."""
        machines = self._index(
            "state machines", lambda: {one.arn: one for one in self.topology.state_machines}
        )
        found: StateMachine | None = machines.get(":".join(arn.split(":")[:7]))
        return found

    def machine_at(self, place: str) -> StateMachine | None:
        """The state machine of a logical id, if it is one's."""
        machines = self.topology.state_machines
        return next((one for one in machines if one.logical_id == place), None)

    def mappings_of(self, queue: Queue) -> tuple[EventSourceMapping, ...]:
        return tuple(
            mapping for mapping in self.topology.mappings if mapping.source_arn == queue.arn
        )

    @property
    def dead_letter_arns(self) -> frozenset[str]:
        return frozenset(
            queue.dead_letter_arn for queue in self.topology.queues if queue.dead_letter_arn
        )

    def _index(self, name: str, make: Any) -> dict[str, Any]:
        if name not in self.lookups:
            self.lookups[name] = make()
        found: dict[str, Any] = self.lookups[name]
        return found

    @property
    def drain_bound_ms(self) -> int:
        """How long work may take to come to rest once faults have ended.

        For each queue in turn: every receive it allows (ten where it has no DLQ), a visibility
        timeout each, its delay and its mappings' windows; for each state machine all of its waits
        and retries; at least half an hour, twice the longest delay that SQS itself knows.
        """
        total_ms = 0
        for queue in self.topology.queues:
            receives = (queue.max_receive_count or 10) + 2
            windows = sum(mapping.batching_window_seconds for mapping in self.mappings_of(queue))
            each_seconds = queue.visibility_timeout_seconds + queue.delay_seconds + windows
            total_ms += receives * max(each_seconds, 1) * 1000
        for machine in self.topology.state_machines:
            total_ms += patience_seconds(machine) * 1000
        return max(total_ms, 1_800_000)
