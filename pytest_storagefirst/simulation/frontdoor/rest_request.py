"""REST APIs: the integration request, which decides what reaches the backend.

Pages: request-response-data-mappings, integration-passthrough-behaviors,
api-gateway-swagger-extensions-integration.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from ...stack.topology import Integration, Route
from .java_values import OverrideError, text_of
from .messages import (
    INTERNAL_ERROR,
    JSON_TYPE,
    BackendCall,
    HttpReply,
    HttpRequest,
    gateway_reply,
    header,
    media_type,
)
from .parameter_mapping import request_parameters, set_header
from .rest_response import integration_response
from .service_protocols import (
    NEEDS_OWN_TARGET,
    UnreadableRequest,
    read_operation,
    service_model,
)
from .velocity import Variables, render

SERVICE_URI = re.compile(r"arn:[^:]*:apigateway:([^:]*):([^:]+):(path|action)/(.*)$", re.S)
STAGE_VARIABLE = re.compile(r"\$\{stageVariables\.(\w+)\}")
UNSUPPORTED_MEDIA_TYPE = gateway_reply(415, "Unsupported Media Type", "BadRequestException")


def integration_request(
    route: Route, request: HttpRequest, variables: Variables
) -> BackendCall | HttpReply:
    """The call that an AWS or HTTP integration makes, or the gateway's own reply."""
    integration = route.integration
    template = select_request_template(integration, request)
    if template is None and not may_pass_through(integration):
        return UNSUPPORTED_MEDIA_TYPE
    mapped = request_parameters(integration, request, variables)
    try:
        body = request.body if template is None else render(template, request.body, variables)
    except OverrideError:
        return INTERNAL_ERROR
    if integration.kind == "MOCK":
        return _mock(route, request, body, variables)
    for kind, overrides in variables.context["requestOverride"].items():
        for name, value in overrides.items():
            set_header(mapped[kind], name, text_of(value))
    uri = _filled_uri(integration, mapped["path"], variables)
    headers = {"Accept": JSON_TYPE, "User-Agent": f"AmazonAPIGateway_{route.api_id}"}
    if request.method.upper() not in ("GET", "HEAD", "OPTIONS"):
        headers["Content-Type"] = header(request.headers, "Content-Type") or JSON_TYPE
    for name, value in mapped["header"].items():
        set_header(headers, name, value)
    method = integration.http_method if integration.http_method != "ANY" else request.method
    service = SERVICE_URI.match(uri)
    if service is None:
        url = uri + (f"?{urlencode(mapped['querystring'])}" if mapped["querystring"] else "")
        return BackendCall("http", None, method, url, headers, body)
    return _service_call(integration, service, method, mapped["querystring"], headers, body)


def proxy_call(route: Route, request: HttpRequest, variables: Variables) -> BackendCall:
    """The call of an HTTP proxy: the request as it came, with the mapped parameters put over it."""
    integration = route.integration
    mapped = request_parameters(integration, request, variables)
    headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
    for name, value in mapped["header"].items():
        set_header(headers, name, value)
    query = {**request.query, **mapped["querystring"]}
    url = _filled_uri(integration, mapped["path"], variables)
    url += f"?{urlencode(query)}" if query else ""
    method = integration.http_method if integration.http_method != "ANY" else request.method
    return BackendCall("http", None, method, url, headers, request.body)


def _filled_uri(
    integration: Integration, path_parameters: Mapping[str, str], variables: Variables
) -> str:
    uri = STAGE_VARIABLE.sub(
        lambda match: variables.stage_variables.get(match[1], ""), integration.uri
    )
    for name, value in path_parameters.items():
        uri = uri.replace(f"{{{name}}}", value)
    return uri


def select_request_template(integration: Integration, request: HttpRequest) -> str | None:
    content_type = media_type(header(request.headers, "Content-Type"))
    for key, template in integration.request_templates.items():
        if media_type(key) == content_type:
            return template
    return integration.request_templates.get("$default")


def may_pass_through(integration: Integration) -> bool:
    """Whether a body that no template fits goes to the backend as it is (else it is a 415)."""
    behavior = integration.passthrough_behavior.upper()
    if behavior == "NEVER":
        return False
    return behavior != "WHEN_NO_TEMPLATES" or not integration.request_templates


def _service_call(
    integration: Integration,
    uri: re.Match[str],
    method: str,
    query: dict[str, str],
    headers: dict[str, str],
    body: str,
) -> BackendCall | HttpReply:
    region, host, form, rest = uri.groups()
    subdomain, _, service = host.rpartition(".")
    path = "/"
    if form == "action":
        action, _, more = rest.partition("&")
        query = {
            "Action": action,
            **dict(pair.partition("=")[::2] for pair in more.split("&") if pair),
            **query,
        }
        _set_target(service, action, headers)
    else:
        path = f"/{rest.lstrip('/')}"
    domain = f"{subdomain}.{service}" if subdomain else service
    url = f"https://{domain}.{region}.amazonaws.com{quote(path, safe='/%:@!$&,;=+*()~')}"
    url += f"?{urlencode(query)}" if query else ""
    operation: str | None = None
    parameters: dict[str, Any] | None = None
    refused: HttpReply | None = None
    if service == "lambda":
        try:
            json.loads(body or "{}")
        except ValueError as error:
            message = f"Could not parse request body into json: {error}"
            return gateway_reply(400, message, "BadRequestException")
        operation, parameters = _lambda_call(path, headers, body)
    elif service == "s3":
        operation, parameters = _s3_call(method, subdomain, path, query, headers, body)
    else:
        try:
            operation, parameters = read_operation(
                service,
                method=method,
                path=path,
                query=query,
                headers=headers,
                body=body,
                region=region,
            )
        except UnreadableRequest as error:
            refused = error.reply
    return BackendCall(
        service,
        operation,
        method,
        url,
        headers,
        body,
        parameters,
        credentials=integration.credentials,
        region=region,
        refused=refused,
    )


def _set_target(service: str, action: str, headers: dict[str, str]) -> None:
    model = service_model(service)
    if model is None or service in NEEDS_OWN_TARGET or service == "sqs":
        return
    prefix = model.metadata.get("targetPrefix")
    if prefix and header(headers, "X-Amz-Target") is None:
        headers["X-Amz-Target"] = f"{prefix}.{action}"


def _lambda_call(
    path: str, headers: Mapping[str, str], body: str
) -> tuple[str | None, dict[str, Any] | None]:
    match = re.fullmatch(r"/2015-03-31/functions/(.+)/invocations", path)
    if not match:
        return None, None
    kind = header(headers, "X-Amz-Invocation-Type") or "RequestResponse"
    return "Invoke", {"FunctionName": match[1], "InvocationType": kind, "Payload": body or "{}"}


def _s3_call(
    method: str,
    subdomain: str,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    body: str,
) -> tuple[str | None, dict[str, Any] | None]:
    bucket, key = (subdomain, path[1:]) if subdomain else path[1:].partition("/")[::2]
    operation = {"PUT": "PutObject", "GET": "GetObject", "DELETE": "DeleteObject"}.get(method)
    if not (operation and bucket and key) or query:
        return None, None
    parameters: dict[str, Any] = {"Bucket": bucket, "Key": key}
    if operation == "PutObject":
        parameters["Body"] = body.encode()
        parameters["ContentType"] = header(headers, "Content-Type") or JSON_TYPE
    return operation, parameters


def _mock(route: Route, request: HttpRequest, body: str, variables: Variables) -> HttpReply:
    """A mock integration answers with the `statusCode` of its request template."""
    match = re.search(r"[\"']?statusCode[\"']?\s*:\s*(\d{3})\b", body)
    if not match:
        return INTERNAL_ERROR
    return integration_response(route, request, HttpReply(int(match[1])), variables)
