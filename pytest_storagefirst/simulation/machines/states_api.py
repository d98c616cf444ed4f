"""Step Functions' API, called by a handler, a task or a front door.

Only what has to do with executions; moto answers the rest. Errors from the API reference:
API_StartExecution, API_StartSyncExecution, API_DescribeExecution, API_StopExecution,
API_SendTaskSuccess.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib import import_module
from typing import Any

from pytest_storagefirst.errors import SimulationError
from pytest_storagefirst.simulation.machines.state_machines import Execution, Refused

_TARGET = "AWSStepFunctions."

Answer = tuple[int, dict[str, str], bytes]
_Asked = Mapping[str, Any]


def answer_states(simulation: Any, headers: Any, body: Any) -> Answer | None:
    """The answer to a raw request about executions; None for any other request."""
    target = headers.get("X-Amz-Target") or ""
    target = target.decode() if isinstance(target, bytes) else str(target)
    operation = _OPERATIONS.get(target.removeprefix(_TARGET))
    if operation is None or not target.startswith(_TARGET):
        return None
    raw = body.read() if hasattr(body, "read") else body
    asked = json.loads(raw or b"{}")
    simulation.scheduler.touch("stepfunctions", "executions", asked)
    try:
        said = operation(simulation, asked)
    except TimeoutError:
        return _said(504, {"message": "Endpoint request timed out"})
    except Refused as refused:
        return _said(400, {"__type": refused.code, "message": refused.message}, refused.code)
    return _said(200, said)


def _said(status: int, said: Mapping[str, Any], code: str = "") -> Answer:
    headers = {"Content-Type": "application/x-amz-json-1.0"}
    if code:
        headers["x-amzn-ErrorType"] = code
    text = json.dumps(said, ensure_ascii=False, default=datetime.timestamp)
    return status, headers, text.encode()


def _started(simulation: Any, asked: _Asked, *, waits: bool) -> Execution:
    arn = str(asked.get("stateMachineArn", ""))
    machine = simulation.deployed.machine_by_arn(arn)
    if machine is None:
        raise Refused("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")
    if waits and machine.kind != "EXPRESS":
        message = "This operation is not supported by this type of state machine"
        raise Refused("StateMachineTypeNotSupported", message)
    text = asked.get("input")
    text = "{}" if text is None else str(text)
    caller, identities = simulation.current, simulation.identities
    messages = identities.messages_in(text)
    if not messages and simulation.sender.sending:
        messages = simulation.sender.sending
        identities.nameless.update(messages)
    if not messages and caller is not None:
        messages = identities.nobody_named(caller.messages)
    source = f"started by {caller.function.logical_id}" if caller is not None else "started"
    execution: Execution = simulation.executions.start(
        machine, text, messages, source, asked.get("name"), once=waits
    )
    return execution


def _start(simulation: Any, asked: _Asked) -> dict[str, Any]:
    execution = _started(simulation, asked, waits=False)
    said = simulation.executions.described(execution)
    return {name: said[name] for name in ("executionArn", "startDate")}


def _start_sync(simulation: Any, asked: _Asked) -> dict[str, Any]:
    execution = _started(simulation, asked, waits=True)
    simulation.executions.wait_for(execution)
    if not execution.done:  # the front door waits no longer; the execution goes on
        raise TimeoutError
    lasted_ms = execution.ended_ms - execution.started_ms
    bill = {"billedDurationInMilliseconds": -(-lasted_ms // 100) * 100, "billedMemoryUsedInMB": 64}
    return {**simulation.executions.described(execution), "billingDetails": bill}


def _execution(simulation: Any, asked: _Asked) -> Execution:
    arn = str(asked.get("executionArn", ""))
    execution: Execution | None = simulation.executions.find(arn)
    if execution is None or execution.function.kind == "EXPRESS":
        raise Refused("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
    return execution


def _describe(simulation: Any, asked: _Asked) -> dict[str, Any]:
    said: dict[str, Any] = simulation.executions.described(_execution(simulation, asked))
    return said


def _stop(simulation: Any, asked: _Asked) -> dict[str, Any]:
    execution = _execution(simulation, asked)
    simulation.executions.stop(execution, asked.get("error") or "", asked.get("cause") or "")
    return {"stopDate": simulation.executions.described(execution)["stopDate"]}


def _list(simulation: Any, asked: _Asked) -> dict[str, Any]:
    arn, status = asked.get("stateMachineArn"), asked.get("statusFilter")
    left_out = ("input", "inputDetails", "output", "outputDetails", "error", "cause")
    found = []
    for execution in simulation.executions:
        if execution.function.arn != arn or (status and execution.status != status):
            continue
        said = simulation.executions.described(execution)
        found.append({key: value for key, value in said.items() if key not in left_out})
    return {"executions": found[::-1]}


def _history(simulation: Any, asked: _Asked) -> dict[str, Any]:
    error = SimulationError(
        "the history of an execution can't be read here",
        where=simulation.current.function.logical_id if simulation.current else "",
        found="stepfunctions.GetExecutionHistory",
        expected="stepfunctions.DescribeExecution",
    )
    simulation.refuse(error)
    raise Refused("ExecutionDoesNotExist", error.problem)


def _tell(simulation: Any, token: Any, tell: Callable[[Any], bool]) -> dict[str, Any]:
    """Tell the task that waits for a token; the executions know their own."""
    for execution in simulation.executions:
        pool = execution.evaluation.callback_pool_manager if execution.evaluation else None
        if pool is None or pool.get(token) is None:
            continue
        if execution.done or pool.get(token)._notify_event.is_set():
            raise Refused("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
        tell(pool)
        return {}
    raise Refused("InvalidToken", "Invalid Token: 'Invalid token'")


def _callbacks() -> Any:
    return import_module("moto.stepfunctions.parser.asl.eval.callback.callback")


def _succeed(simulation: Any, asked: _Asked) -> dict[str, Any]:
    token, output = asked.get("taskToken"), str(asked.get("output", ""))
    try:
        json.loads(output)
    except ValueError:
        raise Refused("InvalidOutput", "Invalid Output") from None
    outcome = _callbacks().CallbackOutcomeSuccess(callback_id=token, output=output)
    return _tell(simulation, token, lambda pool: pool.notify(token, outcome))


def _fail(simulation: Any, asked: _Asked) -> dict[str, Any]:
    token = asked.get("taskToken")
    outcome = _callbacks().CallbackOutcomeFailure(
        callback_id=token, error=asked.get("error"), cause=asked.get("cause")
    )
    return _tell(simulation, token, lambda pool: pool.notify(token, outcome))


def _heartbeat(simulation: Any, asked: _Asked) -> dict[str, Any]:
    token = asked.get("taskToken")
    return _tell(simulation, token, lambda pool: pool.heartbeat(token))


_OPERATIONS: dict[str, Callable[[Any, _Asked], dict[str, Any]]] = {
    "DescribeExecution": _describe,
    "GetExecutionHistory": _history,
    "ListExecutions": _list,
    "SendTaskFailure": _fail,
    "SendTaskHeartbeat": _heartbeat,
    "SendTaskSuccess": _succeed,
    "StartExecution": _start,
    "StartSyncExecution": _start_sync,
    "StopExecution": _stop,
}
