"""Lambda: which environment serves an invocation, how long it may take, how it ends.

Rules from the Lambda developer guide: lambda-runtime-environment, lambda-concurrency,
configuration-timeout, python-exceptions, tenant-isolation.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import greenlet

from pytest_storagefirst.errors import HandlerError, SimulationError
from pytest_storagefirst.simulation import changes, isolation
from pytest_storagefirst.simulation.calls import clients
from pytest_storagefirst.simulation.context import LambdaContext
from pytest_storagefirst.simulation.environment import Code, Environment, variables_of
from pytest_storagefirst.simulation.routing import pipes
from pytest_storagefirst.stack.topology import Function, Pipe

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.machines.execution import Execution
    from pytest_storagefirst.simulation.run import Simulation

START_MS = 1  # from the decision to invoke until the handler's first line
RETURN_MS = 1

# Puts another event in an event's place: one that tells what the handler asks it for.
listening: Callable[[Any], Any] | None = None

_INVOCATION_FAULTS = frozenset({"throttled", "init-failed", "recycled", "crash", "timeout"})


@dataclass(frozen=True)
class Outcome:
    """How an invocation ended: "succeeded" with its result, "failed" or "throttled" with why."""

    kind: str
    result: Any = None
    error: str = ""
    payload: str = "null"


@dataclass(eq=False)
class Invocation:
    function: Function
    environment: Environment
    number: int
    event: Any
    messages: tuple[str, ...]
    started_ms: int
    on_done: Callable[[Outcome], None]
    source: str
    greenlet: greenlet.greenlet | None = None
    done: bool = False
    ends_with: str = ""  # "crash" or "timeout": instead of its own result
    running_loop: Any = None  # asyncio's, which belongs to the thread and must follow the greenlet
    crossings_when_dead: int = 0
    deadline: Any = None
    is_execution: bool = False  # of a state machine
    caller: Invocation | Execution | None = None  # who waits for its result
    tenant: str = ""


def _as_json(value: Any) -> Any:
    """What Lambda's runtime can write into a result beyond JSON's own types."""
    if isinstance(value, Decimal):
        whole = value.is_finite() and value == value.to_integral_value()
        return int(value) if whole else float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _concerns_the_tester(error: BaseException) -> bool:
    """Ctrl-C, or what pytest and Hypothesis raise to end a test, wherever it happens to be."""
    if isinstance(error, Exception):
        return False
    return isinstance(error, KeyboardInterrupt) or any(
        kind.__module__.partition(".")[0] in ("_pytest", "hypothesis")
        for kind in type(error).__mro__
    )


class Functions:
    """All functions of a run: their environments, and the invocations under way."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._environments: dict[str, list[Environment]] = {}
        self._made: dict[str, int] = {}
        self._invoked = 0

    def invoke(
        self,
        function: Function | Pipe,
        event: Any,
        messages: tuple[str, ...],
        on_done: Callable[[Outcome], None],
        source: str = "",
        tenant: str = "",
    ) -> None:
        """Start one invocation; `on_done` is called, in the hub, when it has ended.

        `source` says in the history where its event came from. Of a function that isolates tenants
        an environment serves one `tenant` alone.
        """
        simulation = self._simulation
        if isinstance(function, Pipe):  # a mapping reads for a pipe as for a function
            pipes.run(simulation, function, event, messages, on_done, source)
            return
        place = function.logical_id
        simulation.strikes.cross(place, "invocation", messages)
        simulation.scheduler.touch("environments", "take", place)
        if simulation.has_changes:
            changes.strike(simulation, place, "invocation", messages)
        strike = simulation.due(place, "invocation", messages, _INVOCATION_FAULTS)
        kind = ""
        if strike is not None:
            kind = strike.fault.kind
            simulation.strike(strike, messages)
        if kind == "throttled" or self._no_concurrency(function):
            simulation.record("throttled", messages, place)
            on_done(Outcome("throttled", error="throttled"))
            return
        if kind == "recycled":
            self._recycle(place)
        environment = self._environment(function, tenant)
        self._invoked += 1
        invocation = Invocation(
            function=function,
            environment=environment,
            number=self._invoked,
            event=event,
            messages=messages,
            started_ms=simulation.now_ms,
            on_done=on_done,
            source=source,
            caller=simulation.current,
            tenant=tenant,
            ends_with=kind if kind in ("crash", "timeout", "init-failed") else "",
        )
        environment.busy = True
        invocation.greenlet = greenlet.greenlet(
            lambda: self._body(invocation), parent=simulation.hub
        )
        # What a handler keeps in context variables lasts as long as its environment.
        invocation.greenlet.gr_context = environment.context
        simulation.invocation_of[invocation.greenlet] = invocation
        simulation.scheduler.resume_at(simulation.now_ms + START_MS, invocation.greenlet)
        deadline_ms = simulation.now_ms + START_MS + function.timeout_seconds * 1000
        invocation.deadline = simulation.scheduler.at(
            deadline_ms, lambda: self._time_out(invocation), deadline=True
        )

    def _recycle(self, place: str) -> None:
        """Let the environments go that are not at work."""
        found = self._environments.get(place, [])
        self._environments[place] = [environment for environment in found if environment.busy]
        for environment in found:
            if not environment.busy:
                environment.alive = False
                isolation.abandon(environment)
                clients.take_back(environment)

    def redeploy(self, place: str) -> None:
        """Let new environments serve from now on; those at work go on to their end."""
        self._recycle(place)
        for environment in self._environments[place]:
            environment.retired = True

    def give_back_clients(self) -> None:
        """The run is over: its environments' boto3 clients may be lent to the next one's."""
        for environments in self._environments.values():
            for environment in environments:
                clients.take_back(environment)

    def busy(self, function: Function) -> int:
        return sum(env.busy for env in self._environments.get(function.logical_id, ()))

    def _no_concurrency(self, function: Function) -> bool:
        reserved = function.reserved_concurrency
        return reserved is not None and self.busy(function) >= reserved

    def _environment(self, function: Function, tenant: str) -> Environment:
        environments = self._environments.setdefault(function.logical_id, [])
        for environment in environments:
            free = environment.alive and not environment.busy and not environment.retired
            if free and environment.tenant == tenant:
                return environment
        ordinal = self._made.get(function.logical_id, 0)
        self._made[function.logical_id] = ordinal + 1
        code = self._simulation.deployed.code[function.logical_id]
        variables = dict(self._variables(function, code))
        environment = Environment(code, variables, ordinal, tenant=tenant)
        environments.append(environment)
        return environment

    def _variables(self, function: Function, code: Code) -> dict[bytes, bytes]:
        lookups = self._simulation.deployed.lookups
        key = f"variables of {function.logical_id}"
        if key not in lookups:
            variables = variables_of(
                function.name,
                self._simulation.deployed.topology.region,
                function.memory_megabytes,
                function.handler,
                code.root,
                function.environment,
            )
            lookups[key] = {os.fsencode(n): os.fsencode(v) for n, v in variables.items()}
        encoded: dict[bytes, bytes] = lookups[key]
        return encoded

    def _body(self, invocation: Invocation) -> None:
        """What the invocation's greenlet runs."""
        simulation = self._simulation
        environment = invocation.environment
        place = invocation.function.logical_id
        try:
            if invocation.ends_with == "init-failed":
                environment.alive = False
                self._finish(invocation, Outcome("failed", error="init failed"))
                return
            if environment.handler is None:
                environment.initialise()
            handler = environment.handler
            assert handler is not None
            context = self._context(invocation)
            simulation.record("delivered", invocation.messages, place, invocation.source)
            event = invocation.event if listening is None else listening(invocation.event)
            result = handler(event, context)
            payload = json.dumps(result, default=_as_json)
        except greenlet.GreenletExit:
            raise
        except (HandlerError, SimulationError) as error:
            simulation.refuse(error)
            self._finish(invocation, Outcome("failed", error=type(error).__name__))
            return
        except SystemExit:
            environment.alive = False
            self._finish(invocation, Outcome("failed", error="Runtime.ExitError"))
            return
        except BaseException as error:
            if _concerns_the_tester(error):
                raise
            if environment.handler is None:
                environment.alive = False
            self._fail(invocation, error)
            return
        if simulation.closing:
            return
        if not environment.alive:
            return
        if invocation.ends_with == "crash":
            self.kill(invocation, "crash")
            return
        if invocation.ends_with == "timeout":
            simulation.scheduler.wait()
            return
        simulation.scheduler.pause(RETURN_MS)
        self._finish(invocation, Outcome("succeeded", result=json.loads(payload), payload=payload))

    def _fail(self, invocation: Invocation, error: BaseException) -> None:
        if self._simulation.closing:
            return
        self._simulation.errors.append((invocation.function.logical_id, error))
        name = type(error).__name__
        try:
            message = str(error)
        except Exception:
            message = ""
        payload = json.dumps({"errorType": name, "errorMessage": message})
        self._finish(invocation, Outcome("failed", error=name, payload=payload))

    def _context(self, invocation: Invocation) -> LambdaContext:
        simulation = self._simulation
        function = invocation.function
        deadline_ms = invocation.started_ms + START_MS + function.timeout_seconds * 1000
        return LambdaContext(
            function_name=function.name,
            invoked_function_arn=function.arn,
            aws_request_id=simulation.identities.new_id(),
            memory_limit_in_mb=str(function.memory_megabytes),
            remaining=lambda: deadline_ms - simulation.now_ms,
            log_group_name=f"/aws/lambda/{function.name}",
            tenant_id=invocation.tenant or None,
        )

    def _time_out(self, invocation: Invocation) -> None:
        if not invocation.done:
            self.kill(invocation, "timeout")

    def kill(self, invocation: Invocation, why: str) -> None:
        """End the invocation and its environment here and now; nothing of it acts any more."""
        invocation.environment.alive = False
        if self._simulation.circuit is not None:
            self._simulation.circuit.died(invocation)
        self._finish(invocation, Outcome("failed", error=why))
        if not self._simulation.scheduler.in_hub():
            self._simulation.abandon()

    def _finish(self, invocation: Invocation, outcome: Outcome) -> None:
        if invocation.done:
            return
        invocation.done = True
        self._simulation.scheduler.touch("environments", "free", invocation.function.logical_id)
        invocation.environment.busy = False
        place = invocation.function.logical_id
        if invocation.environment.retired:
            invocation.environment.alive = False
        if not invocation.environment.alive:
            isolation.abandon(invocation.environment)
            clients.take_back(invocation.environment)
            self._environments[place] = [
                env
                for env in self._environments.get(place, ())
                if env is not invocation.environment
            ]
        self._simulation.record(outcome.kind, invocation.messages, place, outcome.error, invocation)

        def done() -> None:
            if invocation.deadline is not None:  # only now is nothing of it left to be late
                invocation.deadline.cancelled = True
            invocation.on_done(outcome)

        self._simulation.scheduler.at(self._simulation.now_ms, done)
