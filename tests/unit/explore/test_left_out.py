"""A message that a pattern or a filter leaves out is for nobody; that is not a bad message."""

from __future__ import annotations

from pathlib import Path

from pytest_storagefirst.explore.exploration import explore
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
