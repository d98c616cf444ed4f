"""Lambda proxy integrations: the event that a function is given, and what its answer means.

Pages: set-up-lambda-proxy-integrations, http-api-develop-integrations-lambda.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from ...stack.topology import Route
from .messages import (
    JSON_TYPE,
    BackendCall,
    BackendFailure,
    GatewayContext,
    HttpReply,
    HttpRequest,
    gateway_reply,
    header,
)
from .velocity import context_variables

FUNCTION_URI = re.compile(r"(?:.*:lambda:path/2015-03-31/functions/)?(.+?)(?:/invocations)?$")
SHOWN_CONTEXT = (
    *("accountId", "apiId", "domainName", "domainPrefix", "extendedRequestId", "httpMethod"),
    *("identity", "path", "protocol", "requestId", "requestTime", "requestTimeEpoch"),
    *("resourcePath", "stage"),
)
MALFORMED_REST = gateway_reply(502, "Internal server error", "InternalServerErrorException")
MALFORMED_HTTP = gateway_reply(500, "Internal Server Error")


def invocation(
    route: Route,
    request: HttpRequest,
    path_parameters: Mapping[str, str],
    context: GatewayContext,
) -> BackendCall:
    """The synchronous invocation of the function behind a proxy route."""
    match = FUNCTION_URI.match(route.integration.uri)
    arn = match[1] if match else route.integration.uri
    if route.protocol == "HTTP" and route.integration.payload_format_version != "1.0":
        event = event_2(route, request, path_parameters, context)
    else:
        event = event_1(route, request, path_parameters, context)
    payload = json.dumps(event, ensure_ascii=False)
    return BackendCall(
        "lambda",
        "Invoke",
        "POST",
        f"https://lambda.{context.region}.amazonaws.com/2015-03-31/functions/{arn}/invocations",
        {"Content-Type": JSON_TYPE},
        payload,
        {"FunctionName": arn, "InvocationType": "RequestResponse", "Payload": payload},
        credentials=route.integration.credentials,
        region=context.region,
    )


def proxy_answer(route: Route, backend: HttpReply | BackendFailure) -> HttpReply:
    """What the sender is told for a function's result, error or silence."""
    is_rest = route.protocol == "REST"
    if isinstance(backend, BackendFailure) and backend.kind == "timeout":
        if is_rest:
            return gateway_reply(504, "Endpoint request timed out", "InternalServerErrorException")
        return gateway_reply(503, "Service Unavailable")
    malformed = MALFORMED_REST if is_rest else MALFORMED_HTTP
    if isinstance(backend, BackendFailure) or backend.status >= 300:
        return malformed
    if header(backend.headers, "X-Amz-Function-Error") is not None:
        return malformed
    try:
        result = json.loads(backend.body)
    except ValueError:
        return malformed
    is_response = isinstance(result, dict) and "statusCode" in result
    if not is_response and not is_rest and route.integration.payload_format_version != "1.0":
        # format 2.0 takes any other valid JSON for the body of a 200
        return HttpReply(200, {"Content-Type": JSON_TYPE}, _body_text(result))
    try:
        status = int(result["statusCode"])
        headers = {str(name): str(value) for name, value in (result.get("headers") or {}).items()}
    except (TypeError, ValueError, KeyError, AttributeError):
        return malformed
    body = result.get("body")
    if body is not None and not isinstance(body, str):
        return malformed
    if header(headers, "Content-Type") is None:
        headers["Content-Type"] = JSON_TYPE if is_rest else "text/plain;charset=UTF-8"
    return HttpReply(status, headers, body or "")


def _body_text(result: Any) -> str:
    return result if isinstance(result, str) else json.dumps(result, separators=(",", ":"))


def event_1(
    route: Route,
    request: HttpRequest,
    path_parameters: Mapping[str, str],
    context: GatewayContext,
) -> dict[str, Any]:
    known = context_variables(route, request, context)
    event: dict[str, Any] = {
        "resource": route.path,
        "path": request.path,
        "httpMethod": request.method.upper(),
        "headers": dict(request.headers),
        "multiValueHeaders": {name: [value] for name, value in request.headers.items()},
        "queryStringParameters": dict(request.query) or None,
        "multiValueQueryStringParameters": {k: [v] for k, v in request.query.items()} or None,
        "pathParameters": dict(path_parameters) or None,
        "stageVariables": dict(route.stage_variables) or None,
        "requestContext": {name: known[name] for name in SHOWN_CONTEXT},
        "body": request.body or None,
        "isBase64Encoded": False,
    }
    return {"version": "1.0", **event} if route.protocol == "HTTP" else event


def event_2(
    route: Route,
    request: HttpRequest,
    path_parameters: Mapping[str, str],
    context: GatewayContext,
) -> dict[str, Any]:
    known = context_variables(route, request, context)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route.name,
        "rawPath": request.path,
        "rawQueryString": urlencode(dict(request.query)),
        "headers": {name.lower(): value for name, value in request.headers.items()},
        "requestContext": {
            **{name: known[name] for name in ("accountId", "apiId", "domainName", "domainPrefix")},
            "http": {
                "method": request.method.upper(),
                "path": request.path,
                "protocol": known["protocol"],
                **known["identity"],
            },
            "requestId": known["requestId"],
            "routeKey": route.name,
            "stage": route.stage,
            "time": known["requestTime"],
            "timeEpoch": known["requestTimeEpoch"],
        },
        "isBase64Encoded": False,
    }
    optional = {
        "queryStringParameters": dict(request.query),
        "pathParameters": dict(path_parameters),
        "stageVariables": dict(route.stage_variables),
        "body": request.body,
    }
    return {**event, **{name: value for name, value in optional.items() if value}}
