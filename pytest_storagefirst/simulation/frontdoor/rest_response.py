"""REST APIs: the integration response, which decides what the sender is told.

Pages: api-gateway-integration-settings-integration-response, request-response-data-mappings,
supported-gateway-response-types.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from ...errors import TemplateError
from ...stack.topology import Integration, IntegrationResponse, Route
from .java_values import OverrideError, text_of
from .messages import (
    INTERNAL_ERROR,
    JSON_TYPE,
    BackendFailure,
    HttpReply,
    HttpRequest,
    gateway_reply,
    header,
    media_type,
)
from .parameter_mapping import mapped_value, set_header
from .velocity import Variables, render


def integration_response(
    route: Route,
    request: HttpRequest,
    backend: HttpReply | BackendFailure,
    variables: Variables,
) -> HttpReply:
    """What the sender is told: by the response whose pattern fits, otherwise by the default one."""
    if isinstance(backend, BackendFailure):
        message = (
            "Endpoint request timed out"
            if backend.kind == "timeout"
            else "Network error communicating with endpoint"
        )
        return gateway_reply(504, message, "InternalServerErrorException")
    chosen = select_response(route.integration, backend)
    if chosen is None:
        return INTERNAL_ERROR
    template = select_response_template(chosen, request)
    body = backend.body
    if template is not None and template[1]:
        try:
            body = render(template[1], backend.body, variables)
        except OverrideError:
            return INTERNAL_ERROR
    headers = {"Content-Type": template[0] if template else JSON_TYPE}
    for name, value in _response_headers(chosen, backend, variables):
        set_header(headers, name, value)
    overrides = variables.context["responseOverride"]
    for name, value in overrides["header"].items():
        set_header(headers, name, text_of(value))
    status = overrides.get("status")
    if not (isinstance(status, int) and 100 <= status < 600):
        status = int(chosen.status)
    return HttpReply(status, headers, body)


def select_response(integration: Integration, backend: HttpReply) -> IntegrationResponse | None:
    """Patterns are matched against the status, of a Lambda function against its error message."""
    tested = str(backend.status)
    if ":lambda:path/" in integration.uri:
        tested = _lambda_error_message(backend)
    for response in integration.responses:
        if response.selection_pattern and _pattern(response.selection_pattern).fullmatch(tested):
            return response
    return next((one for one in integration.responses if not one.selection_pattern), None)


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise TemplateError(
            "an integration response's selection pattern is no regular expression",
            found=f"{text!r}: {error}",
            expected="a regular expression over the backend's status code",
            remedy="mend the pattern",
        ) from error


def _lambda_error_message(backend: HttpReply) -> str:
    if header(backend.headers, "X-Amz-Function-Error") is None and backend.status < 400:
        return ""
    try:
        error = json.loads(backend.body)
    except ValueError:
        return ""
    return str(error.get("errorMessage", "")) if isinstance(error, dict) else ""


def select_response_template(
    response: IntegrationResponse, request: HttpRequest
) -> tuple[str, str] | None:
    """The content type and template for the sender's Accept, else for JSON, else the first."""
    templates = {media_type(key): (key, text) for key, text in response.templates.items()}
    if not templates:
        return None
    accepted = media_type(header(request.headers, "Accept"))
    return templates.get(accepted) or templates.get(JSON_TYPE) or next(iter(templates.values()))


def _response_headers(
    response: IntegrationResponse, backend: HttpReply, variables: Variables
) -> Iterator[tuple[str, str]]:
    for target, source in response.parameters.items():
        value = mapped_value(
            source, "integration.response.", backend.body, backend.headers, variables
        )
        if value is not None:
            yield target.removeprefix("method.response.header."), value
