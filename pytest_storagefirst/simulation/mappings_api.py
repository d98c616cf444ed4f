"""Lambda's event source mappings, looked at and switched by a handler, a task or an operator.

API reference: API_GetEventSourceMapping, API_ListEventSourceMappings, API_UpdateEventSourceMapping.
A change takes effect a while after the call, and a mapping that is changing refuses another one
(ResourceInUseException).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from pytest_storagefirst.errors import SimulationError

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation

CHANGE_MS = 5_000  # of virtual time; the page says no more than that it is not at once

_PATH = re.compile(r"^/2015-03-31/event-source-mappings/?(?P<uuid>[^/]*)$")
_SWITCHES = frozenset({"Enabled", "FunctionName"})

Answer = tuple[int, dict[str, str], bytes]


def pollers(simulation: Simulation) -> list[Any]:
    """All that polls for a mapping, of queues and of streams."""
    return [*simulation.mappings, *simulation.streams.mappings]


def poller_of(simulation: Simulation, uuid: str) -> Any:
    """What polls for the mapping of this UUID; None when the stack has none."""
    return next((one for one in pollers(simulation) if one.mapping.uuid == uuid), None)


def answer_mappings(simulation: Simulation, method: str, url: str, body: Any) -> Answer | None:
    """The answer to a raw request about the stack's own mappings; None for any other request."""
    split = urlsplit(url)
    found = _PATH.match(split.path) if "lambda." in split.netloc else None
    if found is None:
        return None
    uuid = unquote(found["uuid"])
    if not uuid:
        return _listed(simulation, parse_qs(split.query)) if method == "GET" else None
    poller = poller_of(simulation, uuid)
    if poller is None:
        return None
    simulation.scheduler.touch("mappings", method, uuid)
    if method == "PUT":
        return _updated(simulation, poller, body)
    return _said(200, _described(poller)) if method == "GET" else None


def _updated(simulation: Simulation, poller: Any, body: Any) -> Answer:
    raw = body.read() if hasattr(body, "read") else body
    asked: Mapping[str, Any] = json.loads(raw or b"{}")
    if poller.changing:
        said = {"Type": "User", "Message": "The event source mapping is being changed."}
        return _said(400, said, "ResourceInUseException")
    if unknown := sorted(asked.keys() - _SWITCHES):
        simulation.refuse(
            SimulationError(
                "only Enabled of an event source mapping can be changed in a run",
                where=poller.mapping.logical_id,
                found=", ".join(unknown),
                expected="Enabled",
                remedy="set the rest in the template",
            )
        )
    wanted = bool(asked.get("Enabled", poller.enabled))
    if wanted != poller.enabled:
        switch(simulation, poller, enabled=wanted, by=simulation.current)
    return _said(202, _described(poller))


def switch(simulation: Simulation, poller: Any, *, enabled: bool, by: Any = None) -> None:
    """Let a mapping begin or end its polling, a while from now, on behalf of an invocation."""
    poller.changing = "Enabling" if enabled else "Disabling"

    def done() -> None:
        poller.changing = ""
        poller.enabled = enabled
        name = poller.mapping.logical_id
        simulation.record("noted", (), name, "enabled" if enabled else "disabled")
        if simulation.circuit is not None:
            simulation.circuit.look(by)
        if enabled:
            poller.wake()

    simulation.scheduler.at(simulation.now_ms + CHANGE_MS, done)


def _listed(simulation: Simulation, query: Mapping[str, list[str]]) -> Answer:
    source = query.get("EventSourceArn", [""])[0]
    name = query.get("FunctionName", [""])[0]
    function = simulation.deployed.function_by_arn(name) if name else None
    found = [
        _described(poller)
        for poller in pollers(simulation)
        if (not source or poller.mapping.source_arn == source)
        and (not name or (function is not None and poller.mapping.function_arn == function.arn))
    ]
    return _said(200, {"EventSourceMappings": found})


def _described(poller: Any) -> dict[str, Any]:
    mapping = poller.mapping
    told = {
        "UUID": mapping.uuid,
        "EventSourceArn": mapping.source_arn,
        "FunctionArn": mapping.function_arn,
        "BatchSize": mapping.batch_size,
        "MaximumBatchingWindowInSeconds": mapping.batching_window_seconds,
        "State": poller.changing or ("Enabled" if poller.enabled else "Disabled"),
        "StateTransitionReason": "USER_INITIATED",
    }
    if mapping.reports_batch_item_failures:
        told["FunctionResponseTypes"] = ["ReportBatchItemFailures"]
    if mapping.maximum_concurrency is not None:
        told["ScalingConfig"] = {"MaximumConcurrency": mapping.maximum_concurrency}
    return told


def _said(status: int, said: Mapping[str, Any], code: str = "") -> Answer:
    headers = {"Content-Type": "application/json"}
    if code:
        headers["x-amzn-ErrorType"] = code
    return status, headers, json.dumps(said).encode()
