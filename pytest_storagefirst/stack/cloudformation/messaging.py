"""AWS::SNS, AWS::Events and AWS::StepFunctions types."""

from __future__ import annotations

import json
from typing import Any

from ..states_language import check
from .model import Making, Properties, Resource, is_true, text_of

_SUBSCRIPTION_ATTRIBUTES = (
    "DeliveryPolicy",
    "FilterPolicy",
    "FilterPolicyScope",
    "RawMessageDelivery",
    "RedrivePolicy",
    "SubscriptionRoleArn",
)


def topic(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-sns-topic.html"""
    fifo = is_true(properties.get("FifoTopic"))
    name = properties.get("TopicName") or making.name(250) + (".fifo" if fifo else "")
    attributes = {
        key: text_of(properties[key])
        for key in ("ContentBasedDeduplication", "DisplayName", "KmsMasterKeyId")
        if properties.get(key) is not None and (fifo or key != "ContentBasedDeduplication")
    }
    if fifo:
        attributes["FifoTopic"] = "true"
    arn = making.call("sns", "create_topic", {"Name": name, "Attributes": attributes})["TopicArn"]
    for written in properties.get("Subscription") or []:
        subscription(making, {**written, "TopicArn": arn})
    return Resource(arn, {"TopicArn": arn, "TopicName": name})


def subscription(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-sns-subscription.html"""
    attributes = {
        name: text_of(properties[name])
        for name in _SUBSCRIPTION_ATTRIBUTES
        if properties.get(name) is not None
    }
    request = {
        "TopicArn": making.require(properties, "TopicArn"),
        "Protocol": making.require(properties, "Protocol"),
        "Endpoint": making.require(properties, "Endpoint"),
        "Attributes": attributes,
        "ReturnSubscriptionArn": True,
    }
    if making.is_external(request["TopicArn"]):
        return Resource(making.name(), {"Arn": making.name()})
    arn = making.call("sns", "subscribe", request)["SubscriptionArn"]
    return Resource(arn, {"Arn": arn})


def topic_policy(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-sns-topicpolicy.html"""
    policy = text_of(making.require(properties, "PolicyDocument"))
    for arn in making.require(properties, "Topics"):
        request = {"TopicArn": arn, "AttributeName": "Policy", "AttributeValue": policy}
        making.call("sns", "set_topic_attributes", request)
    return Resource(making.name(), {"Id": making.name()})


def topic_inline_policy(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-sns-topicinlinepolicy.html"""
    return topic_policy(making, {**properties, "Topics": [making.require(properties, "TopicArn")]})


def event_bus(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-events-eventbus.html"""
    name = making.require(properties, "Name")
    arn = making.call("events", "create_event_bus", {"Name": name})["EventBusArn"]
    return Resource(name, {"Arn": arn, "Name": name, "Policy": "{}"})


def rule(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-events-rule.html

    A rule on a bus of another stack gets a stand-in for the bus.
    """
    name = properties.get("Name") or making.name(64)
    bus = str(properties.get("EventBusName") or "default").rsplit("/", 1)[-1]
    buses = making.call("events", "list_event_buses", {})["EventBuses"]
    if bus not in [known["Name"] for known in buses]:
        making.call("events", "create_event_bus", {"Name": bus})
    request = {**properties, "Name": name, "EventBusName": bus}
    arn = making.call("events", "put_rule", request)["RuleArn"]
    targets = properties.get("Targets")
    if targets:
        making.call(
            "events", "put_targets", {"Rule": name, "EventBusName": bus, "Targets": targets}
        )
    physical = name if bus == "default" else f"{bus}|{name}"
    return Resource(physical, {"Arn": arn})


def topic_rule(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-iot-topicrule.html"""
    name = properties.get("RuleName") or making.name(128).replace("-", "_")
    payload = lowered(making.require(properties, "TopicRulePayload"))
    making.call("iot", "create_topic_rule", {"ruleName": name, "topicRulePayload": payload})
    arn = f"arn:aws:iot:{making.region}:{making.account}:rule/{name}"
    return Resource(name, {"Arn": arn})


def pipe(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-pipes-pipe.html"""
    for name in ("Source", "Target", "RoleArn"):
        making.require(properties, name)
    name = properties.get("Name") or making.name(64)
    request = {**properties, "Name": name, "RoleArn": making.role_arn(properties["RoleArn"])}
    arn = making.call("pipes", "create_pipe", request)["Arn"]
    return Resource(name, {"Arn": arn})


def schedule(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-scheduler-schedule.html"""
    making.require(properties, "ScheduleExpression")
    name = properties.get("Name") or making.name(64)
    window = properties.get("FlexibleTimeWindow") or {"Mode": "OFF"}
    request = {**properties, "Name": name, "FlexibleTimeWindow": window}
    arn = making.call("scheduler", "create_schedule", request)["ScheduleArn"]
    return Resource(name, {"Arn": arn})


def schedule_group(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-scheduler-schedulegroup.html"""
    name = properties.get("Name") or making.name(64)
    arn = making.call("scheduler", "create_schedule_group", {"Name": name})["ScheduleGroupArn"]
    return Resource(name, {"Arn": arn})


def lowered(value: Any) -> Any:
    """Names as IoT's API has them: CloudFormation writes each with a capital."""
    if isinstance(value, list):
        return [lowered(one) for one in value]
    if isinstance(value, dict):
        return {name[:1].lower() + name[1:]: lowered(one) for name, one in value.items()}
    return value


def state_machine(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-stepfunctions-statemachine.html"""
    definition: Any = properties.get("DefinitionString", properties.get("Definition"))
    text = text_of(definition if definition is not None else {"StartAt": "", "States": {}})
    for name, value in (properties.get("DefinitionSubstitutions") or {}).items():
        replacement = json.dumps(text_of(value))[1:-1]
        text = text.replace("${" + name + "}", replacement)
    check(making.logical_id, text)
    name = properties.get("StateMachineName") or making.name(80)
    request = {
        "name": name,
        "definition": text,
        "roleArn": making.role_arn(making.require(properties, "RoleArn")),
        "type": properties.get("StateMachineType", "STANDARD"),
    }
    arn = making.call("stepfunctions", "create_state_machine", request)["stateMachineArn"]
    return Resource(arn, {"Arn": arn, "Name": name, "StateMachineRevisionId": "INITIAL"})


HANDLERS = {
    "AWS::Events::EventBus": event_bus,
    "AWS::Events::Rule": rule,
    "AWS::IoT::TopicRule": topic_rule,
    "AWS::Pipes::Pipe": pipe,
    "AWS::Scheduler::Schedule": schedule,
    "AWS::Scheduler::ScheduleGroup": schedule_group,
    "AWS::SNS::Subscription": subscription,
    "AWS::SNS::Topic": topic,
    "AWS::SNS::TopicInlinePolicy": topic_inline_policy,
    "AWS::SNS::TopicPolicy": topic_policy,
    "AWS::StepFunctions::StateMachine": state_machine,
}
