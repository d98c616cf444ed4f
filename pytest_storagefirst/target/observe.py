"""What a deployed stack does while it is under load or drilled, seen from outside through AWS APIs.

One observer, in one process. A sample each second is cheap and may have gaps; what decides is read
at the end, in whole, and says what it could not read.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from pytest_storagefirst.errors import TargetError
from pytest_storagefirst.ledger.circuit import CLOSED, OPEN
from pytest_storagefirst.stack.breaker import Breaker, named_breaker
from pytest_storagefirst.target import queues
from pytest_storagefirst.target.circuit_state import find_breaker, look, mappings_state
from pytest_storagefirst.target.downstream import CONTROL
from pytest_storagefirst.target.effects import (
    Tally,
    by_message,
    id_pattern,
    in_part,
    measure_of,
    whole,
)
from pytest_storagefirst.target.stores import reading_of, reading_of_queue, stores_of_record
from pytest_storagefirst.target.target import Target

READ_SECONDS = 0.2  # of a sample, for each store
AWS_QUIET_SECONDS = 60.0  # SQS: the counts come true within a minute of producers' last message
LOOK_SECONDS = 0.04
CLOSED_LOOK_SECONDS = 0.25
TRIES = 5  # of a read that decides
CONTROL_SECONDS = 5

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
        self._breaker = named_breaker(target.settings, topology)
        entries = [one.name for one in target.settings.entries if one.kind == "queue"]
        self._queues = queues.queues_of(topology, entries)
        circuit = self._breaker.place if self._breaker else ""
        record = stores_of_record(topology, target.settings, circuit)
        self._ends = [
            *(reading_of(one, self._session, self._pattern) for one in record.ends),
            *(
                reading_of_queue(one, self._session, self._pattern, target.endpoint_url)
                for one in self._queues.ends
            ),
        ]
        self._aside = [reading_of(one, self._session, self._pattern) for one in record.aside]
        self._tally = Tally()
        self._empty_since_s: float | None = None
        self._told_second = (
            int(self._began_s) - 2
        )  # so that the first sample has a second to tell of
        self._downstream: int | None = None
        self._unread: dict[str, int] = {}  # messages of a queue
        self._found: Breaker | None = None
        self._searched_s = self._began_s - 1.0
        self._circuit_state: str | None = None
        self._kept = ""  # with the circuit's state
        self._is_rewritten = False
        self.circuit_changes: list[tuple[float, str, str]] = []

    # --- while it runs ------------------------------------------------------------------------

    def sample(self, accepted: Mapping[str, float] | None = None) -> Sample:
        """Look once; raises nothing. `accepted` is message id -> when, in seconds of the epoch."""
        visible, in_flight = self._waiting()
        processed = self._try(self._processed_so_far)
        circuit = self.look_at_circuit()
        is_rewritten, self._is_rewritten = self._is_rewritten, False
        oldest = None if accepted is None or processed is None else self.oldest(accepted, processed)
        return Sample(
            at_s=round(self._now() - self._began_s, 3),
            visible=visible,
            in_flight=in_flight,
            dead=self._try(self._dead),
            oldest=oldest[0] if oldest else None,
            oldest_age_s=oldest[1] if oldest else 0.0 if oldest is not None else None,
            circuit=circuit,
            circuit_rewritten=is_rewritten,
            mapping=self._try(lambda: mappings_state(self._topology.mappings, self._session)),
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

    def look_at_circuit(self) -> str | None:
        """How the circuit stands; None: there is none, or it can't be seen. Raises nothing.

        What changes from look to look is kept in `circuit_changes`: when, in seconds of the epoch,
        from which state and to which.
        """
        seen = self._try(self._circuit)
        if seen is None:
            return None
        state, kept = seen
        before, self._circuit_state = self._circuit_state, state
        if before is not None and state != before:
            self.circuit_changes.append((self._now(), before, state))
        self._is_rewritten |= state == before == OPEN and kept != self._kept
        self._kept = kept
        return state

    def watch_circuit(self, is_over: Callable[[], bool]) -> None:
        """Look at the circuit again and again, in a thread or greenlet of the caller's.

        Half open is over in the time of one call, and no sample sees it. So there are many looks a
        second while it isn't closed; each is one read.
        """
        while not is_over():
            state = self.look_at_circuit()
            time.sleep(CLOSED_LOOK_SECONDS if state in (CLOSED, None) else LOOK_SECONDS)

    @property
    def processed_so_far(self) -> Mapping[str, int]:
        """What the samples have found: message id -> how often its whole effect stands."""
        return self._tally.whole

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
        for reading in self._ends:
            _surely(f"the effects in {reading.place}", partial(reading.all, self._now))
        return whole(self._effects())

    def partial(self, processed: Collection[str]) -> dict[str, str]:
        """The messages that left something but not all, and where; as `processed` has read it."""
        return in_part(self._effects(), processed)

    def processed_at(self) -> dict[str, float]:
        """When each message's effect was first seen whole, in seconds of the epoch.

        That is after it came to stand: by a sample's interval, and more where stores are large.
        """
        messages = by_message(self._effects())
        measure = measure_of(messages)
        seen = {reading.place: reading.seen for reading in self._ends}
        return {
            message: max(seen[place][message] for place in left)
            for message, left in messages.items()
            if measure.times(left)
        }

    def held(self) -> dict[str, str]:
        """The messages that stand in queues, dead-letter queues and failure buckets, and where.

        Places are logical ids. What is there and can't be received is among the doubts. Raises
        TargetError where a place can't be read.
        """
        found: dict[str, str] = {}
        self._unread.clear()
        for reading in self._aside:
            ids = _surely(f"what is in {reading.place}", partial(reading.all, self._now))
            found |= dict.fromkeys(ids, reading.place)
        client = self._session.client("sqs")
        for queue in (*self._queues.dead, *self._queues.work):
            read = partial(
                queues.contents,
                client,
                queue,
                endpoint_url=self._target.endpoint_url,
                is_dead=queue in self._queues.dead,
            )
            shown = _surely(f"what is in {queue.logical_id}", read)
            if shown.unread:
                self._unread[queue.logical_id] = shown.unread
            for body in shown.bodies:
                found |= dict.fromkeys(self._pattern.findall(body), queue.logical_id)
        return found

    def doubts(self) -> tuple[str, ...]:
        """Why a message that the last `processed` and `held` did not find need not be lost.

        A clause each. While there is one, none is known to be lost.
        """
        told = [
            f"{place} holds {count} messages that could not be read"
            for place, count in self._unread.items()
        ]
        if not self._ends:
            told.append(
                "no table, bucket or queue of the stack is written to by its own code alone: "
                "nothing shows what was processed"
            )
        return tuple(told)

    def downstream_counts(self) -> list[Mapping[str, Any]]:
        """Calls of each second, as the local third parties counted them: at_s, downstream, calls, …

        Raises OSError where they can't be asked; empty where the target has none.
        """
        if self._target.downstream_url is None:
            return []
        return list(self._ask(f"counts?since={int(self._began_s)}")["seconds"])

    def downstream_calls(self) -> list[Mapping[str, Any]]:
        """Each call that reached them: began_ms, ended_ms, downstream, answer, key. As above."""
        if self._target.downstream_url is None:
            return []
        return list(self._ask(f"calls?since={int(self._began_s * 1000)}"))

    def redrive(self) -> dict[str, int]:
        """Dead letters go back where they came from; how many did, by dead-letter queue.

        Raises botocore's errors, and TimeoutError.
        """
        client, has_tasks = self._session.client("sqs"), not self._target.endpoint_url
        return queues.redrive(client, self._topology, has_tasks=has_tasks)

    # --- the parts ----------------------------------------------------------------------------

    def _effects(self) -> dict[str, dict[str, int]]:
        return {reading.place: reading.found for reading in self._ends}

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

    def _processed_so_far(self) -> Collection[str]:
        for reading in self._ends:
            reading.go_on(READ_SECONDS, self._now)
        self._tally.add({reading.place: reading.new for reading in self._ends})
        for reading in self._ends:
            reading.new.clear()
        return self._tally.whole

    def _circuit(self) -> tuple[str, str] | None:
        breaker = self._breaker or self._found_breaker()
        return look(breaker, self._session) if breaker else None

    def _found_breaker(self) -> Breaker | None:
        """The one that nobody named, looked for once a second."""
        if self._now() - self._searched_s >= 1.0:
            self._found = find_breaker(self._topology.tables, self._session, self._pattern)
            self._searched_s = self._now()
        return self._found

    def _downstream_rate(self) -> int | None:
        if self._target.downstream_url is None:
            return None
        told = self._ask(f"counts?since={self._told_second + 1}")
        last = int(told["now_s"]) - 1  # the last second that is over
        if last <= self._told_second:
            return self._downstream
        calls: dict[int, int] = {}
        for one in told["seconds"]:
            if one["at_s"] <= last:
                calls[one["at_s"]] = calls.get(one["at_s"], 0) + one["calls"]
        self._told_second = last
        self._downstream = max(calls.values(), default=0)
        return self._downstream

    def _ask(self, what: str) -> Any:
        base = str(self._target.downstream_url).rstrip("/").removesuffix(CONTROL)
        with urllib.request.urlopen(f"{base}{CONTROL}/{what}", timeout=CONTROL_SECONDS) as answer:
            return json.load(answer)


def _surely(what: str, read: Callable[[], Seen]) -> Seen:
    """What is read in a few tries. Raises TargetError where all fail."""
    for number in range(TRIES):
        try:
            return read()
        except Exception as error:
            found = str(error) or type(error).__name__
            time.sleep(min(0.1 * 2**number, 1.0))
    raise TargetError(f"{what} can't be read", found=found, expected=f"an answer in {TRIES} tries")
