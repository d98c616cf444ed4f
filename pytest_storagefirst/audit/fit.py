"""Rules about where the pattern does not fit: code before storage or never, a caller who waits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_storagefirst.audit.consumers import FUNCTION, function_of
from pytest_storagefirst.audit.grants import allows, names
from pytest_storagefirst.audit.integrations import Integration, integrations
from pytest_storagefirst.audit.view import Looked, View, whole

_WRITES = {
    "AWS::SQS::Queue": "sqs:SendMessage",
    "AWS::SNS::Topic": "sns:Publish",
    "AWS::Kinesis::Stream": "kinesis:PutRecord",
    "AWS::Events::EventBus": "events:PutEvents",
    "AWS::DynamoDB::Table": "dynamodb:PutItem",
}
_METHODS = ("POST", "PUT", "PATCH", "ANY", "$default")


def compute_before_storage(view: View) -> Iterator[Looked]:
    routes: dict[str, list[Integration]] = {}
    for one in integrations(view):
        function = _function(view, one)
        header = one.parameter("integration.request.header.X-Amz-Invocation-Type")
        if function is not None and "Event" not in header and one.route.startswith(_METHODS):
            routes.setdefault(function, []).append(one)
    for function, found in routes.items():
        stores = sorted(_stores_written(view, function))
        problem = ""
        if stores:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            problem = (
                f"{found[0].route}{more} runs {function} before anything is stored, which then "
                f"writes to {', '.join(stores)}: while the function is throttled, deployed or "
                "broken, requests are refused instead of kept"
            )
        yield Looked("compute-before-storage", function, problem, (), {"Store": ", ".join(stores)})


def _function(view: View, one: Integration) -> str | None:
    if one.service != "lambda" and ":function:" not in one.uri:
        node = one.given.get("uri", one.given.get("IntegrationUri", one.given.get("Uri")))
        found = view.pointed_at(node, FUNCTION, "AWS::Lambda::Alias")
        return function_of(view, {"Ref": found}) if found else None
    return function_of(view, {"Ref": one.target}) if one.target else None


def _stores_written(view: View, function: str) -> Iterator[str]:
    """What the function is told of, or its policies name, and it may write to."""
    properties = view.properties(function)
    environment = properties.get("Environment")
    told = environment.get("Variables") if isinstance(environment, Mapping) else None
    role = view.pointed_at(properties.get("Role"), "AWS::IAM::Role")
    named = view.mentioned(told)
    for kind, action in _WRITES.items():
        for store, _ in view.of_type(kind):
            if role is None:
                may = store in named
            elif store in named:
                may = allows(view, role, action, store)
            else:
                may = names(view, role, action, store)
            if may:
                yield store


def function_never_runs(view: View) -> Iterator[Looked]:
    for function, properties in view.of_type(FUNCTION):
        problem = ""
        if whole(properties.get("ReservedConcurrentExecutions"), 1) == 0:
            problem = (
                f"{function} never runs: its ReservedConcurrentExecutions are 0, so every "
                "invocation is throttled"
            )
        change = (function, ("ReservedConcurrentExecutions",), 5)
        names = {"Function": function}
        path = ("ReservedConcurrentExecutions",)
        yield Looked(
            "function-never-runs", function, problem, path, names, (function,), ((change,),)
        )


def caller_waits(view: View) -> Iterator[Looked]:
    for one in integrations(view):
        if one.service != "states":
            continue
        problem = ""
        if one.action == "StartSyncExecution":
            problem = (
                f"{one.route} starts an execution and waits for its result: nothing is stored that "
                "would be tried again, and what takes longer than the gateway waits is lost to the "
                "caller"
            )
        yield Looked("caller-waits", one.resource, problem, one.steps, {"Route": one.route})
