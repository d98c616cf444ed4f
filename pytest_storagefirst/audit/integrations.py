"""What API routes do with a request, read from a template: methods, OpenAPI, HTTP APIs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_storagefirst.audit.positions import Steps
from pytest_storagefirst.audit.view import View, joined, listed
from pytest_storagefirst.faults.catalogue import is_read_only
from pytest_storagefirst.stack.references import target

EXTENSION = "x-amazon-apigateway-integration"
_ANY = "x-amazon-apigateway-any-method"
_METHODS = ("get", "post", "put", "patch", "delete", "head", "options", _ANY)
_ACTION = re.compile(r"(?:^|[&\s])Action=(\w+)")
_PSEUDO = re.compile(r"\$\{AWS::(\w+)\}")  # as it stands where nobody substitutes it
_URI = re.compile(r"arn:[^:]*:apigateway:[^:]*:(?P<service>[^:]*):(?P<form>\w+)/(?P<rest>.*)", re.S)


@dataclass(frozen=True)
class Reply:
    """A response of a REST integration; `pattern` None is the default one."""

    pattern: str | None
    status: str
    templates: tuple[str, ...]
    steps: Steps


@dataclass(frozen=True)
class Integration:
    """A route's integration. `steps` lead to it from the properties of `resource`.

    `service` and `action` are those of the backend: ("sqs", "SendMessage"); "" where unknown.
    `target` is the resource of the template that it names. `given` are its properties as written.
    """

    resource: str
    steps: Steps
    protocol: str  # "REST", "HTTP" or "WEBSOCKET"
    route: str  # "POST /orders"
    kind: str  # "AWS", "AWS_PROXY", …
    service: str
    action: str
    uri: str
    given: Mapping[str, Any]
    is_open_api: bool
    target: str | None

    @property
    def stores(self) -> bool:
        """Whether it writes to a service without any code of the user's in between."""
        if self.service in ("", "lambda"):
            return False
        if self.service == "s3":
            return str(self.given.get(self._key("httpMethod"), "")).upper() in ("PUT", "POST")
        if self.service == "states":
            return self.action in ("StartExecution", "StartSyncExecution")
        reads = is_read_only(self.action) or self.action.startswith(("Delete", "Purge"))
        return bool(self.action) and not reads

    @property
    def changes(self) -> bool:
        """Whether it stores, or takes away what is stored: a request that can be lost, too."""
        return self.stores or (self.service == "dynamodb" and self.action == "DeleteItem")

    @property
    def templates(self) -> Iterator[tuple[str, str, Steps]]:
        """Content type, text and path of each request template."""
        key = self._key("requestTemplates")
        found = self.given.get(key)
        for content_type, text in found.items() if isinstance(found, Mapping) else ():
            yield str(content_type), joined(text), (*self.steps, key, content_type)

    def parameter(self, name: str) -> str:
        """What a request parameter is mapped from, "" where it is not."""
        found = self.given.get(self._key("requestParameters"))
        return joined(found.get(name, "")) if isinstance(found, Mapping) else ""

    @property
    def replies(self) -> tuple[Reply, ...]:
        if not self.is_open_api:
            return tuple(
                Reply(
                    joined(one.get("SelectionPattern")) or None,
                    joined(one.get("StatusCode")),
                    _template_texts(one.get("ResponseTemplates")),
                    (*self.steps, "IntegrationResponses", index),
                )
                for index, one in enumerate(listed(self.given.get("IntegrationResponses")))
                if isinstance(one, Mapping)
            )
        found = self.given.get("responses")
        return tuple(
            Reply(
                None if pattern == "default" else str(pattern),
                joined(one.get("statusCode")),
                _template_texts(one.get("responseTemplates")),
                (*self.steps, "responses", pattern),
            )
            for pattern, one in (found.items() if isinstance(found, Mapping) else ())
            if isinstance(one, Mapping)
        )

    def _key(self, name: str) -> str:
        if self.is_open_api:
            return name
        return "IntegrationHttpMethod" if name == "httpMethod" else name[0].upper() + name[1:]


def _template_texts(templates: Any) -> tuple[str, ...]:
    return tuple(map(joined, templates.values())) if isinstance(templates, Mapping) else ()


def integrations(view: View) -> Iterator[Integration]:
    """All integrations of a template's APIs."""
    for logical_id, properties in view.of_type("AWS::ApiGateway::RestApi"):
        yield from _of_open_api(view, logical_id, properties.get("Body"), "REST")
    for logical_id, properties in view.of_type("AWS::ApiGatewayV2::Api"):
        yield from _of_open_api(view, logical_id, properties.get("Body"), "HTTP")
    for logical_id, properties in view.of_type("AWS::ApiGateway::Method"):
        given = properties.get("Integration")
        if isinstance(given, Mapping):
            route = f"{properties.get('HttpMethod', '')} {_path_of(view, properties)}"
            yield _integration(view, logical_id, ("Integration",), "REST", route, given, False)
    routes = dict(_routes_by_integration(view))
    for logical_id, properties in view.of_type("AWS::ApiGatewayV2::Integration"):
        api = view.pointed_at(properties.get("ApiId"), "AWS::ApiGatewayV2::Api")
        protocol = str(view.properties(api).get("ProtocolType", "HTTP")) if api else "HTTP"
        route = routes.get(logical_id, "")
        yield _integration(view, logical_id, (), protocol, route, properties, False)


def _of_open_api(view: View, logical_id: str, body: Any, protocol: str) -> Iterator[Integration]:
    paths = body.get("paths") if isinstance(body, Mapping) else None
    for path, item in paths.items() if isinstance(paths, Mapping) else ():
        for method in _METHODS:
            operation = item.get(method) if isinstance(item, Mapping) else None
            given = operation.get(EXTENSION) if isinstance(operation, Mapping) else None
            if isinstance(given, Mapping):
                verb = "ANY" if method == _ANY else method.upper()
                steps = ("Body", "paths", path, method, EXTENSION)
                yield _integration(view, logical_id, steps, protocol, f"{verb} {path}", given, True)


def _integration(
    view: View,
    logical_id: str,
    steps: Steps,
    protocol: str,
    route: str,
    given: Mapping[str, Any],
    is_open_api: bool,
) -> Integration:
    written = {str(key).lower(): value for key, value in given.items()}
    uri_node = written.get("uri", written.get("integrationuri"))
    kind = joined(written.get("type", written.get("integrationtype"))).upper()
    subtype = joined(written.get("integrationsubtype"))
    uri = _PSEUDO.sub(r"\1", joined(uri_node))
    service, action = "", ""
    if subtype:
        service, _, action = subtype.partition("-")
        service = {"EventBridge": "events", "StepFunctions": "states"}.get(service, service.lower())
    elif found := _URI.match(uri):
        service = found["service"].rpartition(".")[2]
        action = found["rest"] if found["form"] == "action" else ""
        action = action or _action_told(written)
        if service == "sqs" and not action and found["form"] == "path":
            action = "SendMessage" if "MessageBody" in _told(written) else ""
    return Integration(
        resource=logical_id,
        steps=steps,
        protocol=protocol,
        route=route.strip(),
        kind=kind,
        service=service,
        action=action.strip("/"),
        uri=uri,
        given=given,
        is_open_api=is_open_api,
        target=_backend(view, service, uri_node, written),
    )


def _told(written: Mapping[str, Any]) -> str:
    templates, parameters = written.get("requesttemplates"), written.get("requestparameters")
    said = [*_template_texts(templates)]
    for key, value in parameters.items() if isinstance(parameters, Mapping) else ():
        said.append(f"&{str(key).rpartition('.')[2]}={joined(value)}")
    return "\n".join(said)


def _action_told(written: Mapping[str, Any]) -> str:
    found = _ACTION.search(_told(written).replace("'", ""))
    return found[1] if found else ""


_STORES = {
    "sqs": ("AWS::SQS::Queue",),
    "sns": ("AWS::SNS::Topic",),
    "kinesis": ("AWS::Kinesis::Stream",),
    "dynamodb": ("AWS::DynamoDB::Table",),
    "events": ("AWS::Events::EventBus",),
    "s3": ("AWS::S3::Bucket",),
    "states": ("AWS::StepFunctions::StateMachine",),
    "lambda": ("AWS::Lambda::Function", "AWS::Lambda::Alias"),
}


def _backend(view: View, service: str, uri: Any, written: Mapping[str, Any]) -> str | None:
    """The resource that takes what is sent: named in the URI, the parameters or the templates."""
    kinds = _STORES.get(service, ())
    for node in (uri, written.get("requestparameters"), written.get("requesttemplates")):
        named = {name for name in view.mentioned(_plain(node)) if view.kind(name) in kinds}
        if len(named) == 1:
            return named.pop()
    if service != "lambda" and not kinds:
        return None
    text = joined(uri)
    named = {name for name in re.findall(r"<(\w+)>", text) if not kinds or view.kind(name) in kinds}
    return named.pop() if len(named) == 1 else None


def _plain(node: Any) -> Any:
    return dict(node) if isinstance(node, Mapping) else node


def _path_of(view: View, method: Mapping[str, Any]) -> str:
    """A method's path, from the resources above it."""
    parts: list[str] = []
    found = target(method.get("ResourceId"))
    while view.kind(found) == "AWS::ApiGateway::Resource" and len(parts) < 50:
        properties = view.properties(found)
        parts.insert(0, joined(properties.get("PathPart")))
        found = target(properties.get("ParentId"))
    return "/" + "/".join(parts)


def _routes_by_integration(view: View) -> Iterator[tuple[str, str]]:
    for _, properties in view.of_type("AWS::ApiGatewayV2::Route"):
        found = re.fullmatch(r"integrations/<(\w+)>", joined(properties.get("Target")))
        if found:
            yield found[1], joined(properties.get("RouteKey"))
