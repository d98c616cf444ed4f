"""What a deployed stack does while it is under load or drilled, seen from outside through AWS APIs.

One observer, in one process. A sample each second is cheap and may have gaps; what decides is read
at the end, in whole, and says what it could not read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from pytest_storagefirst.errors import TargetError
from pytest_storagefirst.stack.breaker import named_breaker
from pytest_storagefirst.target import queues, streams
from pytest_storagefirst.target.circuit_state import mappings_state
from pytest_storagefirst.target.circuit_watch import CircuitWatch
from pytest_storagefirst.target.effects import id_pattern
from pytest_storagefirst.target.stores import CLOCKS_DIFFER
from pytest_storagefirst.target.system_of_record import SystemOfRecord, surely
from pytest_storagefirst.target.target import Target
from pytest_storagefirst.target.third_party_control import ThirdPartyControl

AWS_QUIET_SECONDS = 60.0  # SQS: the counts come true within a minute of producers' last message

Seen = TypeVar("Seen")


@dataclass(frozen=True)
class Sample:
    """One look at a target, `at_s` seconds after the observer was made; None: not to be had.

    `visible` and `in_flight` are of all queues at work, `dead` of all that hold dead letters; None
    where the stack has no such queue.
    `oldest_age_s` is of the message `oldest`, accepted first of those that are not yet processed.
    `circuit` is CLOSED, OPEN or HALF_OPEN; `circuit_rewritten`: since the last sample it was found
    OPEN and OPEN again with something else beside it, as a probe leaves it that failed between two
    looks. `mapping` is Lambda's word. `downstream` are the calls of the busiest whole second since
    the last sample. `processed` are the messages whose whole effect
    was found so far: where stores are large, that lags.
    """

    at_s: float
    visible: int | None = None
    in_flight: int | None = None
    dead: int | None = None
    oldest: str | None = None
    oldest_age_s: float | None = None
    circuit: str | None = None
    circuit_rewritten: bool = False
    mapping: str | None = None
    downstream: int | None = None
    processed: int | None = None


class Observer:
    """Looks at a target. `run` is what the ids of its messages begin with: `{run}-{worker}-{seq}`.

    `now` is the time in seconds of the epoch, in which acceptances are told. Raises TargetError for
    a stack that can't be read, SettingsError for a [circuit] that it doesn't have.
    """

    def __init__(self, target: Target, run: str, now: Callable[[], float] = time.time) -> None:
        topology = target.topology()
        self._target = target
        self._topology = topology
        self._session = target.session()
        self._now = now
        self._began_s = now()
        self._pattern = id_pattern(run)
        breaker = named_breaker(target.settings, topology)
        self._circuit = CircuitWatch(breaker, topology.tables, self._session, self._pattern, now)
        entries = [one.name for one in target.settings.entries if one.kind == "queue"]
        self._queues = queues.queues_of(topology, entries)
        circuit = breaker.place if breaker else ""
        self._record = SystemOfRecord(target, self._queues, self._pattern, circuit, now)
        self._empty_since_s: float | None = None
        url = target.downstream_url
        self._third_parties = ThirdPartyControl(url) if url else None
        self._sources = streams.sources_of(topology)
        self._unread: dict[str, int] = {}  # messages of a queue
        self._behind: dict[str, int] = {}  # messages of a stream
        self._given_up: list[tuple[str, streams.Failed]] = []  # batches of streams, and where

    # --- before it runs -----------------------------------------------------------------------

    def check(self) -> None:
        """Do once what will be done again and again. Raises TargetError for what is refused.

        A sample takes a refusal for a gap: a run that could not see anything should not begin.
        """
        asked: dict[str, Callable[[], Any]] = {
            "how much its queues hold": lambda: self._depths(
                (*self._queues.work, *self._queues.dead)
            ),
            "its dead letters": lambda: queues.check_readable(
                self._session.client("sqs"), self._queues.dead, self._target.endpoint_url
            ),
            "what was processed": self._record.read_on,
            "what was set aside": self._record.check_aside,
            "the circuit": self._circuit.look,
            "the state of its event source mappings": self._mapping,
            "the third parties": self._downstream_rate,
        }
        for what, look in asked.items():
            try:
                look()
            except Exception as error:
                raise TargetError(
                    f"{what} can't be read",
                    where=f"{self._target.name} ({self._target.stack_name})",
                    found=str(error) or type(error).__name__,
                    expected="leave to read what shows whether a message is lost",
                ) from None

    # --- while it runs ------------------------------------------------------------------------

    def sample(self, accepted: Mapping[str, float] | None = None) -> Sample:
        """Look once; raises nothing. `accepted` is message id -> when, in seconds of the epoch."""
        visible, in_flight = self._waiting()
        processed = self._try(self._record.read_on)
        circuit = self._try(self._circuit.look)
        oldest = None if accepted is None or processed is None else self.oldest(accepted, processed)
        return Sample(
            at_s=round(self._now() - self._began_s, 3),
            visible=visible,
            in_flight=in_flight,
            dead=self._try(self._dead),
            oldest=oldest[0] if oldest else None,
            oldest_age_s=oldest[1] if oldest else 0.0 if oldest is not None else None,
            circuit=circuit,
            circuit_rewritten=self._circuit.was_rewritten(),
            mapping=self._try(self._mapping),
            downstream=self._try(self._downstream_rate),
            processed=None if processed is None else len(processed),
        )

    def oldest(
        self, accepted: Mapping[str, float], processed: Collection[str]
    ) -> tuple[str, float] | tuple[()]:
        """The message that waits longest, and for how many seconds; () where none waits."""
        waiting = (
            (at_s, message) for message, at_s in accepted.items() if message not in processed
        )
        first = min(waiting, default=None)
        return (first[1], round(max(0.0, self._now() - first[0]), 3)) if first else ()

    def watch_circuit(self, is_over: Callable[[], bool]) -> None:
        """See `CircuitWatch.watch`."""
        self._circuit.watch(is_over)

    @property
    def circuit_changes(self) -> list[tuple[float, str, str]]:
        """When, in seconds of the epoch, it changed from which state and to which."""
        return self._circuit.changes

    @property
    def processed_so_far(self) -> Mapping[str, int]:
        """What the samples have found: message id -> how often its whole effect stands."""
        return self._record.so_far

    def quiet(self, unprocessed: int) -> bool:
        """Whether all has come to rest, by the samples so far: nothing waits or is in flight.

        `unprocessed` is how many accepted messages have neither effect nor stand in a dead-letter
        queue: while there are any it is not quiet. An emulator's counters are exact. AWS's are
        approximate, so there they have to have been zero for a minute, sample by sample.
        """
        if unprocessed or self._empty_since_s is None:
            return False
        wanted = 0.0 if self._target.endpoint_url else AWS_QUIET_SECONDS
        return self._now() - self._empty_since_s >= wanted

    # --- at the end ---------------------------------------------------------------------------

    def processed(self) -> dict[str, int]:
        """The messages whose whole effect stands at the system of record, and how often.

        All of it is read now. Raises TargetError where it can't be: then nothing shows a loss.
        """
        return self._record.processed()

    def processed_at(self) -> dict[str, float]:
        """When each message's effect was first seen whole, in seconds of the epoch.

        That is after it came to stand: by a sample's interval, and more where stores are large.
        """
        return self._record.processed_at()

    def held(self, processed: Collection[str]) -> dict[str, str]:
        """The messages that stand in queues, dead-letter queues, failure buckets and streams, and
        where; `processed` are known not to wait.

        Places are logical ids. A stream holds what its consumers are not known to have come past.
        What is there and can't be received is among the doubts. Raises TargetError where a place
        can't be read.
        """
        found = self.in_queues()
        self._behind.clear()
        since = None
        if not self._target.endpoint_url:
            since = datetime.fromtimestamp(self._began_s, UTC) - CLOCKS_DIFFER
        for source in self._sources:
            read = partial(streams.records_of, self._session, source, self._pattern, since)
            records = surely(f"what is in {source.logical_id}", read)
            for place, batch in self._given_up:
                found |= dict.fromkeys(streams.given_up(source, records, batch), place)
            waiting = streams.behind(records, {*processed, *found})
            found |= dict.fromkeys(waiting, source.logical_id)
            if waiting:
                self._behind[source.logical_id] = len(waiting)
        return found

    @property
    def waiting_places(self) -> frozenset[str]:
        """Where messages wait for somebody to process them, and are not set aside."""
        work = {queue.logical_id for queue in self._queues.work}
        return frozenset(work | {source.logical_id for source in self._sources})

    @property
    def behind(self) -> Mapping[str, int]:
        """How many messages waited in which stream when `held` looked."""
        return self._behind

    def in_queues(self) -> dict[str, str]:
        """As `held`, of queues and failure buckets alone."""
        found = self._record.aside()
        self._unread.clear()
        self._given_up.clear()
        client = self._session.client("sqs")
        for queue in (*self._queues.dead, *self._queues.work):
            read = partial(
                queues.contents,
                client,
                queue,
                endpoint_url=self._target.endpoint_url,
                is_dead=queue in self._queues.dead,
            )
            shown = surely(f"what is in {queue.logical_id}", read)
            if shown.unread:
                self._unread[queue.logical_id] = shown.unread
            for body in shown.bodies:
                found |= dict.fromkeys(self._pattern.findall(body), queue.logical_id)
                if batch := streams.failed_in(body):
                    self._given_up.append((queue.logical_id, batch))
        return found

    def doubts(self) -> tuple[str, ...]:
        """Why a message that the last `processed` and `held` did not find need not be lost.

        A clause each. While there is one, none is known to be lost.
        """
        told = [
            f"{place} holds {count} messages that could not be read"
            for place, count in self._unread.items()
        ]
        told += [
            f"{place} holds {count} messages that its consumers have not come past"
            for place, count in self._behind.items()
        ]
        if not self._record.ends:
            told.append(
                "no table, bucket or queue of the stack is written to by its own code alone: "
                "nothing shows what was processed"
            )
        return tuple(told)

    def doubled(self) -> str:
        """Whether every message may be done more than once, and where; "" where nothing says so.

        What a whole effect is, is taken from the messages that were sent first, and a stack that
        doubles each looks the same as one that leaves two effects. Those that differ in nothing but
        their key can be either. As `processed` has read it; raises TargetError.
        """
        return self._record.doubled()

    def downstream_calls(self) -> list[Mapping[str, Any]]:
        """Each call that reached the local third parties; empty where the target has none.

        See `ThirdPartyControl.calls`. Raises OSError where they can't be asked.
        """
        return self._third_parties.calls(self._began_s) if self._third_parties else []

    def redrive(self) -> dict[str, int]:
        """Dead letters go back where they came from; how many did, by dead-letter queue.

        Raises botocore's errors, and TimeoutError.
        """
        client, has_tasks = self._session.client("sqs"), not self._target.endpoint_url
        return queues.redrive(client, self._topology, has_tasks=has_tasks)

    # --- the parts ----------------------------------------------------------------------------

    def _try(self, look: Callable[[], Seen]) -> Seen | None:
        """What is seen; None where the service refuses, or doesn't answer, or not as expected."""
        try:
            return look()
        except Exception:
            return None

    def _depths(self, wanted: tuple[Any, ...]) -> list[queues.Depth]:
        client = self._session.client("sqs")
        return [queues.depth(client, queue) for queue in wanted]

    def _waiting(self) -> tuple[int | None, int | None]:
        depths = self._try(lambda: self._depths(self._queues.work))
        if depths is None or any(one.visible or one.in_flight for one in depths):
            self._empty_since_s = None
        elif self._empty_since_s is None:
            self._empty_since_s = self._now()
        if not depths:
            return None, None
        return sum(one.visible for one in depths), sum(one.in_flight for one in depths)

    def _dead(self) -> int | None:
        depths = self._depths(self._queues.dead)
        return sum(one.visible + one.in_flight for one in depths) if depths else None

    def _mapping(self) -> str | None:
        return mappings_state(self._topology.mappings, self._session)

    def _downstream_rate(self) -> int | None:
        return self._third_parties.busiest(self._began_s) if self._third_parties else None
