"""Mapping templates: `$input`, `$util`, `$context` and `$stageVariables` over Velocity.

The variables are those of api-gateway-mapping-template-reference. Parsed templates are kept by
their text.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from ...errors import StorageFirstError, TemplateError
from ...stack.topology import Route
from . import json_path
from .dialect import velocity
from .java_values import Members, OnceMap, OverrideError, compact_json, text_of
from .messages import GatewayContext, HttpRequest, header

JAVASCRIPT_ESCAPES = {
    "\\": "\\\\",
    '"': '\\"',
    "'": "\\'",
    "/": "\\/",
    "\b": "\\b",
    "\n": "\\n",
    "\t": "\\t",
    "\f": "\\f",
    "\r": "\\r",
}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Variables:
    """What the templates of one request share: the second sees what the first overrode."""

    context: dict[str, Any]
    parameters: Mapping[str, Mapping[str, str]]  # "path", "querystring", "header"
    stage_variables: Mapping[str, str]


def variables_of(
    route: Route,
    request: HttpRequest,
    path_parameters: Mapping[str, str],
    context: GatewayContext,
) -> Variables:
    parameters = {
        "path": dict(path_parameters),
        "querystring": dict(request.query),
        "header": dict(request.headers),
    }
    return Variables(
        context_variables(route, request, context), parameters, dict(route.stage_variables)
    )


def context_variables(
    route: Route, request: HttpRequest, context: GatewayContext
) -> dict[str, Any]:
    """`$context`, as far as it follows from the request and the route."""
    asked_at = datetime.fromtimestamp(context.now_ms // 1000, UTC)
    domain = f"{route.api_id}.execute-api.{context.region}.amazonaws.com"
    connection = {}
    if route.protocol == "WEBSOCKET":  # apigateway-websocket-api-mapping-template-reference
        connection = {
            "connectedAt": context.now_ms,
            "connectionId": f"{context.request_id[:8]}=",
            "eventType": "MESSAGE",
            "messageDirection": "IN",
            "messageId": context.request_id,
        }
    return {
        **connection,
        "accountId": context.account,
        "apiId": route.api_id,
        "authorizer": dict(context.authorizer),
        "domainName": domain,
        "domainPrefix": route.api_id,
        "error": {},
        "extendedRequestId": context.request_id,
        "httpMethod": request.method.upper(),
        "identity": {
            "sourceIp": context.source_ip,
            "userAgent": header(request.headers, "User-Agent") or "",
        },
        "path": f"/{route.stage}{request.path}" if route.protocol == "REST" else request.path,
        "protocol": "HTTP/1.1",
        "requestId": context.request_id,
        "requestOverride": {kind: OnceMap() for kind in ("header", "path", "querystring")},
        "responseOverride": OnceMap({"header": OnceMap()}),
        "requestTime": f"{asked_at:%d}/{MONTHS[asked_at.month - 1]}/{asked_at:%Y:%H:%M:%S} +0000",
        "requestTimeEpoch": context.now_ms,
        "resourcePath": route.path,
        "routeKey": route.name,
        "stage": route.stage,
    }


def render(template: str, body: str, variables: Variables) -> str:
    """The text that a mapping template makes of a body.

    Raises TemplateError when the template cannot be read or run as Velocity, OverrideError when it
    sets one override twice.
    """
    namespace = {
        "input": input_members(body, variables.parameters),
        "util": UTIL,
        "context": variables.context,
        "stageVariables": variables.stage_variables,
    }
    try:
        return str(_parsed(template).merge(namespace))
    except StorageFirstError:
        raise
    except Exception as error:  # airspeed wraps whatever went wrong, in several layers
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        if isinstance(cause, OverrideError):
            raise cause from error
        raise TemplateError(
            "the mapping template cannot be run",
            found=str(error),
            expected="a template in the Velocity that API Gateway speaks",
            remedy="mend the expression named above",
        ) from error


@lru_cache(maxsize=512)
def _parsed(template: str) -> Any:
    engine = velocity()
    parsed = engine.Template(template)
    try:
        parsed.ensure_compiled()
    except engine.TemplateError as error:
        raise TemplateError(
            "the mapping template cannot be read",
            found=str(error),
            expected="a template in the Velocity that API Gateway speaks",
            remedy="mend the template at the line and column named above",
        ) from error
    return parsed


def input_members(body: str, parameters: Mapping[str, Mapping[str, str]]) -> Members:
    """`$input`. An empty body reads as `{}`; one that is no JSON is a string to JSONPath."""

    def path(expression: Any = "$") -> Any:
        return json_path.read(_document(body), text_of(expression))

    def as_json(expression: Any = "$") -> str:
        value = path(expression)
        return compact_json("" if value is None else value)

    def params(name: Any = None) -> Any:
        if name is None:
            return parameters
        wanted = text_of(name)
        for place in ("path", "querystring"):
            if wanted in parameters[place]:
                return parameters[place][wanted]
        return header(parameters["header"], wanted) or ""

    return Members({"body": body or "{}", "path": path, "json": as_json, "params": params})


def _document(body: str) -> Any:
    """A fresh copy each time, since a template may change what it reads."""
    if not body.strip():
        return {}
    try:
        return json.loads(body)
    except ValueError:
        return body


def escape_javascript(value: Any) -> Any:
    """A string by JavaScript's rules; a single quote becomes `\\'`, which is not valid in JSON."""
    if value is None:
        return None
    return "".join(
        JAVASCRIPT_ESCAPES.get(character) or _escape_rare(character) for character in text_of(value)
    )


def _escape_rare(character: str) -> str:
    if " " <= character <= "\x7e":
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02X}{units[at + 1]:02X}" for at in range(0, len(units), 2))


def url_encode(value: Any) -> str:
    """Java's URLEncoder: a space is `+`, `*` stays, `~` does not."""
    return quote_plus(text_of(value), safe="*").replace("~", "%7E")


def parse_json(value: Any) -> Any:
    try:
        return json.loads(text_of(value))
    except ValueError:
        return None


def _base64_decode(value: Any) -> Any:
    try:
        return base64.b64decode(text_of(value)).decode("utf-8", "replace")
    except binascii.Error:
        return None


UTIL = Members(
    {
        "escapeJavaScript": escape_javascript,
        "parseJson": parse_json,
        "urlEncode": url_encode,
        "urlDecode": lambda value: unquote_plus(text_of(value)),
        "base64Encode": lambda value: base64.b64encode(text_of(value).encode()).decode(),
        "base64Decode": _base64_decode,
    }
)
