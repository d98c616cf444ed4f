"""How a service words its answer to a call of a gateway.

API Gateway's REST integrations ask for JSON, so SQS and SNS answer `{"SendMessageResponse": …}`
there.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape

from .messages import BackendCall, HttpReply, header, media_type
from .service_protocols import FORM_TYPE, error_reply, service_model

REST_XML_SERVICES = frozenset({"s3"})


def service_reply(call: BackendCall, request_id: str, result: Mapping[str, Any]) -> HttpReply:
    """The answer to a call that succeeded with `result`, in boto3's form."""
    content = {key: value for key, value in result.items() if key != "ResponseMetadata"}
    if call.service in REST_XML_SERVICES:
        return HttpReply(200, {"x-amz-request-id": request_id}, "")
    if call.service == "lambda":
        return HttpReply(200, {"Content-Type": "application/json"}, str(content["Payload"]))
    plain = _plain(content)
    headers = {"Content-Type": "application/json", "x-amzn-RequestId": request_id}
    if not speaks_query(call):
        return HttpReply(200, headers, _json(plain))
    wrapped = {
        f"{call.operation}Response": {
            "ResponseMetadata": {"RequestId": request_id},
            **({f"{call.operation}Result": plain} if plain else {}),
        }
    }
    if media_type(header(call.headers, "Accept")) == "application/json":
        return HttpReply(200, headers, _json(wrapped))
    namespace = service_model(call.service).metadata["apiVersion"]
    root = f"{call.operation}Response"
    xml = (
        f'<?xml version="1.0"?><{root} '
        f'xmlns="http://queue.amazonaws.com/doc/{namespace}/">{_xml(wrapped[root])}</{root}>'
    )
    return HttpReply(200, {**headers, "Content-Type": "text/xml"}, xml)


def service_error(
    call: BackendCall, request_id: str, code: str, message: str, status: int
) -> HttpReply:
    """The answer to a call that failed with an AWS error."""
    reply = error_reply(call.service, code, message, status)
    return HttpReply(status, {**reply.headers, "x-amzn-RequestId": request_id}, reply.body)


def speaks_query(call: BackendCall) -> bool:
    """Whether the call was made in the query protocol (SQS, SNS without a JSON target)."""
    if call.service not in ("sqs", "sns"):
        return False
    is_form = media_type(header(call.headers, "Content-Type")) == FORM_TYPE
    return is_form or header(call.headers, "X-Amz-Target") is None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(held) for key, held in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(held) for held in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.timestamp() if isinstance(value, datetime) else value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _xml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "".join(
            "".join(f"<{key}>{_xml(one)}</{key}>" for one in held)
            if isinstance(held, list)
            else f"<{key}>{_xml(held)}</{key}>"
            for key, held in value.items()
        )
    return escape(str(value).lower() if isinstance(value, bool) else str(value))
