"""A consumer that fails with every message is no success of the others'."""

from __future__ import annotations

import pytest

from pytest_storagefirst.explore.exploration import explore
from pytest_storagefirst.settings import Entry, Settings

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Topic: {Type: AWS::SNS::Topic}
  Kept: {Type: AWS::SQS::Queue}
  Dead: {Type: AWS::SQS::Queue}
  Summed:
    Type: AWS::SQS::Queue
    Properties:
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 2}
  Policy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Kept, !Ref Summed]
      PolicyDocument:
        Statement: [{Effect: Allow, Principal: "*", Action: sqs:SendMessage, Resource: "*"}]
  ToKept:
    Type: AWS::SNS::Subscription
    Properties:
      {TopicArn: !Ref Topic, Protocol: sqs, Endpoint: !GetAtt Kept.Arn, RawMessageDelivery: true}
  ToSummed:
    Type: AWS::SNS::Subscription
    Properties:
      {TopicArn: !Ref Topic, Protocol: sqs, Endpoint: !GetAtt Summed.Arn, RawMessageDelivery: true}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
  Keep:
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
        FromQueue: {Type: SQS, Properties: {Queue: !GetAtt Kept.Arn, BatchSize: 1}}
  Sum:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      InlineCode: |
        def handler(event, context):
            %s
      Events:
        FromQueue: {Type: SQS, Properties: {Queue: !GetAtt Summed.Arn, BatchSize: 1}}
"""


@pytest.fixture
def judged(tmp_path):
    def by(line, name):
        template = tmp_path / "template.yaml"
        template.write_text(TEMPLATE % line, encoding="utf-8")
        entry = Entry("topic", "Topic", {"id": "{unique}"})
        settings = Settings(entries=(entry,), properties=(name,), budget_seconds=0)
        (found,) = explore(template, settings).properties
        return found.verdict, found.why

    return by


@pytest.mark.parametrize("name", ["no-duplicate-effects", "drains"])
def test_a_consumer_that_always_fails_is_told_of(judged, name):
    verdict, why = judged('raise RuntimeError("reserved word")', name)

    assert verdict == "unknown"
    assert why == (
        "Sum fails (RuntimeError) with a message that comes alone and without any fault, which "
        "ends in Dead: of what Sum is for nothing is shown"
    )


@pytest.mark.parametrize("name", ["no-duplicate-effects", "drains"])
def test_a_function_that_never_runs_is_told_of(tmp_path, name):
    """Its reserved concurrency is 0: what it is given is set aside, and nothing fails."""
    template = tmp_path / "template.yaml"
    written = TEMPLATE.replace("  Sum:", "  Never:") % "pass"
    head, tail = written.split("  Never:\n    Type: AWS::Serverless::Function\n    Properties:\n")
    template.write_text(
        f"{head}  Never:\n    Type: AWS::Serverless::Function\n    Properties:\n"
        f"      ReservedConcurrentExecutions: 0\n{tail}"
    )
    entry = Entry("topic", "Topic", {"id": "{unique}"})
    settings = Settings(entries=(entry,), properties=(name,), budget_seconds=0)

    (found,) = explore(template, settings).properties

    assert found.verdict == "unknown"
    assert found.why == (
        "Never is throttled whenever it is asked, with one message alone and without any fault, "
        "so it never runs: of what Never is for nothing is shown"
    )


def test_one_that_succeeds_is_not(judged):
    assert judged("pass", "drains") == ("ok", "")


BUFFERING = """
        import boto3, json, os
        kept = []
        def handler(event, context):
            for record in event["Records"]:
                kept.append(json.loads(record["body"])["id"])
            while len(kept) > 1:
                for _ in range(2):
                    item = {"id": kept.pop(0)}
                    boto3.resource("dynamodb").Table(os.environ["TABLE"]).put_item(Item=item)
"""


def test_what_a_handler_keeps_in_memory_until_more_come_is_no_success(tmp_path):
    begin, end = TEMPLATE.index("        import boto3"), TEMPLATE.index("      Policies:")
    template = tmp_path / "template.yaml"
    template.write_text(TEMPLATE[:begin] + BUFFERING.lstrip("\n") + TEMPLATE[end:] % "pass")
    entry = Entry("topic", "Topic", {"id": "{unique}"})
    settings = Settings(entries=(entry,), properties=("no-message-loss",), budget_seconds=0)

    (found,) = explore(template, settings).properties

    assert found.verdict in ("unknown", "violated")
    assert "a message alone leaves nothing, and several together do" in found.why


def test_a_bad_message_fails_alone_and_is_judged_all_the_same(judged):
    verdict, why = judged("pass", "poison-isolated")

    assert "fails" not in why
    assert verdict != "unknown"
