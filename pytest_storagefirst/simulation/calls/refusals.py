"""How a service says no, and how a client learns that no answer will come."""

from __future__ import annotations

import json
from xml.sax.saxutils import escape

from pytest_storagefirst.errors import SimulationError
from pytest_storagefirst.stack.topology import Topology


def refusal(service: str, variant: str, url: str) -> tuple[int, dict[str, str], bytes]:
    """A service's own answer when it refuses: status, headers, body, by its wire protocol.

    Raises ConnectTimeoutError for "connect-timeout". Codes are those of the services' API
    references (CommonErrors) and botocore's models.
    """
    if variant == "connect-timeout":
        from botocore.exceptions import ConnectTimeoutError

        raise ConnectTimeoutError(endpoint_url=url)
    status, code = _code(service, variant)
    return _worded(service, status, code, f"{code} (fault of the plan)")


def denial(service: str, code: str, message: str) -> tuple[int, dict[str, str], bytes]:
    """The answer to a call that no policy allows; `code` "" is the service's own for that."""
    status, own = _code(service, "access-denied")
    return _worded(service, status, code or own, message)


def cancelled(count: int) -> tuple[int, dict[str, str], bytes]:
    """DynamoDB's answer to a transaction of `count` items, the first of which another one holds.

    The SDK does not try it again by itself. Page: DynamoDB API reference, TransactWriteItems.
    """
    reasons = [{"Code": "None"}] * count
    reasons[0] = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}
    code = "TransactionCanceledException"
    message = (
        "Transaction cancelled, please refer cancellation reasons for specific reasons "
        f"[{', '.join(one['Code'] for one in reasons)}]"
    )
    said = {"__type": code, "CancellationReasons": reasons, "Message": message}
    return 400, _json_headers(code), json.dumps(said).encode()


def _json_headers(code: str) -> dict[str, str]:
    return {"Content-Type": "application/x-amz-json-1.0", "x-amzn-ErrorType": code}


def _code(service: str, variant: str) -> tuple[int, str]:
    return _REFUSALS.get(service, {}).get(variant) or _REFUSALS["*"][variant]


def _worded(
    service: str, status: int, code: str, message: str
) -> tuple[int, dict[str, str], bytes]:
    if service in ("s3", "sns", "ses", "iam", "sts"):
        error = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
        inner = error if service == "s3" else f"<Type>Sender</Type>{error}"
        body = (
            f"<Error>{inner}</Error>"
            if service == "s3"
            else f"<ErrorResponse><Error>{inner}</Error></ErrorResponse>"
        )
        return status, {"Content-Type": "text/xml"}, body.encode()
    return (
        status,
        _json_headers(code),
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


def lost_answer(variant: str, url: str) -> Exception:
    from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

    kind = ConnectionClosedError if variant == "reset" else ReadTimeoutError
    lost: Exception = kind(endpoint_url=url)
    return lost


def not_answered(topology: Topology, place: str, why: str) -> SimulationError:
    """For a run that can't be judged: a call at `place` that moto has no answer for."""
    return SimulationError(
        "moto does not answer this call, so nothing can be said about what follows it",
        where=place,
        found=why,
        remedy=without_this_call(topology, place),
    )


def not_put_back(topology: Topology, place: str, call: str) -> SimulationError:
    """For a call at `place` that changes what the next run would find changed."""
    return SimulationError(
        "what this call changes can't be put back, so no further run could be trusted",
        where=place,
        found=call,
        remedy=without_this_call(topology, place),
    )


def without_this_call(topology: Topology, place: str) -> str:
    """What to write so that a call that can't be followed at `place` is not made."""
    if any(place == machine.logical_id for machine in topology.state_machines):
        return (
            "let the task invoke a function, which another handler can stand in for ([functions.…] "
            f"in storagefirst.toml), or name only ways in that don't start {place} ([[entry]])"
        )
    function = place if any(place == one.logical_id for one in topology.functions) else "…"
    return f"name another handler under [functions.{function}] in storagefirst.toml"
