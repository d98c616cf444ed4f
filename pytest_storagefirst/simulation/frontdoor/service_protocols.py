"""How AWS services read the requests that a gateway sends them, and how they word their answers.

A request is read as the service reads it (the query protocol's form, or JSON under an X-Amz-Target
header), so that what arrives is what the sender's bytes say and not what the template's author
meant. Shapes and names come from botocore's models.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus

from .messages import HttpReply, header, media_type

FORM_TYPE = "application/x-www-form-urlencoded"
BOTOCORE_NAMES = {"states": "stepfunctions", "email": "ses", "monitoring": "cloudwatch"}
# EventBridge alone wants its X-Amz-Target from the integration, also for action/PutEvents
NEEDS_OWN_TARGET = frozenset({"events"})
# SQS's names in the query protocol (SQS API reference); botocore's model has them no more
SQS_FORM_NAMES: dict[str, tuple[str, ...]] = {
    "Attributes": ("Attribute",),
    "AttributeNames": ("AttributeName",),
    "MessageAttributes": ("MessageAttribute", "MessageAttributes"),
    "MessageAttributeNames": ("MessageAttributeName",),
    "MessageSystemAttributes": ("MessageSystemAttribute",),
    "MessageSystemAttributeNames": ("MessageSystemAttributeName",),
    "TagKeys": ("TagKey",),
}


class UnreadableRequest(Exception):
    """The service cannot read the request; `reply` is what it answers."""

    def __init__(self, reply: HttpReply) -> None:
        super().__init__(reply.body)
        self.reply = reply


def error_reply(service: str, code: str, message: str, status: int = 400) -> HttpReply:
    """An error as a JSON reader finds it: API Gateway asks AWS services for JSON by its Accept."""
    body: dict[str, Any] = {"__type": code, "message": message}
    if service in ("sqs", "sns"):
        body = {"Error": {"Code": code, "Message": message, "Type": "Sender"}}
    return HttpReply(
        status,
        {"Content-Type": "application/json", "x-amzn-ErrorType": code},
        json.dumps(body, separators=(",", ":")),
    )


def read_operation(
    service: str,
    *,
    method: str,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    body: str,
    region: str,
) -> tuple[str | None, dict[str, Any] | None]:
    """The operation and parameters that a service reads in a request.

    (None, None) for a service or a path whose protocol is not known here. Raises UnreadableRequest
    for a request that the service refuses before any operation of it runs.
    """
    model = service_model(service)
    if model is None or model.metadata.get("protocol") not in ("json", "query"):
        return None, None
    target = header(headers, "X-Amz-Target")
    is_form = media_type(header(headers, "Content-Type")) == FORM_TYPE
    if service in ("sqs", "sns") and not (target and not is_form):
        form = {**dict(query), **(parse_form(body) if is_form else {})}
        return _read_query(service, model, form, path, region)
    operation = (target or "").rpartition(".")[2] or query.get("Action", "")
    if operation not in model.operation_names or (service in NEEDS_OWN_TARGET and not target):
        raise UnreadableRequest(
            error_reply(service, "UnknownOperationException", f"{operation or 'no operation'}")
        )
    if method == "GET":
        raise UnreadableRequest(error_reply(service, "UnknownOperationException", "GET", 404))
    try:
        document = json.loads(body or "{}")
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise UnreadableRequest(error_reply(service, "SerializationException", "no JSON object"))
    shape = model.operation_model(operation).input_shape
    parameters = from_json(service, shape, document) if shape else {}
    require_members(service, shape, parameters)
    return operation, parameters


def parse_form(body: str) -> dict[str, str]:
    """A form body as a service reads it: cut at `&` and the first `=`, `+` and `%XX` decoded."""
    form: dict[str, str] = {}
    for pair in body.split("&"):
        name, _, value = pair.partition("=")
        if name:
            form.setdefault(unquote_plus(name), unquote_plus(value))
    return form


@lru_cache(maxsize=64)
def service_model(service: str) -> Any:
    """botocore's model of a service by its name in an endpoint; None when botocore has none."""
    import botocore.exceptions
    import botocore.loaders
    import botocore.model

    name = BOTOCORE_NAMES.get(service, service)
    try:
        description = botocore.loaders.Loader().load_service_model(name, "service-2")
    except (botocore.exceptions.UnknownServiceError, botocore.exceptions.DataNotFoundError):
        return None
    return botocore.model.ServiceModel(description, name)


def _read_query(
    service: str, model: Any, form: dict[str, str], path: str, region: str
) -> tuple[str, dict[str, Any]]:
    action = form.get("Action", "")
    if not action:
        raise UnreadableRequest(
            error_reply(service, "UnknownOperationException", "The request has no Action.", 404)
        )
    if action not in model.operation_names:
        message = f"The action {action} is not valid for this endpoint."
        raise UnreadableRequest(error_reply(service, "InvalidAction", message))
    shape = model.operation_model(action).input_shape
    parameters = from_form(service, shape, form) if shape else {}
    segments = path.strip("/").split("/")
    if service == "sqs" and len(segments) == 2:
        parameters["QueueUrl"] = f"https://sqs.{region}.amazonaws.com/{segments[0]}/{segments[1]}"
    require_members(service, shape, parameters)
    return action, parameters


def require_members(service: str, shape: Any, parameters: Mapping[str, Any]) -> None:
    for name in shape.required_members if shape else ():
        # an empty value of a query parameter is no value; SQS takes no empty message either way
        if parameters.get(name) is None or (service == "sqs" and parameters[name] == ""):
            if service in ("sqs", "sns"):
                message = f"The request must contain the parameter {name}."
                raise UnreadableRequest(error_reply(service, "MissingParameter", message))
            message = f"Value null at '{name[:1].lower()}{name[1:]}' failed to satisfy constraint"
            raise UnreadableRequest(error_reply(service, "ValidationException", message))


def from_form(service: str, shape: Any, form: Mapping[str, str], prefix: str = "") -> Any:
    """The members of a structure that a query-protocol form spells out."""
    found: dict[str, Any] = {}
    for name, member in shape.members.items():
        for spelled in _form_names(service, name, member):
            value = _form_value(service, member, form, f"{prefix}{spelled}")
            if value is not None:
                found[name] = value
                break
    return found


def _form_names(service: str, name: str, member: Any) -> tuple[str, ...]:
    if service == "sqs" and name == "Entries":
        return (member.member.name,)
    own = member.serialization.get("locationName") or member.serialization.get("name") or name
    return SQS_FORM_NAMES.get(name, (own,)) if service == "sqs" else (own,)


def _form_value(service: str, shape: Any, form: Mapping[str, str], name: str) -> Any:
    if shape.type_name == "structure":
        return from_form(service, shape, form, f"{name}.") or None
    if shape.type_name not in ("list", "map"):
        return _scalar(service, shape, form[name]) if name in form else None
    flattened = service == "sqs" or shape.serialization.get("flattened")
    stem = name if flattened else f"{name}.{'member' if shape.type_name == 'list' else 'entry'}"
    items: list[Any] = []
    entries: dict[str, Any] = {}
    number = 1
    while any(key == f"{stem}.{number}" or key.startswith(f"{stem}.{number}.") for key in form):
        at = f"{stem}.{number}"
        if shape.type_name == "list":
            items.append(_form_value(service, shape.member, form, at))
        else:
            key = shape.key.serialization.get("name", "Name" if service == "sqs" else "key")
            held = shape.value.serialization.get("name", "Value" if service == "sqs" else "value")
            entries[form.get(f"{at}.{key}", "")] = _form_value(
                service, shape.value, form, f"{at}.{held}"
            )
        number += 1
    return (items or None) if shape.type_name == "list" else (entries or None)


def from_json(service: str, shape: Any, value: Any) -> Any:
    """A JSON value as an operation's input: members it does not know are ignored."""
    if value is None or getattr(shape, "is_document_type", False):
        return value
    kind = shape.type_name
    if kind == "structure":
        _expect(service, shape, value, dict)
        return {
            name: from_json(service, member, value[name])
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if kind == "list":
        _expect(service, shape, value, list)
        return [from_json(service, shape.member, item) for item in value]
    if kind == "map":
        _expect(service, shape, value, dict)
        return {key: from_json(service, shape.value, held) for key, held in value.items()}
    return _scalar(service, shape, value)


def _expect(service: str, shape: Any, value: Any, kind: type) -> None:
    if not isinstance(value, kind):
        message = f"Unexpected value for {shape.name}: {json.dumps(value, default=str)[:80]}"
        raise UnreadableRequest(error_reply(service, "SerializationException", message))


def _scalar(service: str, shape: Any, value: Any) -> Any:
    kind = shape.type_name
    try:
        if kind in ("integer", "long"):
            return int(value)
        if kind in ("float", "double"):
            return float(value)
        if kind == "boolean":
            return value if isinstance(value, bool) else {"true": True, "false": False}[value]
        if kind == "blob":
            return base64.b64decode(value, validate=True)
    except (TypeError, ValueError, KeyError, binascii.Error):
        _expect(service, shape, value, type(None))
    if kind == "string":
        _expect(service, shape, value, str)
        least = shape.metadata.get("min", 0)
        if len(value) < least:  # Kinesis takes no record without a partition key
            message = f"Value at {shape.name}: Member must have length greater than or equal to"
            raise UnreadableRequest(
                error_reply(service, "ValidationException", f"{message} {least}")
            )
    return value
