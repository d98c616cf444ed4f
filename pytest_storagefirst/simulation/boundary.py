"""The one boundary: every AWS and HTTP call of a handler crosses here.

Here history is written, faults strike and other work gets its turn. The patches are installed once
per process and do nothing while no simulation is active; real credentials are never used, and no
call ever reaches a network.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pytest_storagefirst.faults import catalogue
from pytest_storagefirst.simulation import clients, lanes

BEFORE_MS = 2  # from the call until its effect
AFTER_MS = 3  # from the effect until the answer

# What is written there is no effect of a message: nobody's order is in a log line.
TELEMETRY = frozenset({"logs", "cloudwatch", "xray", "application-signals"})

# Services whose data the final read looks at; a write to any other is an emission.
STATE_SERVICES = frozenset({"dynamodb", "s3", "sqs"})

_ATTEMPT_FAULTS = frozenset({"refused", "response-lost", "slow", "partial", "stale"})
CRASHES_BEFORE = frozenset({"crash-before"})
CRASHES_AFTER = frozenset({"crash-after"})


_active: Any = None
_installed = False


def activate(simulation: Any) -> None:
    """Make `simulation` (or None) the one that all calls of this process belong to."""
    global _active
    _install()
    _active = simulation


def _install() -> None:
    global _installed
    if _installed:
        return
    _installed = True
    from boto3.resources.factory import ResourceFactory
    from boto3.session import Session
    from botocore.client import BaseClient
    from botocore.httpsession import URLLib3Session
    from botocore.useragent import UserAgentString

    make_request, send = BaseClient._make_request, URLLib3Session.send
    client, resource = Session.client, Session.resource
    load = ResourceFactory.load_from_definition
    user_agent = UserAgentString.to_string

    def boundary_make_request(self: Any, model: Any, request: Any, context: Any) -> Any:
        simulation = _active
        if simulation is None or simulation.current is None:
            return make_request(self, model, request, context)
        return aws_call(simulation, self, model, request, context, make_request)

    def boundary_send(self: Any, request: Any) -> Any:
        if _active is None:
            return send(self, request)
        return attempt(_active, request)

    def boundary_client(self: Any, *args: Any, **kwargs: Any) -> Any:
        simulation = _active
        if simulation is None or simulation.current is None:
            return client(self, *args, **kwargs)
        environment = simulation.current.environment
        return clients.pooled(environment, client, "client", self, args, kwargs)

    def boundary_resource(self: Any, *args: Any, **kwargs: Any) -> Any:
        simulation = _active
        if simulation is None or simulation.current is None:
            return resource(self, *args, **kwargs)
        environment = simulation.current.environment
        return clients.pooled(environment, resource, "resource", self, args, kwargs)

    def boundary_load(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _active is None:
            return load(self, *args, **kwargs)
        return clients.resource_class(load, self, *args, **kwargs)

    def boundary_user_agent(self: Any) -> str:
        return "simulated" if _active is not None else str(user_agent(self))

    UserAgentString.to_string = boundary_user_agent
    BaseClient._make_request = boundary_make_request
    URLLib3Session.send = boundary_send
    Session.client, Session.resource = boundary_client, boundary_resource
    ResourceFactory.load_from_definition = boundary_load


class Crossing:
    """One call under way: what it is, whom it concerns, and how many attempts it has made."""

    __slots__ = ("attempts", "messages", "number", "operation", "point", "service")

    def __init__(
        self, service: str, operation: str, point: str, number: int, messages: tuple[str, ...]
    ) -> None:
        self.service = service
        self.operation = operation
        self.point = point
        self.number = number
        self.messages = messages
        self.attempts = 0

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
    point = f"{service}.{operation}"
    place = invocation.function.logical_id
    messages = simulation.concerned(invocation, request)
    number = simulation.strikes.cross(place, point, messages)
    crossing = Crossing(service, operation, point, number, messages)
    simulation.record("called", messages, place, crossing.label)
    crash(simulation, invocation, crossing, CRASHES_BEFORE)
    if simulation.due(place, point, messages, _ATTEMPT_FAULTS) is None:
        simulation.scheduler.pause(BEFORE_MS)
        simulation.stop_the_dead(invocation)
        simulation.before_write(service, operation)
        answered = lanes.fast(service, operation, request, client.meta.region_name)
        if answered is not None:
            if answered[0].status_code < 300:
                _effected(simulation, invocation, crossing, request)
            simulation.scheduler.pause(AFTER_MS)
            simulation.stop_the_dead(invocation)
            _note_error(simulation, place, crossing, answered)
            crash(simulation, invocation, crossing, CRASHES_AFTER)
            return answered
    outer, invocation.crossing = invocation.crossing, crossing
    try:
        answered = make_request(client, model, request, context)
    finally:
        invocation.crossing = outer
    _note_error(simulation, place, crossing, answered)
    crash(simulation, invocation, crossing, CRASHES_AFTER)
    return answered


def _note_error(simulation: Any, place: str, crossing: Crossing, answered: Any) -> None:
    http, parsed = answered
    if http.status_code >= 300:
        code = str(parsed.get("Error", {}).get("Code", http.status_code))
        simulation.record("errored", crossing.messages, place, f"{crossing.label}: {code}")


def crash(simulation: Any, invocation: Any, crossing: Crossing, kinds: frozenset[str]) -> None:
    place = invocation.function.logical_id
    strike = simulation.due(place, crossing.point, crossing.messages, kinds)
    if strike is not None:
        simulation.strike(strike, crossing.messages)
        simulation.functions.kill(invocation, "crash")


def attempt(simulation: Any, request: Any) -> Any:
    """One attempt to send a request: where the network would be. Returns botocore's AWSResponse."""
    from botocore.awsrequest import AWSResponse
    from moto.core.botocore_stubber import MockRawResponse

    invocation = simulation.current
    crossing = invocation.crossing if invocation is not None else None
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
    strike = simulation.due(place, crossing.point, crossing.messages, _ATTEMPT_FAULTS)
    kind = ""
    if strike is not None and _can_strike(strike.fault, crossing, request):
        kind = strike.fault.kind
        simulation.strike(strike, crossing.messages)
    status, headers, body = _answer(simulation, crossing, request, kind, strike)
    if status < 300 and kind != "refused":
        _effected(simulation, invocation, crossing, request)
    if kind == "slow":
        simulation.scheduler.sleep(invocation.function.timeout_seconds * 1000 + 1000)
    simulation.scheduler.pause(AFTER_MS)
    simulation.stop_the_dead(invocation)
    if kind == "response-lost":
        simulation.record("errored", crossing.messages, place, f"{crossing.label}: no answer")
        raise _lost_answer(strike.fault.variant, request.url)
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
    simulation: Any, crossing: Crossing, request: Any, kind: str, strike: Any
) -> tuple[int, Any, bytes]:
    if kind == "refused":
        return refusal(crossing.service, strike.fault.variant or "throttle", request.url)
    simulation.before_write(crossing.service, crossing.operation)
    if kind == "stale":
        with simulation.reading_stale():
            return _ask(simulation, request, request.body)
    if kind == "partial":
        from pytest_storagefirst.simulation.partial import split

        kept, merge = split(crossing.point, json.loads(_bytes(request.body)))
        status, headers, body = (
            _ask(simulation, request, json.dumps(kept).encode()) if kept else (200, {}, b"{}")
        )
        return (status, headers, merge(body)) if status < 300 else (status, headers, body)
    return _ask(simulation, request, request.body)


def _ask(simulation: Any, request: Any, body: Any) -> tuple[int, Any, bytes]:
    answered: tuple[int, Any, bytes] = simulation.ask(
        request.method, request.url, request.headers, body
    )
    return answered


def _bytes(body: Any) -> bytes:
    if body is None:
        return b""
    return body.encode() if isinstance(body, str) else bytes(body)


def _effected(simulation: Any, invocation: Any, crossing: Crossing, request: Any) -> None:
    if catalogue.is_read_only(crossing.operation) or crossing.service in TELEMETRY:
        return
    place = invocation.function.logical_id
    simulation.record("effected", crossing.messages, place, crossing.label)
    if crossing.service not in STATE_SERVICES and crossing.point != "lambda.Invoke":
        simulation.emit(crossing.point, _parameters(request), None)


def _parameters(request: Any) -> Any:
    """What a call says, as a JSON value, whatever its protocol."""
    body = request["body"] if isinstance(request, dict) else request.body
    if isinstance(body, dict):
        return {str(name): str(value) for name, value in body.items()}
    text = _bytes(body).decode("utf-8", "replace")
    try:
        said = json.loads(text)
    except ValueError:
        said = dict(parse_qsl(text)) or text
    path = request.get("url_path", "/") if isinstance(request, dict) else urlsplit(request.url).path
    return said if path in ("", "/") else {"path": path, "body": said}


def refusal(service: str, variant: str, url: str) -> tuple[int, dict[str, str], bytes]:
    """A service's own answer when it refuses: status, headers, body, by its wire protocol.

    Raises ConnectTimeoutError for "connect-timeout". Codes are those of the services' API
    references (CommonErrors) and botocore's models.
    """
    if variant == "connect-timeout":
        from botocore.exceptions import ConnectTimeoutError

        raise ConnectTimeoutError(endpoint_url=url)
    status, code = _REFUSALS.get(service, {}).get(variant) or _REFUSALS["*"][variant]
    message = f"{code} (fault of the plan)"
    if service in ("s3", "sns", "ses", "iam", "sts"):
        error = f"<Code>{code}</Code><Message>{message}</Message>"
        inner = error if service == "s3" else f"<Type>Sender</Type>{error}"
        body = (
            f"<Error>{inner}</Error>"
            if service == "s3"
            else f"<ErrorResponse><Error>{inner}</Error></ErrorResponse>"
        )
        return status, {"Content-Type": "text/xml"}, body.encode()
    headers = {"Content-Type": "application/x-amz-json-1.0", "x-amzn-ErrorType": code}
    return (
        status,
        headers,
        json.dumps({"__type": code, "message": message, "Message": message}).encode(),
    )


_REFUSALS: dict[str, dict[str, tuple[int, str]]] = {
    "*": {
        "throttle": (400, "ThrottlingException"),
        "server-error": (500, "InternalServerError"),
        "access-denied": (400, "AccessDeniedException"),
    },
    "dynamodb": {"throttle": (400, "ProvisionedThroughputExceededException")},
    "sqs": {
        "throttle": (403, "RequestThrottled"),
        "server-error": (500, "InternalFailure"),
        "access-denied": (403, "AccessDeniedException"),
    },
    "s3": {
        "throttle": (503, "SlowDown"),
        "server-error": (500, "InternalError"),
        "access-denied": (403, "AccessDenied"),
    },
    "lambda": {
        "throttle": (429, "TooManyRequestsException"),
        "server-error": (500, "ServiceException"),
        "access-denied": (403, "AccessDeniedException"),
    },
    "kinesis": {"throttle": (400, "ProvisionedThroughputExceededException")},
    "sns": {
        "throttle": (400, "Throttling"),
        "server-error": (500, "InternalFailure"),
        "access-denied": (403, "AuthorizationError"),
    },
}


def _lost_answer(variant: str, url: str) -> Exception:
    from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

    if variant == "reset":
        return ConnectionClosedError(endpoint_url=url)
    return ReadTimeoutError(endpoint_url=url)
