"""Lambda authorizers: the event that one is given, and what its answer means for the request.

Pages: apigateway-use-lambda-authorizer, api-gateway-lambda-authorizer-input,
api-gateway-lambda-authorizer-output, http-api-lambda-authorizer.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from typing import Any

from ...stack.topology import Authorizer, Route
from . import lambda_proxy
from .messages import GatewayContext, HttpReply, HttpRequest, gateway_reply, header


def identity(authorizer: Authorizer, request: HttpRequest) -> list[str] | None:
    """The values that the request is to be recognised by; None when one of them is missing."""
    values = []
    for source in authorizer.identity_sources:
        place, _, name = source.rpartition(".")
        found = (
            header(request.headers, name)
            if place.endswith("header")
            else request.query.get(name)
            if place.endswith("querystring")
            else ""
        )
        if found is None:
            return None
        values.append(found)
    return values


def event(
    route: Route,
    authorizer: Authorizer,
    request: HttpRequest,
    path_parameters: Mapping[str, str],
    context: GatewayContext,
) -> dict[str, Any]:
    """What the authorizer's function is invoked with."""
    arn = method_arn(route, request, context)
    values = identity(authorizer, request) or []
    if authorizer.kind == "TOKEN":
        return {"type": "TOKEN", "authorizationToken": values[0], "methodArn": arn}
    if route.protocol == "HTTP" and authorizer.payload_format_version == "2.0":
        known = lambda_proxy.event_2(route, request, path_parameters, context)
        known.pop("body", None)
        return {**known, "type": "REQUEST", "routeArn": arn, "identitySource": values}
    known = lambda_proxy.event_1(route, request, path_parameters, context)
    known.pop("body", None)
    return {**known, "type": "REQUEST", "methodArn": arn}


def method_arn(route: Route, request: HttpRequest, context: GatewayContext) -> str:
    path = request.path.lstrip("/")
    return (
        f"arn:aws:execute-api:{context.region}:{context.account}:{route.api_id}/{route.stage}/"
        f"{request.method}/{path}"
    )


def unauthorized(route: Route) -> HttpReply:
    """What a sender without identity is told, before any authorizer runs."""
    kind = "UnauthorizedException" if route.protocol == "REST" else ""
    return gateway_reply(401, "Unauthorized", kind)


def refusal(
    route: Route, authorizer: Authorizer, arn: str, result: Any, error: str
) -> HttpReply | None:
    """What the sender is told instead of being let in; None when the authorizer lets it in.

    `error` is what the function raised: "Unauthorized" is a no, all else a failure of the gateway.
    """
    is_rest = route.protocol == "REST"
    if error == "Unauthorized":
        return unauthorized(route)
    if authorizer.simple_responses and isinstance(result, Mapping):
        allowed = result.get("isAuthorized") is True
    else:
        document = result.get("policyDocument") if isinstance(result, Mapping) else None
        if error or not isinstance(document, Mapping):
            message = "Internal server error" if is_rest else "Internal Server Error"
            return gateway_reply(
                500, message, "AuthorizerConfigurationException" if is_rest else ""
            )
        allowed = _allows(document, arn)
    if allowed:
        return None
    if is_rest:
        message = "User is not authorized to access this resource"
        return gateway_reply(403, message, "AccessDeniedException")
    return gateway_reply(403, "Forbidden")


def _allows(document: Mapping[str, Any], arn: str) -> bool:
    statements = document.get("Statement") or []
    effects = set()
    for statement in statements if isinstance(statements, list) else [statements]:
        resources = statement.get("Resource") or []
        for resource in resources if isinstance(resources, list) else [resources]:
            if fnmatch.fnmatchcase(arn, str(resource)):
                effects.add(str(statement.get("Effect")))
    return "Allow" in effects and "Deny" not in effects


def shown(result: Any) -> dict[str, str]:
    """`$context.authorizer`, as the function's answer makes it."""
    context = result.get("context") if isinstance(result, Mapping) else None
    known = {name: str(value) for name, value in (context or {}).items()}
    if isinstance(result, Mapping) and "principalId" in result:
        known["principalId"] = str(result["principalId"])
    return known
