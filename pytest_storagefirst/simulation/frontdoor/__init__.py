"""The way in: API Gateway's REST and HTTP APIs as pure functions around one backend call.

`match_route` finds the route, `backend_call` makes of a request the call that the gateway sends (or
the gateway's own answer), the engine performs it and may let faults strike there, and `answer` says
what the sender is told. Nothing here does I/O or keeps state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ...errors import TemplateError
from ...stack.topology import Route
from . import http_api, lambda_proxy, rest_request
from .acknowledgement import acknowledged, refused_entry
from .messages import (
    BackendCall,
    BackendFailure,
    GatewayContext,
    HttpReply,
    HttpRequest,
    gateway_reply,
)
from .request_validation import refusal
from .rest_response import integration_response
from .routing import match_route, no_route
from .service_replies import service_error, service_reply
from .velocity import Variables, render, variables_of

__all__ = [
    "BackendCall",
    "BackendFailure",
    "GatewayContext",
    "HttpReply",
    "HttpRequest",
    "acknowledged",
    "answer",
    "backend_call",
    "gateway_reply",
    "match_route",
    "no_route",
    "refused_entry",
    "service_error",
    "service_reply",
    "throttled",
]

PAYLOAD_LIMIT_BYTES = 10 * 1024 * 1024  # both kinds of API (limits)


def backend_call(
    route: Route,
    request: HttpRequest,
    path_parameters: Mapping[str, str],
    context: GatewayContext,
) -> BackendCall | HttpReply:
    """What the gateway sends to the backend, or what it answers by itself.

    By itself it answers for a mock, a body too large (413), one that its validator turns away (400)
    or that no template takes (415), and in an HTTP API for a selector that finds nothing (400).

    Raises TemplateError where the template's author must mend something: a mapping template that is
    no Velocity, an unknown subtype, a model that is no JSON schema.
    """
    with _located(route):
        return _backend_call(route, request, path_parameters, context)


def answer(
    route: Route,
    request: HttpRequest,
    context: GatewayContext,
    backend: HttpReply | BackendFailure,
) -> HttpReply:
    """What the sender is told, given the backend's reply or its silence."""
    with _located(route):
        return _answer(route, request, context, backend)


def throttled(route: Route) -> HttpReply:
    """The 429 of a stage or account over its rate (api-gateway-request-throttling)."""
    if route.protocol == "REST":
        return gateway_reply(429, "Too Many Requests", "TooManyRequestsException")
    return gateway_reply(429, "Too Many Requests")


def _backend_call(
    route: Route,
    request: HttpRequest,
    path_parameters: Mapping[str, str],
    context: GatewayContext,
) -> BackendCall | HttpReply:
    if len(request.body.encode()) > PAYLOAD_LIMIT_BYTES:
        message = "Request Too Long" if route.protocol == "REST" else "Request Entity Too Large"
        return gateway_reply(413, message)
    integration = route.integration
    if route.protocol == "HTTP":
        if integration.subtype:
            return http_api.first_class_call(route, request, path_parameters, context)
        if integration.kind == "AWS_PROXY":
            return lambda_proxy.invocation(route, request, path_parameters, context)
        return http_api.proxy_call(route, request, path_parameters, context)
    if route.protocol == "WEBSOCKET" and integration.kind == "HTTP":
        return http_api.proxy_call(route, request, path_parameters, context)
    refused = refusal(route, request, path_parameters)
    if refused is not None:
        return refused
    if integration.kind == "AWS_PROXY":
        return lambda_proxy.invocation(route, request, path_parameters, context)
    variables = variables_of(route, request, path_parameters, context)
    if integration.kind == "HTTP_PROXY":
        return rest_request.proxy_call(route, request, variables)
    return rest_request.integration_request(route, request, variables)


def _answer(
    route: Route,
    request: HttpRequest,
    context: GatewayContext,
    backend: HttpReply | BackendFailure,
) -> HttpReply:
    integration = route.integration
    if integration.kind == "AWS_PROXY" and not integration.subtype:
        return lambda_proxy.proxy_answer(route, backend)
    if route.protocol == "HTTP":
        return http_api.backend_answer(backend)
    if route.protocol == "WEBSOCKET":
        # Without a route response a sender hears of a failure alone.
        taken = isinstance(backend, HttpReply) and backend.status < 300
        return HttpReply(200) if taken else gateway_reply(500, "Internal server error")
    if integration.kind == "HTTP_PROXY" and isinstance(backend, HttpReply):
        return backend
    matched = match_route([route], request.method, request.path)
    path_parameters = matched[1] if matched else {}
    variables = variables_of(route, request, path_parameters, context)
    _repeat_overrides(route, request, variables)
    return integration_response(route, request, backend, variables)


@contextmanager
def _located(route: Route) -> Iterator[None]:
    """An error about a template says which route's it is."""
    try:
        yield
    except TemplateError as error:
        error.where = error.where or f"{route.api_logical_id}: {route.name}"
        raise


def _repeat_overrides(route: Route, request: HttpRequest, variables: Variables) -> None:
    """What the request template overrode holds for the response too, so it is run once more."""
    template = rest_request.select_request_template(route.integration, request)
    if template and "Override" in template:
        render(template, request.body, variables)
