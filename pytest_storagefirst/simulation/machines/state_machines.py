"""Step Functions: executions of state machines, each a handler's like of its own.

An execution is evaluated by moto's interpreter in greenlets of the scheduler's, its tasks call AWS
across the same boundary as handlers do, with the state machine as the place. Nothing of it is kept
in moto.

Rules from the Step Functions developer guide (choosing-workflow-type, concepts-error-handling,
service-quotas) and its API reference (API_StartExecution, API_StartSyncExecution).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import greenlet

from pytest_storagefirst.errors import StorageFirstError
from pytest_storagefirst.ledger.effects import Held
from pytest_storagefirst.simulation import isolation
from pytest_storagefirst.simulation.calls import clients
from pytest_storagefirst.simulation.environment import Code, Environment, variables_of
from pytest_storagefirst.simulation.machines.execution import (
    Execution,
    Refused,
    arn_of,
    as_text,
    wall,
)
from pytest_storagefirst.stack.states_language import (
    LONGEST_EXPRESS_SECONDS,
    LONGEST_STANDARD_SECONDS,
)
from pytest_storagefirst.stack.topology import StateMachine

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation

__all__ = ["Execution", "Executions", "Refused", "start", "start_sync"]

START_MS = 1  # from the decision to start until the first state
GATEWAY_MS = 29_000  # what an API waits for an answer (API Gateway developer guide, limits)
LARGEST_INPUT_BYTES = 262_144
HISTORY_KEPT_MS = 90 * 86_400_000  # of a standard execution that has ended
LATEST_MS = 60_000  # how late, in runs where a choice decides, the first steps may be
# The states of what executions still hold.
FAILED = "failed execution"
UNDER_WAY = "under way"

_DELIVERY_FAULTS = frozenset({"duplicate"})


class Executions:
    """All executions of a run."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._by_arn: dict[str, Execution] = {}
        self._environments: dict[str, Environment] = {}
        self._started = 0
        self.clients: dict[Any, Any] = {}

    def __iter__(self) -> Iterator[Execution]:
        return iter(self._by_arn.values())

    def find(self, arn: str) -> Execution | None:
        return self._by_arn.get(arn)

    def start(
        self,
        machine: StateMachine,
        input_text: str,
        messages: tuple[str, ...],
        source: str,
        name: str | None = None,
        *,
        once: bool = False,
    ) -> Execution:
        """Accept an execution and start it. Raises Refused as StartExecution does.

        A standard execution starts once for each name; an express one may start twice, unless its
        caller waits for it (`once`).
        """
        simulation = self._simulation
        if len(input_text.encode()) > LARGEST_INPUT_BYTES:
            raise Refused("ValidationException", "Value at 'input' failed to satisfy constraint")
        try:
            json.loads(input_text)
        except ValueError:
            raise Refused("InvalidExecutionInput", "Invalid execution input") from None
        express = machine.kind == "EXPRESS"
        chosen = name or simulation.identities.new_id()
        arn = arn_of(machine, chosen, simulation.identities.new_id() if express else "")
        known = self._by_arn.get(arn)
        if known is not None:
            if known.status != "RUNNING" or known.input_text != input_text:
                raise Refused("ExecutionAlreadyExists", f"Execution Already Exists: '{arn}'")
            simulation.record("deduplicated", messages, machine.logical_id)
            return known
        simulation.record("stored", messages, machine.logical_id)
        execution = self._begin(machine, arn, chosen, input_text, messages, source)
        if express and not once:
            place = machine.logical_id
            simulation.strikes.cross(place, "delivery", messages)
            strike = simulation.due(place, "delivery", messages, _DELIVERY_FAULTS)
            if strike is not None:
                simulation.strike(strike, messages)
                again = arn_of(machine, chosen, simulation.identities.new_id())
                self._begin(machine, again, chosen, input_text, messages, source)
        return execution

    def _begin(
        self,
        machine: StateMachine,
        arn: str,
        name: str,
        input_text: str,
        messages: tuple[str, ...],
        source: str,
    ) -> Execution:
        simulation = self._simulation
        if len(messages) == 1:
            simulation.identities.name(messages[0], name, f"<{messages[0]}.execution>")
            if machine.kind == "EXPRESS":
                run = arn.rpartition(":")[2]
                simulation.identities.name(messages[0], run, f"<{messages[0]}.express>")
        self._started += 1
        execution = Execution(
            function=machine,
            environment=self._environment(machine),
            number=self._started,
            arn=arn,
            name=name,
            input_text=input_text,
            messages=messages,
            source=source,
            started_ms=simulation.now_ms,
        )
        self._by_arn[arn] = execution
        running = greenlet.greenlet(lambda: self._body(execution), parent=simulation.hub)
        simulation.invocation_of[running] = execution
        scheduler = simulation.scheduler
        scheduler.resume_at(simulation.now_ms + START_MS, running)
        limit_ms = LONGEST_EXPRESS_SECONDS * 1000 if machine.kind == "EXPRESS" else LATEST_MS
        execution.deadline = scheduler.at(
            simulation.now_ms + START_MS + limit_ms, lambda: self._late(execution), deadline=True
        )
        return execution

    def _environment(self, machine: StateMachine) -> Environment:
        """What its clients are made in. Step Functions calls in no environment of the user's."""
        found = self._environments.get(machine.logical_id)
        if found is None:
            region = self._simulation.deployed.topology.region
            known = variables_of(machine.name, region, 128, "", None, {})
            variables = {os.fsencode(key): os.fsencode(value) for key, value in known.items()}
            found = Environment(Code(machine.logical_id, ""), variables, 0)
            self._environments[machine.logical_id] = found
        return found

    def _body(self, execution: Execution) -> None:
        """What the execution's first greenlet runs."""
        from pytest_storagefirst.simulation.machines import interpreter

        simulation, machine = self._simulation, execution.function
        simulation.record("delivered", execution.messages, machine.logical_id, execution.source)
        started = wall(simulation, execution.started_ms).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        try:
            program = interpreter.program(machine)
            execution.evaluation = interpreter.environment(
                machine,
                execution.arn,
                execution.name,
                json.loads(execution.input_text),
                started[:-4] + "Z",
            )
            program.eval(execution.evaluation)
            ended = interpreter.outcome(execution.evaluation)
        except greenlet.GreenletExit:
            raise
        except StorageFirstError as error:
            simulation.refuse(error)
            ended = ("FAILED", None, "States.Runtime", "")
        if not simulation.closing:
            self._finish(execution, *ended)

    def _late(self, execution: Execution) -> None:
        """An express execution has lasted as long as it may."""
        if execution.function.kind == "EXPRESS":
            self._finish(execution, "TIMED_OUT", None, "States.Timeout", "")

    def stop(self, execution: Execution, error: str, cause: str) -> None:
        """StopExecution."""
        self._finish(execution, "ABORTED", None, error, cause)

    def _finish(
        self, execution: Execution, status: str, output: Any, error: str, cause: str
    ) -> None:
        if execution.done:
            return
        simulation = self._simulation
        execution.done = True
        execution.status, execution.output = status, output
        execution.error, execution.cause = error, cause
        execution.ended_ms = simulation.now_ms
        for timer in (*execution.timers, execution.deadline):
            timer.cancelled = True
        kind = "succeeded" if status == "SUCCEEDED" else "failed"
        detail = "" if kind == "succeeded" else error or status
        place = execution.function.logical_id
        simulation.record(kind, execution.messages, place, detail, execution)

        def done() -> None:
            for each in execution.on_done:
                each(execution)

        simulation.scheduler.at(simulation.now_ms, done)

    # -- who waits for one -----------------------------------------------------------------------

    def wait_for(self, execution: Execution) -> None:
        """Stand still, in virtual time, until an execution has ended.

        A front door, which waits in the hub, gives up after GATEWAY_MS.
        """
        simulation = self._simulation
        if simulation.scheduler.in_hub():
            self._step_until_done(execution)
            return
        if execution.done:
            return
        waiting = isolation.invocation_greenlet()
        execution.on_done.append(lambda _: simulation.scheduler.wake(waiting))
        simulation.scheduler.wait()

    def _step_until_done(self, execution: Execution) -> None:
        simulation = self._simulation
        until_ms = simulation.now_ms + GATEWAY_MS
        # What others do meanwhile is not said by the sender that waits.
        sending, simulation.sender.sending = simulation.sender.sending, ()
        try:
            while not execution.done and not simulation.why_stopped:
                at_ms = simulation.scheduler.next_ms()
                if at_ms is None or at_ms > until_ms:
                    simulation.scheduler.advance_to(until_ms)
                    return
                simulation.scheduler.step()
        finally:
            simulation.sender.sending = sending

    def watching(self, client: Any) -> Any:
        """A client for `.sync` tasks: asked how an execution is, it waits until that has ended."""
        return _Watching(self, client)

    def described(self, execution: Execution) -> dict[str, Any]:
        """What DescribeExecution says."""
        simulation = self._simulation
        said: dict[str, Any] = {
            "executionArn": execution.arn,
            "stateMachineArn": execution.function.arn,
            "name": execution.name,
            "status": execution.status,
            "startDate": wall(simulation, execution.started_ms),
            "input": execution.input_text,
            "inputDetails": {"included": True},
        }
        if execution.done:
            said["stopDate"] = wall(simulation, execution.ended_ms)
        if execution.status == "SUCCEEDED":
            said["output"] = as_text(execution.output)
            said["outputDetails"] = {"included": True}
        for key in ("error", "cause"):
            if getattr(execution, key):
                said[key] = getattr(execution, key)
        return said

    # -- the end ---------------------------------------------------------------------------------

    def held(self) -> tuple[Held, ...]:
        """What executions hold at the end: those under way, and those standard ones that failed.

        A standard one keeps its input for 90 days; of an express one no history is kept
        (choosing-workflow-type).
        """
        held = []
        for execution in self:
            place, express = execution.function.logical_id, execution.function.kind == "EXPRESS"
            longest = LONGEST_EXPRESS_SECONDS if express else LONGEST_STANDARD_SECONDS
            state, until_ms = UNDER_WAY, execution.started_ms + longest * 1000
            if execution.done:
                if express or execution.status == "SUCCEEDED":
                    continue
                state, until_ms = FAILED, execution.ended_ms + HISTORY_KEPT_MS
            held += [Held(message, place, state, until_ms) for message in execution.messages]
        return tuple(held)

    def waits_ms(self) -> int:
        """How long the executions under way will still stand still, by their own definitions."""
        now_ms = self._simulation.now_ms
        return max((0, *(one.waits_until_ms - now_ms for one in self if not one.done)))

    def give_back_clients(self) -> None:
        for environment in self._environments.values():
            clients.take_back(environment)


class _Watching:
    def __init__(self, executions: Executions, client: Any) -> None:
        self._executions = executions
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def describe_execution(self, executionArn: str) -> dict[str, Any]:
        execution = self._executions.find(executionArn)
        if execution is None:
            answer: dict[str, Any] = self._client.describe_execution(executionArn=executionArn)
            return answer
        self._executions.wait_for(execution)
        return self._executions.described(execution)


def start(
    simulation: Any,
    machine: StateMachine,
    input_text: str,
    messages: tuple[str, ...],
    source: str,
    name: str | None = None,
) -> str:
    """Start an execution on behalf of `messages`, as a source does; returns its ARN.

    `source` says in the history where its input came from. Raises Refused as StartExecution does.
    """
    execution: Execution = simulation.executions.start(machine, input_text, messages, source, name)
    return execution.arn


def start_sync(
    simulation: Any,
    machine: StateMachine,
    input_text: str,
    messages: tuple[str, ...],
    source: str,
    on_done: Callable[[Execution], None],
    name: str | None = None,
) -> Execution:
    """Start an express execution for a caller that waits: `on_done` is called, in the hub, with it.

    It starts once, as a caller is told how it ends (API_StartSyncExecution).
    """
    execution: Execution = simulation.executions.start(
        machine, input_text, messages, source, name, once=True
    )
    execution.on_done.append(on_done)
    return execution
