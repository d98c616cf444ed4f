"""Lambda sends what it gives up with the function's role, and deletes what it may not send.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.settings import Entry, Settings
from pytest_storagefirst.simulation.playing import Played, play
from pytest_storagefirst.simulation.schedule import Schedule, Send

BODY = {"id": "{unique}"}
STACK = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Topic: {Type: AWS::SNS::Topic}
  Stream: {Type: AWS::Kinesis::Stream, Properties: {ShardCount: 1}}
  Letters: {Type: AWS::SQS::Queue}
  Told: {Type: AWS::SNS::Topic}
  Bucket: {Type: AWS::S3::Bucket}
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: failures}}
  Allowed:
    Type: AWS::Lambda::Permission
    Properties:
      {FunctionName: !Ref Worker, Action: "lambda:InvokeFunction", Principal: sns.amazonaws.com,
       SourceArn: !Ref Topic}
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement:
          - {Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: "sts:AssumeRole"}
      Policies:
        - PolicyName: Own
          PolicyDocument:
            Statement: [{Effect: Allow, Action: ["kinesis:*", "logs:*"%(action)s], Resource: "*"}]
  Other:
    Type: AWS::Lambda::Function
    Properties:
      {Runtime: python3.13, Handler: a.b, Code: {ZipFile: ""},
       Role: "arn:aws:iam::123456789012:role/other"}
  Worker:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.13
      Handler: a.b
      Role: !GetAtt Role.Arn
      Code: {ZipFile: ""}
      %(letters)s
  %(source)s
"""
SUBSCRIBED = """Subscription:
    Type: AWS::SNS::Subscription
    Properties: {TopicArn: !Ref Topic, Protocol: lambda, Endpoint: !GetAtt Worker.Arn}
"""
ASYNCHRONOUS = (
    SUBSCRIBED
    + """
  Asynchronous:
    Type: AWS::Lambda::EventInvokeConfig
    Properties:
      FunctionName: !Ref Worker
      Qualifier: $LATEST
      MaximumRetryAttempts: 0
      DestinationConfig: {%s: {Destination: %s}}
"""
)
MAPPED = """Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: !GetAtt Stream.Arn
      FunctionName: !Ref Worker
      StartingPosition: TRIM_HORIZON
      MaximumRetryAttempts: 0
      DestinationConfig: {OnFailure: {Destination: %s}}
"""


@pytest.fixture
def sent(tmp_path: Path) -> Callable[..., Played]:
    """Stands up a stack whose function fails, or succeeds, and sends it one message."""

    def make(source: str, action: str = "", letters: str = "", *, fails: bool = True) -> Played:
        template = tmp_path / "template.yaml"
        more = f', "{action}"' if action else ""
        text = STACK % {"source": source, "action": more, "letters": letters}
        template.write_text(text, encoding="utf-8")
        way_in = ("stream", "Stream") if "Mapping:" in source else ("topic", "Topic")

        def worker(event: Any, context: Any) -> str:
            if fails:
                raise ValueError
            return "done"

        functions = {"Worker": worker, "Other": lambda event, context: None}
        settings = Settings(entries=(Entry(*way_in, BODY),))
        deployed = prepare(template, settings, functions).deployed
        return play(deployed, Schedule((Send("m1", way_in[1], BODY),)))

    return make


def told(played: Played, *kinds: str) -> list[str]:
    return [event.kind for event in played.observation.history if event.kind in kinds]


def denied(played: Played) -> list[str]:
    return [event.detail for event in played.observation.history if event.kind == "denied"]


DESTINATIONS = [
    ("!GetAtt Letters.Arn", "sqs:SendMessage", "Letters"),
    ("!Ref Told", "sns:Publish", "Told"),
    ("!GetAtt Other.Arn", "lambda:InvokeFunction", "Other"),
    ("!GetAtt Bus.Arn", "events:PutEvents", "Bus"),
]


@pytest.mark.parametrize(("destination", "action", "name"), DESTINATIONS)
def test_a_failure_destination_needs_the_functions_role(sent, destination, action, name):
    source = ASYNCHRONOUS % ("OnFailure", destination)

    kept, lost = sent(source, action), sent(source)

    assert (denied(kept), told(kept, "dead-lettered")) == ([], ["dead-lettered"])
    assert denied(lost) == [f"Role allows no {action} on {name}"]
    assert told(lost, "dropped", "dead-lettered") == ["dropped"]


@pytest.mark.parametrize(("destination", "action", "name"), DESTINATIONS)
def test_a_success_destination_needs_it_too_and_nothing_is_lost(sent, destination, action, name):
    source = ASYNCHRONOUS % ("OnSuccess", destination)

    assert denied(sent(source, action, fails=False)) == []
    silent = sent(source, fails=False)

    assert denied(silent) == [f"Role allows no {action} on {name}"]
    assert told(silent, "dropped", "succeeded") == ["succeeded"]


@pytest.mark.parametrize("action", ["", "sqs:SendMessage"])
def test_a_functions_dead_letter_queue_needs_it(sent, action):
    """Of a dead-letter queue: "If Lambda can't send a message to the dead-letter queue, it deletes
    the event and emits the DeadLetterErrors metric" (…#invocation-dlq).
    """
    played = sent(SUBSCRIBED, action, "DeadLetterConfig: {TargetArn: !GetAtt Letters.Arn}")

    assert len(denied(played)) == (not action)
    ends = "dead-lettered" if action else "dropped"
    assert told(played, "dropped", "dead-lettered") == [ends]


@pytest.mark.parametrize(
    ("destination", "action", "name"),
    [*DESTINATIONS[:2], ("!GetAtt Bucket.Arn", "s3:PutObject", "Bucket")],
)
def test_a_streams_failure_destination_needs_it(sent, destination, action, name):
    """https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html"""
    source = MAPPED % destination

    kept, lost = sent(source, action), sent(source)

    assert (denied(kept), told(kept, "dead-lettered")) == ([], ["dead-lettered"])
    [reading] = denied(lost)
    assert reading.startswith(f"Role allows no {action} on {name}")
    assert told(lost, "skipped", "dead-lettered") == ["skipped"]
