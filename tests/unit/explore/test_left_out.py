"""A message that a pattern or a filter leaves out is for nobody; that is not a bad message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.errors import EntryError
from pytest_storagefirst.explore.exploration import explore
from pytest_storagefirst.explore.result import PropertyResult, StackResult
from pytest_storagefirst.settings import Entry, Settings

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Letters: {Type: AWS::SQS::Queue}
  MayKeep:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Letters]
      PolicyDocument:
        Statement:
          - Effect: Allow
            Principal: {Service: events.amazonaws.com}
            Action: "sqs:SendMessage"
            Resource: "*"
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: orders}}
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      InlineCode: |
        import boto3, json
        def handler(event, context):
            detail = event["detail"]
            boto3.client("s3").put_object(
                Bucket="kept-orders", Key=detail["id"], Body=json.dumps(detail)
            )
      Policies: [AdministratorAccess]
      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt Letters.Arn}
      Events:
        FromBus:
          Type: EventBridgeRule
          Properties:
            EventBusName: !Ref Bus
            Pattern: {source: [shop], detail: {kind: [paid]}}
            DeadLetterConfig: {Arn: !GetAtt Letters.Arn}
  Kept: {Type: AWS::S3::Bucket, Properties: {BucketName: kept-orders}}
"""


def test_a_pattern_on_what_a_message_says_accuses_nobody(tmp_path: Path) -> None:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html"""
    template = tmp_path / "template.yaml"
    template.write_text(TEMPLATE, encoding="utf-8")
    entry = Entry("bus", "Bus", {"id": "{unique}", "kind": "paid"})

    result = explore(template, Settings(entries=(entry,), budget_seconds=0))

    told = {one.name: (one.verdict, one.why) for one in result.properties}
    assert {verdict for verdict, _ in told.values()} <= {"ok", "not-applicable"}, told


ALL_ALLOWED = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Topic: {Type: AWS::SNS::Topic}
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: orders}}
  Queue: {Type: AWS::SQS::Queue}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      StreamSpecification: {StreamViewType: NEW_IMAGE}
  Allowed:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Queue]
      PolicyDocument:
        Statement: [{Effect: Allow, Principal: "*", Action: "sqs:SendMessage", Resource: "*"}]
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      Role: arn:aws:iam::123456789012:role/worker
      InlineCode: |
        import boto3
        def handler(event, context):
            for number, record in enumerate(event["Records"]):
                boto3.client("s3").put_object(
                    Bucket="kept-orders", Key=str(record), Body=str(record)
                )
  Kept: {Type: AWS::S3::Bucket, Properties: {BucketName: kept-orders}}
  FromQueue:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: !GetAtt Queue.Arn, FunctionName: !Ref Worker}
  %s
"""
SUBSCRIBED = """Subscription:
    Type: AWS::SNS::Subscription
    Properties:
      {TopicArn: !Ref Topic, Protocol: sqs, Endpoint: !GetAtt Queue.Arn,
       FilterPolicyScope: MessageBody, FilterPolicy: {kind: [paid]}}
"""
RULE = """Rule:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !Ref Bus
      EventPattern: {source: [shop], detail: {kind: [paid]}}
      Targets: [{Id: q, Arn: !GetAtt Queue.Arn}]
"""
FROM_TABLE = """FromTable:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: !GetAtt Table.StreamArn
      FunctionName: !Ref Worker
      StartingPosition: TRIM_HORIZON
      FilterCriteria: {Filters: [{Pattern: '{"eventName": ["%s"]}'}]}
"""


def explored(tmp_path: Path, more: str, way: str, name: str, **body: Any) -> StackResult:
    template = tmp_path / "template.yaml"
    template.write_text(ALL_ALLOWED % more, encoding="utf-8")
    entry = Entry(way, name, {"id": "{unique}", **body} if body else None)
    return explore(template, Settings(entries=(entry,), budget_seconds=0))


def of_loss(result: StackResult) -> PropertyResult:
    return next(one for one in result.properties if one.name == "no-message-loss")


WAYS = pytest.mark.parametrize(
    ("more", "kind", "name"), [(SUBSCRIBED, "topic", "Topic"), (RULE, "bus", "Bus")]
)


@WAYS
@pytest.mark.parametrize("sent", ["paid", "refunded"])
def test_what_no_filter_and_what_no_rule_lets_through_is_lost(tmp_path, more, kind, name, sent):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-filtering.html
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html
    """
    event = {"source": "shop", "detail-type": "t", "detail": {"id": "{unique}", "kind": sent}}
    body = {"kind": sent} if kind == "topic" else event

    found = of_loss(explored(tmp_path, more, kind, name, **body))

    left_out = "no rule matches it" in found.why or "lets it through" in found.why
    assert left_out is (sent != "paid")
    if left_out:
        assert found.verdict == "violated"


def test_a_guess_that_a_filter_leaves_out_accuses_nobody(tmp_path):
    """A filter says what to guess, but of the id, which tells one message from another."""
    template = SUBSCRIBED.replace("{kind: [paid]}", "{id: [paid]}")
    with pytest.raises(EntryError, match="no subscription's filter policy lets it through"):
        explored(tmp_path, template, "topic", "Topic")


@pytest.mark.parametrize("event_name", ["INSERT", "MODIFY"])
def test_a_filter_that_lets_nothing_through_is_told_and_shows_nothing(tmp_path, event_name):
    """https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-filtering.html"""
    result = explored(tmp_path, FROM_TABLE % event_name, "table", "Table", kind="paid")

    found, notes = of_loss(result), [note for note in result.notes if "filter" in note]
    if event_name == "INSERT":
        assert (found.verdict != "unknown", notes) == (True, [])
    else:
        assert found.verdict == "unknown"
        assert found.why == "the filter of FromTable drops all that was sent to Table"
        assert [note.partition(" let ")[0] for note in notes] == ["Table: the filter of FromTable"]


def test_a_second_filter_that_lets_nothing_through_is_told_and_no_more(tmp_path):
    """A reader of what expires, beside one of what is new: nothing expires in a run."""
    second = (FROM_TABLE % "REMOVE").replace("FromTable:", "OfExpired:")
    second = second.replace("!Ref Worker", "!Ref Other")
    other = """
  Other:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      Role: arn:aws:iam::123456789012:role/worker
      InlineCode: "def handler(event, context): pass"
"""
    more = FROM_TABLE % "INSERT" + "  " + second + other

    result = explored(tmp_path, more, "table", "Table", kind="paid")

    assert of_loss(result).verdict != "unknown"
    assert [note.partition(" let ")[0] for note in result.notes if "filter" in note] == [
        "Table: the filter of OfExpired"
    ]


PRINTS = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      StreamSpecification: {StreamViewType: NEW_IMAGE}
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      InlineCode: |
        import boto3
        def handler(event, context):
            for record in event["Records"]:
                print(record)
      Events:
        Changes:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt Table.StreamArn
            StartingPosition: TRIM_HORIZON
            MaximumRetryAttempts: 2
"""


@pytest.mark.parametrize("leaves", [False, True])
def test_a_consumer_that_leaves_nothing_beside_others_is_told(tmp_path, leaves):
    """The item is the message's effect; what the stream's reader does with it can't be seen."""
    template = tmp_path / "template.yaml"
    put = "boto3.client('sns').publish(PhoneNumber='+15550100', Message=str(record))"
    text = PRINTS.replace("print(record)", put) if leaves else PRINTS
    template.write_text(text, encoding="utf-8")
    entry = Entry("table", "Table", {"id": "{unique}"})

    result = explore(template, Settings(entries=(entry,), budget_seconds=0, permissions=False))

    told = [note for note in result.notes if "leaves nothing that can be seen" in note]
    assert len(told) == (not leaves)
    assert all(note.startswith("Worker gets messages") for note in told)
