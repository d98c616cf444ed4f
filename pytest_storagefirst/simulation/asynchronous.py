"""Asynchronous invocation: retries, then a destination or the function's dead-letter queue.

Rules from the Lambda developer guide: invocation-async-error-handling,
invocation-async-configuring, invocation-async-retain-records.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from pytest_storagefirst.simulation import destinations
from pytest_storagefirst.simulation.functions import Outcome
from pytest_storagefirst.stack.topology import Function

RETRY_AFTER_MS = (60_000, 120_000)  # an event whose function failed
FIRST_THROTTLE_RETRY_MS = 1000  # one that was throttled; doubled each time
LAST_THROTTLE_RETRY_MS = 300_000
START_MS = 1


@dataclass(frozen=True)
class Event:
    """One asynchronous invocation: what is invoked with what, and which attempts it has had."""

    function: Function
    payload: Any
    messages: tuple[str, ...]
    source: str
    request_id: str
    accepted_ms: int
    failures: int = 0
    throttles: int = 0
    tenant: str = ""


def start(
    simulation: Any,
    function: Function,
    payload: Any,
    messages: tuple[str, ...],
    source: str,
    tenant: str = "",
) -> None:
    """Accept an event; it is tried at once, and again as long as Lambda would."""
    request_id = simulation.identities.new_id()
    event = Event(function, payload, messages, source, request_id, simulation.now_ms, tenant=tenant)
    _attempt_after(simulation, event, START_MS)


def _attempt_after(simulation: Any, event: Event, wait_ms: int) -> None:
    source = event.source + ", retry" * event.failures

    def done(outcome: Outcome) -> None:
        _continue(simulation, event, outcome)

    simulation.scheduler.at(
        simulation.now_ms + wait_ms,
        lambda: simulation.functions.invoke(
            event.function, event.payload, event.messages, done, source, event.tenant
        ),
    )


def _continue(simulation: Any, event: Event, outcome: Outcome) -> None:
    function = event.function
    if outcome.kind == "succeeded":
        if function.on_success_arn:
            record = _record(simulation, event, outcome, "Success")
            _deliver(simulation, event, function.on_success_arn, record)
        return
    if outcome.kind == "throttled":
        wait_ms = min(FIRST_THROTTLE_RETRY_MS * 2**event.throttles, LAST_THROTTLE_RETRY_MS)
        later = replace(event, throttles=event.throttles + 1)
        ends_ms = event.accepted_ms + function.maximum_event_age_seconds * 1000
        tries_again = simulation.now_ms + wait_ms <= ends_ms
        condition = "EventAgeExceeded"
    else:
        tries_again = event.failures < min(len(RETRY_AFTER_MS), function.maximum_retry_attempts)
        wait_ms = RETRY_AFTER_MS[event.failures] if tries_again else 0
        later = replace(event, failures=event.failures + 1)
        condition = "RetriesExhausted"
    if tries_again:
        _attempt_after(simulation, later, wait_ms)
    else:
        _give_up(simulation, event, outcome, condition)


def _give_up(simulation: Any, event: Event, outcome: Outcome, condition: str) -> None:
    function = event.function
    failed = f"{function.logical_id}'s invocation"
    kept = False
    if function.on_failure_arn:
        record = _record(simulation, event, outcome, condition)
        kept = _deliver(simulation, event, function.on_failure_arn, record, failed)
    if function.dead_letter_arn:
        letter = json.dumps(event.payload)
        kept = _deliver(simulation, event, function.dead_letter_arn, letter, failed) or kept
    if not kept:
        simulation.record(
            "dropped", event.messages, function.logical_id, "Lambda gives up, and nothing keeps it"
        )


def _record(simulation: Any, event: Event, outcome: Outcome, condition: str) -> str:
    """The invocation record that a destination gets (invocation-async-retain-records)."""
    response: dict[str, Any] = {"statusCode": 200, "executedVersion": "$LATEST"}
    if outcome.kind != "succeeded":
        response["functionError"] = "Unhandled"
    return json.dumps(
        {
            "version": "1.0",
            "requestContext": {
                "requestId": event.request_id,
                "functionArn": f"{event.function.arn}:$LATEST",
                "condition": condition,
                "approximateInvokeCount": event.failures + 1,
            },
            "requestPayload": event.payload,
            "responseContext": response,
            "responsePayload": json.loads(outcome.payload),
        }
    )


def _deliver(simulation: Any, event: Event, arn: str, text: str, failed: str = "") -> bool:
    """Send it, if the function's role lets Lambda; returns whether it does."""
    function, messages = event.function, event.messages
    if not destinations.may_send(simulation, function, arn, messages):
        return False
    destinations.deliver(simulation, arn, text, messages, function.logical_id, failed)
    return True
