"""AWS::ApiGatewayV2 types: HTTP and WebSocket APIs."""

from __future__ import annotations

from typing import Any

from .model import Making, Properties, Resource
from .openapi import Definition, Operation, definition_of

_DEFAULT_ROUTE = "$default"


def api(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-apigatewayv2-api.html"""
    definition = None
    if properties.get("Body"):
        definition = definition_of(making, properties["Body"])
    title = definition.title if definition else ""
    protocol = properties.get("ProtocolType") or "HTTP"
    request = {
        **{key: value for key, value in properties.items() if key not in ("Body", "Target")},
        "Name": properties.get("Name") or title or making.logical_id,
        "ProtocolType": protocol,
    }
    made = making.call("apigatewayv2", "create_api", request)
    if definition is not None:
        _import(making, made["ApiId"], definition)
    if properties.get("Target"):
        target = str(properties["Target"])
        kind = "HTTP_PROXY" if target.startswith("http") else "AWS_PROXY"
        integration = _integration(
            making,
            made["ApiId"],
            {"IntegrationType": kind, "IntegrationUri": target, "PayloadFormatVersion": "2.0"},
        )
        key = properties.get("RouteKey") or _DEFAULT_ROUTE
        _route(making, made["ApiId"], {"RouteKey": key, "Target": f"integrations/{integration}"})
        making.call(
            "apigatewayv2",
            "create_stage",
            {"ApiId": made["ApiId"], "StageName": _DEFAULT_ROUTE, "AutoDeploy": True},
        )
    scheme = "wss" if protocol == "WEBSOCKET" else "https"
    endpoint = f"{scheme}://{made['ApiId']}.execute-api.{making.region}.amazonaws.com"
    return Resource(made["ApiId"], {"ApiId": made["ApiId"], "ApiEndpoint": endpoint})


def _import(making: Making, api_id: str, definition: Definition) -> None:
    authorizers: dict[str, dict[str, Any]] = {}
    for operation in definition.operations():
        written = operation.integration
        kind = str(written.get("type", "aws_proxy")).upper()
        integration = _integration(
            making,
            api_id,
            {
                "ConnectionId": written.get("connectionId"),
                "ConnectionType": written.get("connectionType"),
                "CredentialsArn": written.get("credentials"),
                "IntegrationMethod": written.get("httpMethod"),
                "IntegrationSubtype": written.get("integrationSubtype"),
                "IntegrationType": kind,
                "IntegrationUri": written.get("uri"),
                "PayloadFormatVersion": written.get("payloadFormatVersion"),
                "RequestParameters": written.get("requestParameters"),
                "ResponseParameters": _response_parameters(written.get("responseParameters")),
                "TimeoutInMillis": written.get("timeoutInMillis"),
            },
        )
        route = {"RouteKey": _route_key(operation), "Target": f"integrations/{integration}"}
        for name, scopes in (operation.security or {}).items():
            route |= _authorization(making, api_id, name, scopes, definition, authorizers)
        _route(making, api_id, route)


def _response_parameters(written: Any) -> Any:
    """An import may write the form of the API's own model, or leave the mapping flat."""
    if isinstance(written, dict) and all(isinstance(one, dict) for one in written.values()):
        return written
    return None


def _route_key(operation: Operation) -> str:
    if operation.path.strip("/") == _DEFAULT_ROUTE:
        return _DEFAULT_ROUTE
    return f"{operation.method} {operation.path}"


def _authorization(
    making: Making,
    api_id: str,
    name: str,
    scopes: Any,
    definition: Definition,
    authorizers: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    if name not in authorizers:
        scheme = definition.security_schemes.get(name) or {}
        written = scheme.get("x-amazon-apigateway-authorizer")
        if scheme.get("x-amazon-apigateway-authtype") == "awsSigv4":
            authorizers[name] = {"AuthorizationType": "AWS_IAM"}
        elif not isinstance(written, dict):
            authorizers[name] = {}
        else:
            jwt = written.get("type") == "jwt"
            sources = written.get("identitySource")
            request = {
                "ApiId": api_id,
                "Name": name,
                "AuthorizerType": "JWT" if jwt else "REQUEST",
                "AuthorizerUri": written.get("authorizerUri"),
                "AuthorizerPayloadFormatVersion": written.get("authorizerPayloadFormatVersion"),
                "EnableSimpleResponses": written.get("enableSimpleResponses"),
                "IdentitySource": sources.split(",") if isinstance(sources, str) else sources or [],
                "JwtConfiguration": _jwt(written.get("jwtConfiguration")),
            }
            made = making.call("apigatewayv2", "create_authorizer", _given(request))
            authorizers[name] = {
                "AuthorizationType": "JWT" if jwt else "CUSTOM",
                "AuthorizerId": made["AuthorizerId"],
            }
    authorization = dict(authorizers[name])
    if scopes and authorization.get("AuthorizationType") == "JWT":
        authorization["AuthorizationScopes"] = scopes
    return authorization


def _jwt(written: Any) -> Any:
    if not isinstance(written, dict):
        return None
    return {"Audience": written.get("audience") or [], "Issuer": written.get("issuer") or ""}


def _given(request: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in request.items() if value is not None}


def _integration(making: Making, api_id: str, request: dict[str, Any]) -> str:
    made = making.call("apigatewayv2", "create_integration", {**_given(request), "ApiId": api_id})
    return str(made["IntegrationId"])


def _route(making: Making, api_id: str, request: dict[str, Any]) -> str:
    made = making.call("apigatewayv2", "create_route", {**request, "ApiId": api_id})
    return str(made["RouteId"])


def integration(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-apigatewayv2-integration.html"""
    making.require(properties, "IntegrationType")
    made = _integration(making, making.require(properties, "ApiId"), dict(properties))
    return Resource(made, {"IntegrationId": made})


def route(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-apigatewayv2-route.html"""
    making.require(properties, "RouteKey")
    made = _route(making, making.require(properties, "ApiId"), dict(properties))
    return Resource(made, {"RouteId": made})


def stage(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-apigatewayv2-stage.html"""
    making.require(properties, "ApiId")
    name = making.require(properties, "StageName")
    making.call("apigatewayv2", "create_stage", properties)
    return Resource(name)


def authorizer(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-apigatewayv2-authorizer.html"""
    making.require(properties, "ApiId")
    request = {"IdentitySource": [], **properties}
    made = making.call("apigatewayv2", "create_authorizer", request)
    return Resource(made["AuthorizerId"], {"AuthorizerId": made["AuthorizerId"]})


def deployment(making: Making, properties: Properties) -> Resource:
    """Routes are live as soon as they stand; a deployment only has a name.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-apigatewayv2-deployment.html
    """
    making.require(properties, "ApiId")
    return Resource(making.name(20), {"DeploymentId": making.name(20)})


HANDLERS = {
    "AWS::ApiGatewayV2::Api": api,
    "AWS::ApiGatewayV2::Authorizer": authorizer,
    "AWS::ApiGatewayV2::Deployment": deployment,
    "AWS::ApiGatewayV2::Integration": integration,
    "AWS::ApiGatewayV2::Route": route,
    "AWS::ApiGatewayV2::Stage": stage,
}
