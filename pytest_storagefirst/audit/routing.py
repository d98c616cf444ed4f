"""Rules about what delivers by itself: event rules, subscriptions, asynchronous calls, IoT."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_storagefirst.audit.consumers import (
    FUNCTION,
    QUEUE,
    Change,
    arn_of,
    function_of,
    new_queue,
    on_failure,
    queue_policy,
    role_policy,
)
from pytest_storagefirst.audit.integrations import integrations
from pytest_storagefirst.audit.view import Looked, View, joined, listed

_BUSES = ("AWS::Events::EventBus",)
_TOLD_OF = (QUEUE, FUNCTION, "AWS::StepFunctions::StateMachine")
# To machines. What a person is told by e-mail or SMS is no message that is processed.
_PROTOCOLS = ("sqs", "lambda", "http", "https", "firehose")


def event_target_no_dlq(view: View) -> Iterator[Looked]:
    for logical_id, properties in view.of_type("AWS::Events::Rule"):
        if not properties.get("EventPattern"):
            continue  # what comes by the clock is nobody's message
        bus = view.pointed_at(properties.get("EventBusName"), *_BUSES)
        for index, one in enumerate(listed(properties.get("Targets"))):
            if not isinstance(one, Mapping):
                continue
            name = _target_name(view, one.get("Arn"))
            problem = ""
            if not one.get("DeadLetterConfig"):
                problem = (
                    f"{name} gets events without a dead-letter queue: an event that it does not "
                    "take for 24 hours, or may not be given, is dropped"
                )
            letters = f"{logical_id}DeadLetters"
            arn = arn_of(letters)
            changes: list[Change] = [
                new_queue(letters),
                queue_policy(letters, "events.amazonaws.com", arn_of(logical_id)),
                (logical_id, ("Targets", index, "DeadLetterConfig"), {"Arn": arn}),
            ]
            yield Looked(
                "event-target-no-dlq",
                logical_id,
                problem,
                ("Targets", index),
                {"Target": name},
                (bus or "default", logical_id, name),
                (tuple(changes),),
                target=_seen_to_be_reached(view, name),
            )


def _target_name(view: View, node: Any) -> str:
    found = view.mentioned(node)
    return found.pop() if len(found) == 1 else (joined(node).rpartition(":")[2] or "a target")


def _seen_to_be_reached(view: View, name: str) -> str:
    """The target, where a run tells of each message that gets there; "" of others."""
    return name if view.kind(name) in _TOLD_OF else ""


def subscription_no_dlq(view: View) -> Iterator[Looked]:
    for logical_id, properties in view.of_type("AWS::SNS::Subscription"):
        protocol = joined(properties.get("Protocol"))
        if protocol not in _PROTOCOLS:
            continue
        topic = view.pointed_at(properties.get("TopicArn"), "AWS::SNS::Topic")
        endpoint = _target_name(view, properties.get("Endpoint"))
        problem = ""
        if not properties.get("RedrivePolicy"):
            problem = _unsubscribed(endpoint)
        letters = f"{logical_id}DeadLetters"
        is_fifo = view.properties(topic).get("FifoTopic") in (True, "true")
        changes: list[Change] = [
            new_queue(letters, fifo=is_fifo),
            queue_policy(letters, "sns.amazonaws.com", properties.get("TopicArn")),
            (logical_id, ("RedrivePolicy",), {"deadLetterTargetArn": arn_of(letters)}),
        ]
        yield Looked(
            "subscription-no-dlq",
            logical_id,
            problem,
            (),
            {"Endpoint": endpoint},
            tuple(filter(None, (topic, logical_id))),
            (tuple(changes),),
            target=_seen_to_be_reached(view, endpoint),
        )
    for logical_id, properties in view.of_type("AWS::SNS::Topic"):
        for index, one in enumerate(listed(properties.get("Subscription"))):
            if isinstance(one, Mapping) and joined(one.get("Protocol")) in _PROTOCOLS:
                endpoint = _target_name(view, one.get("Endpoint"))
                yield Looked(
                    "subscription-no-dlq",
                    logical_id,
                    _unsubscribed(endpoint) + " (a subscription inside of its topic can't have "
                    "one: make it an AWS::SNS::Subscription)",
                    ("Subscription", index),
                    {"Endpoint": endpoint},
                    (logical_id,),
                    (_apart_from_its_topic(logical_id, properties, index),),
                    target=_seen_to_be_reached(view, endpoint),
                )


def _apart_from_its_topic(
    topic: str, properties: Mapping[str, Any], index: int
) -> tuple[Change, ...]:
    """What makes a subscription inside of its topic one of its own, with dead letters."""
    within = listed(properties.get("Subscription"))
    made, letters = f"{topic}Subscription{index + 1}", f"{topic}DeadLetters{index + 1}"
    reference = {"Ref": topic}
    subscription = {
        **within[index],
        "TopicArn": reference,
        "RedrivePolicy": {"deadLetterTargetArn": arn_of(letters)},
    }
    return (
        new_queue(letters, fifo=properties.get("FifoTopic") in (True, "true")),
        queue_policy(letters, "sns.amazonaws.com", reference),
        (made, (), {"Type": "AWS::SNS::Subscription", "Properties": subscription}),
        (topic, ("Subscription",), [one for at, one in enumerate(within) if at != index]),
    )


def _unsubscribed(endpoint: str) -> str:
    return (
        f"{endpoint} is subscribed without a dead-letter queue: a message that can't be delivered "
        "to it is dropped"
    )


def async_no_destination(view: View) -> Iterator[Looked]:
    configured = {
        function_of(view, properties.get("FunctionName"))
        for _, properties in view.of_type("AWS::Lambda::EventInvokeConfig")
        if on_failure(properties) is not None
    }
    for function, by in called_asynchronously(view).items():
        properties = view.properties(function)
        letters = properties.get("DeadLetterConfig")
        has_letters = isinstance(letters, Mapping) and bool(letters.get("TargetArn"))
        problem = ""
        if not has_letters and function not in configured:
            problem = (
                f"{by} calls {function} asynchronously, and it has neither a failure destination "
                "nor a dead-letter queue: an event that fails three times is dropped"
            )
        queue = f"{function}DeadLetters"
        allowed = role_policy(
            view, properties.get("Role"), "sqs:SendMessage", arn_of(queue), f"{function}Failures"
        )
        given = (function, ("DeadLetterConfig",), {"TargetArn": arn_of(queue)})
        yield Looked(
            "async-no-destination",
            function,
            problem,
            (),
            {"Function": function},
            (function,),
            ((new_queue(queue), *allowed, given),) if allowed is not None else (),
        )


def called_asynchronously(view: View) -> dict[str, str]:
    """The functions that events, topics, buckets or a gateway call without waiting, with by whom.

    A function that only recurs by the clock gets no message.
    """
    found: dict[str, str] = {}

    def add(node: Any, by: str) -> None:
        function = function_of(view, node)
        if function is not None:
            found.setdefault(function, by)

    for logical_id, properties in view.of_type("AWS::Events::Rule"):
        if properties.get("EventPattern"):
            for one in listed(properties.get("Targets")):
                add(one.get("Arn") if isinstance(one, Mapping) else None, logical_id)
    for logical_id, properties in view.of_type("AWS::SNS::Subscription"):
        topic = view.pointed_at(properties.get("TopicArn"), "AWS::SNS::Topic")
        add(properties.get("Endpoint"), topic or logical_id)
    for logical_id, properties in view.of_type("AWS::SNS::Topic"):
        for one in listed(properties.get("Subscription")):
            add(one.get("Endpoint") if isinstance(one, Mapping) else None, logical_id)
    for logical_id, properties in view.of_type("AWS::S3::Bucket"):
        notified = properties.get("NotificationConfiguration")
        for one in listed(notified.get("LambdaConfigurations")) if notified else []:
            add(one.get("Function"), logical_id)
    for logical_id, properties in view.of_type("AWS::IoT::TopicRule"):
        payload = properties.get("TopicRulePayload")
        for one in listed(payload.get("Actions")) if isinstance(payload, Mapping) else []:
            add((one.get("Lambda") or {}).get("FunctionArn"), logical_id)
    for integration in integrations(view):
        header = integration.parameter("integration.request.header.X-Amz-Invocation-Type")
        if integration.service == "lambda" and "Event" in header and integration.target:
            add({"Ref": integration.target}, integration.route)
    return {name: by for name, by in found.items() if view.kind(name) == FUNCTION}


def iot_no_error_action(view: View) -> Iterator[Looked]:
    for logical_id, properties in view.of_type("AWS::IoT::TopicRule"):
        payload = properties.get("TopicRulePayload")
        problem = ""
        if isinstance(payload, Mapping) and not payload.get("ErrorAction"):
            problem = (
                f"{logical_id} has no error action: a message that its action does not take is "
                "dropped"
            )
        queue, role = f"{logical_id}Errors", f"{logical_id}ErrorsRole"
        action = {"Sqs": {"QueueUrl": {"Ref": queue}, "RoleArn": arn_of(role), "UseBase64": False}}
        changes: list[Change] = [
            new_queue(queue),
            (role, (), _iot_role(queue)),
            (logical_id, ("TopicRulePayload", "ErrorAction"), action),
        ]
        yield Looked(
            "iot-no-error-action",
            logical_id,
            problem,
            ("TopicRulePayload",),
            {"Rule": logical_id},
            (logical_id,),
            (tuple(changes),),
        )


def _iot_role(queue: str) -> dict[str, Any]:
    def document(statement: dict[str, Any]) -> dict[str, Any]:
        return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}

    assumed = {"Principal": {"Service": "iot.amazonaws.com"}, "Action": "sts:AssumeRole"}
    sends = document({"Action": "sqs:SendMessage", "Resource": arn_of(queue)})
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": document(assumed),
            "Policies": [{"PolicyName": "SendErrors", "PolicyDocument": sends}],
        },
    }
