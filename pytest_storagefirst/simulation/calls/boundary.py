"""The one boundary: every AWS and HTTP call of a handler crosses here.

Here history is written, faults strike and other work gets its turn. Real credentials are never
used, and no call ever reaches a network.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from greenlet import getcurrent

from pytest_storagefirst.faults import catalogue
from pytest_storagefirst.simulation import changes
from pytest_storagefirst.simulation.calls import lanes
from pytest_storagefirst.simulation.calls.refusals import cancelled, denial, lost_answer, refusal
from pytest_storagefirst.simulation.choosing import EVERYTHING
from pytest_storagefirst.simulation.routing import hooks

BEFORE_MS = 2  # from the call until its effect
AFTER_MS = 3  # from the effect until the answer
# Of a run that are kept, so that its story can tell what each is about.
MOST_REQUESTS = 5_000

# What is said to these is no effect of a message: nobody's order is in a log line, in an assumed
# role, or in a question about flags.
TELEMETRY = frozenset({"appconfigdata", "logs", "cloudwatch", "xray", "application-signals", "sts"})
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

# What comes of these is what the function or the state machine does.
MOVES_ON = frozenset(
    {
        "lambda.Invoke",
        "lambda.UpdateEventSourceMapping",
        "stepfunctions.SendTaskFailure",
        "stepfunctions.SendTaskHeartbeat",
        "stepfunctions.SendTaskSuccess",
        "stepfunctions.StartExecution",
        "stepfunctions.StartSyncExecution",
        "stepfunctions.StopExecution",
    }
)

# Calls that moto has no answer to, and that leave the stack: AWS's own answer.
TAKEN = {"iot-data.Publish": b"{}"}

_ATTEMPT_FAULTS = frozenset({"refused", "response-lost", "slow", "partial", "stale", "conflict"})
CRASHES_BEFORE = frozenset({"crash-before"})
CRASHES_AFTER = frozenset({"crash-after"})


class Crossing:
    """One call under way: what it is, whom it concerns, and how many attempts it has made.

    `numbers` are its own, for faults that strike one of its attempts: other calls may cross the
    same point before it is over.
    """

    __slots__ = (
        "attempts",
        "denied",
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
        if self.numbers:  # whom a fault strikes goes by who crosses first
            simulation.scheduler.touch("strikes", point, place)
        self.attempts = 0
        self.denied: Any = None  # the Refusal of a policy that is missing
        self.region = ""

    @property
    def label(self) -> str:
        return f"{self.point} #{self.number}"


def aws_call(
    simulation: Any, client: Any, model: Any, request: Any, make_request: Callable[[], Any]
) -> Any:
    """A handler's AWS call: the fast lane when no fault is near, botocore's own path otherwise.

    `make_request` is that path. Returns the answer as (http, parsed).
    """
    invocation = simulation.current
    simulation.stop_the_dead(invocation)
    service, operation = model.service_model.service_name, model.name
    place = invocation.function.logical_id
    messages = simulation.identities.concerned(invocation.messages, request)
    crossing = Crossing(simulation, place, service, operation, f"{service}.{operation}", messages)
    if crossing.numbers and simulation.has_changes:
        changes.strike(simulation, place, crossing.point, messages, crossing.numbers)
    simulation.record("called", messages, place, crossing.label)
    if len(simulation.requests) < MOST_REQUESTS:
        simulation.requests[place, crossing.label] = request
    crash(simulation, invocation, crossing, CRASHES_BEFORE)
    crossing.denied = simulation.permissions.of_call(
        invocation.function.role_arn, crossing.point, request, client
    )
    if crossing.denied is None and due(simulation, place, crossing, _ATTEMPT_FAULTS) is None:
        simulation.scheduler.pause(BEFORE_MS)
        simulation.stop_the_dead(invocation)
        simulation.before_write(service, operation, client.meta.region_name)
        answered = lanes.fast(service, operation, request, client.meta.region_name)
        if answered is not None:
            simulation.scheduler.touch(service, operation, request)
            if answered[0].status_code < 300:
                _effected(simulation, invocation, crossing, request, request["body"])
                if simulation.circuit is not None:
                    simulation.circuit.crossed(invocation, service, operation, request["body"])
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
    answered = None
    try:
        answered = make_request()
    finally:
        if simulation.circuit is not None and _is_refusal(answered):
            simulation.circuit.refused(invocation, service, operation, request["body"])
        if outer is None:
            del under_way[here]
        else:
            under_way[here] = outer
    _note_error(simulation, place, crossing, answered)
    crash(simulation, invocation, crossing, CRASHES_AFTER)
    return answered


def _is_refusal(answered: Any) -> bool:
    """Whether a call came to nothing; a condition that did not hold is an answer."""
    if answered is None or answered[0].status_code < 300:
        return answered is None
    return bool(answered[1].get("Error", {}).get("Code") != "ConditionalCheckFailedException")


def _note_error(simulation: Any, place: str, crossing: Crossing, answered: Any) -> None:
    http, parsed = answered
    if http.status_code >= 300:
        code = str(parsed.get("Error", {}).get("Code", http.status_code))
        simulation.record("errored", crossing.messages, place, f"{crossing.label}: {code}")


def due(simulation: Any, place: str, crossing: Crossing, kinds: frozenset[str]) -> Any:
    """The fault of one of `kinds` that strikes this crossing now, if any."""
    return simulation.due(place, crossing.point, crossing.messages, kinds, crossing.numbers)


def crash(simulation: Any, invocation: Any, crossing: Crossing, kinds: frozenset[str]) -> None:
    if invocation.is_execution:  # no environment that could die
        return
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
        simulation.scheduler.touch(*EVERYTHING)
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
    if fault.kind == "conflict":
        return crossing.point in catalogue.TRANSACTIONS
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
    if crossing.denied is not None:
        place = invocation.function.logical_id
        simulation.record("denied", crossing.messages, place, crossing.denied.reading)
        return denial(crossing.service, crossing.denied.code, crossing.denied.message)
    if kind == "conflict":
        asked = json.loads(_bytes(request.body))[catalogue.TRANSACTIONS[crossing.point]]
        return cancelled(len(asked))
    if crossing.point in TAKEN:
        _effected(simulation, invocation, crossing, request, request.body)
        return 200, {}, TAKEN[crossing.point]
    simulation.before_write(crossing.service, crossing.operation, crossing.region)
    simulation.scheduler.touch(crossing.service, crossing.operation, request)
    body, merge = request.body, None
    if kind == "partial":
        from pytest_storagefirst.simulation.calls.partial import split

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
        if simulation.circuit is not None:
            simulation.circuit.crossed(
                invocation, crossing.service, crossing.operation, body, stale=kind == "stale"
            )
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
    messages, circuit = crossing.messages, simulation.circuit
    if circuit is not None and circuit.is_its_own(crossing.service, crossing.operation, body):
        messages = ()  # it is done for no message, or for all that come
    simulation.record("effected", messages, place, crossing.label)
    if crossing.service in STATE_SERVICES or crossing.point in MOVES_ON:
        return
    if simulation.circuit is not None and simulation.circuit.is_kept_by(crossing.service, body):
        return
    said = _parameters(request, body)
    if crossing.service == "kinesis" and simulation.streams.has(said):
        return
    if not hooks.stays_inside(simulation, crossing.point, said):
        # A FIFO topic or queue of another stack takes the same once.
        once = said.get("MessageDeduplicationId") if isinstance(said, dict) else None
        simulation.emit(crossing.point, said, once)


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
