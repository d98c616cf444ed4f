"""The one boundary: every AWS and HTTP call of a handler crosses here.

Here history is written, faults strike and other work gets its turn. The patches are installed once
per process and do nothing while no simulation is active; real credentials are never used, and no
call ever reaches a network.
"""

from __future__ import annotations

import json
from _thread import get_ident
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from greenlet import getcurrent

from pytest_storagefirst.faults import catalogue
from pytest_storagefirst.simulation import clients, lanes, modules, moto_deliveries
from pytest_storagefirst.simulation.refusals import lost_answer, refusal

BEFORE_MS = 2  # from the call until its effect
AFTER_MS = 3  # from the effect until the answer

# What is said to these is no effect of a message: nobody's order is in a log line, or in an
# assumed role.
TELEMETRY = frozenset({"logs", "cloudwatch", "xray", "application-signals", "sts"})
_COMPUTING = frozenset(
    f"kms.{operation}"
    for operation in (
        "Decrypt",
        "Encrypt",
        "GenerateDataKey",
        "GenerateDataKeyWithoutPlaintext",
        "GenerateMac",
        "GenerateRandom",
        "ReEncrypt",
        "Sign",
        "Verify",
        "VerifyMac",
    )
)

# Services whose data the final read looks at; a write to any other is an emission.
STATE_SERVICES = frozenset({"dynamodb", "s3", "sqs"})

_ATTEMPT_FAULTS = frozenset({"refused", "response-lost", "slow", "partial", "stale"})
CRASHES_BEFORE = frozenset({"crash-before"})
CRASHES_AFTER = frozenset({"crash-after"})


_active: Any = None
_thread = 0
_installed = False


def activate(simulation: Any) -> None:
    """Make `simulation` (or None) the one that all calls of this thread belong to."""
    global _active, _thread
    _install()
    _active, _thread = simulation, get_ident()


def _here() -> Any:
    """The simulation that the calling code is in; other threads of the process are in none."""
    return _active if _active is not None and get_ident() == _thread else None


def _install() -> None:
    global _installed
    if _installed:
        return
    _installed = True
    from boto3.resources.factory import ResourceFactory
    from botocore.client import BaseClient
    from botocore.exceptions import EndpointConnectionError
    from botocore.httpsession import URLLib3Session
    from botocore.useragent import UserAgentString

    make_client, make_request = BaseClient.__init__, BaseClient._make_request
    send, load = URLLib3Session.send, ResourceFactory.load_from_definition
    user_agent = UserAgentString.to_string

    def boundary_make_client(self: Any, *args: Any, **kwargs: Any) -> None:
        simulation = _here()
        self._made_in_simulation = simulation is not None and simulation.current is not None
        make_client(self, *args, **kwargs)

    def boundary_make_request(self: Any, model: Any, request: Any, context: Any) -> Any:
        simulation = _here()
        if simulation is None or simulation.current is None:
            # A finalizer or a generator's `finally`, run when its handler is long gone.
            if self._made_in_simulation or modules.called_by_handler():
                raise EndpointConnectionError(endpoint_url=self.meta.endpoint_url)
            return make_request(self, model, request, context)
        return aws_call(simulation, self, model, request, context, make_request)

    def boundary_send(self: Any, request: Any) -> Any:
        simulation = _here()
        if simulation is not None:
            return attempt(simulation, request)
        if modules.called_by_handler():
            raise EndpointConnectionError(endpoint_url=request.url)
        return send(self, request)

    def boundary_load(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _here() is None:
            return load(self, *args, **kwargs)
        return clients.resource_class(load, self, *args, **kwargs)

    def boundary_user_agent(self: Any) -> str:
        return "simulated" if _here() is not None else str(user_agent(self))

    BaseClient._made_in_simulation = False
    BaseClient.__init__ = boundary_make_client
    BaseClient._make_request = boundary_make_request
    UserAgentString.to_string = boundary_user_agent
    URLLib3Session.send = boundary_send
    ResourceFactory.load_from_definition = boundary_load
    moto_deliveries.install(_here)
    _install_pool()


def _install_pool() -> None:
    """Let handlers' sessions and clients come from the pool."""
    from boto3.session import Session
    from botocore.retries.quota import RetryQuota

    make_session, client, resource = Session.__init__, Session.client, Session.resource
    make_quota = RetryQuota.__init__

    def pooled_session(cls: Any, *args: Any, **kwargs: Any) -> Any:
        simulation = _here()
        if cls is not Session or simulation is None or simulation.current is None:
            return object.__new__(cls)
        found, key = clients.session(simulation.current.environment, args, kwargs)
        if found is None:
            found = object.__new__(cls)
            found.kept_as = key
        return found

    def pooled_init(self: Any, *args: Any, **kwargs: Any) -> None:
        if "_session" in vars(self):
            return
        make_session(self, *args, **kwargs)
        key = vars(self).get("kept_as")
        simulation = _here()
        if key is not None and simulation is not None and simulation.current is not None:
            clients.keep_session(simulation.current.environment, self, key)

    def pooled_client(self: Any, *args: Any, **kwargs: Any) -> Any:
        simulation = _here()
        if simulation is None or simulation.current is None:
            return client(self, *args, **kwargs)
        environment = simulation.current.environment
        return clients.pooled(environment, client, "client", self, args, kwargs)

    def pooled_resource(self: Any, *args: Any, **kwargs: Any) -> Any:
        simulation = _here()
        if simulation is None or simulation.current is None:
            return resource(self, *args, **kwargs)
        environment = simulation.current.environment
        return clients.pooled(environment, resource, "resource", self, args, kwargs)

    def noted_quota(self: Any, *args: Any, **kwargs: Any) -> None:
        make_quota(self, *args, **kwargs)
        if _here() is not None:
            clients.note_quota(self)

    Session.__new__, Session.__init__ = pooled_session, pooled_init
    Session.client, Session.resource = pooled_client, pooled_resource
    RetryQuota.__init__ = noted_quota


class Crossing:
    """One call under way: what it is, whom it concerns, and how many attempts it has made.

    `numbers` are its own, for faults that strike one of its attempts: other calls may cross the
    same point before it is over.
    """

    __slots__ = (
        "attempts",
        "messages",
        "number",
        "numbers",
        "operation",
        "point",
        "region",
        "service",
    )

    def __init__(
        self,
        simulation: Any,
        place: str,
        service: str,
        operation: str,
        point: str,
        messages: tuple[str, ...],
    ) -> None:
        self.service = service
        self.operation = operation
        self.point = point
        self.messages = messages
        self.number = simulation.strikes.cross(place, point, messages)
        self.numbers = simulation.strikes.numbers(place, point, messages)
        self.attempts = 0
        self.region = ""

    @property
    def label(self) -> str:
        return f"{self.point} #{self.number}"


def aws_call(
    simulation: Any, client: Any, model: Any, request: Any, context: Any, make_request: Any
) -> Any:
    """A handler's AWS call: the fast lane when no fault is near, botocore's own path otherwise."""
    invocation = simulation.current
    simulation.stop_the_dead(invocation)
    service, operation = model.service_model.service_name, model.name
    place = invocation.function.logical_id
    messages = simulation.identities.concerned(invocation.messages, request)
    crossing = Crossing(simulation, place, service, operation, f"{service}.{operation}", messages)
    simulation.record("called", messages, place, crossing.label)
    crash(simulation, invocation, crossing, CRASHES_BEFORE)
    if due(simulation, place, crossing, _ATTEMPT_FAULTS) is None:
        simulation.scheduler.pause(BEFORE_MS)
        simulation.stop_the_dead(invocation)
        simulation.before_write(service, operation, client.meta.region_name)
        answered = lanes.fast(service, operation, request, client.meta.region_name)
        if answered is not None:
            if answered[0].status_code < 300:
                _effected(simulation, invocation, crossing, request, request["body"])
            simulation.scheduler.pause(AFTER_MS)
            simulation.stop_the_dead(invocation)
            _note_error(simulation, place, crossing, answered)
            crash(simulation, invocation, crossing, CRASHES_AFTER)
            return answered
    # By greenlet: of two threads of a handler, one may call while the other waits to try again.
    under_way, here = simulation.crossings, getcurrent()
    outer = under_way.get(here)
    under_way[here] = crossing
    crossing.region = client.meta.region_name
    try:
        answered = make_request(client, model, request, context)
    finally:
        if outer is None:
            del under_way[here]
        else:
            under_way[here] = outer
    _note_error(simulation, place, crossing, answered)
    crash(simulation, invocation, crossing, CRASHES_AFTER)
    return answered


def _note_error(simulation: Any, place: str, crossing: Crossing, answered: Any) -> None:
    http, parsed = answered
    if http.status_code >= 300:
        code = str(parsed.get("Error", {}).get("Code", http.status_code))
        simulation.record("errored", crossing.messages, place, f"{crossing.label}: {code}")


def due(simulation: Any, place: str, crossing: Crossing, kinds: frozenset[str]) -> Any:
    """The fault of one of `kinds` that strikes this crossing now, if any."""
    return simulation.due(place, crossing.point, crossing.messages, kinds, crossing.numbers)


def crash(simulation: Any, invocation: Any, crossing: Crossing, kinds: frozenset[str]) -> None:
    strike = due(simulation, invocation.function.logical_id, crossing, kinds)
    if strike is not None:
        simulation.strike(strike, crossing.messages)
        simulation.functions.kill(invocation, "crash")


def attempt(simulation: Any, request: Any) -> Any:
    """One attempt to send a request: where the network would be. Returns botocore's AWSResponse."""
    from botocore.awsrequest import AWSResponse
    from moto.core.botocore_stubber import MockRawResponse

    invocation = simulation.current
    crossing = simulation.crossings.get(getcurrent()) if invocation is not None else None
    if crossing is None:
        status, headers, body = simulation.ask(
            request.method, request.url, request.headers, request.body
        )
        return AWSResponse(request.url, status, headers, MockRawResponse(body))
    simulation.stop_the_dead(invocation)
    place = invocation.function.logical_id
    crossing.attempts += 1
    if crossing.attempts > 1:
        simulation.record(
            "called", crossing.messages, place, f"{crossing.label}, attempt {crossing.attempts}"
        )
    simulation.scheduler.pause(BEFORE_MS)
    simulation.stop_the_dead(invocation)
    strike = due(simulation, place, crossing, _ATTEMPT_FAULTS)
    kind = ""
    if strike is not None and _can_strike(strike.fault, crossing, request):
        kind = strike.fault.kind
        simulation.strike(strike, crossing.messages)
    status, headers, body = _answer(simulation, invocation, crossing, request, kind, strike)
    if kind == "slow":
        simulation.scheduler.sleep(invocation.function.timeout_seconds * 1000 + 1000)
    simulation.scheduler.pause(AFTER_MS)
    simulation.stop_the_dead(invocation)
    if kind == "response-lost":
        simulation.record("errored", crossing.messages, place, f"{crossing.label}: no answer")
        raise lost_answer(strike.fault.variant, request.url)
    return AWSResponse(request.url, status, headers, MockRawResponse(body))


def _can_strike(fault: Any, crossing: Crossing, request: Any) -> bool:
    if fault.kind == "partial":
        return crossing.point in catalogue.BATCH_WRITES
    if fault.kind == "stale":
        return crossing.point in catalogue.EVENTUALLY_CONSISTENT_READS and (
            b'"ConsistentRead": true' not in _bytes(request.body)
        )
    return True


def _answer(
    simulation: Any, invocation: Any, crossing: Crossing, request: Any, kind: str, strike: Any
) -> tuple[int, Any, bytes]:
    if kind == "refused":
        try:
            return refusal(crossing.service, strike.fault.variant or "throttle", request.url)
        except Exception:
            place = invocation.function.logical_id
            detail = f"{crossing.label}: no connection"
            simulation.record("errored", crossing.messages, place, detail)
            raise
    simulation.before_write(crossing.service, crossing.operation, crossing.region)
    body, merge = request.body, None
    if kind == "partial":
        from pytest_storagefirst.simulation.partial import split

        body, merge = split(crossing.point, _bytes(body))
        if body is None:
            return 200, {}, merge(b"")
    asked = (request.method, request.url, request.headers, body)
    if kind == "stale":
        with simulation.reading_stale():
            status, headers, answered = simulation.ask(*asked)
    else:
        status, headers, answered = simulation.ask(*asked)
    if status < 300:
        _effected(simulation, invocation, crossing, request, body)
        if merge is not None:
            answered = merge(answered)
            # DynamoDB's checksum of what it said; botocore would take the edit for damage.
            headers = {n: v for n, v in headers.items() if n.lower() != "x-amz-crc32"}
    return status, headers, answered


def _bytes(body: Any) -> bytes:
    if body is None:
        return b""
    if hasattr(body, "read"):
        body.seek(0)
        body = body.read()
    return body.encode() if isinstance(body, str) else bytes(body)


def _effected(
    simulation: Any, invocation: Any, crossing: Crossing, request: Any, body: Any
) -> None:
    """Write down that the call, with this body, has changed the world."""
    if catalogue.is_read_only(crossing.operation) or crossing.service in TELEMETRY:
        return
    if crossing.point in _COMPUTING:
        return
    place = invocation.function.logical_id
    simulation.record("effected", crossing.messages, place, crossing.label)
    if crossing.service in STATE_SERVICES or crossing.point == "lambda.Invoke":
        return
    said = _parameters(request, body)
    if not moto_deliveries.stays_inside(simulation, crossing.point, said):
        simulation.emit(crossing.point, said, None)


def _parameters(request: Any, body: Any) -> Any:
    """What a call says, as a JSON value, whatever its protocol."""
    if isinstance(body, dict):
        return {str(name): str(value) for name, value in body.items()}
    text = _bytes(body).decode("utf-8", "replace")
    try:
        said = json.loads(text)
    except ValueError:
        said = dict(parse_qsl(text)) or text
    path = request.get("url_path", "/") if isinstance(request, dict) else urlsplit(request.url).path
    return said if path in ("", "/") else {"path": path, "body": said}
