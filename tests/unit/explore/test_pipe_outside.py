"""What a pipe hands on of a redelivered message tells how often it was received.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-sqs.html
"""

from __future__ import annotations

from pathlib import Path

from pytest_storagefirst.explore.exploration import explore
from pytest_storagefirst.settings import Entry, Settings

TEMPLATE = """
Resources:
  Letters: {Type: AWS::SQS::Queue, Properties: {MessageRetentionPeriod: 1209600}}
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Letters.Arn, maxReceiveCount: 5}
  Pipe:
    Type: AWS::Pipes::Pipe
    Properties:
      RoleArn: arn:aws:iam::999999999999:role/pipe
      Source: !GetAtt Queue.Arn
      Target: arn:aws:sqs:us-east-1:999999999999:theirs
"""


def test_a_second_receive_is_no_other_effect(tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_text(TEMPLATE, encoding="utf-8")
    entry = Entry("queue", "Queue", {"id": "{unique}"})

    result = explore(template, Settings(entries=(entry,), budget_seconds=0))

    told = {one.name: one for one in result.properties}
    assert told["no-message-loss"].verdict == "ok"
    # That it was handed on twice is another matter: two deliveries, and nobody behind it is known.
    assert any("FAULT  Queue: delivery" in one for one in told["no-duplicate-effects"].story)
