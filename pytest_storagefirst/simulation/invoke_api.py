"""Lambda's Invoke, called by a handler: a second function runs inside the first one's call.

Rules from the Lambda developer guide: invocation-sync, python-exceptions, gettingstarted-limits,
tenant-isolation-invoke;
errors from the API reference, API_Invoke.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote, urlsplit

from pytest_storagefirst.simulation import asynchronous, isolation
from pytest_storagefirst.simulation.functions import Outcome
from pytest_storagefirst.stack.topology import Function

_PATH = re.compile(r"^/2015-03-31/functions/(?P<name>[^/]+)/invocations/?$")

LARGEST_SYNCHRONOUS_BYTES = 6 * 1024 * 1024
LARGEST_ASYNCHRONOUS_BYTES = 1024 * 1024

_TENANT = "X-Amz-Tenant-Id"
_NEEDS_TENANT = "Add a valid tenant ID in your request and try again."
_NEEDS_NO_TENANT = (
    "The invoked function is not enabled with tenancy configuration. "
    "Remove the tenant ID from your request and try again."
)

Answer = tuple[int, dict[str, str], bytes]


def is_invoke(method: str, url: str) -> bool:
    split = urlsplit(url)
    return method == "POST" and "lambda." in split.netloc and bool(_PATH.match(split.path))


def answer_invoke(simulation: Any, url: str, headers: Any, body: Any) -> Answer:
    """Run the function that the call names; the caller waits in virtual time."""
    found = _PATH.match(urlsplit(url).path)
    assert found is not None
    name = unquote(found["name"])
    function = _function(simulation, name)
    if function is None:
        return _refused(404, "ResourceNotFoundException", f"Function not found: {name}")
    tenant = _text(headers.get(_TENANT) or "")
    if function.isolates_tenants is not bool(tenant):
        message = _NEEDS_TENANT if function.isolates_tenants else _NEEDS_NO_TENANT
        return _refused(400, "InvalidParameterValueException", message)
    raw = body.read() if hasattr(body, "read") else body
    payload = raw if isinstance(raw, bytes) else (raw or "").encode()
    kind = _text(headers.get("X-Amz-Invocation-Type") or "RequestResponse")
    most = LARGEST_ASYNCHRONOUS_BYTES if kind == "Event" else LARGEST_SYNCHRONOUS_BYTES
    if len(payload) > most:
        message = f"Request must be smaller than {most} bytes for the InvokeFunction operation"
        return _refused(413, "RequestTooLargeException", message)
    try:
        text = payload.decode()
        event = json.loads(text) if text else {}
    except ValueError:
        return _refused(
            400, "InvalidRequestContentException", "Could not parse request body into json"
        )
    if kind == "DryRun":
        return 204, {}, b""
    caller = simulation.current
    messages = simulation.identities.messages_in(text) or caller.messages
    source = f"invoked by {caller.function.logical_id}"
    if kind == "Event":
        asynchronous.start(simulation, function, event, messages, source, tenant)
        return 202, {}, b""
    outcome = _wait_for(simulation, function, event, messages, source, tenant)
    return _answer_of(outcome, function)


def _text(header: str | bytes) -> str:
    return header.decode() if isinstance(header, bytes) else header


def _function(simulation: Any, name: str) -> Function | None:
    """By name, ARN or partial ARN ("123456789012:function:worker"), each perhaps qualified."""
    if not name.startswith("arn:"):
        name = name.rpartition("function:")[2]
    function: Function | None = simulation.deployed.function_by_arn(name)
    return function


def _refused(status: int, code: str, message: str, **more: str) -> Answer:
    text = json.dumps({"Type": "User", "message": message, "Message": message, **more})
    return status, {"x-amzn-ErrorType": code, "Content-Type": "application/json"}, text.encode()


def _wait_for(
    simulation: Any,
    function: Function,
    event: Any,
    messages: tuple[str, ...],
    source: str,
    tenant: str,
) -> Outcome:
    outcomes: list[Outcome] = []
    waiting = isolation.invocation_greenlet()

    def done(outcome: Outcome) -> None:
        outcomes.append(outcome)
        simulation.scheduler.wake(waiting)

    simulation.functions.invoke(function, event, messages, done, source, tenant)
    # A function without free concurrency answers at once; the caller is woken all the same.
    simulation.scheduler.wait()
    return outcomes[0]


def _answer_of(outcome: Outcome, function: Function) -> Answer:
    if outcome.kind == "throttled":
        reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
        return _refused(429, "TooManyRequestsException", "Rate Exceeded.", Reason=reason)
    answered = {"Content-Type": "application/json", "X-Amz-Executed-Version": "$LATEST"}
    if outcome.kind == "failed":
        answered["X-Amz-Function-Error"] = "Unhandled"
        payload = outcome.payload
        if payload == "null":  # the environment ended: no code of the function's wrote an error
            payload = json.dumps(_environment_error(outcome.error, function))
        return 200, answered, payload.encode()
    return 200, answered, outcome.payload.encode()


def _environment_error(why: str, function: Function) -> dict[str, str]:
    if why == "timeout":
        seconds = f"{function.timeout_seconds:.2f}"
        return {
            "errorType": "Sandbox.Timedout",
            "errorMessage": f"Error: Task timed out after {seconds} seconds",
        }
    return {
        "errorType": "Runtime.ExitError",
        "errorMessage": "Error: Runtime exited with error: exit status 1",
    }
