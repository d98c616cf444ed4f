"""HTTP APIs: first-class integrations with AWS services, and HTTP proxies.

Pages: http-api-develop-integrations-aws-services, its -reference, http-api-parameter-mapping.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from ...errors import TemplateError
from ...stack.topology import Integration, Route
from . import json_path
from .java_values import compact_json, text_of
from .messages import (
    BackendCall,
    BackendFailure,
    GatewayContext,
    HttpReply,
    HttpRequest,
    gateway_reply,
    header,
)
from .service_protocols import UnreadableRequest, from_json, require_members, service_model
from .velocity import context_variables

# A JSON selector sees only so much of the body (…-aws-services-parameter-mapping)
SELECTED_BODY_BYTES = 100 * 1024
NAMES = r"(?:\.[\w-]+|\[[^\]]*\])"
SELECTOR = re.compile(
    r"\$\{(?P<braced>(?:request|context|stageVariables)\b[^}]*)\}"
    r"|\$(?P<bare>request\.(?:header|querystring|path)(?:\.[\w-]+)?"
    rf"|request\.body{NAMES}*|context{NAMES}+|stageVariables\.[\w-]+)"
)
BAD_REQUEST = gateway_reply(400, "Bad Request")


@dataclass(frozen=True)
class Subtype:
    service: str
    operation: str
    required: tuple[str, ...]
    structured: frozenset[str] = frozenset()  # given as JSON text


STATE_MACHINE = ("StateMachineArn",)
SUBTYPES: Mapping[str, Subtype] = {
    "EventBridge-PutEvents": Subtype(
        "events", "PutEvents", ("Detail", "DetailType", "Source"), frozenset({"Resources"})
    ),
    "SQS-SendMessage": Subtype(
        "sqs",
        "SendMessage",
        ("QueueUrl", "MessageBody"),
        frozenset({"MessageAttributes", "MessageSystemAttributes"}),
    ),
    "SQS-ReceiveMessage": Subtype(
        "sqs",
        "ReceiveMessage",
        ("QueueUrl",),
        frozenset({"AttributeNames", "MessageAttributeNames"}),
    ),
    "SQS-DeleteMessage": Subtype("sqs", "DeleteMessage", ("QueueUrl", "ReceiptHandle")),
    "SQS-PurgeQueue": Subtype("sqs", "PurgeQueue", ("QueueUrl",)),
    "AppConfig-GetConfiguration": Subtype(
        "appconfig",
        "GetConfiguration",
        ("Application", "Environment", "Configuration", "ClientId"),
    ),
    "Kinesis-PutRecord": Subtype("kinesis", "PutRecord", ("StreamName", "Data", "PartitionKey")),
    "StepFunctions-StartExecution": Subtype("states", "StartExecution", STATE_MACHINE),
    "StepFunctions-StartSyncExecution": Subtype("states", "StartSyncExecution", STATE_MACHINE),
    "StepFunctions-StopExecution": Subtype("states", "StopExecution", ("ExecutionArn",)),
}


class Unresolved(Exception):
    """A selector names what the request does not have."""


@dataclass(frozen=True)
class Selection:
    """What selectors select from."""

    route: Route
    request: HttpRequest
    path_parameters: Mapping[str, str]
    context: GatewayContext


def first_class_call(
    route: Route,
    request: HttpRequest,
    path_parameters: Mapping[str, str],
    context: GatewayContext,
) -> BackendCall | HttpReply:
    """The service call of a first-class integration; a 400 when a selector finds nothing.

    Raises TemplateError for a subtype that is not AWS's or lacks a required parameter.
    """
    subtype = _subtype(route)
    selection = Selection(route, request, path_parameters, context)
    given: dict[str, Any] = {}
    try:
        for name, expression in route.integration.request_parameters.items():
            value = select(str(expression), selection)
            given[name] = _parsed(value) if name in subtype.structured else value
    except Unresolved:
        return BAD_REQUEST
    region = str(given.pop("Region", context.region))
    return _service_call(route.integration, subtype, given, region)


def select(expression: str, selection: Selection) -> str:
    """The text that a parameter's expression gives. Raises Unresolved."""
    return SELECTOR.sub(
        lambda match: _selected(match["braced"] or match["bare"], selection), expression
    )


def _selected(selector: str, selection: Selection) -> str:
    root, _, rest = selector.partition(".")
    value: Any
    if root == "context":
        value = json_path.read(
            context_variables(selection.route, selection.request, selection.context), rest
        )
    elif root == "stageVariables":
        value = selection.route.stage_variables.get(rest)
    else:
        value = _from_request(rest, selection)
    if value is None:
        raise Unresolved(selector)
    return compact_json(value) if isinstance(value, (dict, list)) else text_of(value)


def _from_request(place: str, selection: Selection) -> Any:
    kind = re.split(r"[.\[]", place, maxsplit=1)[0]
    name = place[len(kind) :].removeprefix(".")
    request = selection.request
    if kind == "header":
        return header(request.headers, name)
    if kind == "querystring":
        return request.query.get(name)
    if kind == "path":
        return selection.path_parameters.get(name) if name else request.path
    if kind == "method":
        return request.method
    if kind != "body":
        return None
    if not name:
        return request.body
    try:
        seen = request.body.encode()[:SELECTED_BODY_BYTES].decode(errors="ignore")
        return json_path.read(json.loads(seen), name)
    except ValueError:
        return None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Unresolved(text) from error


def _subtype(route: Route) -> Subtype:
    integration = route.integration
    subtype = SUBTYPES.get(integration.subtype)
    if subtype is None:
        raise TemplateError(
            "the integration's subtype is unknown",
            where=f"{route.api_logical_id}: {route.name}",
            found=integration.subtype,
            expected=", ".join(sorted(SUBTYPES)),
            remedy="write one of them as IntegrationSubtype",
        )
    missing = [name for name in subtype.required if name not in integration.request_parameters]
    if missing:
        raise TemplateError(
            "the integration lacks a required parameter",
            where=f"{route.api_logical_id}: {route.name}",
            found=", ".join(integration.request_parameters) or "no parameters",
            expected=f"{', '.join(subtype.required)} for {integration.subtype}",
            remedy=f"add {', '.join(missing)} to RequestParameters",
        )
    return subtype


def _service_call(
    integration: Integration, subtype: Subtype, given: dict[str, Any], region: str
) -> BackendCall:
    service, operation = subtype.service, subtype.operation
    shape, endpoint, headers = _wording(service, operation)
    if service == "kinesis":
        given["Data"] = given["Data"].encode()
    elif service == "states":
        given = {name[0].lower() + name[1:]: value for name, value in given.items()}
    elif service == "events":
        given = {"Entries": [given]}
    refused: HttpReply | None = None
    parameters: dict[str, Any] | None = None
    try:
        parameters = given if service == "kinesis" else from_json(service, shape, given)
        require_members(service, shape, parameters or {})
    except UnreadableRequest as error:
        refused = error.reply
    body = compact_json({name: _wire(value) for name, value in (parameters or given).items()})
    return BackendCall(
        service,
        operation,
        "POST",
        f"https://{endpoint}.{region}.amazonaws.com/",
        headers,
        body,
        None if refused else parameters,
        credentials=integration.credentials,
        region=region,
        refused=refused,
    )


@lru_cache(maxsize=64)
def _wording(service: str, operation: str) -> tuple[Any, str, Mapping[str, str]]:
    """The input's shape, the endpoint's first label and the headers of a service's JSON calls."""
    model = service_model(service)
    headers = {"Content-Type": f"application/x-amz-json-{model.metadata.get('jsonVersion', '1.1')}"}
    if "targetPrefix" in model.metadata:
        headers["X-Amz-Target"] = f"{model.metadata['targetPrefix']}.{operation}"
    shape = model.operation_model(operation).input_shape
    return shape, str(model.metadata["endpointPrefix"]), headers


def _wire(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def proxy_call(
    route: Route,
    request: HttpRequest,
    path_parameters: Mapping[str, str],
    context: GatewayContext,
) -> BackendCall | HttpReply:
    """The call of an HTTP proxy, with `append:`, `overwrite:` and `remove:` parameters applied."""
    selection = Selection(route, request, path_parameters, context)
    headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
    query = dict(request.query)
    for key, expression in route.integration.request_parameters.items():
        change, _, place = str(key).partition(":")
        kind, _, name = place.partition(".")
        held = headers if kind == "header" else query
        if kind not in ("header", "querystring"):
            continue
        if change == "remove":
            held.pop(name, None)
            continue
        try:
            value = select(str(expression), selection)
        except Unresolved:
            continue
        held[name] = f"{held[name]},{value}" if change == "append" and name in held else value
    url = route.integration.uri
    for name, value in path_parameters.items():
        url = url.replace(f"{{{name}}}", value).replace(f"{{{name}+}}", value)
    url += f"?{urlencode(query)}" if query else ""
    method = route.integration.http_method
    method = request.method if method in ("ANY", "") else method
    return BackendCall("http", None, method, url, headers, request.body)


def backend_answer(backend: HttpReply | BackendFailure) -> HttpReply:
    """The backend's status and body as they are; 503 for a timeout, 500 for other failures."""
    if isinstance(backend, HttpReply):
        return backend
    if backend.kind == "timeout":
        return gateway_reply(503, "Service Unavailable")
    return gateway_reply(500, "Internal Server Error")
