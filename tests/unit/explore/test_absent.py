"""A target that a template names and does not have is told, and what goes there alone shows
nothing: EventBridge can't deliver to what isn't there.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_storagefirst.explore.exploration import explore
from pytest_storagefirst.explore.result import StackResult
from pytest_storagefirst.settings import Entry, Settings

TEMPLATE = """
Parameters:
  Stage: {Type: String, Default: dev}
  Theirs: {Type: String, Default: their-queue}
Resources:
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: orders}}
  Orders: {Type: AWS::SQS::Queue, Properties: {QueueName: orders-dev}}
  Letters: {Type: AWS::SQS::Queue, Properties: {MessageRetentionPeriod: 1209600}}
  Allowed:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Orders, !Ref Letters]
      PolicyDocument:
        Statement: [{Effect: Allow, Principal: "*", Action: "sqs:SendMessage", Resource: "*"}]
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !Ref Bus
      EventPattern: {source: [shop]}
      Targets: [%s]
"""
HERE = "arn:aws:sqs:${AWS::Region}:${AWS::AccountId}"


def target(text: str) -> str:
    letters = "DeadLetterConfig: {Arn: !GetAtt Letters.Arn}"
    return f'{{Id: t{len(text)}, Arn: !Sub "{text}", {letters}}}'


def explored(tmp_path: Path, *targets: str) -> StackResult:
    template = tmp_path / "template.yaml"
    template.write_text(TEMPLATE % ", ".join(targets), encoding="utf-8")
    entry = Entry("bus", "Bus", {"id": "{unique}"})
    return explore(template, Settings(entries=(entry,), budget_seconds=0))


BUCKET = """
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      NotificationConfiguration:
        QueueConfigurations:
          - {Event: "s3:ObjectCreated:*", Queue: !Sub "arn:aws:sqs:${AWS::Region}:%s:orders"}
"""


@pytest.mark.parametrize(
    ("account", "found"), [("${AWS::AccountId}", "unknown"), ("999999999999", "ok")]
)
def test_a_bucket_is_on_the_way_to_what_it_tells(tmp_path, account, found):
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html"""
    template = tmp_path / "template.yaml"
    template.write_text(BUCKET % account, encoding="utf-8")
    entry = Entry("bucket", "Bucket", {"id": "{unique}"})

    result = explore(template, Settings(entries=(entry,), budget_seconds=0))

    assert verdict(result)[0] == found


def verdict(result: StackResult) -> tuple[str, str]:
    return next((p.verdict, p.why) for p in result.properties if p.name == "no-message-loss")


def notes(result: StackResult) -> list[str]:
    return [note for note in result.notes if "is not in this template" in note]


def test_a_name_that_is_written_out_shows_nothing(tmp_path):
    result = explored(tmp_path, target(f"{HERE}:order-dev"))

    alone = "what is sent goes to order-dev alone, which is not in this template"
    assert verdict(result) == ("unknown", alone)
    [note] = notes(result)
    assert note.startswith("Bus: its target arn:aws:sqs:us-east-1:123456789012:order-dev")


def test_beside_another_target_it_is_told_and_no_more(tmp_path):
    result = explored(tmp_path, target(f"{HERE}:order-dev"), target("${Orders.Arn}"))

    assert verdict(result)[0] == "ok"
    assert len(notes(result)) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("${Orders.Arn}", 0),
        (f"{HERE}:orders-dev", 0),
        (f"{HERE}:orders-${{Stage}}", 0),
        (f"{HERE}:${{Theirs}}", 0),
        (f"{HERE}:shared-${{Stage}}", 1),
        ("arn:aws:sqs:us-east-1:999999999999:order-dev", 0),
    ],
)
def test_what_is_there_or_anothers_by_a_parameter_or_account_is_followed_or_left(
    tmp_path, text, told
):
    result = explored(tmp_path, target(text))

    assert verdict(result)[0] == "ok"
    assert len(notes(result)) == told
