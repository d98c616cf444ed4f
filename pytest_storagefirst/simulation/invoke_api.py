"""Lambda's Invoke, called by a handler: a second function runs inside the first one's call.

Rules from the Lambda developer guide: invocation-sync, invocation-async-error-handling.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote, urlsplit

from pytest_storagefirst.simulation import isolation
from pytest_storagefirst.simulation.functions import Outcome

_PATH = re.compile(r"^/2015-03-31/functions/(?P<name>[^/]+)/invocations$")
RETRY_AFTER_MS = (60_000, 120_000)  # of an asynchronous invocation that failed


def is_invoke(method: str, url: str) -> bool:
    split = urlsplit(url)
    return method == "POST" and "lambda." in split.netloc and bool(_PATH.match(split.path))


def answer_invoke(simulation: Any, url: str, headers: Any, body: Any) -> tuple[int, Any, bytes]:
    """Run the function that the call names; the caller waits in virtual time."""
    found = _PATH.match(urlsplit(url).path)
    assert found is not None
    name = unquote(found["name"])
    function = simulation.deployed.function_by_arn(name)
    if function is None:
        text = json.dumps({"Type": "User", "Message": f"Function not found: {name}"})
        return 404, {"x-amzn-ErrorType": "ResourceNotFoundException"}, text.encode()
    raw = body.read() if hasattr(body, "read") else body
    text = raw.decode() if isinstance(raw, bytes) else (raw or "null")
    event = json.loads(text or "null")
    caller = simulation.current
    messages = simulation.messages_in(text) or caller.messages
    kind = str(headers.get("X-Amz-Invocation-Type", "RequestResponse"))
    if isinstance(headers.get("X-Amz-Invocation-Type"), bytes):
        kind = headers["X-Amz-Invocation-Type"].decode()
    source = f"invoked by {caller.function.logical_id}"
    if kind == "DryRun":
        return 204, {}, b""
    if kind == "Event":
        _asynchronously(simulation, function, event, messages, source, 0)
        return 202, {}, b""
    outcomes: list[Outcome] = []
    waiting = isolation.invocation_greenlet()

    def done(outcome: Outcome) -> None:
        outcomes.append(outcome)
        simulation.scheduler.wake(waiting)

    simulation.functions.invoke(function, event, messages, done, source)
    # A function without free concurrency answers at once.
    simulation.scheduler.wait()
    outcome = outcomes[0]
    if outcome.kind == "throttled":
        text = json.dumps({"Type": "User", "message": "Rate Exceeded."})
        return 429, {"x-amzn-ErrorType": "TooManyRequestsException"}, text.encode()
    answered = {"Content-Type": "application/json", "X-Amz-Executed-Version": "$LATEST"}
    if outcome.kind == "failed":
        answered["X-Amz-Function-Error"] = "Unhandled"
        payload = outcome.payload
        if payload == "null":
            payload = json.dumps({"errorMessage": outcome.error})
        return 200, answered, payload.encode()
    return 200, answered, outcome.payload.encode()


def _asynchronously(
    simulation: Any, function: Any, event: Any, messages: Any, source: str, attempt: int
) -> None:
    def done(outcome: Outcome) -> None:
        if outcome.kind == "succeeded" or attempt >= len(RETRY_AFTER_MS):
            return
        simulation.scheduler.at(
            simulation.now_ms + RETRY_AFTER_MS[attempt],
            lambda: _asynchronously(
                simulation, function, event, messages, f"{source}, retry", attempt + 1
            ),
        )

    simulation.scheduler.at(
        simulation.now_ms + 1,
        lambda: simulation.functions.invoke(function, event, messages, done, source),
    )
