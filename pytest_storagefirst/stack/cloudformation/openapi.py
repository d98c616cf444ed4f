"""An OpenAPI 3 or Swagger 2 definition with API Gateway's extensions, read operation by operation.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import TemplateError
from .model import Making

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_ANY = "x-amazon-apigateway-any-method"
_INTEGRATION = "x-amazon-apigateway-integration"
_LOCATIONS = {"query": "querystring", "header": "header", "path": "path"}


@dataclass(frozen=True)
class Operation:
    """One method on one path, with what API Gateway makes of it."""

    path: str
    method: str
    integration: Mapping[str, Any]
    request_parameters: Mapping[str, bool] = field(default_factory=dict)
    request_models: Mapping[str, Any] = field(default_factory=dict)  # content type -> schema
    validator: str | None = None
    statuses: tuple[str, ...] = ()
    security: Mapping[str, Any] | None = None  # scheme name -> scopes; None: nothing said


class Definition:
    """A whole definition. `where` is for errors."""

    def __init__(self, body: Any, where: str) -> None:
        if isinstance(body, str):
            try:
                body = json.loads(body)
            except json.JSONDecodeError as error:
                raise TemplateError(
                    f"the API's definition is no JSON: {error}", where=where
                ) from None
        if not isinstance(body, dict) or not isinstance(body.get("paths") or {}, dict):
            raise TemplateError(
                "the API's definition is no OpenAPI",
                where=where,
                expected="a mapping with paths",
            )
        self.body: dict[str, Any] = body
        self.where = where

    @property
    def title(self) -> str:
        return str((self.body.get("info") or {}).get("title") or "")

    @property
    def schemas(self) -> dict[str, Any]:
        components = self.body.get("components") or {}
        return {**(self.body.get("definitions") or {}), **(components.get("schemas") or {})}

    @property
    def validators(self) -> dict[str, Any]:
        return dict(self.body.get("x-amazon-apigateway-request-validators") or {})

    @property
    def security_schemes(self) -> dict[str, Any]:
        components = self.body.get("components") or {}
        return {
            **(self.body.get("securityDefinitions") or {}),
            **(components.get("securitySchemes") or {}),
        }

    def operations(self) -> Iterator[Operation]:
        """Each operation that has an integration, in the order written."""
        for path, item in (self.body.get("paths") or {}).items():
            item = self.followed(item)
            if not isinstance(item, dict):
                continue
            for method, operation in item.items():
                if method.lower() not in _METHODS and method.lower() != _ANY:
                    continue
                if not isinstance(operation, dict):
                    continue
                integration = self.followed(operation.get(_INTEGRATION))
                if isinstance(integration, dict):
                    yield self._operation(path, method, item, operation, integration)

    def _operation(
        self,
        path: str,
        method: str,
        item: Mapping[str, Any],
        operation: Mapping[str, Any],
        integration: Mapping[str, Any],
    ) -> Operation:
        parameters: dict[str, bool] = {}
        models: dict[str, Any] = {}
        for written in [*(item.get("parameters") or []), *(operation.get("parameters") or [])]:
            parameter = self.followed(written)
            location = _LOCATIONS.get(parameter.get("in", ""))
            if location is not None:
                name = f"method.request.{location}.{parameter['name']}"
                parameters[name] = parameter.get("required") is True
            elif parameter.get("in") == "body" and "schema" in parameter:
                consumes = operation.get("consumes") or self.body.get("consumes")
                for content_type in consumes or ["application/json"]:
                    models[content_type] = parameter["schema"]
        content = (self.followed(operation.get("requestBody")) or {}).get("content") or {}
        for content_type, media in content.items():
            if isinstance(media, dict) and media.get("schema"):
                models[content_type] = media["schema"]
        name = "x-amazon-apigateway-request-validator"
        security = operation.get("security", self.body.get("security"))
        return Operation(
            path=path,
            method="ANY" if method.lower() == _ANY else method.upper(),
            integration=integration,
            request_parameters=parameters,
            request_models=models,
            validator=operation.get(name, self.body.get(name)),
            statuses=tuple(
                str(status) for status in operation.get("responses") or {} if str(status).isdigit()
            ),
            security=None
            if security is None
            else {key: value for entry in security for key, value in (entry or {}).items()},
        )

    def followed(self, node: Any) -> Any:
        """What a `$ref` of this definition points at."""
        for _ in range(10):
            if not isinstance(node, dict) or not isinstance(node.get("$ref"), str):
                return node
            target: Any = self.body
            for part in node["$ref"].removeprefix("#/").split("/"):
                part = part.replace("~1", "/").replace("~0", "~")
                if not isinstance(target, dict) or part not in target:
                    raise TemplateError(
                        "the API's definition refers to what isn't there",
                        where=self.where,
                        found=node["$ref"],
                    )
                target = target[part]
            node = target
        raise TemplateError("the API's definition refers in a circle", where=self.where)


def definition_of(making: Making, body: Any) -> Definition:
    """The definition in a `Body`, with the variables that API Gateway resolves on import.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/import-api-aws-variables.html
    """
    variables = {
        "${AWS::AccountId}": making.account,
        "${AWS::Partition}": "aws",
        "${AWS::Region}": making.region,
    }
    return Definition(_with_variables(body, variables), f"{making.where}, property Body")


def _with_variables(node: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(node, str):
        for name, value in variables.items():
            node = node.replace(name, value)
        return node
    if isinstance(node, dict):
        return {key: _with_variables(part, variables) for key, part in node.items()}
    if isinstance(node, list):
        return [_with_variables(part, variables) for part in node]
    return node


def model_name(schema: Any) -> str | None:
    """The name in `{"$ref": "#/…/Name"}`."""
    reference = schema.get("$ref") if isinstance(schema, dict) else None
    return reference.split("/")[-1] if isinstance(reference, str) else None
