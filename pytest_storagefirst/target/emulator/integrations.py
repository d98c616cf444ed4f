"""Integrations of an API with an AWS service, played by the simulation's front door."""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from pytest_storagefirst.simulation.frontdoor import (
    BackendCall,
    GatewayContext,
    HttpReply,
    HttpRequest,
    answer,
    backend_call,
    service_error,
    service_reply,
)
from pytest_storagefirst.simulation.frontdoor.service_replies import speaks_query
from pytest_storagefirst.stack.discovery_routes import http_integration, rest_integration
from pytest_storagefirst.stack.topology import Integration, Route

Answer = tuple[int, dict[str, str], bytes]
_SIGNED = (
    "AWS4-HMAC-SHA256 Credential={}/20200101/{}/{}/aws4_request, SignedHeaders=host, Signature=0"
)


def bridge() -> None:
    """Have ministack's APIs hand such integrations to the front door."""
    from ministack.services import apigateway as http_apis
    from ministack.services import apigateway_v1 as rest_apis

    plain_proxy = http_apis._invoke_lambda_proxy

    async def proxy(integration: dict[str, Any], *given: Any, **named: Any) -> Any:
        if not integration.get("integrationSubtype"):
            return await plain_proxy(integration, *given, **named)
        api_id, stage, path, method, headers, body, query, route_key, parameters = given
        written = {key[:1].upper() + key[1:]: value for key, value in integration.items()}
        return await played(
            _route(
                "HTTP",
                api_id,
                method,
                route_key.partition(" ")[2] or "$default",
                stage,
                http_integration(written),
                (http_apis._stages.get(api_id, {}).get(stage) or {}).get("stageVariables"),
            ),
            HttpRequest(method, path, headers, _single(query), _text(body)),
            parameters or {},
            named,
        )

    def instead_of(plain: Any) -> Any:
        async def invoke(integration: dict[str, Any], *given: Any, **named: Any) -> Any:
            spec = rest_apis._parse_service_integration_uri(integration.get("uri", ""))
            if not spec or spec[1] == "lambda":
                return await plain(integration, *given, **named)
            api_id, stage_name, stage, resource, path, method, headers, body, query, found = given
            return await played(
                _route(
                    "REST",
                    api_id,
                    method,
                    resource["path"],
                    stage_name,
                    rest_integration(integration),
                    (stage or {}).get("variables"),
                ),
                HttpRequest(method, path, headers, _single(query), _text(body)),
                found or {},
                named,
            )

        return invoke

    http_apis._invoke_lambda_proxy = proxy
    rest_apis._invoke_sqs_v1 = instead_of(rest_apis._invoke_sqs_v1)
    rest_apis._invoke_lambda_custom_v1 = instead_of(rest_apis._invoke_lambda_custom_v1)


def _route(
    protocol: str,
    api_id: str,
    method: str,
    path: str,
    stage: str,
    integration: Integration,
    variables: Mapping[str, str] | None,
) -> Route:
    return Route(api_id, api_id, protocol, method, path, stage, integration, variables or {})


def _single(query: Mapping[str, Any] | None) -> dict[str, str]:
    return {
        name: ",".join(value) if isinstance(value, list) else str(value)
        for name, value in (query or {}).items()
    }


def _text(body: Any) -> str:
    return body.decode("utf-8", "replace") if isinstance(body, bytes) else body or ""


async def played(
    route: Route, request: HttpRequest, parameters: Mapping[str, str], named: Mapping[str, Any]
) -> Answer:
    """What the sender is told; `named` is what ministack gives beside the request."""
    account, region = named["owner_account_id"], named["owner_region"]
    authorizer = named.get("authorizer_context") or named.get("authorizer_lambda_context") or {}
    context = GatewayContext(
        account=account,
        region=region,
        request_id=str(uuid.uuid4()),
        now_ms=time.time_ns() // 1_000_000,
        source_ip="127.0.0.1",
        authorizer={name: str(value) for name, value in authorizer.items()},
    )
    call = backend_call(route, request, parameters, context)
    if isinstance(call, BackendCall):
        backend = call.refused or await performed(call, account, region)
        call = answer(route, request, context, backend)
    return call.status, dict(call.headers), call.body.encode()


async def performed(call: BackendCall, account: str, region: str) -> HttpReply:
    """The service's answer, worded as API Gateway asks for it."""
    service = "states" if call.service == "stepfunctions" else call.service
    region = call.region or region
    headers = dict(call.headers)
    if service == "sqs" and call.operation and call.parameters is not None:
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"AmazonSQS.{call.operation}",
        }
        body = json.dumps(call.parameters)
        reply = await asked("POST", "/", headers, body, service, account, region)
        if not speaks_query(call):
            return reply
        found = json.loads(reply.body or "{}")
        if reply.status < 300:
            return service_reply(call, str(uuid.uuid4()), found)
        code = str(found.get("__type", "")).rpartition("#")[2]
        message = str(found.get("message", ""))
        return service_error(call, str(uuid.uuid4()), code, message, reply.status)
    url = urlsplit(call.url)
    path = unquote(url.path) + (f"?{url.query}" if url.query else "")
    reply = await asked(call.method, path, headers, call.body, service, account, region)
    found_id = re.search(r"<MessageId>(.*?)</MessageId>", reply.body)
    if service == "sns" and reply.status < 300 and speaks_query(call) and found_id:
        return service_reply(call, str(uuid.uuid4()), {"MessageId": found_id[1]})
    return reply


async def asked(
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: str,
    service: str,
    account: str,
    region: str,
) -> HttpReply:
    """One of ministack's services called in this process, as from outside."""
    from ministack.app import app

    skipped = ("host", "authorization", "content-length")
    sent = {name.lower(): value for name, value in headers.items() if name.lower() not in skipped}
    content = body.encode()
    sent |= {
        "host": "localhost",
        "content-length": str(len(content)),
        "authorization": _SIGNED.format(account, region, service),
    }
    bare, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": bare,
        "raw_path": bare.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 0),
    }
    request = [{"type": "http.request", "body": content, "more_body": False}]
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return request.pop() if request else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    # In a task of its own, so that whose request this is stays what it was.
    await asyncio.create_task(app(scope, receive, send))
    told = {key.decode(): value.decode("latin-1") for key, value in said[0].get("headers", ())}
    for name in [one for one in told if one.lower() in ("content-length", "transfer-encoding")]:
        del told[name]
    text = b"".join(one.get("body", b"") for one in said[1:]).decode("utf-8", "replace")
    return HttpReply(int(said[0]["status"]), told, text)
