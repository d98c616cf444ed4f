"""The open-model dispatcher: each message is sent at its moment, however slow answers are.

Imported in the Locust process alone.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import gevent
from gevent.pool import Pool

from pytest_storagefirst.load.arrivals import DUPLICATE, Arrival, message_id
from pytest_storagefirst.load.http_client import NoAnswer, NotSent
from pytest_storagefirst.load.journal import Journal
from pytest_storagefirst.load.outcomes import (
    ACCEPTED,
    DROPPED,
    NOT_SENT,
    PENDING,
    UNKNOWN,
    UNTRIED,
    Outcomes,
    combined,
)
from pytest_storagefirst.load.seconds import Seconds
from pytest_storagefirst.load.standing import ALL_BUSY, DROPPED_AS

SYNC_EVERY_S = 1.0
LONGEST_AT_WORK_S = 0.005


class Answer(NamedTuple):
    """What one send came to; `why` is for people, where it is not ACCEPTED.

    `why` is the same for all that were answered alike, so that they can be counted.
    """

    outcome: bytes
    why: str = ""
    content: bytes = b""


Send = Callable[[str, str], Answer]  # message id, kind of arrival; raises NotSent or NoAnswer
# (what, milliseconds, exception or None) for each send, twice: Locust's own statistics
Told = Callable[[str, float, Exception | None], None]
SERVICE, LATENCY = "service", "latency"


class Failed(Exception):
    """A send that was not accepted, as Locust's list of failures shows it."""


class Dispatcher:
    """Sends one worker's share of a run's messages, at most `at_once` of them at a time."""

    def __init__(
        self,
        *,
        run: str,
        worker: int,
        due: Iterable[Arrival],
        at_once: int,
        send: Send,
        journal: Journal,
        told: Told,
    ) -> None:
        self.run, self.worker = run, worker
        self.outcomes = Outcomes()
        self.seconds = Seconds()
        self.reasons: Counter[str] = Counter()
        self.late_s = 0.0  # how far it was behind its own schedule at worst
        self.sends = 0
        self.is_done = False  # every message has its outcome, and no more will be sent
        self._due = due
        self._pool = Pool(at_once)
        self._send = send
        self._journal = journal
        self._told = told
        self._is_stopped = False
        self._has_begun = False
        self._yielded = 0.0
        self.began = self.began_at = 0.0  # by the monotonic clock, and by the wall's

    def work(self) -> None:
        """Send all messages, each at its moment from now; returns when the last is under way."""
        if self._has_begun:
            return
        self._has_begun = True
        self.began, self.began_at = time.perf_counter(), time.time()
        syncing = gevent.spawn(self._sync_at_times)
        try:
            for arrival in self._due:
                self._wait_for(arrival.at_s)
                if self._is_stopped:
                    break
                self._dispatch(arrival)
        finally:
            self._is_stopped = True
            gevent.spawn(self._finish, syncing)

    def stop(self) -> None:
        """No more messages are sent; those under way are waited for by `finish`."""
        self._is_stopped = True
        if not self._has_begun:
            self._has_begun = self.is_done = True

    def finish(self, within_s: float) -> None:
        """Wait until every send has its outcome."""
        self.stop()
        self._pool.join(timeout=within_s)

    def report(self, *, whole: bool = False) -> dict[str, Any]:
        """All that is known of this worker's messages; `whole` repeats every second of it."""
        return {
            "run": self.run,
            "worker": self.worker,
            "outcomes": self.outcomes.packed(),
            "seconds": self.seconds.report(whole=whole or self.is_done),
            "reasons": dict(self.reasons.most_common(20)),
            "began_at": self.began_at,
            "late_ms": round(self.late_s * 1000),
            "sends": self.sends,
            "done": self.is_done,
        }

    def _wait_for(self, at_s: float) -> None:
        while not self._is_stopped:
            now = time.perf_counter()
            left = self.began + at_s - now
            if left <= 0:
                if now - self._yielded > LONGEST_AT_WORK_S:
                    gevent.sleep(0)  # what was sent needs its turn, however much is due
                    self._yielded = time.perf_counter()
                return
            gevent.sleep(min(left, 0.25))
            self._yielded = time.perf_counter()

    def _dispatch(self, arrival: Arrival) -> None:
        self.late_s = max(self.late_s, time.perf_counter() - self.began - arrival.at_s)
        self.seconds.offered(arrival.at_s)
        if self._pool.free_count() < 1:
            self._drop(arrival, ALL_BUSY)
            return
        self._pool.spawn(self._deliver, arrival)

    def _drop(self, arrival: Arrival, why: str) -> None:
        self._record(arrival, DROPPED)
        self.seconds.dropped(arrival.at_s)
        self.reasons[f"{DROPPED_AS}{why}"] += 1

    def _deliver(self, arrival: Arrival) -> None:
        if arrival.kind != DUPLICATE:
            self._record(arrival, self._once(arrival))
            return
        first = self._once(arrival)
        if first == ACCEPTED:
            self._record(arrival, first)
        self._record(arrival, combined(first, self._once(arrival)))

    def _record(self, arrival: Arrival, outcome: bytes) -> None:
        if outcome != DROPPED or self.outcomes[arrival.sequence] == UNTRIED:
            self.outcomes.set(arrival.sequence, outcome)

    def _once(self, arrival: Arrival) -> bytes:
        sequence = arrival.sequence
        try:
            self._journal.sending(sequence)
        except OSError as error:
            self._drop(arrival, f"the journal can't be written: {error.strerror or error}")
            return DROPPED
        if self.outcomes[sequence] == UNTRIED:
            self.outcomes.set(sequence, PENDING)
        self.sends += 1
        began = time.perf_counter()
        try:
            answer = self._send(message_id(self.run, self.worker, sequence), arrival.kind)
        except NotSent as error:
            answer = Answer(NOT_SENT, str(error))
        except NoAnswer as error:
            answer = Answer(UNKNOWN, str(error))
        except Exception as error:
            answer = Answer(UNKNOWN, f"{type(error).__name__}: {error}")
        ended = time.perf_counter()
        try:
            self._journal.answered(sequence, answer.outcome)
        except OSError as error:
            self.reasons[f"the journal can't be written: {error.strerror or error}"] += 1
        service_s, latency_s = ended - began, ended - self.began - arrival.at_s
        self.seconds.answered(arrival.at_s, answer.outcome, service_s, latency_s)
        failed = None
        if answer.outcome != ACCEPTED:
            self.reasons[answer.why] += 1
            failed = Failed(answer.why)
        self._told(SERVICE, service_s * 1000, failed)
        self._told(LATENCY, latency_s * 1000, failed)
        return answer.outcome

    def _finish(self, syncing: gevent.Greenlet) -> None:
        self._pool.join()
        self.is_done = True
        syncing.kill()

    def _sync_at_times(self) -> None:
        while True:
            gevent.sleep(SYNC_EVERY_S)
            try:  # in a thread of its own: a slow disk must not hold up what is due
                gevent.get_hub().threadpool.apply(self._journal.sync)
            except OSError as error:
                self.reasons[f"the journal can't be written: {error.strerror or error}"] += 1
