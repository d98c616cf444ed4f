"""One run: a schedule played on a deployed stack, and what was seen of it."""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import greenlet

from pytest_storagefirst.errors import SimulationError
from pytest_storagefirst.faults.catalogue import is_read_only
from pytest_storagefirst.faults.plan import Plan
from pytest_storagefirst.ledger.effects import Effect, Observation
from pytest_storagefirst.ledger.events import Event
from pytest_storagefirst.simulation import (
    changes,
    final_read,
    flags,
    isolation,
    third_parties,
    watchdog,
    wire,
)
from pytest_storagefirst.simulation.calls import answers, boundary, fronts, refusals, seams
from pytest_storagefirst.simulation.calls.strikes import Strike, Strikes
from pytest_storagefirst.simulation.choosing import EVERYTHING, scheduler_of
from pytest_storagefirst.simulation.circuits import CircuitWatch
from pytest_storagefirst.simulation.deployed import Deployed
from pytest_storagefirst.simulation.downstreams import load_watch
from pytest_storagefirst.simulation.functions import Functions, Invocation
from pytest_storagefirst.simulation.identities import Identities
from pytest_storagefirst.simulation.machines.state_machines import Execution, Executions
from pytest_storagefirst.simulation.permissions.permissions import may_poll, permissions_of
from pytest_storagefirst.simulation.routing import hooks
from pytest_storagefirst.simulation.routing.schedules import AtTheirRate
from pytest_storagefirst.simulation.schedule import Schedule, Send
from pytest_storagefirst.simulation.scheduler import EPOCH_MS
from pytest_storagefirst.simulation.sender import Sender
from pytest_storagefirst.simulation.sources.sqs import SqsMapping
from pytest_storagefirst.simulation.stage import Stage
from pytest_storagefirst.simulation.storage import Storage
from pytest_storagefirst.simulation.streams import Streams
from pytest_storagefirst.simulation.surroundings import around
from pytest_storagefirst.simulation.world.world import MotoRandom

MOST_STEPS = 200_000
STEPS_A_MESSAGE = 1_000
# A run whose history is longer goes round for ever: an outage of a few messages takes some hundred.
MOST_EVENTS = 2_000
EVENTS_A_MESSAGE = 300
EVENTS_A_RECEIVE = 15  # where a redrive policy allows many receives

# Invocations that could not be ended, as their handlers go on whatever is raised in them. Freeing
# one would run it once more, outside of any simulation.
_graveyard: list[greenlet.greenlet] = []


class Simulation:
    """A run under way. Use `play` for a whole schedule; a test drives it step by step."""

    def __init__(self, deployed: Deployed, schedule: Schedule, epoch_ms: int = EPOCH_MS) -> None:
        self.deployed = deployed
        self.schedule = schedule
        self.scheduler = scheduler_of(schedule.choices, epoch_ms)
        self.strikes = Strikes(schedule.plan)
        self.permissions = permissions_of(deployed)
        self.random = random.Random(schedule.seed * 7919 + epoch_ms)
        self.history: list[Event] = []
        self.emissions: list[Effect] = []
        self.identities = Identities(self.random)
        self.errors: list[tuple[str, BaseException]] = []
        self.requests: dict[tuple[str, str], Any] = {}  # by function and call
        self.refusals: list[Exception] = []
        self.invocation_of: dict[greenlet.greenlet, Invocation | Execution] = {}
        self.current: Invocation | Execution | None = None
        self.crossings: dict[greenlet.greenlet, boundary.Crossing] = {}  # calls in the slow lane
        self.front_key: Hashable = None  # see seams.py
        self.transactions: dict[Hashable, tuple[float, str]] = {}  # see transactions.py
        self.behalf: tuple[str, ...] = ()  # whose messages a service acts for
        self.published: dict[tuple[str, str], tuple[int, str]] = {}  # to FIFO topics
        self.awaited_ms = 0  # the last moment that something was put off to on purpose
        self.stage = Stage()
        self.functions = Functions(self)
        self.executions = Executions(self)
        self.queues, self.streams = Storage(self), Streams(self)
        self.why_stopped = ""
        self._most_events = MOST_EVENTS
        self._most_steps = MOST_STEPS
        self.closing = self.is_running = False
        self.flipped: set[str] = set()  # the flags that have their other value
        self._random_state: Any = None
        self.moto_random = MotoRandom(schedule.seed)
        self._has_stale = any(fault.kind == "stale" for fault in schedule.plan)
        self.has_changes = any(fault.kind in changes.KINDS for fault in schedule.plan)
        self._previous_tables: dict[str, Any] = {}
        self.hub = greenlet.getcurrent()
        self.mappings: list[SqsMapping] = []
        self.sender = Sender(self)
        self.circuit = CircuitWatch(self, deployed.breaker) if deployed.breaker else None
        self.load = load_watch(self)
        self.recurring = AtTheirRate(self)

    # -- life ---------------------------------------------------------------------------------

    @contextmanager
    def running(self) -> Iterator[None]:
        """The process belongs to this run within the block: clock, network, threads, randomness.

        It may be entered again to go on with what is under way.
        """
        self.hub = greenlet.getcurrent()
        with (
            around(self.deployed.world),
            isolation.isolated(self, self.schedule.seed),
            wire.intercept(lambda call: third_parties.answer(self, call)),
        ):
            if self._random_state is not None:
                random.setstate(self._random_state)
            self.queues.open()
            self.scheduler.start(self.enter)
            seams.activate(self)
            watched = watchdog.watch(self)
            self.is_running = True
            try:
                yield
            finally:
                try:
                    self._close()
                finally:
                    self.is_running = False
                    watchdog.watch(watched)
                    seams.activate(None)
                    self.scheduler.stop()
                    self.queues.close()
                    self.stage.leave()
                    self.moto_random.leave(goes_on=not self.closing)
                    if not self.closing:
                        self._random_state = random.getstate()

    def begin(self) -> None:
        """Rewind the stack and start its mappings. Call inside `running`."""
        fronts.make_room()
        self.deployed.world.rewind()
        flags.begin(self)
        self.queues.reseed(self.random.getrandbits(32))
        for mapping in self.deployed.topology.mappings:
            queue = self.deployed.queue_by_arn(mapping.source_arn)
            function = self.deployed.function_by_arn(mapping.function_arn)
            if queue is not None and function is not None and may_poll(self, mapping, function):
                self.mappings.append(SqsMapping(self, mapping, queue, function))
        self.streams.begin()
        if self.circuit is not None:
            self.circuit.begin()

    def send_at(self, at_ms: int, send: Send) -> None:
        """Send one message when its time has come."""
        self.scheduler.at(at_ms, lambda: self.send(send))

    def send(self, send: Send) -> Any:
        """Send one message through its entry, now. Returns the front door's reply."""
        self._most_events += max(EVENTS_A_MESSAGE, EVENTS_A_RECEIVE * self.deployed.most_receives)
        self._most_steps += STEPS_A_MESSAGE
        self.scheduler.touch(*EVERYTHING)
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
            if self.recurring.some and self.recurring.came(at_ms, until_ms):
                continue
            if at_ms is None:
                return True
            if at_ms > until_ms:
                self.scheduler.advance_to(until_ms)
                return False
            steps = self._step(steps)
        return False

    def settle_under_faults(self) -> None:
        """Until quiet, or until no fault can strike any more."""
        steps = 0
        while not self.why_stopped and not self.strikes.all_exhausted:
            at_ms = self.scheduler.next_ms()
            end_ms = None if self.strikes.some_wait else self.strikes.last_end_ms()
            if self.recurring.some and self.recurring.came(at_ms, end_ms):
                continue
            if at_ms is None or (end_ms is not None and at_ms > end_ms):
                return
            steps = self._step(steps)

    def _step(self, steps: int) -> int:
        self.scheduler.step()
        if steps >= self._most_steps:
            self.stop(f"it took more than {self._most_steps} steps")
        return steps + 1

    def stop(self, why: str) -> None:
        """End the run without quiescence."""
        self.why_stopped = self.why_stopped or why

    def heal(self) -> None:
        # A run that was stopped has not lived to see the end of its faults.
        if self.strikes.plan and not self.strikes.healed and not self.why_stopped:
            self.record("healed", (), "")
            # Answers that were lost made copies, and each of them may be worked off.
            copies = sum((e.kind == "stored") - (e.kind == "deleted") for e in self.history)
            self._most_events += EVENTS_A_MESSAGE * max(0, copies)
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
            if target.dead:
                self.invocation_of.pop(target, None)

    def abandon(self) -> None:
        """Leave the current greenlet for good; nothing in it runs on."""
        self.hub.switch()
        raise greenlet.GreenletExit

    def stop_the_dead(self, invocation: Invocation | Execution) -> None:
        """An environment that has ended acts on nothing, whatever its `finally` blocks try."""
        if not invocation.done and not self.closing and not isolation.is_unwinding():
            if self.why_stopped:  # the run is over, amid a handler that calls again and again
                self.abandon()
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
                remedy=refusals.without_this_call(self.deployed.topology, place),
            )
        )

    # -- faults and history -------------------------------------------------------------------

    def record(
        self, kind: str, messages: tuple[str, ...], where: str, detail: str = "", by: Any = None
    ) -> None:
        """Add to the history; `by` is the invocation whose doing it is, if not the one at work."""
        by = by or self.current
        number = by.number if by is not None and by.function.logical_id == where else 0
        self.history.append(Event(self.scheduler.now_ms, kind, messages, where, detail, number))
        if len(self.history) > self._most_events:
            self.stop(f"it did more than {self._most_events} things")

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
        self.has_changes = self.has_changes or any(fault.kind in changes.KINDS for fault in plan)

    def refuse(self, error: Exception) -> None:
        """Note that this run can't be judged, and why; what a dead handler does is no reason."""
        if self.current is not None:
            self.stop_the_dead(self.current)
        self.refusals.append(error)

    def emit(self, place: str, value: Any, idempotency_key: str | None) -> None:
        self.emissions.append(Effect("emission", place, None, value, idempotency_key))

    # -- moto ---------------------------------------------------------------------------------

    def ask(
        self, method: str, url: str, headers: Any, body: Any
    ) -> tuple[int, dict[str, str], bytes]:
        """What AWS answers to a raw request, moto standing for AWS."""
        return answers.answer(self, method, url, headers, body)

    def before_write(self, service: str, operation: str, region: str = "") -> None:
        """Called before each call: the next run must find again what this one changes."""
        if is_read_only(operation):
            return
        hooks.install(service, seams.here)
        if not self.deployed.world.about_to_change(service, operation, region):
            place = self.current.function.logical_id if self.current else ""
            call = f"{service}.{operation}"
            self.refuse(refusals.not_put_back(self.deployed.topology, place, call))
        if self._has_stale and service == "dynamodb":
            self._previous_tables = self.deployed.world.copy_of_tables()

    @contextmanager
    def reading_stale(self) -> Iterator[None]:
        """Within this block tables show what they held before the last write."""
        with self.deployed.world.tables_as(self._previous_tables):
            yield

    def wake(self, queue_name: str) -> None:
        """A queue has changed: its pollers look again."""
        for mapping in self.mappings:
            if mapping.queue_name == queue_name:
                mapping.wake()

    # -- the end ------------------------------------------------------------------------------

    def observe(self) -> Observation:
        """The final read."""
        return final_read.observation(self)
