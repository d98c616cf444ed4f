"""APIs whose template holds an OpenAPI definition: all of it is imported, as AWS does."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from pytest_storagefirst.stack.cloudformation import apigateway, apigatewayv2
from pytest_storagefirst.stack.cloudformation.model import Handler, Making
from pytest_storagefirst.target.emulator.calls import Answer, client_of

# What a template says of a first-class integration, and ministack leaves out.
FIRST_CLASS = {"IntegrationSubtype": "integrationSubtype", "CredentialsArn": "credentialsArn"}


def bridge() -> None:
    """Have ministack's CloudFormation make such APIs with the code that makes moto's."""
    from ministack.services import apigateway as http_apis
    from ministack.services import apigateway_v1 as rest_apis
    from ministack.services.cloudformation import provisioners

    for kind, handler, service in (
        ("AWS::ApiGatewayV2::Api", apigatewayv2.HANDLERS["AWS::ApiGatewayV2::Api"], http_apis),
        ("AWS::ApiGateway::RestApi", apigateway.HANDLERS["AWS::ApiGateway::RestApi"], rest_apis),
    ):
        _bridge_type(provisioners._RESOURCE_HANDLERS[kind], kind, handler, service)
    _keep_first_class(http_apis, provisioners)


def _bridge_type(
    ministack: dict[str, Callable[..., Any]], kind: str, handler: Handler, service: Any
) -> None:
    plain_create, plain_update = ministack["create"], ministack["update"]

    def create(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
        if not properties.get("Body"):
            return plain_create(logical_id, properties, stack_name)
        made = handler(_making(logical_id, kind, stack_name, service), properties)
        return made.physical_resource_id, dict(made.attributes)

    def update(
        physical_id: str,
        old: dict[str, Any],
        new: dict[str, Any],
        stack_name: str,
        logical_id: str | None = None,
    ) -> Any:
        if old.get("Body") == new.get("Body"):
            return plain_update(physical_id, old, new, stack_name, logical_id)
        made = create(logical_id or physical_id, new, stack_name)
        ministack["delete"](physical_id, old)
        return made

    ministack["create"], ministack["update"] = create, update


def _making(logical_id: str, kind: str, stack_name: str, service: Any) -> Making:
    from ministack.core.responses import get_account_id, get_region

    return Making(
        logical_id=logical_id,
        kind=kind,
        stack_name=stack_name,
        account=get_account_id(),
        region=get_region(),
        where=logical_id,
        client=lambda name: client_of(
            name,
            get_account_id(),
            get_region(),
            lambda *request: _finished(service.handle_request(*request)),
        ),
    )


def _finished(running: Coroutine[Any, Any, Answer]) -> Answer:
    """The result of a coroutine that waits for nothing, as those of control planes do."""
    try:
        running.send(None)
    except StopIteration as end:
        found: Answer = end.value
        return found
    running.close()
    raise RuntimeError("ministack's control plane waits for something")


def _keep_first_class(http_apis: Any, provisioners: Any) -> None:
    plain_properties = provisioners._apigw_v2_integration_props
    plain_create, plain_update = http_apis._create_integration, http_apis._update_integration

    def properties(written: dict[str, Any]) -> Any:
        kept = {name: written[key] for key, name in FIRST_CLASS.items() if written.get(key)}
        return {**plain_properties(written), **kept}

    def create(api_id: str, data: dict[str, Any]) -> Any:
        before = set(http_apis._integrations.get(api_id, {}))
        answer = plain_create(api_id, data)
        for one in set(http_apis._integrations.get(api_id, {})) - before:
            _add(http_apis._integrations[api_id][one], data)
        return answer

    def update(api_id: str, integration_id: str, data: dict[str, Any]) -> Any:
        answer = plain_update(api_id, integration_id, data)
        if found := http_apis._integrations.get(api_id, {}).get(integration_id):
            _add(found, data)
        return answer

    provisioners._apigw_v2_integration_props = properties
    http_apis._create_integration, http_apis._update_integration = create, update


def _add(integration: dict[str, Any], data: Mapping[str, Any]) -> None:
    integration |= {name: data[name] for name in FIRST_CLASS.values() if data.get(name)}
