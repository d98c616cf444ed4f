"""The rule about what no role and no policy of the template allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_storagefirst.audit.consumers import (
    FUNCTION,
    QUEUE,
    Change,
    arn_of,
    consumers,
    function_of,
    queue_policy,
    role_policy,
)
from pytest_storagefirst.audit.grants import allows, allows_any, carried_allows
from pytest_storagefirst.audit.integrations import integrations
from pytest_storagefirst.audit.view import Looked, View, joined, listed

RULE = "missing-permission"
ROLE, TOPIC = "AWS::IAM::Role", "AWS::SNS::Topic"
_SERVICES = {
    QUEUE: "sqs",
    TOPIC: "sns",
    "AWS::DynamoDB::Table": "dynamodb",
    "AWS::Kinesis::Stream": "kinesis",
    "AWS::Events::EventBus": "events",
    "AWS::S3::Bucket": "s3",
    "AWS::StepFunctions::StateMachine": "states",
}
_RECEIVING = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")


def missing_permission(view: View) -> Iterator[Looked]:
    yield from _of_integrations(view)
    yield from _of_mappings(view)
    yield from _of_functions(view)
    yield from _of_rules(view)
    yield from _of_subscriptions(view)


def _looked(
    resource: str, problem: str, allow: str, changes: list[Change] | None, *sites: str
) -> Looked:
    names = {"Allow": allow}
    tried = (tuple(changes),) if changes else ()
    return Looked(RULE, resource, problem, (), names, tuple(filter(None, sites)), tried)


def _of_integrations(view: View) -> Iterator[Looked]:
    for one in integrations(view):
        role = view.pointed_at(one.given.get("credentials") or one.given.get("Credentials"), ROLE)
        if not one.stores or role is None or one.target is None:
            continue
        action = f"{one.service}:{one.action or 'PutObject'}"
        problem = ""
        if not allows(view, role, action, one.target):
            problem = f"{role}, as which {one.route} calls, may not {action} on {one.target}"
        name = f"{role}Allowed"
        changes = role_policy(view, {"Ref": role}, action, "*", name)
        yield _looked(role, problem, f"{action} on {one.target}", changes, one.route)


def _of_mappings(view: View) -> Iterator[Looked]:
    for one in consumers(view, "queue"):
        role = _role(view, one.function)
        if role is None or one.source is None:
            continue
        lacking = [action for action in _RECEIVING if not allows(view, role, action, one.source)]
        problem = ""
        if lacking:
            problem = f"{role} of {one.function} may not {', '.join(lacking)} on {one.source}"
        name = f"{role}MayReceive"
        changes = role_policy(view, {"Ref": role}, "sqs:*", arn_of(one.source), name)
        allow = f"{', '.join(lacking)} on {one.source}"
        yield _looked(role, problem, allow, changes, one.function or "")


def _of_functions(view: View) -> Iterator[Looked]:
    """A function that is told a store's name and may do nothing at all with it."""
    for function, properties in view.of_type(FUNCTION):
        role = _role(view, function)
        environment = properties.get("Environment")
        told = environment.get("Variables") if isinstance(environment, Mapping) else None
        for store in sorted(view.mentioned(told)) if role is not None else ():
            service = _SERVICES.get(view.kind(store))
            if role is None or service is None:
                continue
            problem = ""
            if not allows_any(view, role, service, store):
                problem = (
                    f"{function} is told the name of {store} and may do nothing with it: its role "
                    f"allows no {service} action there"
                )
            changes = role_policy(view, {"Ref": role}, f"{service}:*", "*", f"{role}May{store}")
            yield _looked(function, problem, f"{service} actions on {store}", changes, function)


def _role(view: View, function: str | None) -> str | None:
    return view.pointed_at(view.properties(function).get("Role"), ROLE) if function else None


def _of_rules(view: View) -> Iterator[Looked]:
    for logical_id, properties in view.of_type("AWS::Events::Rule"):
        for one in listed(properties.get("Targets")):
            if isinstance(one, Mapping) and not one.get("RoleArn"):
                yield from _delivered(view, logical_id, one.get("Arn"), "events.amazonaws.com")


def _of_subscriptions(view: View) -> Iterator[Looked]:
    for logical_id, properties in view.of_type("AWS::SNS::Subscription"):
        if joined(properties.get("Protocol")) in ("sqs", "lambda"):
            endpoint = properties.get("Endpoint")
            yield from _delivered(view, logical_id, endpoint, "sns.amazonaws.com")


def _delivered(view: View, by: str, node: object, service: str) -> Iterator[Looked]:
    queue = view.pointed_at(node, QUEUE)
    topic = view.pointed_at(node, TOPIC)
    function = function_of(view, node)
    problem, changes, allow = "", None, ""
    if queue is not None:
        if not carried_allows(view, "AWS::SQS::QueuePolicy", "Queues", queue, service):
            problem = f"{by} delivers to {queue}, and no queue policy lets {service} send to it"
        allow = f"sqs:SendMessage on {queue} to {service}, in an AWS::SQS::QueuePolicy"
        changes = [_named(queue_policy(queue, service), f"{queue}Policy{by}")]
    elif topic is not None:
        if not carried_allows(view, "AWS::SNS::TopicPolicy", "Topics", topic, service):
            problem = f"{by} delivers to {topic}, and no topic policy lets {service} publish to it"
        allow = f"sns:Publish on {topic} to {service}, in an AWS::SNS::TopicPolicy"
    elif function is not None:
        if not _may_invoke(view, function, service):
            problem = f"{by} calls {function}, and no permission lets {service} invoke it"
        allow = f"lambda:InvokeFunction on {function} to {service}, in an AWS::Lambda::Permission"
        permission = {
            "FunctionName": {"Ref": function},
            "Action": "lambda:InvokeFunction",
            "Principal": service,
        }
        name = f"{function}Permission{by}"
        changes = [(name, (), {"Type": "AWS::Lambda::Permission", "Properties": permission})]
    else:
        return
    yield _looked(by, problem, allow, changes, by)


def _named(change: Change, name: str) -> Change:
    return name, change[1], change[2]


def _may_invoke(view: View, function: str, service: str) -> bool:
    return any(
        function_of(view, properties.get("FunctionName")) in (function, None)
        and joined(properties.get("Principal")) in (service, "*", "")
        for _, properties in view.of_type("AWS::Lambda::Permission")
    )
