"""A REST API's request validator (api-gateway-method-request-validation)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ...errors import TemplateError
from ...stack.topology import Route
from .messages import HttpReply, HttpRequest, gateway_reply, header, media_type


def refusal(
    route: Route, request: HttpRequest, path_parameters: Mapping[str, str]
) -> HttpReply | None:
    """The 400 of a request that the validator turns away; None when it may pass.

    Required parameters are checked before the body. A body without a model for its content type
    passes, as does everything when the method has no validator.
    """
    missing = [
        place.rpartition(".")[2]
        for place in required_parameters(route)
        if not _present(place, request, path_parameters)
    ]
    if missing:
        return gateway_reply(
            400,
            f"Missing required request parameters: [{', '.join(missing)}]",
            "BadRequestException",
        )
    if not route.request_validator:
        return None
    content_type = media_type(header(request.headers, "Content-Type"))
    schema = route.request_models.get(content_type)
    if schema is None or _fits(schema, request.body):
        return None
    return gateway_reply(400, "Invalid request body", "BadRequestException")


def required_parameters(route: Route) -> tuple[str, ...]:
    """ "method.request.header.x", … of the parameters that a validator insists on."""
    return route.required_parameters


def _present(place: str, request: HttpRequest, path_parameters: Mapping[str, str]) -> bool:
    _, _, kind, name = place.split(".", 3)
    if kind == "header":
        return header(request.headers, name) is not None
    return bool((path_parameters if kind == "path" else request.query).get(name))


def misfits(route: Route, request: HttpRequest) -> tuple[str, ...]:
    """Which fields of a body its model does not take, each as one clause; () where it passes."""
    schema = route.request_models.get(media_type(header(request.headers, "Content-Type")))
    if not route.request_validator or schema is None or _fits(schema, request.body):
        return ()
    try:
        document = json.loads(request.body)
    except ValueError:
        return ("the body is no JSON",)
    errors = sorted(
        _validator(schema).iter_errors(document), key=lambda one: list(map(str, one.path))
    )
    return tuple(
        f"{'.'.join(map(str, one.path))}: {one.message}" if one.path else one.message
        for one in errors
    )


def _fits(schema_text: str, body: str) -> bool:
    import referencing.exceptions

    try:
        document = json.loads(body)
    except ValueError:
        return False
    try:
        return bool(_validator(schema_text).is_valid(document))
    except referencing.exceptions.Unresolvable as error:
        raise _no_schema(schema_text, f"{error} is not in the model") from error


@lru_cache(maxsize=128)
def _validator(schema_text: str) -> Any:
    """Models are JSON schema draft 4; jsonschema comes with aws-sam-translator.

    The registry is empty, so that a reference to the outside is an error and not a download.
    """
    import jsonschema
    import referencing

    try:
        schema = json.loads(schema_text)
        jsonschema.Draft4Validator.check_schema(schema)
    except (ValueError, jsonschema.SchemaError) as error:
        raise _no_schema(schema_text, str(error).splitlines()[0]) from error
    return jsonschema.Draft4Validator(schema, registry=referencing.Registry())


def _no_schema(schema_text: str, reason: str) -> TemplateError:
    return TemplateError(
        "a request model cannot be used as a JSON schema",
        found=" ".join(schema_text.split())[:120],
        expected="a JSON schema of draft 4 that is whole in itself",
        remedy=f"mend the model: {reason}",
    )
