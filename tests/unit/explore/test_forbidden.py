"""What a policy keeps from being done is held where it lies, and the policy is said to be why."""

from __future__ import annotations

import pytest

from pytest_storagefirst.explore.exploration import explore
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings

TOPIC = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Letters: {Type: AWS::SQS::Queue}
  LettersPolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Letters]
      PolicyDocument:
        Statement:
          - {Effect: Allow, Principal: {Service: sns.amazonaws.com}, Action: sqs:SendMessage,
             Resource: !GetAtt Letters.Arn}
  Orders: {Type: AWS::SQS::Queue}
  News: {Type: AWS::SNS::Topic}
  Subscribed:
    Type: AWS::SNS::Subscription
    Properties:
      TopicArn: !Ref News
      Protocol: sqs
      Endpoint: !GetAtt Orders.Arn
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Letters.Arn}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: app.handler
      CodeUri: .
      Environment: {Variables: {TABLE: !Ref Table}}
      Policies: [{DynamoDBCrudPolicy: {TableName: !Ref Table}}]
      Events:
        Orders: {Type: SQS, Properties: {Queue: !GetAtt Orders.Arn,
                 FunctionResponseTypes: [ReportBatchItemFailures]}}
"""

BUCKET = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Failed: {Type: AWS::SQS::Queue}
  Uploads: {Type: AWS::S3::Bucket}
  Indexer:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: app.handler
      CodeUri: .
      Policies: [{SQSSendMessagePolicy: {QueueName: !GetAtt Failed.QueueName}}]
      EventInvokeConfig:
        DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Failed.Arn}}
      Events:
        Put: {Type: S3, Properties: {Bucket: !Ref Uploads, Events: s3:ObjectCreated:*}}
"""

READS = """
import boto3
s3 = boto3.client("s3")

def handler(event, context):
    for record in event["Records"]:
        bucket, key = record["s3"]["bucket"]["name"], record["s3"]["object"]["key"]
        s3.get_object(Bucket=bucket, Key=key)
"""


@pytest.mark.parametrize(
    ("template", "app", "why"),
    [
        (
            TOPIC,
            None,
            "no policy of Orders allows sqs:SendMessage to sns.amazonaws.com (News); "
            "m1, m2, m3 are held in Letters",
        ),
        (
            BUCKET,
            READS,
            "IndexerRole allows no s3:GetObject on Uploads/<m1>; m1, m2, m3 are held in Failed",
        ),
    ],
)
def test_what_lies_in_a_failure_destination_is_held_there(workshop, template, app, why):
    path = workshop.write(app or workshop.app, template=template)
    result = explore(path, load_settings(path, Settings(budget_seconds=0)))
    said = {one.name: (one.verdict, one.why) for one in result.properties}

    for name in ("no-message-loss", "no-duplicate-effects", "drains"):
        assert said[name] == ("unknown", why)
    assert not any(one.verdict == "violated" for one in result.properties)
