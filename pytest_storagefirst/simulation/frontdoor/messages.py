"""What passes through a front door: the request, the call to the backend, the reply."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JSON_TYPE = "application/json"


@dataclass(frozen=True)
class HttpRequest:
    """What the sender sent. `path` has no stage in it; `query` is decoded."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass(frozen=True)
class HttpReply:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass(frozen=True)
class GatewayContext:
    """What the gateway knows of a request beside its text; all of it given, so that runs repeat.

    `now_ms` is virtual time in milliseconds since the epoch.
    """

    account: str
    region: str
    request_id: str
    now_ms: int
    source_ip: str = "192.0.2.1"
    authorizer: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BackendCall:
    """The HTTP request that the gateway makes, and what the service will read in it.

    `operation` and `parameters` (as boto3 takes them) are None where they do not follow exactly
    from the request. `refused` is the answer of a service that cannot read the request as a call of
    an operation at all: no fault-free backend would do otherwise, and nothing is stored.
    """

    service: str
    operation: str | None
    method: str
    url: str
    headers: Mapping[str, str]
    body: str
    parameters: Mapping[str, Any] | None = None
    credentials: str = ""
    region: str = ""
    refused: HttpReply | None = None


@dataclass(frozen=True)
class BackendFailure:
    """No answer came back. `kind` is "timeout" (the integration's limit passed) or "connection"."""

    kind: str


def header(headers: Mapping[str, str], name: str) -> str | None:
    """The value of a header whatever the case of its name."""
    if name in headers:
        return headers[name]
    lowered = name.lower()
    return next((value for key, value in headers.items() if key.lower() == lowered), None)


def media_type(value: str | None) -> str:
    """Only the MIME type selects a mapping template (request-response-data-mappings)."""
    return (value or JSON_TYPE).partition(";")[0].strip().lower()


def gateway_reply(status: int, message: str, error_type: str = "") -> HttpReply:
    """An answer that API Gateway gives by itself (supported-gateway-response-types)."""
    headers = {"Content-Type": JSON_TYPE}
    if error_type:
        headers["x-amzn-ErrorType"] = error_type
    return HttpReply(status, headers, json.dumps({"message": message}, separators=(",", ":")))


INTERNAL_ERROR = gateway_reply(500, "Internal server error", "InternalServerErrorException")
