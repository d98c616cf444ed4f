"""The routes of REST and HTTP APIs, asked of API Gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .topology import Authorizer, Integration, IntegrationResponse, Route

_MOST_PER_PAGE = 500
_DEFAULT_ROUTE = "$default"


def rest_routes(client: Any, logical_id: str, api: str, own_stages: list[str]) -> Iterator[Route]:
    """A route for each method of a REST API, as its stage serves it."""
    stage, variables = _stage(
        [
            (stage["stageName"], stage.get("variables") or {})
            for stage in client.get_stages(restApiId=api).get("item", [])
        ],
        own_stages,
    )
    schemas = {
        model["name"]: model.get("schema") or "{}"
        for page in client.get_paginator("get_models").paginate(restApiId=api)
        for model in page.get("items", [])
    }
    validators = {
        validator["id"]: validator
        for page in client.get_paginator("get_request_validators").paginate(restApiId=api)
        for validator in page.get("items", [])
    }
    authorizers = {
        authorizer["id"]: authorizer["name"]
        for authorizer in client.get_authorizers(restApiId=api).get("items", [])
    }
    functions = {
        one["id"]: Authorizer(
            name=one["name"],
            function_arn=_function_of(one["authorizerUri"]),
            kind=one["type"],
            identity_sources=tuple((one.get("identitySource") or "").split(",")),
        )
        for one in client.get_authorizers(restApiId=api).get("items", [])
        if one.get("type") in ("TOKEN", "REQUEST") and one.get("authorizerUri")
    }
    resources = client.get_resources(restApiId=api, limit=_MOST_PER_PAGE, embed=["methods"])
    for resource in sorted(resources["items"], key=lambda one: one["path"]):
        for method_name, method in sorted((resource.get("resourceMethods") or {}).items()):
            if "methodIntegration" not in method and "httpMethod" not in method:
                method = client.get_method(
                    restApiId=api, resourceId=resource["id"], httpMethod=method_name
                )
            models = method.get("requestModels") or {}
            validator = validators.get(method.get("requestValidatorId"), {})
            parameters = method.get("requestParameters") or {}
            yield Route(
                api_logical_id=logical_id,
                api_id=api,
                protocol="REST",
                method=method_name,
                path=resource["path"],
                stage=stage,
                integration=rest_integration(method.get("methodIntegration") or {}),
                stage_variables=variables,
                authorizer=_authorizer(
                    method.get("authorizationType"), method.get("authorizerId"), authorizers
                ),
                lambda_authorizer=functions.get(method.get("authorizerId")),
                request_validator=validator.get("validateRequestBody") is True,
                request_models={
                    content_type: _whole_schema(name, schemas)
                    for content_type, name in models.items()
                    if name in schemas
                },
                required_parameters=tuple(
                    sorted(name for name, required in parameters.items() if required is True)
                )
                if validator.get("validateRequestParameters") is True
                else (),
            )


def _stage(
    stages: list[tuple[str, dict[str, str]]], own_stages: list[str]
) -> tuple[str, dict[str, str]]:
    """The stage that is called: one the template names before one that a deployment made."""
    named = [stage for stage in stages if stage[0] in own_stages]
    return (named or stages or [("", {})])[0]


def _function_of(uri: str) -> str:
    """The function's ARN in an authorizer's URI."""
    return uri.partition("/functions/")[2].removesuffix("/invocations") or uri


def _authorizer(kind: str | None, identity: str | None, names: dict[str, str]) -> str:
    if kind in (None, "", "NONE"):
        return ""
    return names.get(identity or "", identity or str(kind))


def rest_integration(written: dict[str, Any]) -> Integration:
    """What API Gateway says of a REST method's integration."""
    responses = [
        IntegrationResponse(
            status=str(response.get("statusCode", status)),
            selection_pattern=response.get("selectionPattern") or None,
            templates=_texts(response.get("responseTemplates")),
            parameters=_texts(response.get("responseParameters")),
        )
        for status, response in (written.get("integrationResponses") or {}).items()
    ]
    return Integration(
        kind=str(written.get("type") or ""),
        uri=str(written.get("uri") or ""),
        http_method=str(written.get("httpMethod") or "POST"),
        credentials=str(written.get("credentials") or ""),
        request_parameters=_texts(written.get("requestParameters")),
        request_templates=_texts(written.get("requestTemplates")),
        passthrough_behavior=str(written.get("passthroughBehavior") or "WHEN_NO_MATCH"),
        content_handling=written.get("contentHandling") or None,
        responses=tuple(responses),
        timeout_milliseconds=int(written.get("timeoutInMillis") or 29_000),
    )


def _texts(written: Any) -> dict[str, str]:
    return {str(key): value or "" for key, value in (written or {}).items()}


def _whole_schema(name: str, schemas: dict[str, str]) -> str:
    """A model's schema that stands alone: models it refers to become its definitions."""
    if '"$ref"' not in schemas[name]:
        return schemas[name]
    definitions = {other: _inward(json.loads(schema)) for other, schema in schemas.items()}
    return json.dumps({**definitions[name], "definitions": definitions})


def _inward(node: Any) -> Any:
    if isinstance(node, list):
        return [_inward(part) for part in node]
    if not isinstance(node, dict):
        return node
    return {
        key: f"#/definitions/{value.split('/')[-1]}"
        if key == "$ref" and isinstance(value, str)
        else _inward(value)
        for key, value in node.items()
    }


def http_routes(client: Any, logical_id: str, api: str, own_stages: list[str]) -> Iterator[Route]:
    """A route for each route of an HTTP or a WebSocket API."""
    protocol = client.get_api(ApiId=api)["ProtocolType"]
    stage, variables = _stage(
        [
            (stage["StageName"], stage.get("StageVariables") or {})
            for page in _pages(client.get_stages, api)
            for stage in page
        ],
        own_stages,
    )
    integrations = {
        integration["IntegrationId"]: integration
        for page in _pages(client.get_integrations, api)
        for integration in page
    }
    routes = [route for page in _pages(client.get_routes, api) for route in page]
    used = {route["AuthorizerId"] for route in routes if route.get("AuthorizerId")}
    found = {one: client.get_authorizer(ApiId=api, AuthorizerId=one) for one in sorted(used)}
    authorizers = {identity: one.get("Name", identity) for identity, one in found.items()}
    functions = {
        identity: Authorizer(
            name=one.get("Name", identity),
            function_arn=_function_of(one["AuthorizerUri"]),
            identity_sources=tuple(one.get("IdentitySource") or ()),
            payload_format_version=one.get("AuthorizerPayloadFormatVersion") or "1.0",
            simple_responses=one.get("EnableSimpleResponses") is True,
        )
        for identity, one in found.items()
        if one.get("AuthorizerType") == "REQUEST" and one.get("AuthorizerUri")
    }
    for route in sorted(routes, key=lambda one: one["RouteKey"]):
        key = route["RouteKey"]
        if protocol == "WEBSOCKET":
            method, path = "", key
        elif key == _DEFAULT_ROUTE:
            method, path = "ANY", _DEFAULT_ROUTE
        else:
            method, _, path = key.partition(" ")
        target = (route.get("Target") or "").removeprefix("integrations/")
        yield Route(
            api_logical_id=logical_id,
            api_id=api,
            protocol=protocol,
            method=method,
            path=path,
            stage=stage,
            integration=http_integration(integrations.get(target, {})),
            stage_variables=variables,
            authorizer=_authorizer(
                route.get("AuthorizationType"), route.get("AuthorizerId"), authorizers
            ),
            lambda_authorizer=functions.get(route.get("AuthorizerId")),
        )


def _pages(operation: Any, api: str) -> Iterator[list[dict[str, Any]]]:
    token = None
    while True:
        page = operation(ApiId=api, **({"NextToken": token} if token else {}))
        yield page.get("Items", [])
        token = page.get("NextToken")
        if not token:
            return


def http_integration(written: dict[str, Any]) -> Integration:
    """What API Gateway says of an HTTP API's integration."""
    return Integration(
        kind=str(written.get("IntegrationType") or ""),
        uri=str(written.get("IntegrationUri") or ""),
        http_method=str(written.get("IntegrationMethod") or "POST"),
        subtype=str(written.get("IntegrationSubtype") or ""),
        payload_format_version=str(written.get("PayloadFormatVersion") or ""),
        credentials=str(written.get("CredentialsArn") or ""),
        request_parameters=_texts(written.get("RequestParameters")),
        request_templates=_texts(written.get("RequestTemplates")),
        passthrough_behavior=str(written.get("PassthroughBehavior") or "WHEN_NO_MATCH"),
        timeout_milliseconds=int(written.get("TimeoutInMillis") or 30_000),
    )
