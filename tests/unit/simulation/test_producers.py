"""Producers send as `[[entry]]` says: attributes, a FIFO group, a partition key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.explore.exploration import explore
from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.settings import Entry, Settings
from pytest_storagefirst.simulation.playing import play
from pytest_storagefirst.simulation.schedule import Schedule, Send

BODY = {"id": "{unique}"}
TEMPLATE = """
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Lines: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true}}
  Letters: {Type: AWS::SQS::Queue}
  Stream: {Type: AWS::Kinesis::Stream, Properties: {ShardCount: 1}}
  Topic: {Type: AWS::SNS::Topic}
  Allowed:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Queue, !Ref Letters]
      PolicyDocument:
        Statement: [{Effect: Allow, Principal: "*", Action: "sqs:SendMessage", Resource: "*"}]
  Subscription:
    Type: AWS::SNS::Subscription
    Properties:
      TopicArn: !Ref Topic
      Protocol: sqs
      Endpoint: !GetAtt Queue.Arn
      FilterPolicy: {kind: [order]}
      RawMessageDelivery: true
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Letters.Arn}
  Worker:
    Type: AWS::Lambda::Function
    Properties:
      {Runtime: python3.13, Handler: a.b, Role: "arn:aws:iam::123456789012:role/r",
       Code: {ZipFile: ""}}
  FromQueue:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: !GetAtt Queue.Arn, FunctionName: !Ref Worker}
  FromLines:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: !GetAtt Lines.Arn, FunctionName: !Ref Worker}
  FromStream:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      {EventSourceArn: !GetAtt Stream.Arn, FunctionName: !Ref Worker,
       StartingPosition: TRIM_HORIZON}
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "template.yaml"
    path.write_text(TEMPLATE, encoding="utf-8")
    return path


@pytest.fixture
def got(template: Path) -> Callable[..., list[dict[str, Any]]]:
    """The records that a function gets of one message to each entry."""

    def send(*entries: Entry) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = []
        functions = {"Worker": lambda event, context: records.extend(event["Records"])}
        deployed = prepare(template, Settings(entries=entries), functions).deployed
        named = enumerate(deployed.entries, 1)
        sends = tuple(Send(f"m{at}", entry.name, BODY) for at, entry in named)
        play(deployed, Schedule(sends, one_by_one=True))
        return records

    return send


def test_attributes_are_of_the_message(got):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html"""
    [record] = got(Entry("queue", "Queue", BODY, attributes={"kind": "order", "weight": 3}))

    sent = record["messageAttributes"]
    assert {name: (one["dataType"], one["stringValue"]) for name, one in sent.items()} == {
        "kind": ("String", "order"),
        "weight": ("Number", "3"),
    }


def test_two_entries_of_one_topic_send_each_in_its_own_manner(got):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-filtering.html"""
    entries = [
        Entry("topic", "Topic", BODY, attributes={"kind": kind}) for kind in ("note", "order")
    ]

    assert len(got(*entries)) == 1
    assert len(got(entries[0])) == 0


def test_a_group_and_a_key_are_the_producers(got):
    [by_default] = got(Entry("queue", "Lines", BODY))
    [grouped] = got(Entry("queue", "Lines", BODY, group="customer-{unique}"))
    [keyed] = got(Entry("stream", "Stream", BODY, key="device-7"))

    assert by_default["attributes"]["MessageGroupId"] == "group-1"
    assert grouped["attributes"]["MessageGroupId"].startswith("customer-")
    assert "{unique}" not in grouped["attributes"]["MessageGroupId"]
    assert keyed["kinesis"]["partitionKey"] == "device-7"


def test_a_standard_queue_takes_the_group_that_is_written(got):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html"""
    [plain] = got(Entry("queue", "Queue", BODY))
    [fair] = got(Entry("queue", "Queue", BODY, group="tenant-{unique}"))

    assert "MessageGroupId" not in plain["attributes"]
    assert fair["attributes"]["MessageGroupId"].startswith("tenant-")


def test_a_standard_topic_hands_the_group_on_to_a_standard_queue(got):
    """https://docs.aws.amazon.com/sns/latest/api/API_Publish.html (MessageGroupId)"""
    [plain] = got(Entry("topic", "Topic", BODY))
    [fair] = got(Entry("topic", "Topic", BODY, group="tenant-{unique}"))

    assert "MessageGroupId" not in plain["attributes"]
    assert fair["attributes"]["MessageGroupId"].startswith("tenant-")


@pytest.mark.parametrize(
    ("attributes", "why"),
    [(None, ""), ({}, "no subscription's filter policy"), ({"kind": "order"}, "")],
)
def test_attributes_that_nobody_gave_are_told(template, attributes, why):
    def worker(event: Any, context: Any) -> None:
        pass

    entry = Entry("topic", "Topic", BODY, attributes=attributes)
    settings = Settings(entries=(entry,), budget_seconds=0, functions={"Worker": worker})

    result = explore(template, settings)

    invented = 'Topic: its filter policies ask for the attributes kind = "order", so they were sent'
    assert any(note.startswith(invented) for note in result.notes) is (attributes is None)
    loss = next(one for one in result.properties if one.name == "no-message-loss")
    assert (why in loss.why) if why else ("filter policy" not in loss.why)


@pytest.mark.parametrize(("body", "told"), [({"kind": "order"}, True), ({"sort": "order"}, False)])
def test_a_field_that_is_called_as_a_filters_attribute_is_told(template, body, told):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html"""
    entry = Entry("topic", "Topic", {**BODY, **body})
    settings = Settings(entries=(entry,), budget_seconds=0, functions={"Worker": lambda *_: None})

    notes = " ".join(explore(template, settings).notes)
    assert ("(the body has kind, too: a filter asks for that only with" in notes) is told
