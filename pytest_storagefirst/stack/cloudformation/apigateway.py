"""AWS::ApiGateway types: REST APIs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ...errors import TemplateError
from .model import Making, Properties, Resource, is_true
from .openapi import Definition, Operation, definition_of, model_name


def rest_api(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-apigateway-restapi.html"""
    definition = None
    if properties.get("Body"):
        definition = definition_of(making, properties["Body"])
    name = properties.get("Name") or (definition.title if definition else "") or making.logical_id
    request = {"name": name}
    for key in ("BinaryMediaTypes", "ApiKeySourceType", "DisableExecuteApiEndpoint"):
        if properties.get(key) is not None:
            request[key] = properties[key]
    api = making.call("apigateway", "create_rest_api", request)["id"]
    root = making.call("apigateway", "get_resources", {"restApiId": api})["items"][0]["id"]
    if definition is not None:
        _Import(making, api, root, definition).run()
    return Resource(api, {"RestApiId": api, "RootResourceId": root})


class _Import:
    """Makes what a definition says of an API whose root stands."""

    def __init__(self, making: Making, api: str, root: str, definition: Definition) -> None:
        self.making = making
        self.api = api
        self.definition = definition
        self.resources = {"/": root}
        self.models: set[str] = set()
        self.validators: dict[str, str] = {}
        self.authorizers: dict[str, dict[str, Any]] = {}

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        return self.making.call("apigateway", operation, {"restApiId": self.api, **parameters})

    def run(self) -> None:
        for name, schema in self.definition.schemas.items():
            self._model(name, schema)
        for name, written in self.definition.validators.items():
            made = self.call(
                "create_request_validator",
                name=name,
                validateRequestBody=written.get("validateRequestBody", False),
                validateRequestParameters=written.get("validateRequestParameters", False),
            )
            self.validators[name] = made["id"]
        for operation in self.definition.operations():
            self._operation(operation)

    def _model(self, name: str, schema: Any) -> str:
        plain = re.sub(r"[^A-Za-z0-9]", "", name) or "Model"
        if plain not in self.models:
            self.models.add(plain)
            self.call(
                "create_model",
                name=plain,
                contentType="application/json",
                schema=json.dumps(schema),
            )
        return plain

    def _resource(self, path: str) -> str:
        path = "/" + path.strip("/")
        if path not in self.resources:
            parent, _, part = path.rpartition("/")
            made = self.call(
                "create_resource", parentId=self._resource(parent or "/"), pathPart=part
            )
            self.resources[path] = made["id"]
        return self.resources[path]

    def _operation(self, operation: Operation) -> None:
        resource = self._resource(operation.path)
        models = {}
        for content_type, schema in operation.request_models.items():
            name = model_name(schema) or f"{operation.method}{operation.path}{content_type}"
            models[content_type] = self._model(name, schema)
        method: dict[str, Any] = {
            "resourceId": resource,
            "httpMethod": operation.method,
            "requestParameters": operation.request_parameters,
            "requestModels": models,
            **self._authorization(operation),
        }
        if operation.validator in self.validators:
            method["requestValidatorId"] = self.validators[operation.validator or ""]
        integration = operation.integration
        responses = []
        for pattern, written in (integration.get("responses") or {}).items():
            response = {**written}
            if pattern != "default":
                response["selectionPattern"] = pattern
            responses.append(response)
        statuses = [*operation.statuses]
        statuses += [str(one["statusCode"]) for one in responses if "statusCode" in one]
        put_method(
            self.making,
            self.api,
            method,
            {**integration, "integrationHttpMethod": integration.get("httpMethod")},
            responses,
            [{"statusCode": status} for status in dict.fromkeys(statuses)],
        )

    def _authorization(self, operation: Operation) -> dict[str, Any]:
        authorization: dict[str, Any] = {"authorizationType": "NONE"}
        for name in operation.security or {}:
            scheme = self.definition.security_schemes.get(name) or {}
            kind = scheme.get("x-amazon-apigateway-authtype")
            if kind == "awsSigv4":
                authorization["authorizationType"] = "AWS_IAM"
            elif "x-amazon-apigateway-authorizer" in scheme:
                authorization |= self._authorizer(name, scheme)
            elif scheme.get("type") == "apiKey":
                authorization["apiKeyRequired"] = True
        return authorization

    def _authorizer(self, name: str, scheme: Mapping[str, Any]) -> dict[str, Any]:
        if name not in self.authorizers:
            written = scheme["x-amazon-apigateway-authorizer"] or {}
            cognito = written.get("type") == "cognito_user_pools"
            kind = "COGNITO_USER_POOLS" if cognito else str(written.get("type", "token")).upper()
            made = self.call(
                "create_authorizer",
                name=name,
                type=kind,
                providerARNs=written.get("providerARNs") or [],
                authorizerUri=written.get("authorizerUri") or "",
                identitySource=written.get("identitySource")
                or f"method.request.header.{scheme.get('name', 'Authorization')}",
            )
            self.authorizers[name] = {
                "authorizationType": "COGNITO_USER_POOLS" if cognito else "CUSTOM",
                "authorizerId": made["id"],
            }
        return self.authorizers[name]


def put_method(
    making: Making,
    api: str,
    method: Mapping[str, Any],
    integration: Mapping[str, Any],
    integration_responses: list[Any],
    method_responses: list[Any],
) -> None:
    """A method with its integration and all their responses."""
    site = {
        "restApiId": api,
        "resourceId": method["resourceId"],
        "httpMethod": method["httpMethod"],
    }
    making.call("apigateway", "put_method", {**method, **site})
    for response in method_responses:
        making.call("apigateway", "put_method_response", {**response, **site})
    if not integration.get("type"):
        return
    kind = str(integration["type"]).upper()
    request = {
        **{key: value for key, value in integration.items() if key != "responses"},
        "type": kind,
        **site,
    }
    for key in ("passthroughBehavior", "contentHandling", "connectionType"):
        if request.get(key):
            request[key] = str(request[key]).upper()
    if request.get("credentials"):
        request["credentials"] = _credentials(making, str(request["credentials"]))
    making.call("apigateway", "put_integration", request)
    for response in integration_responses:
        making.call("apigateway", "put_integration_response", {**response, **site})


def _credentials(making: Making, written: str) -> str:
    """The role that the integration calls with. The caller's own is that of a user of this account.

    https://docs.aws.amazon.com/apigateway/latest/api/API_PutIntegration.html
    """
    written = str(making.role_arn(written)).replace(
        "arn:aws:iam::*:", f"arn:aws:iam::{making.account}:"
    )
    if not written.startswith(f"arn:aws:iam::{making.account}:"):
        raise TemplateError(
            "an integration's credentials name no role of this account",
            where=making.where,
            found=written,
            expected=f"a role of account {making.account}: !GetAtt TheRole.Arn",
        )
    return written


def resource(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-apigateway-resource.html"""
    for name in ("RestApiId", "ParentId", "PathPart"):
        making.require(properties, name)
    made = making.call("apigateway", "create_resource", properties)
    return Resource(made["id"], {"ResourceId": made["id"]})


def _camel(written: Mapping[str, Any]) -> dict[str, Any]:
    return {key[:1].lower() + key[1:]: value for key, value in written.items()}


def method(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-apigateway-method.html"""
    api = making.require(properties, "RestApiId")
    making.require(properties, "ResourceId")
    making.require(properties, "HttpMethod")
    written = _camel(properties)
    integration = _camel(written.pop("integration", None) or {})
    responses = [_camel(one) for one in integration.pop("integrationResponses", None) or []]
    method_responses = [_camel(one) for one in written.pop("methodResponses", None) or []]
    written.setdefault("authorizationType", "NONE")
    if integration and not integration.get("uri"):
        integration.pop("uri", None)
    put_method(making, api, written, integration, responses, method_responses)
    return Resource(making.name())


def deployment(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-apigateway-deployment.html"""
    making.require(properties, "RestApiId")
    description = properties.get("StageDescription")
    variables = description.get("Variables") if isinstance(description, dict) else None
    request = {**properties, "variables": variables or {}}
    made = making.call("apigateway", "create_deployment", request)
    return Resource(made["id"], {"DeploymentId": made["id"]})


def stage(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-apigateway-stage.html"""
    request = {
        "restApiId": making.require(properties, "RestApiId"),
        "stageName": properties.get("StageName") or "prod",
        "deploymentId": properties.get("DeploymentId") or "",
        "variables": properties.get("Variables") or {},
        "tracingEnabled": is_true(properties.get("TracingEnabled")),
    }
    making.call("apigateway", "create_stage", request)
    return Resource(request["stageName"])


def model(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-apigateway-model.html"""
    name = properties.get("Name") or re.sub(r"[^A-Za-z0-9]", "", making.logical_id)
    request = {
        "restApiId": making.require(properties, "RestApiId"),
        "name": name,
        "contentType": properties.get("ContentType") or "application/json",
        "schema": properties.get("Schema") or {},
    }
    making.call("apigateway", "create_model", request)
    return Resource(name)


def request_validator(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-apigateway-requestvalidator.html"""
    making.require(properties, "RestApiId")
    request = {"name": making.logical_id, **_camel(properties)}
    for key in ("validateRequestBody", "validateRequestParameters"):
        request.setdefault(key, False)
    made = making.call("apigateway", "create_request_validator", request)
    return Resource(made["id"], {"RequestValidatorId": made["id"]})


def authorizer(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-apigateway-authorizer.html"""
    making.require(properties, "RestApiId")
    request = {"identitySource": "method.request.header.Authorization", **_camel(properties)}
    request.setdefault("name", making.logical_id)
    made = making.call("apigateway", "create_authorizer", request)
    return Resource(made["id"], {"AuthorizerId": made["id"]})


HANDLERS = {
    "AWS::ApiGateway::Authorizer": authorizer,
    "AWS::ApiGateway::Deployment": deployment,
    "AWS::ApiGateway::Method": method,
    "AWS::ApiGateway::Model": model,
    "AWS::ApiGateway::RequestValidator": request_validator,
    "AWS::ApiGateway::Resource": resource,
    "AWS::ApiGateway::RestApi": rest_api,
    "AWS::ApiGateway::Stage": stage,
}
