"""FIFO topics: the same is published once within five minutes, and nothing overtakes or doubles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.faults.plan import parse_plan
from pytest_storagefirst.settings import Entry, Settings
from pytest_storagefirst.simulation.playing import Played, play
from pytest_storagefirst.simulation.schedule import Schedule, Send

BODY = {"id": "{unique}"}
STACK = """
Resources:
  Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: told.fifo, FifoTopic: true}}
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: taken.fifo, FifoQueue: true}}
  Allowed:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Queue]
      PolicyDocument:
        Statement: [{Effect: Allow, Principal: "*", Action: "sqs:SendMessage", Resource: "*"}]
  Subscription:
    Type: AWS::SNS::Subscription
    Properties: {TopicArn: !Ref Topic, Protocol: sqs, Endpoint: !GetAtt Queue.Arn}
"""


def played(folder: Path, *faults: str) -> Played:
    template = folder / "template.yaml"
    template.write_text(STACK, encoding="utf-8")
    deployed = prepare(template, Settings(entries=(Entry("topic", "Topic", BODY),))).deployed
    sends = tuple(Send(name, "Topic", BODY) for name in ("m1", "m2"))
    return play(deployed, Schedule(sends, parse_plan(faults)))


def stored(run: Played) -> list[Any]:
    history = run.observation.history
    return [event.messages for event in history if (event.kind, event.where) == ("stored", "Queue")]


@pytest.mark.parametrize(
    "fault",
    [
        "Topic: request #1: sender-resends",
        "Topic: delivery #1: duplicate",
        "Topic: delivery #1: delayed",
        "Topic: delivery #1: reordered",
    ],
)
def test_each_message_comes_once_and_in_order(tmp_path, fault):
    """https://docs.aws.amazon.com/sns/latest/dg/fifo-message-dedup.html"""
    assert stored(played(tmp_path, fault)) == [("m1",), ("m2",)]


def test_a_target_may_refuse_all_the_same(tmp_path):
    assert stored(played(tmp_path, "Topic: delivery #1: target-refused(access-denied)")) == [
        ("m2",)
    ]
