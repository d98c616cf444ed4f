"""What answers a handler's HTTP calls: the downstreams that the user described, or 200 {}."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_storagefirst.scripts import NO_TROUBLE, TROUBLE_STATUS, trouble
from pytest_storagefirst.simulation import changes
from pytest_storagefirst.simulation.calls import boundary, lanes
from pytest_storagefirst.simulation.choosing import EVERYTHING
from pytest_storagefirst.simulation.configurations import extension_answer, is_extension
from pytest_storagefirst.simulation.deployed import Downstream
from pytest_storagefirst.simulation.wire import (
    ConnectionResetAfterEffect,
    ConnectTimeout,
    HttpAnswer,
    HttpCall,
    ReadTimeout,
    WireFault,
)

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation

_KINDS = frozenset(
    {"refused", "response-lost", "slow", "http-500", "http-429"}
    | {"brownout", "flapping", "slow-start"}
)
_IDEMPOTENT = ("PUT", "DELETE")
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_STATUS = {
    **TROUBLE_STATUS,
    "http-500": 500,
    "throttle": 429,
    "server-error": 503,
    "access-denied": 403,
}
# A call with no matching [[downstream]]; its answer says nothing.
_UNKNOWN = Downstream("")


def answer(simulation: Simulation, call: HttpCall) -> HttpAnswer:
    """Answer one HTTP call of a handler, as the plan's faults let it."""
    invocation = simulation.current
    if invocation is None or _is_aws(call.url):
        return _from_aws(simulation, call)
    simulation.stop_the_dead(invocation)
    place = invocation.function.logical_id
    messages = simulation.identities.concerned(
        invocation.messages, {"body": call.body, "url_path": call.url}
    )
    point = point_of(simulation, call)
    crossing = boundary.Crossing(simulation, place, "http", call.method, point, messages)
    if simulation.has_changes:
        changes.strike(simulation, place, point, messages, crossing.numbers)
    simulation.record("called", messages, place, crossing.label)
    boundary.crash(simulation, invocation, crossing, boundary.CRASHES_BEFORE)
    own = simulation.deployed.topology.configurations and is_extension(call.url)
    watch = None if own else simulation.circuit
    if watch is not None and not watch.guards(call.url):
        watch = None
    began_ms = simulation.now_ms
    if watch is not None:
        watch.called(invocation, messages)
    reply = None
    try:
        reply = _reply(simulation, invocation, call, crossing)
    except WireFault:
        if watch is not None:
            watch.answered(invocation, messages, is_good=False)
        raise
    finally:
        if simulation.load is not None:
            simulation.load.answered(crossing, reply)
    is_good = reply.status < 500 and reply.status != 429

    def ended(came: bool) -> None:
        if not came:
            text = f"{crossing.label}: no answer in time"
            simulation.record("errored", messages, place, text)
        if watch is not None:
            watch.answered(invocation, messages, is_good=is_good and came, began_ms=began_ms)

    if reply.delay_seconds:
        return replace(reply, on_end=ended)
    ended(True)
    return reply


def _reply(
    simulation: Simulation, invocation: Any, call: HttpCall, crossing: boundary.Crossing
) -> HttpAnswer:
    point, messages = crossing.point, crossing.messages
    place = invocation.function.logical_id
    simulation.scheduler.pause(boundary.BEFORE_MS)
    simulation.stop_the_dead(invocation)
    strike = boundary.due(simulation, place, crossing, _KINDS) or _outage(
        simulation, call.url, messages
    )
    variant = ""
    met = NO_TROUBLE
    if strike is not None:
        simulation.strike(strike, messages)
        variant = strike.fault.variant
        since_ms = simulation.now_ms - strike.began_ms
        met = trouble(strike.fault.kind, strike.struck, since_ms)
    told = extension_answer(simulation, call.url)
    downstream = Downstream("", "", *told) if told else _downstream(simulation, call)
    load = simulation.load if told is None else None
    if load is not None:
        met = load.meets(call.url) if strike is None else met
        if met.kind != "refused" or variant in _STATUS:
            full = load.arrived(invocation, crossing, downstream, call.url)
            met = met if met.kind else full
    kind = met.kind
    if kind == "refused" and variant not in _STATUS:
        simulation.record("errored", messages, place, f"{crossing.label}: no connection")
        raise ConnectTimeout(call.url)
    status = _STATUS.get(variant if kind == "refused" else kind)
    if status is not None:
        simulation.record("errored", messages, place, f"{crossing.label}: HTTP {status}")
        headers = {"Content-Type": "application/json"}
        if status == 429:
            headers["Retry-After"] = str(met.retry_after_seconds)
        return HttpAnswer(status, headers, b"{}")
    simulation.scheduler.touch("http", call.method, call.url)
    refuses = downstream.status >= 400  # a third party that always says no does nothing
    if call.method not in _READING and not refuses:
        simulation.record("effected", messages, place, crossing.label)
        simulation.emit(point, _said(call), _idempotency_key(call, downstream))
    if kind == "slow":
        simulation.scheduler.sleep(invocation.function.timeout_seconds * 1000 + 1000)
    simulation.scheduler.pause(boundary.AFTER_MS)
    simulation.stop_the_dead(invocation)
    if kind == "response-lost":
        simulation.record("errored", messages, place, f"{crossing.label}: no answer")
        if variant == "reset":
            raise ConnectionResetAfterEffect(call.url)
        raise ReadTimeout(call.url)
    boundary.crash(simulation, invocation, crossing, boundary.CRASHES_AFTER)
    if refuses:
        simulation.record("errored", messages, place, f"{crossing.label}: HTTP {downstream.status}")
    headers = dict(downstream.headers)
    delay_seconds = met.delay_seconds or downstream.delay_seconds
    return HttpAnswer(downstream.status, headers, downstream.body, delay_seconds)


def whole(url: str) -> tuple[str, str]:
    """Place and point of a fault that strikes all who call a third party, wherever they call it."""
    split = urlsplit(url)
    return split.netloc, f"http * {split.scheme}://{split.netloc}"


def _outage(simulation: Simulation, url: str, messages: tuple[str, ...]) -> Any:
    place, point = whole(url)
    if not simulation.strikes.concerns(place):
        return None
    simulation.strikes.cross(place, point, messages)
    return simulation.due(place, point, messages, _KINDS)


def point_of(simulation: Simulation, call: HttpCall) -> str:
    """The call's point: method and URL without query, ids replaced by the messages' names."""
    split = urlsplit(call.url)
    path = split.path
    for raw, name in simulation.identities.names.items():
        if raw in path:
            path = path.replace(raw, name)
    return f"http {call.method} {split.scheme}://{split.netloc}{path}"


def _downstream(simulation: Simulation, call: HttpCall) -> Downstream:
    fitting = [
        downstream
        for downstream in simulation.deployed.downstreams
        if call.url.startswith(downstream.url)
        and (not downstream.method or downstream.method == call.method)
    ]
    return max(fitting, key=lambda downstream: len(downstream.url), default=_UNKNOWN)


def _said(call: HttpCall) -> Any:
    text = call.body.decode("utf-8", "replace")
    try:
        body = json.loads(text)
    except ValueError:
        body = text
    query = urlsplit(call.url).query
    return {"query": query, "body": body} if query else body


def _idempotency_key(call: HttpCall, downstream: Downstream) -> str | None:
    for name, value in call.headers.items():
        if name.lower() == "idempotency-key":
            return str(value)
    if downstream.idempotency:
        said = _said(call)
        body = said.get("body", said) if isinstance(said, dict) else said
        if isinstance(body, dict) and downstream.idempotency in body:
            return json.dumps(body[downstream.idempotency])
    # RFC 9110, 9.2.2: asked again, the third party has what it had.
    return f"{call.method} {call.url}" if call.method in _IDEMPOTENT else None


def _is_aws(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def _from_aws(simulation: Simulation, call: HttpCall) -> HttpAnswer:
    """A presigned URL, or an endpoint called by hand."""
    simulation.scheduler.touch(*EVERYTHING)
    try:
        status, headers, body = simulation.ask(call.method, call.url, dict(call.headers), call.body)
    except lanes.NotAnswered:
        return HttpAnswer(404, {}, b"")
    return HttpAnswer(status, headers, body)
