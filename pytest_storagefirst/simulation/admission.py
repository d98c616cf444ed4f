"""Whether a front door lets a request in: a Lambda authorizer is run, and the sender waits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_storagefirst.simulation.frontdoor import (
    GatewayContext,
    HttpReply,
    HttpRequest,
    authorizers,
    match_route,
)
from pytest_storagefirst.simulation.functions import Outcome
from pytest_storagefirst.stack.topology import Function, Route

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation

PATIENCE_MS = 30_000  # of a gateway with an authorizer


def admitted(
    simulation: Simulation, route: Route, request: HttpRequest, context: GatewayContext
) -> tuple[GatewayContext, HttpReply | None]:
    """What the authorizer adds to the context, and what the sender is told instead of being let in.

    Without the headers that it goes by a request passes as if it had been let in: a test can't
    guess them, and the report says so.
    """
    authorizer = route.lambda_authorizer
    if authorizer is None or not authorizer.identity_sources:
        return context, None
    function = simulation.deployed.function_by_arn(authorizer.function_arn)
    if function is None or authorizers.identity(authorizer, request) is None:
        return context, None
    matched = match_route([route], request.method, request.path)
    parameters = matched[1] if matched is not None else {}
    event = authorizers.event(route, authorizer, request, parameters, context)
    outcome = _run(simulation, function, event)
    error = ""
    if outcome.kind != "succeeded":
        raised = [e for place, e in simulation.errors if place == function.logical_id]
        error = str(raised[-1]) if raised else outcome.error
    arn = authorizers.method_arn(route, request, context)
    turned_away = authorizers.refusal(route, authorizer, arn, outcome.result, error)
    return replace(context, authorizer=authorizers.shown(outcome.result)), turned_away


def _run(simulation: Simulation, function: Function, event: Any) -> Outcome:
    """Invoke a function while the sender stands still, in the hub."""
    outcomes: list[Outcome] = []
    sending = simulation.sender.sending
    simulation.functions.invoke(function, event, sending, outcomes.append, "asked by the gateway")
    until_ms = simulation.now_ms + PATIENCE_MS
    simulation.sender.sending = ()  # what others do meanwhile is not said by the sender that waits
    try:
        while not outcomes and not simulation.why_stopped:
            at_ms = simulation.scheduler.next_ms()
            if at_ms is None or at_ms > until_ms:
                break
            simulation.scheduler.step()
    finally:
        simulation.sender.sending = sending
    return outcomes[0] if outcomes else Outcome("failed", error="timeout")
