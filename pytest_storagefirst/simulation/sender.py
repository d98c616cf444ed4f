"""Those who send: one request at a time through an entry, and what they are told."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_storagefirst.errors import EntryError
from pytest_storagefirst.faults.catalogue import is_read_only
from pytest_storagefirst.simulation.admission import admitted
from pytest_storagefirst.simulation.calls import lanes
from pytest_storagefirst.simulation.calls.boundary import STATE_SERVICES
from pytest_storagefirst.simulation.calls.refusals import denial, refusal
from pytest_storagefirst.simulation.deployed import Entry
from pytest_storagefirst.simulation.door import wholly
from pytest_storagefirst.simulation.frontdoor import (
    BackendCall,
    BackendFailure,
    GatewayContext,
    HttpReply,
    HttpRequest,
    acknowledged,
    answer,
    backend_call,
    match_route,
    refused_entry,
    service_reply,
    throttled,
)
from pytest_storagefirst.simulation.frontdoor.service_protocols import BOTOCORE_NAMES
from pytest_storagefirst.simulation.producers import produce
from pytest_storagefirst.simulation.routing.hooks import stays_inside
from pytest_storagefirst.simulation.schedule import Send, as_text, render
from pytest_storagefirst.simulation.unfollowed import unfollowed

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation
    from pytest_storagefirst.stack.topology import Route

MOST_KEPT = 1024  # calls of a stack's front doors
ANSWER_MS = 8  # from the request until the sender has its answer

# Behind a reply that says yes, to a request without any fault: it, or the entry that it holds.
REFUSED = " refused "
_ERROR_CODE = re.compile(r'"__type":\s*"(?:[^"#]*#)?([\w.]+)"|<Code>([\w.]+)</Code>')
_REQUEST_FAULTS = frozenset({"storage-refused", "gateway-throttled", "sender-resends"})


class _Said(NamedTuple):
    """What is sent of one message; `request` is None where no route leads in."""

    send: Send
    body: Any
    request: HttpRequest | None


class Sender:
    """Sends the messages of a workload. `sending` is whose request is at the front door now."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self.sending: tuple[str, ...] = ()

    def send(self, send: Send) -> HttpReply:
        """Send a message; a sender that resends does it again at once. Returns the last reply."""
        simulation = self._simulation
        try:
            entry = simulation.deployed.entry(send.entry)
        except StopIteration:
            raise EntryError(
                f"the stack has no entry {send.entry!r}",
                found=", ".join(entry.name for entry in simulation.deployed.entries) or "none",
            ) from None
        if send.key:
            entry = replace(entry, key=send.key)
        ids = self.sending = (send.message,)
        try:
            said = self._said(entry, send)
        finally:
            self.sending = ()
        simulation.strikes.cross(entry.name, "request", ids)
        simulation.record("attempted", ids, entry.name)
        strike = simulation.due(entry.name, "request", ids, _REQUEST_FAULTS)
        fault = strike.fault if strike is not None else None
        if strike is not None:
            simulation.strike(strike, ids)
        if fault is not None and fault.kind == "sender-resends":
            self._request(entry, send.message, said, "", told=False)
            simulation.record("indeterminate", ids, entry.name, "no answer; the sender sends again")
            return self._request(entry, send.message, said, "", told=True)
        if fault is not None and fault.kind == "gateway-throttled":
            reply = throttled(entry.route) if entry.route is not None else HttpReply(429)
            self._tell(entry, send.message, reply, False)
            return reply
        refused = (fault.variant or "throttle") if fault is not None else ""
        return self._request(entry, send.message, said, refused, told=True)

    def _said(self, entry: Entry, send: Send) -> _Said:
        """The body of a message and its request, which are the same in each run of one seed."""
        token = self._simulation.identities.token(send.message)
        kept = self._simulation.deployed.lookups.setdefault("what is sent", {})
        found: _Said | None = kept.get((id(send), token))
        if found is None:
            body = render(send.body, token)
            request = self._http_request(entry, body) if entry.route is not None else None
            if len(kept) >= MOST_KEPT:
                kept.clear()
            found = kept[id(send), token] = _Said(send, body, request)
        return found

    def _request(
        self, entry: Entry, message: str, said: _Said, refused: str, *, told: bool
    ) -> HttpReply:
        simulation = self._simulation
        self.sending = (message,)
        try:
            if said.request is not None:
                reply, said_yes = self._through_route(entry, said.request, refused)
            else:
                token = simulation.identities.token(message)
                reply = produce(simulation, entry, token, said.body, refused)
                said_yes = reply.status < 300
        finally:
            self.sending = ()
        if told:
            self._tell(entry, message, reply, said_yes)
        return reply

    def _tell(self, entry: Entry, message: str, reply: HttpReply, said_yes: bool) -> None:
        if said_yes:
            kind = "acknowledged"
        elif 400 <= reply.status < 500:
            kind = "rejected"
        else:
            kind = "indeterminate"
        self._simulation.record(kind, (message,), entry.name, str(reply.status))

    def _http_request(self, entry: Entry, body: Any) -> HttpRequest:
        simulation, route = self._simulation, entry.route
        assert route is not None
        return HttpRequest(
            "POST" if route.method == "ANY" else route.method,
            _filled(route.path, simulation),
            {
                **_asked_for(route, "header", simulation),
                "Content-Type": "application/json",
                **entry.headers,
            },
            _asked_for(route, "querystring", simulation),
            as_text(body),
        )

    def _through_route(
        self, entry: Entry, request: HttpRequest, refused: str
    ) -> tuple[HttpReply, bool]:
        simulation, route = self._simulation, entry.route
        assert route is not None
        topology = simulation.deployed.topology
        context = GatewayContext(
            topology.account, topology.region, simulation.identities.new_id(), simulation.wall_ms
        )
        context, turned_away = admitted(simulation, route, request, context)
        if turned_away is not None:
            return turned_away, False
        # A front door is a pure function, and runs of one stack send the same at the same time.
        calls = simulation.deployed.lookups.setdefault("calls of front doors", {})
        shown = tuple(context.authorizer.items())
        key = (entry.name, request.path, request.body, context.request_id, context.now_ms, shown)
        call = calls.get(key)
        if call is None:
            same_api = [other for other in topology.routes if other.api_id == route.api_id]
            method = request.method  # a WebSocket route has none
            matched = match_route(same_api, method, request.path) if method else None
            parameters = matched[1] if matched is not None else {}
            if len(calls) >= MOST_KEPT:
                calls.clear()
            call = calls[key] = backend_call(route, request, parameters, context)
        if isinstance(call, HttpReply):
            return call, acknowledged(route, call, call.body)
        backend = self._perform(call, refused, entry.name)
        reply = answer(route, request, context, backend)
        backend_body = backend.body if isinstance(backend, HttpReply) else ""
        if isinstance(backend, HttpReply) and backend.status < 300:
            self._leaves(call)
        said_yes = acknowledged(route, reply, backend_body)
        if said_yes and (why := refused_entry(route, backend_body)):
            told = f"{call.service}{REFUSED}the entry ({why}), and the reply does not say so"
            simulation.record("noted", self.sending, entry.name, told)
        if said_yes and not refused and (why := self._refusal(backend)):
            told = f"{call.service}{REFUSED}it ({why}), and the reply does not say so"
            simulation.record("noted", self.sending, entry.name, told)
        return reply, said_yes

    def _refusal(self, backend: HttpReply | BackendFailure) -> str:
        """The status and error code of a storage that would not take it; "" where it took it, or a
        policy forbade it, which is told already."""
        if not isinstance(backend, HttpReply) or backend.status < 400:
            return ""
        if self._simulation.history[-1].kind == "denied":
            return ""
        code = _ERROR_CODE.search(backend.body)
        return f"{backend.status} {code[1] or code[2]}" if code else str(backend.status)

    def _leaves(self, call: BackendCall) -> None:
        """What the front door gives to a service that the final read doesn't see is an effect."""
        service = BOTOCORE_NAMES.get(call.service, call.service)
        if call.service in STATE_SERVICES or call.operation is None or call.service == "http":
            return
        point = f"{service}.{call.operation}"
        if is_read_only(call.operation):
            return
        with wholly(self._simulation):
            if stays_inside(self._simulation, point, call.parameters):
                return
        said = json.loads(json.dumps(call.parameters, default=_text))
        self._simulation.emit(point, said, None)

    def _perform(self, call: BackendCall, refused: str, place: str) -> HttpReply | BackendFailure:
        simulation = self._simulation
        if call.refused is not None:
            return call.refused
        if refused:
            status, headers, body = refusal(call.service, refused, call.url)
            return HttpReply(status, headers, body.decode())
        if call.operation and call.parameters is not None:
            denied = simulation.permissions.of_operation(
                call.credentials, call.service, call.operation, call.parameters
            )
            if denied is not None:
                simulation.record("denied", self.sending, place, denied.reading)
                status, headers, body = denial(call.service, denied.code, denied.message)
                return HttpReply(status, headers, body.decode())
        if call.operation:  # those without are SQS requests, by the wire
            with nullcontext() if call.service == "sqs" else wholly(simulation):
                simulation.before_write(call.service, call.operation)
        if (
            call.service == "sqs"
            and call.operation == "SendMessage"
            and call.parameters is not None
        ):
            sent = simulation.queues.ask(call.parameters)
            if sent is not None:
                return service_reply(call, simulation.identities.new_id(), sent)
        told = dict(call.headers)
        content: Any = call.body
        if "X-Amz-Target" in told:
            # The gateway speaks the service's own JSON, whatever the sender called its body.
            if "x-amz-json" not in told.get("Content-Type", ""):
                version = "1.1" if call.service in ("events", "kinesis") else "1.0"
                told["Content-Type"] = f"application/x-amz-json-{version}"
            content = content.encode() if isinstance(content, str) else content
        reply = self._ask(call.method, call.url, told, content)
        if (error := unfollowed(call, reply, place)) is not None:
            simulation.refuse(error)
        return reply

    def _ask(self, method: str, url: str, headers: Any, body: Any) -> HttpReply:
        try:
            with wholly(self._simulation):
                status, answered, content = self._simulation.ask(method, url, headers, body)
        except lanes.NotAnswered:  # the run is refused already; to the sender it is a 5xx
            return HttpReply(500)
        return HttpReply(status, answered, content.decode("utf-8", "replace"))


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _filled(path: str, simulation: Simulation) -> str:
    """A path with each {parameter} filled by what it names in the stack, or the message's id."""
    parts = [
        _value_of(part.strip("{+}"), simulation) if part.startswith("{") else part
        for part in path.split("/")
    ]
    return "/".join(parts)


def _value_of(name: str, simulation: Simulation) -> str:
    """A parameter whose name ends in a kind of storage gets the name of the only one there is."""
    topology = simulation.deployed.topology
    stores: dict[str, tuple[Any, ...]] = {
        "bucket": topology.buckets,
        "bus": topology.buses,
        "queue": topology.queues,
        "stream": topology.streams,
        "table": topology.tables,
        "topic": topology.topics,
    }
    lowered = name.lower()
    for kind, found in stores.items():
        if kind in lowered and len(found) == 1:
            return str(found[0].name)
    return simulation.identities.token(simulation.sender.sending[0])


_ASKED = {
    "header": re.compile(
        r"request\.header\.([\w-]+)|\$input\.params\(\)\.header\.get\(['\"]([\w-]+)"
    ),
    "querystring": re.compile(
        r"request\.querystring\.([\w-]+)|\$input\.params\(\)\.querystring\.get\(['\"]([\w-]+)"
    ),
}
_EVERY_REQUEST_HAS = frozenset({"content-type", "content-length", "host", "user-agent"})


def _asked_for(route: Route, place: str, simulation: Simulation) -> dict[str, str]:
    """The headers or query parameters that a route maps or demands, each with a value."""
    lookups = simulation.deployed.lookups
    key = f"{place} of {route.api_id} {route.name}"
    if key not in lookups:
        integration = route.integration
        texts = (
            *integration.request_parameters.values(),
            *integration.request_templates.values(),
            *route.required_parameters,
        )
        names = {one or other for text in texts for one, other in _ASKED[place].findall(text)}
        lookups[key] = [one for one in sorted(names) if one.lower() not in _EVERY_REQUEST_HAS]
    return {name: _value_of(name, simulation) for name in lookups[key]}
