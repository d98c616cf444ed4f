"""One run: a schedule played on a deployed stack, and what was seen of it."""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import greenlet

from pytest_storagefirst.errors import SimulationError
from pytest_storagefirst.faults.catalogue import is_read_only
from pytest_storagefirst.faults.plan import Plan
from pytest_storagefirst.ledger.effects import Effect, Observation
from pytest_storagefirst.ledger.events import Event
from pytest_storagefirst.simulation import (
    boundary,
    final_read,
    isolation,
    lanes,
    third_parties,
    watchdog,
    wire,
)
from pytest_storagefirst.simulation.deployed import Deployed
from pytest_storagefirst.simulation.functions import Functions, Invocation
from pytest_storagefirst.simulation.invoke_api import answer_invoke, is_invoke
from pytest_storagefirst.simulation.schedule import Schedule, Send
from pytest_storagefirst.simulation.scheduler import EPOCH_MS, Scheduler
from pytest_storagefirst.simulation.sender import Sender
from pytest_storagefirst.simulation.sources.sqs import SqsMapping
from pytest_storagefirst.simulation.stage import Stage
from pytest_storagefirst.simulation.storage import Storage
from pytest_storagefirst.simulation.strikes import Strike, Strikes
from pytest_storagefirst.simulation.world import MotoRandom
from pytest_storagefirst.stack.topology import Queue

SEND_GAP_MS = 10  # between two messages of a workload
MOST_STEPS = 200_000
# A run whose history is longer goes round for ever: an outage of a few messages takes some hundred.
MOST_EVENTS = 2_000
EVENTS_A_MESSAGE = 300

TOKEN = re.compile(r"m\d+-[0-9a-f]{6}")

# Invocations that could not be ended, as their handlers go on whatever is raised in them. Freeing
# one would run it once more, outside of any simulation.
_graveyard: list[greenlet.greenlet] = []


@dataclass(frozen=True)
class Played:
    """What a run leaves: the observation that is judged, and what exploration needs beside it.

    `counts` are the crossings of each (place, point); `stored_texts` the bodies that queues took in,
    by message; `groups` the messages of each FIFO (queue, group) in the order of their acceptance;
    `errors` what handlers raised, by function.
    """

    observation: Observation
    counts: Mapping[tuple[str, str], int]
    stored_texts: Mapping[str, tuple[str, ...]]
    groups: Mapping[tuple[str, str], tuple[str, ...]]
    choices_offered: int = 0
    errors: tuple[tuple[str, BaseException], ...] = ()
    printed: str = ""


class Simulation:
    """A run under way. Use `play` for a whole schedule; a test drives it step by step."""

    def __init__(self, deployed: Deployed, schedule: Schedule, epoch_ms: int = EPOCH_MS) -> None:
        self.deployed = deployed
        self.schedule = schedule
        self.scheduler = Scheduler(schedule.choices, epoch_ms, who=isolation.invocation_greenlet)
        self.strikes = Strikes(schedule.plan)
        self.random = random.Random(schedule.seed * 7919 + epoch_ms)
        self.history: list[Event] = []
        self.emissions: list[Effect] = []
        self.names: dict[str, str] = {}
        self.errors: list[tuple[str, BaseException]] = []
        self.init_errors: dict[str, BaseException] = {}
        self.refusals: list[Exception] = []
        self.invocation_of: dict[greenlet.greenlet, Invocation] = {}
        self.current: Invocation | None = None
        self.crossings: dict[greenlet.greenlet, boundary.Crossing] = {}  # calls in the slow lane
        self.stage = Stage()
        self.functions = Functions(self)
        self.queues = Storage(self)
        self.why_stopped = ""
        self._most_events = MOST_EVENTS + EVENTS_A_MESSAGE * len(schedule.workload)
        self._messages: list[str] = []
        self._tokens: dict[str, str] = {}
        self._raw: dict[str, list[str]] = {}
        self.closing = False
        self._random_state: Any = None
        self._moto_random = MotoRandom(schedule.seed)
        self._write_seen = False
        self._has_stale = any(fault.kind == "stale" for fault in schedule.plan)
        self._previous_tables: dict[str, Any] = {}
        self.hub = greenlet.getcurrent()
        self.mappings: list[SqsMapping] = []
        self.sender = Sender(self)

    # -- life ---------------------------------------------------------------------------------

    @contextmanager
    def running(self) -> Iterator[None]:
        """The process belongs to this run within the block: clock, network, threads, randomness.

        It may be entered again to go on with what is under way.
        """
        self.hub = greenlet.getcurrent()
        with (
            _utc(),
            self.deployed.world.attached(),
            isolation.isolated(self, self.schedule.seed),
            wire.intercept(lambda call: third_parties.answer(self, call)),
            watchdog.watching(self),
        ):
            if self._random_state is not None:
                random.setstate(self._random_state)
            self.queues.open()
            self.scheduler.start(self.enter)
            boundary.activate(self)
            try:
                yield
            finally:
                try:
                    self._close()
                finally:
                    boundary.activate(None)
                    self.scheduler.stop()
                    self.queues.close()
                    self.stage.leave()
                    self._moto_random.leave()
                    if not self.closing:
                        self._random_state = random.getstate()

    def begin(self) -> None:
        """Rewind the stack and start its mappings. Call inside `running`."""
        self.deployed.world.rewind()
        self.queues.reseed(self.random.getrandbits(32))
        for mapping in self.deployed.topology.mappings:
            queue = self.deployed.queue_by_arn(mapping.source_arn)
            function = self.deployed.function_by_arn(mapping.function_arn)
            if queue is not None and function is not None:
                self.mappings.append(SqsMapping(self, mapping, queue, function))

    def play(self, *, to_expiry: bool = False) -> Played:
        """Play the schedule from the first message to the final read.

        With `to_expiry`, what still goes round when the bound is reached is watched to the end of
        its retention: the clock moves on to there.
        """
        with self.running():
            self.begin()
            self._send_all()
            if to_expiry:
                if not self.settle(self.drain_bound_ms()):
                    self._wait_for_expiry()
            else:
                self._settle_under_faults()
            if "during" in self.schedule.redrives:
                self.redrive()
                self._settle_under_faults()
            return self.finish()

    def finish(self) -> Played:
        """Heal, drain, redrive, drain, and read what stands. Call inside `running`."""
        self.heal()
        self.settle(self.drain_bound_ms())
        for _ in range(self.schedule.redrives.count("after")):
            if not self.redrive():
                break
            self.settle(self.drain_bound_ms())
        return Played(
            self.observe(),
            dict(self.strikes.counts),
            {message: tuple(texts) for message, texts in self.queues.stored_texts.items()},
            {key: tuple(ids) for key, ids in self.queues.groups.items()},
            self.scheduler.choices_offered,
            tuple(self.errors),
            "".join(self.stage.printed.lines),
        )

    def _wait_for_expiry(self) -> None:
        expiries = [
            expiry_ms - self.scheduler.epoch_ms
            for queue in self.deployed.topology.queues
            if self.deployed.mappings_of(queue)
            for expiry_ms in [self.store(queue).next_expiry_ms()]
            if expiry_ms is not None
        ]
        if not expiries or self.why_stopped:
            return
        self.record("noted", (), "", "the same again and again, until its retention ends")
        self.scheduler.advance_to(max(expiries) + 1000)
        self.settle(self.drain_bound_ms())

    def _send_all(self) -> None:
        for index, send in enumerate(self.schedule.workload):
            if self.schedule.one_by_one:
                self.send(send)
                self.settle(self.drain_bound_ms())
            else:
                self.scheduler.at(index * SEND_GAP_MS, lambda send=send: self.send(send))

    def send(self, send: Send) -> Any:
        """Send one message through its entry, now. Returns the front door's reply."""
        return self.sender.send(send)

    # -- time ---------------------------------------------------------------------------------

    @property
    def now_ms(self) -> int:
        return self.scheduler.now_ms

    @property
    def wall_ms(self) -> int:
        return self.scheduler.wall_ms

    def settle(self, bound_ms: int) -> bool:
        """Run until nothing is left to do, or for `bound_ms` of virtual time; True when quiet."""
        until_ms = self.now_ms + bound_ms
        steps = 0
        while not self.why_stopped:
            at_ms = self.scheduler.next_ms()
            if at_ms is None:
                return True
            if at_ms > until_ms:
                self.scheduler.advance_to(until_ms)
                return False
            steps = self._step(steps)
        return False

    def _settle_under_faults(self) -> None:
        """Until quiet, or until no fault can strike any more."""
        steps = 0
        while not self.why_stopped and not self.strikes.all_exhausted:
            at_ms = self.scheduler.next_ms()
            if at_ms is None:
                return
            if not self.strikes.some_wait and at_ms > self.strikes.last_end_ms():
                return
            steps = self._step(steps)

    def _step(self, steps: int) -> int:
        self.scheduler.step()
        if steps >= MOST_STEPS:
            self.stop(f"more than {MOST_STEPS} steps")
        return steps + 1

    def drain_bound_ms(self) -> int:
        """How long work may take to come to rest once faults have ended.

        For each queue in turn: every receive it allows (ten where it has no DLQ), a visibility
        timeout each, its delay and its mappings' windows; at least half an
        hour, twice the longest delay that SQS itself knows.
        """
        total_ms = 0
        for queue in self.deployed.topology.queues:
            receives = (queue.max_receive_count or 10) + 2
            windows = sum(
                mapping.batching_window_seconds for mapping in self.deployed.mappings_of(queue)
            )
            each_seconds = queue.visibility_timeout_seconds + queue.delay_seconds + windows
            total_ms += receives * max(each_seconds, 1) * 1000
        return max(total_ms, 1_800_000)

    def stop(self, why: str) -> None:
        """End the run without quiescence."""
        self.why_stopped = self.why_stopped or why

    def heal(self) -> None:
        if self.strikes.plan and not self.strikes.healed:
            self.record("healed", (), "")
        self.strikes.heal()

    def redrive(self) -> bool:
        """Move what lies in DLQs back to where it came from; False when nothing lay there."""
        return self.queues.redrive()

    # -- greenlets ----------------------------------------------------------------------------

    def enter(self, target: greenlet.greenlet) -> None:
        """Let an invocation go on until it hands control back."""
        invocation = self.invocation_of.get(target)
        if invocation is None or (invocation.done and not self.closing) or target.dead:
            return
        self.current = invocation
        self.stage.enter(invocation.environment)
        outer_loop = isolation.swap_running_loop(invocation.running_loop)
        try:
            target.switch()
        finally:
            invocation.running_loop = isolation.swap_running_loop(outer_loop)
            self.current = None

    def abandon(self) -> None:
        """Leave the current greenlet for good; nothing in it runs on."""
        self.hub.switch()
        raise greenlet.GreenletExit

    def stop_the_dead(self, invocation: Invocation) -> None:
        """An environment that has ended acts on nothing, whatever its `finally` blocks try."""
        if not invocation.done and not self.closing and not isolation.is_unwinding():
            return
        invocation.crossings_when_dead += 1
        if invocation.crossings_when_dead > 20:
            self.hub.switch()
        raise greenlet.GreenletExit

    def _close(self) -> None:
        """End what is still under way. Nothing of it can act on the world any more."""
        self.closing = True
        interrupts: list[BaseException] = []
        for target, invocation in list(self.invocation_of.items()):
            if target.dead or not target:
                continue
            self.current = invocation
            self.stage.enter(invocation.environment)
            outer_loop = isolation.swap_running_loop(invocation.running_loop)
            try:
                target.throw(greenlet.GreenletExit)
            except BaseException as error:
                interrupts.append(error)
            finally:
                invocation.running_loop = isolation.swap_running_loop(outer_loop)
                self.current = None
            if not target.dead:
                _graveyard.append(target)
        self.invocation_of.clear()
        self.crossings.clear()
        if interrupts:
            raise interrupts[0]

    # -- what isolation asks for --------------------------------------------------------------

    def sleep(self, seconds: float) -> None:
        if self.current is None:
            return
        self.stop_the_dead(self.current)
        self.scheduler.sleep(max(0, -(-int(seconds * 1_000_000) // 1000)))
        self.stop_the_dead(self.current)

    def monotonic_ns(self) -> int:
        return (self.now_ms + 1_000_000) * 1_000_000

    def environment(self) -> Any:
        """The execution environment at work, to which a handler's threads belong."""
        return self.current.environment if self.current is not None else self

    def unfollowed(self, error: SimulationError) -> None:
        self.refuse(error)

    def refused(self, host: str, port: int) -> None:
        place = self.current.function.logical_id if self.current else ""
        messages = self.current.messages if self.current else ()
        self.record("noted", messages, place, f"a call that no one answers: {host}:{port}")
        self.refuse(
            SimulationError(
                "a call that no one answers",
                where=place,
                found=f"{host}:{port}",
                expected="AWS calls, and HTTP through http.client, urllib3, requests or httpx",
                remedy="replace the handler under [functions.…] in storagefirst.toml, or the client",
            )
        )

    # -- faults and history -------------------------------------------------------------------

    def record(self, kind: str, messages: tuple[str, ...], where: str, detail: str = "") -> None:
        self.history.append(Event(self.scheduler.now_ms, kind, messages, where, detail))
        if len(self.history) > self._most_events:
            self.stop(f"more than {self._most_events} events")

    def due(
        self,
        place: str,
        point: str,
        messages: tuple[str, ...],
        kinds: frozenset[str],
        numbers: Mapping[str, int] | None = None,
    ) -> Strike | None:
        return self.strikes.due(place, point, messages, self.scheduler.now_ms, kinds, numbers)

    def strike(self, strike: Strike, messages: tuple[str, ...]) -> None:
        self.strikes.hit(strike, self.scheduler.now_ms)
        self.record("faulted", messages, strike.fault.place, str(strike.fault))

    def inject(self, plan: Plan) -> None:
        """Add faults to a run under way; their crossings count from now."""
        self.strikes.add(plan)
        self._has_stale = self._has_stale or any(fault.kind == "stale" for fault in plan)

    def refuse(self, error: Exception) -> None:
        """Note that this run can't be judged, and why."""
        self.refusals.append(error)

    def emit(self, place: str, value: Any, idempotency_key: str | None) -> None:
        self.emissions.append(Effect("emission", place, None, value, idempotency_key))

    # -- ids ----------------------------------------------------------------------------------

    def new_id(self) -> str:
        """A request id in AWS's form, the same in every run of this schedule."""
        text = f"{self.random.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:]}"

    def token(self, message: str) -> str:
        """The id that the test puts into a message's body."""
        token = self._tokens.get(message)
        if token is None:
            token = f"{message}-{self.random.getrandbits(24):06x}"
            self._tokens[message] = token
            self._messages.append(message)
            self.name(message, token, f"<{message}>")
        return token

    def name(self, message: str, raw: str, name: str) -> None:
        self.names[raw] = name
        if raw not in self._raw.setdefault(message, []):
            self._raw[message].append(raw)

    def messages_in(self, text: str) -> tuple[str, ...]:
        """The ids of the messages whose tokens stand in a text."""
        found = dict.fromkeys(self.names.get(token, "") for token in TOKEN.findall(text))
        return tuple(name.strip("<>") for name in found if name)

    def ids_of(self, stored: Iterable[Any]) -> tuple[str, ...]:
        return self.queues.ids_of(stored)

    def concerned(self, invocation: Invocation, request: Any) -> tuple[str, ...]:
        """Which of an invocation's messages a call is about: those that its parameters name."""
        if len(invocation.messages) < 2:
            return invocation.messages
        body = request["body"]
        text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
        text += str(request.get("url_path", ""))
        named = tuple(
            message
            for message in invocation.messages
            if any(raw in text for raw in self._raw.get(message, ()))
        )
        return named or invocation.messages

    # -- moto ---------------------------------------------------------------------------------

    def ask(
        self, method: str, url: str, headers: Any, body: Any
    ) -> tuple[int, dict[str, str], bytes]:
        """What AWS answers to a raw request, moto standing for AWS."""
        if self.current is not None and is_invoke(method, url):
            return answer_invoke(self, url, headers, body)
        self._moto_random.enter()
        try:
            return lanes.answer(method, url, headers, body)
        except lanes.NotAnswered as error:
            place = self.current.function.logical_id if self.current else ""
            self.record("noted", (), place, "a call that no one answers")
            self.refuse(
                SimulationError(
                    "moto does not answer this call, so nothing can be said about what follows it",
                    where=place,
                    found=str(error),
                    remedy="replace the handler under [functions.…] in storagefirst.toml",
                )
            )
            raise error from None

    def before_write(self, service: str, operation: str, region: str = "") -> None:
        """Called before each call: what it changes must be found again as it was in the next run."""
        if is_read_only(operation):
            return
        if not self.deployed.world.about_to_change(service, operation, region):
            self.refuse(
                SimulationError(
                    "what this call changes can't be put back, so no further run could be trusted",
                    where=self.current.function.logical_id if self.current else "",
                    found=f"{service}.{operation}",
                    remedy="replace the handler under [functions.…] in storagefirst.toml",
                )
            )
        if self._has_stale and service == "dynamodb":
            self._previous_tables = self.deployed.world.copy_of_tables()

    @contextmanager
    def reading_stale(self) -> Iterator[None]:
        """Within this block tables show what they held before the last write."""
        with self.deployed.world.tables_as(self._previous_tables):
            yield

    def store(self, queue: Queue) -> Any:
        return self.queues.store(queue)

    def sqs_record(self, message: Any, queue: Queue) -> dict[str, Any]:
        return self.queues.record_of(message, queue)

    def wake(self, queue_name: str) -> None:
        """A queue has changed: its pollers look again."""
        for mapping in self.mappings:
            if mapping.queue_name == queue_name:
                mapping.wake()

    # -- the end ------------------------------------------------------------------------------

    def observe(self) -> Observation:
        """The final read."""
        quiet = not self.why_stopped and self.scheduler.next_ms() is None
        return Observation(
            messages=tuple(self._messages),
            history=tuple(self.history),
            effects=(*final_read.effects(self), *self.emissions),
            held=self.queues.held(),
            names=dict(self.names),
            quiet=quiet,
            why_not_quiet="" if quiet else self.why_stopped or "work was still going round",
            faults_required=tuple(str(fault) for fault in self.strikes.plan),
            faults_fired=self.strikes.fired,
        )


@contextmanager
def _utc() -> Iterator[None]:
    """Within this block local time is UTC, as in Lambda."""
    zone = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    try:
        yield
    finally:
        if zone is None:
            os.environ.pop("TZ", None)
        else:
            os.environ["TZ"] = zone
        time.tzset()


def play(
    deployed: Deployed, schedule: Schedule, epoch_ms: int = EPOCH_MS, *, to_expiry: bool = False
) -> Played:
    """Play one schedule. Raises what the run refused: a handler that can't be followed."""
    simulation = Simulation(deployed, schedule, epoch_ms)
    played = simulation.play(to_expiry=to_expiry)
    simulation.functions.give_back_clients()
    if simulation.refusals:
        raise simulation.refusals[0]
    return played
