"""A stack as the simulation needs it: topology, code, entries and third parties. Made once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pytest_storagefirst.ledger.load import Cap
from pytest_storagefirst.scripts import Script
from pytest_storagefirst.simulation.caps import caps_of
from pytest_storagefirst.simulation.environment import Code
from pytest_storagefirst.simulation.flags import Flag
from pytest_storagefirst.simulation.world.world import World
from pytest_storagefirst.stack.breaker import Breaker
from pytest_storagefirst.stack.states_language import patience_seconds
from pytest_storagefirst.stack.topology import (
    EventSourceMapping,
    Queue,
    Route,
    StateMachine,
    Stream,
    Topology,
)

ANSWER_SECONDS = 0.2  # of a third party with a cap on calls at once, unless it says otherwise


@dataclass(frozen=True)
class Entry:
    """A way in, by its name: a route ("POST /orders"), or the logical id of what others write to.

    `kind` is "route", "queue", "topic", "bucket", "bus", "stream", "table" or "rule" (of AWS IoT),
    `store` what the topology knows of it. `bodies` is a Hypothesis strategy of further bodies,
    where the user gave one. `attributes` None are those that a topic's filter policies ask for.
    """

    name: str
    body: Any
    kind: str = "route"
    store: Any = None
    group: str = ""  # MessageGroupId of direct sends that the user wrote; FIFO needs one anyway
    key: str = ""  # PartitionKey of direct sends to a stream, key of a bucket's objects
    attributes: Mapping[str, str | int | float] | None = None  # of messages to a queue or topic
    bodies: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    chosen: bool = False  # by the user, who is told if it does not work

    @property
    def route(self) -> Route | None:
        return self.store if self.kind == "route" else None

    @property
    def queue(self) -> Queue | None:
        return self.store if self.kind == "queue" else None


@dataclass(frozen=True)
class Downstream:
    """How a third party answers: by method and URL (a prefix), status, headers and body.

    `script` says what it does from the start of a run on; beyond `per_second` calls in any second
    and `at_once` calls at a time it answers 429 (0: it takes all).
    """

    url: str
    method: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    idempotency: str = ""
    script: Script = ()
    per_second: int = 0
    at_once: int = 0
    answer_seconds: float | None = None

    @property
    def delay_seconds(self) -> float:
        """How long its answer takes. What can have too many at once needs time for each."""
        if self.answer_seconds is not None:
            return self.answer_seconds
        return ANSWER_SECONDS if self.at_once else 0.0


@dataclass(frozen=True)
class Deployed:
    """One stack that stands in a world of its own."""

    world: World
    topology: Topology
    code: Mapping[str, Code]  # function's logical id -> its code
    entries: tuple[Entry, ...]
    downstreams: tuple[Downstream, ...] = ()
    breaker: Breaker | None = None
    flags: tuple[Flag, ...] = ()
    flipped: frozenset[str] = frozenset()  # the flags that have their other value at first
    bookkeeping: frozenset[str] = frozenset()  # tables whose items are no message's effect
    absent: tuple[str, ...] = ()  # places of effects at targets that nothing shows to be there
    lookups: dict[str, Any] = field(default_factory=dict, compare=False)

    def entry(self, name: str) -> Entry:
        return next(entry for entry in self.entries if entry.name == name)

    @cached_property
    def caps(self) -> tuple[Cap, ...]:
        """How much of this stack's work may be under way at once, and asked of third parties."""
        return caps_of(self)

    def function_by_arn(self, arn: str) -> Any:
        """The function of an ARN, a name, or either with a version or alias behind it.

        Or the pipe of an ARN, which a mapping feeds as it feeds a function; None for neither.
        """
        functions = self._index("functions", self._functions)
        found = functions.get(arn)
        if found is None and arn.startswith("arn:"):
            found = functions.get(":".join(arn.split(":")[:7]))
        if found is None:
            found = functions.get(arn.split(":")[0])
        return found

    def _functions(self) -> dict[str, Any]:
        found: dict[str, Any] = {pipe.arn: pipe for pipe in self.topology.pipes}
        for function in self.topology.functions:
            found[function.arn] = found[function.name] = function
        return found

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

    @cached_property
    def streams(self) -> tuple[Stream, ...]:
        """The stack's data streams, and the streams of its tables that a function reads."""
        read = {mapping.source_arn for mapping in self.topology.mappings}
        of_tables = [
            Stream(table.logical_id, table.name, table.stream_arn, is_of_table=True)
            for table in self.topology.tables
            if table.stream_arn is not None and table.stream_arn in read
        ]
        return (*self.topology.streams, *of_tables)

    def stream_by_arn(self, arn: str) -> Stream | None:
        """The stream of its own ARN, or of one of its consumers'."""
        arn = arn.partition("/consumer/")[0]
        return next((stream for stream in self.streams if stream.arn == arn), None)

    def stream_by_name(self, name: str, *, of_table: bool = False) -> Stream | None:
        """The data stream of this name, or the stream of the table of this name."""
        for stream in self.streams:
            if stream.name == name and stream.is_of_table is of_table:
                return stream
        return None

    def readers_of(self, stream: Stream) -> tuple[EventSourceMapping, ...]:
        return tuple(
            m for m in self.topology.mappings if self.stream_by_arn(m.source_arn) is stream
        )

    @cached_property
    def most_receives(self) -> int:
        """How often a message may be received before it is set aside."""
        return max((queue.max_receive_count or 0 for queue in self.topology.queues), default=0)

    @cached_property
    def dead_letter_arns(self) -> frozenset[str]:
        return frozenset(
            queue.dead_letter_arn for queue in self.topology.queues if queue.dead_letter_arn
        )

    def _index(self, name: str, make: Any) -> dict[str, Any]:
        if name not in self.lookups:
            self.lookups[name] = make()
        found: dict[str, Any] = self.lookups[name]
        return found

    def stream_budget_ms(self, mapping: EventSourceMapping) -> int:
        """How long a mapping may take to be done with a batch that fails, so far as it is played.

        Of an endless number of retries, and of a very large one, ten stand for all.
        """
        from pytest_storagefirst.simulation.sources.stream_reader import (
            LAST_RETRY_MS,
            MOST_RETRIES_PLAYED,
        )

        function = self.function_by_arn(mapping.function_arn)
        most = mapping.maximum_retry_attempts
        tries = 10 if most is None or most > MOST_RETRIES_PLAYED else most + 1
        timeout_ms = function.timeout_seconds * 1000 if function is not None else 0
        each_ms = LAST_RETRY_MS + timeout_ms + mapping.batching_window_seconds * 1000
        return tries * each_ms

    @cached_property
    def drain_bound_ms(self) -> int:
        """How long work may take to come to rest once faults have ended.

        For each queue in turn: every receive it allows (ten where it has no DLQ), a visibility
        timeout each, its delay and its mappings' windows; for each mapping of a stream its retries;
        for each state machine all of its waits and retries; at least half an hour, twice the
        longest delay that SQS itself knows.
        """
        total_ms = 0
        for queue in self.topology.queues:
            receives = (queue.max_receive_count or 10) + 2
            windows = sum(mapping.batching_window_seconds for mapping in self.mappings_of(queue))
            each_seconds = queue.visibility_timeout_seconds + queue.delay_seconds + windows
            total_ms += receives * max(each_seconds, 1) * 1000
        for mapping in self.topology.mappings:
            if self.stream_by_arn(mapping.source_arn) is not None:
                total_ms += self.stream_budget_ms(mapping)
        for machine in self.topology.state_machines:
            total_ms += patience_seconds(machine) * 1000
        return max(total_ms, 1_800_000)
