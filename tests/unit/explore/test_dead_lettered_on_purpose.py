"""A stack that sends every message to its dead-letter queue drags none of them there."""

from __future__ import annotations

from pathlib import Path

from pytest_storagefirst.explore.exploration import explore
from pytest_storagefirst.settings import Entry, Settings

# The worker always raises; what reads the dead letters does the work, one at a time.
TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
  Dead: {Type: AWS::SQS::Queue}
  Retry:
    Type: AWS::SQS::Queue
    Properties:
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 2}
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Retry.Arn, maxReceiveCount: 1}
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      InlineCode: |
        def handler(event, context):
            raise RuntimeError("busy")
      Events:
        FromQueue: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn, BatchSize: 1}}
  Finisher:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      InlineCode: |
        import boto3, json, os
        def handler(event, context):
            for record in event["Records"]:
                item = {"id": json.loads(record["body"])["id"]}
                boto3.resource("dynamodb").Table(os.environ["TABLE"]).put_item(Item=item)
      Policies: [AdministratorAccess]
      Environment: {Variables: {TABLE: !Ref Table}}
      Events:
        FromQueue: {Type: SQS, Properties: {Queue: !GetAtt Retry.Arn, BatchSize: 1}}
"""


def test_a_good_message_that_goes_there_by_itself_was_not_dragged_along(tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_text(TEMPLATE, encoding="utf-8")
    entry = Entry("queue", "Queue", {"id": "{unique}"})
    settings = Settings(entries=(entry,), properties=("poison-isolated",), budget_seconds=0)

    (found,) = explore(template, settings).properties

    assert (found.verdict, found.why) == ("ok", "")
