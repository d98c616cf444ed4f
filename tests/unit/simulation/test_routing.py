"""What leaves the stack by SNS and EventBridge, what stays in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3

from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.settings import Entry, Settings
from pytest_storagefirst.simulation.playing import Played, play
from pytest_storagefirst.simulation.schedule import Schedule, Send

TEMPLATE = """
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 60}}
  Next: {Type: AWS::SQS::Queue}
  Allowed:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Next]
      PolicyDocument:
        Statement: [{Effect: Allow, Principal: "*", Action: "sqs:SendMessage", Resource: "*"}]
  Invokes:
    Type: AWS::Lambda::Permission
    Properties:
      FunctionName: !Ref Worker
      Principal: sns.amazonaws.com
      Action: lambda:InvokeFunction
  Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: told}}
  %(more)s
  Worker:
    Type: AWS::Lambda::Function
    Properties: {Runtime: python3.13, Handler: a.b, Code: {ZipFile: ""}, Timeout: 5,
                 Role: "arn:aws:iam::123456789012:role/r"}
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: !GetAtt Queue.Arn, FunctionName: !Ref Worker, BatchSize: 1}
"""
TO_QUEUE = """Subscription:
    Type: AWS::SNS::Subscription
    Properties: {TopicArn: !Ref Topic, Protocol: sqs, Endpoint: !GetAtt Next.Arn}"""
TO_FUNCTION = """Subscription:
    Type: AWS::SNS::Subscription
    Properties: {TopicArn: !Ref Topic, Protocol: lambda, Endpoint: !GetAtt Worker.Arn}"""
RULE = """Rule:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: {source: [orders]}
      Targets: [{Id: next, Arn: !GetAtt Next.Arn}]"""


def publishes(event: Any, context: Any) -> None:
    body = event["Records"][0]["body"]
    boto3.client("sns").publish(TopicArn="arn:aws:sns:us-east-1:123456789012:told", Message=body)


def puts_event(event: Any, context: Any) -> None:
    body = event["Records"][0]["body"]
    entry = {"Source": "orders", "DetailType": "order", "Detail": body}
    boto3.client("events").put_events(Entries=[entry])


def played(folder: Path, more: str, handler: Any) -> Played:
    template = folder / "template.yaml"
    template.write_text(TEMPLATE % {"more": more}, encoding="utf-8")
    settings = Settings(entries=(Entry("queue", "Queue", {"id": "{unique}"}),))
    deployed = prepare(template, settings, {"Worker": handler}).deployed
    return play(deployed, Schedule((Send("m1", "Queue", {"id": "{unique}"}),)))


def left(run: Played) -> list[tuple[str, str]]:
    return [(effect.kind, effect.place) for effect in run.observation.effects]


def test_a_publish_that_nobody_in_the_stack_gets_leaves_it(tmp_path):
    assert left(played(tmp_path, "", publishes)) == [("emission", "sns.Publish")]


def test_a_publish_into_a_queue_of_the_stack_is_the_queues(tmp_path):
    assert left(played(tmp_path, TO_QUEUE, publishes)) == [("message", "Next")]


def test_an_event_leaves_the_stack_unless_a_rule_sends_it_to_a_queue(tmp_path):
    assert left(played(tmp_path, "", puts_event)) == [("emission", "events.PutEvents")]
    assert left(played(tmp_path, RULE, puts_event)) == [("message", "Next")]


def test_a_function_that_a_topic_feeds_gets_what_was_published(tmp_path):
    run = played(tmp_path, TO_FUNCTION, publishes)

    told = [event for event in run.observation.history if event.where == "Worker"]
    assert [event.detail for event in told if event.kind == "delivered"][1] == "delivered by Topic"
