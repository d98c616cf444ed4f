"""The two ways from a handler's call to moto's state.

The slow lane is botocore's own: sign, send, parse, retry; moto answers where the network would. The
fast lane leaves botocore before it signs and hands the parameters to moto's response class; it
serves JSON protocols whose operations change nothing but data. A call that fails in the fast
lane has had no effect and goes the slow way again, so that errors are made in one place only; the
failed condition is the exception, being the ordinary answer to an idempotent write.
"""

from __future__ import annotations

import base64
import json
import re
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from pytest_storagefirst.simulation.world import known_puts
from pytest_storagefirst.simulation.world.shortcuts import whole_item_in

FAST_OPERATIONS = {
    "dynamodb": frozenset(
        {
            "PutItem",
            "GetItem",
            "UpdateItem",
            "DeleteItem",
            "Query",
            "Scan",
            "BatchWriteItem",
            "BatchGetItem",
            "TransactWriteItems",
        }
    ),
    "sqs": frozenset(
        {
            "SendMessage",
            "SendMessageBatch",
            "DeleteMessage",
            "DeleteMessageBatch",
            "ChangeMessageVisibility",
            "GetQueueUrl",
            "GetQueueAttributes",
        }
    ),
}

_ACCOUNT = "123456789012"
_AWS = "https://.amazonaws.com"  # where a request without a URL goes
# Binary values are base64 in JSON and bytes in the parsed answer.
_BINARY = re.compile(rb'"(?:B|BS|BinaryValue)"')
_ANSWERED_BINARY = re.compile(r'"BS?":')
_FAST_SUCCESS = SimpleNamespace(status_code=200, headers={}, content=b"")
_FAST_FAILURE = SimpleNamespace(status_code=400, headers={}, content=b"")


@lru_cache(maxsize=8)
def _response_class(service: str) -> Any:
    if service == "dynamodb":
        from moto.dynamodb.responses import DynamoHandler

        return DynamoHandler
    from moto.sqs.responses import SQSResponse

    return SQSResponse


@lru_cache(maxsize=256)
def _action(operation: str) -> str:
    from moto.core.utils import camelcase_to_underscores

    return str(camelcase_to_underscores(operation))


@lru_cache(maxsize=256)
def _serializer(service: str, operation: str) -> Any:
    from moto.core.serialize import get_serializer_class
    from moto.core.utils import get_service_model

    model = get_service_model(service)
    return get_serializer_class(service, "json")(operation_model=model.operation_model(operation))


def is_aws(url: str) -> bool:
    """Whether a URL is one of AWS's own, and not an endpoint that a handler was told to use."""
    host = url.partition("://")[2].partition("/")[0]
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def fast(service: str, operation: str, request_dict: Any, region: str) -> tuple[Any, Any] | None:
    """The (http, parsed) pair that botocore would have made; None: the slow lane must serve."""
    body, url = request_dict["body"], request_dict.get("url", _AWS)
    if not _is_fast(service, operation, url, body):
        return None
    try:
        text = _said(service, operation, url, body, region)
    except Exception as error:
        return _failed_condition(service, operation, error)
    parsed = _parsed(text) if text else {}
    parsed["ResponseMetadata"] = _metadata(200)
    return _FAST_SUCCESS, parsed


def _is_fast(service: str, operation: str, url: str, body: Any) -> bool:
    operations = FAST_OPERATIONS.get(service)
    if operations is None or operation not in operations or not is_aws(url):
        return False
    return isinstance(body, bytes) and not _BINARY.search(body)


def _said(service: str, operation: str, url: str, body: bytes, region: str) -> Any:
    """What moto's response class says to a call, as JSON text; "" for nothing.

    Raises whatever moto raises for an error; it has had no effect then.
    """
    parameters = json.loads(body)
    table = _table(parameters, region) if operation == "PutItem" else None
    if table is not None and (known := known_puts.put_again(table, body, parameters)) is not None:
        return known
    handler = _response_class(service)()
    handler.region = region
    handler.partition = "aws"
    handler.current_account = _ACCOUNT
    handler.uri, handler.uri_match = url, {}
    handler.params = handler.body = parameters
    handler.headers = {"X-Amz-Target": f"x.{operation}"}
    handler.querystring = {"Action": [operation]}
    handler.response_headers = {}
    answer = getattr(handler, _action(operation))
    if operation == "PutItem":
        with whole_item_in(body):
            said = answer().result
    else:
        said = answer().result
    text = _serializer(service, operation).serialize(said)["body"] if said else ""
    if table is not None:
        known_puts.remember(table, body, json.loads(body), text)
    return text


def _table(parameters: Any, region: str) -> Any:
    """moto's table that a request names, by its name alone."""
    from moto.dynamodb.models import dynamodb_backends

    return dynamodb_backends[_ACCOUNT][region].tables.get(parameters.get("TableName"))


def _parsed(text: Any) -> Any:
    if isinstance(text, bytes):
        text = text.decode()
    parsed = json.loads(text)
    return _with_bytes(parsed) if _ANSWERED_BINARY.search(text) else parsed


def _with_bytes(value: Any) -> Any:
    """The answer with its binary attribute values decoded, as botocore does."""
    if isinstance(value, list):
        return [_with_bytes(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        kind, inner = next(iter(value.items()))
        if kind == "B" and isinstance(inner, str):
            return {"B": base64.b64decode(inner)}
        if kind == "BS" and all(isinstance(one, str) for one in inner):
            return {"BS": [base64.b64decode(one) for one in inner]}
    return {name: _with_bytes(inner) for name, inner in value.items()}


def _metadata(status: int) -> dict[str, Any]:
    return {
        "RequestId": "00000000-0000-4000-8000-000000000000",
        "HTTPStatusCode": status,
        "HTTPHeaders": {},
        "RetryAttempts": 0,
    }


def _is_failed_condition(operation: str, error: Exception) -> bool:
    """In a transaction it is one of several reasons."""
    return type(error).__name__ == "ConditionalCheckFailed" and operation != "TransactWriteItems"


def _failed_condition(service: str, operation: str, error: Exception) -> tuple[Any, Any] | None:
    """What botocore makes of a ConditionalCheckFailedException, which it never retries."""
    if not _is_failed_condition(operation, error):
        return None
    body = _parsed(str(getattr(error, "description", "{}")))
    message = str(body.get("message") or body.get("Message") or "")
    parsed: dict[str, Any] = {
        "Error": {"Message": message, "Code": "ConditionalCheckFailedException"},
        "ResponseMetadata": _metadata(400),
    }
    if message:
        parsed["message"] = message
    if "Item" in body:
        parsed["Item"] = body["Item"]
    return _FAST_FAILURE, parsed


class NotAnswered(Exception):
    """moto gave no answer of AWS's to a call; nothing else is ever asked. Its text says why."""


@lru_cache(maxsize=4096)
def _route(clean_url: str) -> Any:
    """moto's handler for a URL, found once: it compiles and scans all patterns for every call."""
    from moto import backend_index, backends
    from moto.core.base_backend import BackendDict

    for service, pattern in backend_index.backend_url_patterns:
        if not pattern.match(clean_url):
            continue
        backend_dict: Any = backends.get_backend(service)  # type: ignore[call-overload,unused-ignore]
        if isinstance(backend_dict, BackendDict):
            regions = backend_dict[_ACCOUNT]
            backend = regions["us-east-1" if "us-east-1" in regions else "aws"]
        else:
            backend = backend_dict["global"]
        for url, method in backend.urls.items():
            if re.match(url, clean_url):
                return method
    return None


def _call(method: str, url: str) -> str:
    return f"{method} {url.partition('?')[0]}"


_TARGETS = {"AmazonSQS": "sqs", "DynamoDB_20120810": "dynamodb"}


def _short_answer(
    method: str, url: str, headers: Any, body: Any
) -> tuple[int, dict[str, str], bytes] | None:
    """What moto says to the operations of the fast lane, without its own reading of the request.

    Of errors the failed condition alone: those of a request that is wrong are made in one place.
    """
    target = headers.get("X-Amz-Target")
    if method != "POST" or target is None:
        return None
    prefix, _, operation = (target.decode() if isinstance(target, bytes) else target).partition(".")
    service, (host, *_) = _TARGETS.get(prefix, ""), url.partition("://")[2].split("/")
    if not host.startswith(f"{service}.") or not _is_fast(service, operation, url, body):
        return None
    try:
        text = _said(service, operation, url, body, host.split(".")[1])
    except Exception as error:
        if not _is_failed_condition(operation, error):
            return None
        refused: Any = error
        return refused.code, dict(refused.get_headers()), refused.get_body().encode()
    content = text.encode() if isinstance(text, str) else bytes(text)
    return 200, {"Content-Type": "application/x-amz-json-1.0"}, content or b"{}"


def answer(method: str, url: str, headers: Any, body: Any) -> tuple[int, dict[str, str], bytes]:
    """What moto answers to a raw request to an AWS endpoint: status, headers, body.

    Raises NotAnswered when it doesn't know the call, or fails on it.
    """
    from moto.core.request import Request
    from moto.core.utils import get_equivalent_url_in_aws_domain
    from werkzeug.exceptions import HTTPException

    short = _short_answer(method, url, headers, body)
    if short is not None:
        return short
    parsed, _ = get_equivalent_url_in_aws_domain(url)
    handle = _route(f"{parsed.scheme}://{parsed.netloc}{parsed.path}")
    if handle is None:
        raise NotAnswered(f"no service is there: {_call(method, url)}")
    if hasattr(body, "read"):
        body = body.read()
    request = Request.from_primitives(method, url, headers, body)
    try:
        status, answered, text = handle(request, request.raw_url, request.headers)
    except HTTPException as error:
        status, answered, text = error.code, dict(error.get_headers()), error.get_body()
    except NotImplementedError as error:
        why = str(error) or "not implemented"
        raise NotAnswered(f"moto: {why}: {_call(method, url)}") from None
    except Exception as error:
        # Not an error of AWS's: moto itself has failed, which is no fault of the caller's.
        why = f"{type(error).__name__}: {error}"
        raise NotAnswered(f"moto failed, {why}: {_call(method, url)}") from error
    content = text.encode() if isinstance(text, str) else bytes(text or b"")
    return int(status), {str(name): str(value) for name, value in dict(answered).items()}, content
