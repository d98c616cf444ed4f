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
    on_failure,
    queue_policy,
    redrive,
    role_policy,
)
from pytest_storagefirst.audit.grants import allows, allows_any, carried_allows
from pytest_storagefirst.audit.integrations import integrations
from pytest_storagefirst.audit.view import Looked, View, joined, listed

RULE = "missing-permission"
_EVENTS, _TOPICS = "events.amazonaws.com", "sns.amazonaws.com"
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
    yield from _of_failures(view)
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
    """A function that is told a store's name, or has it in its code, and may do nothing with it."""
    for function, properties in view.of_type(FUNCTION):
        role = _role(view, function)
        environment = properties.get("Environment")
        told = environment.get("Variables") if isinstance(environment, Mapping) else None
        if role is None:
            continue
        variables = told.items() if isinstance(told, Mapping) else ()
        stores = {store: name for name, value in variables for store in view.mentioned(value)}
        for store, variable in sorted({**view.physical_names, **stores}.items()):
            service = _SERVICES.get(view.kind(store))
            if service is None:
                continue
            if store in stores:
                is_meant = view.sources.asks_for(function, variable)
                names = "is told the name of"
            else:
                is_meant = view.sources.say(function, variable)
                names = "has in its code the name of"
            if not is_meant:
                continue
            problem = ""
            if not allows_any(view, role, service, store):
                problem = (
                    f"{function} {names} {store} and may do nothing with it: its role allows no "
                    f"{service} action there"
                )
            changes = role_policy(view, {"Ref": role}, f"{service}:*", "*", f"{role}May{store}")
            yield _looked(function, problem, f"{service} actions on {store}", changes, function)


def _role(view: View, function: str | None) -> str | None:
    return view.pointed_at(view.properties(function).get("Role"), ROLE) if function else None


def _of_rules(view: View) -> Iterator[Looked]:
    for logical_id, properties in view.of_type("AWS::Events::Rule"):
        for one in listed(properties.get("Targets")):
            if not isinstance(one, Mapping):
                continue
            if not one.get("RoleArn"):
                yield from _delivered(view, logical_id, one.get("Arn"), _EVENTS)
            letters = one.get("DeadLetterConfig")
            if isinstance(letters, Mapping):
                yield from _delivered(view, logical_id, letters.get("Arn"), _EVENTS)


def _of_subscriptions(view: View) -> Iterator[Looked]:
    for logical_id, properties in view.of_type("AWS::SNS::Subscription"):
        if joined(properties.get("Protocol")) in ("sqs", "lambda"):
            yield from _delivered(view, logical_id, properties.get("Endpoint"), _TOPICS)
        letters = redrive(properties).get("deadLetterTargetArn")
        yield from _delivered(view, logical_id, letters, _TOPICS)


def _of_failures(view: View) -> Iterator[Looked]:
    """What a function's role needs where its failures are to be put."""
    for logical_id, properties in view.of_type(
        FUNCTION, "AWS::Lambda::EventInvokeConfig", "AWS::Lambda::EventSourceMapping"
    ):
        letters = properties.get("DeadLetterConfig")
        node = letters.get("TargetArn") if isinstance(letters, Mapping) else on_failure(properties)
        put_in = view.pointed_at(node, QUEUE, TOPIC)
        is_function = view.kind(logical_id) == FUNCTION
        function = logical_id if is_function else function_of(view, properties.get("FunctionName"))
        role = _role(view, function)
        if put_in is None or role is None or function is None:
            continue
        action = "sqs:SendMessage" if view.kind(put_in) == QUEUE else "sns:Publish"
        problem = ""
        if not allows(view, role, action, put_in):
            problem = f"{role} of {function} may not {action} on {put_in}, where its failures go"
        changes = role_policy(view, {"Ref": role}, action, "*", f"{role}MayFail")
        yield _looked(logical_id, problem, f"{action} on {put_in}", changes, function)


def _delivered(view: View, by: str, node: object, service: str) -> Iterator[Looked]:
    given = view.properties(by)
    source = view.pointed_at(given.get("EventBusName") or given.get("TopicArn")) or "default"
    queue = view.pointed_at(node, QUEUE)
    topic = view.pointed_at(node, TOPIC)
    function = function_of(view, node)
    # AWS's pages of rules and of subscriptions name the rule, and the topic, that may.
    on_behalf_of = given.get("TopicArn") or arn_of(by)
    problem, changes, allow = "", None, ""
    if queue is not None:
        if not carried_allows(view, "AWS::SQS::QueuePolicy", "Queues", queue, service):
            problem = f"{by} delivers to {queue}, and no queue policy lets {service} send to it"
        allow = f"sqs:SendMessage on {queue} to {service}, in an AWS::SQS::QueuePolicy"
        changes = [_named(queue_policy(queue, service, on_behalf_of), f"{queue}Policy{by}")]
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
            "SourceArn": on_behalf_of,
        }
        name = f"{function}Permission{by}"
        changes = [(name, (), {"Type": "AWS::Lambda::Permission", "Properties": permission})]
    else:
        return
    yield _looked(by, problem, allow, changes, by, source)


def _named(change: Change, name: str) -> Change:
    return name, change[1], change[2]


def _may_invoke(view: View, function: str, service: str) -> bool:
    return any(
        function_of(view, properties.get("FunctionName")) in (function, None)
        and joined(properties.get("Principal")) in (service, "*", "")
        for _, properties in view.of_type("AWS::Lambda::Permission")
    )
