"""What services give up needs a place that they may write to, and what AWS takes in is checked.

Beside `test_deliveries.py`, which holds rules 26 to 33 one by one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.faults.plan import parse_plan
from pytest_storagefirst.settings import Entry, Settings
from pytest_storagefirst.simulation.playing import Played, play
from pytest_storagefirst.simulation.schedule import Schedule, Send

BODY = {"id": "{unique}"}
STACK = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {%(fifo)s}}
  Letters: {Type: AWS::SQS::Queue, Properties: {%(fifo)s}}
  Allowed:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [%(allowed)s]
      PolicyDocument:
        Statement: [{Effect: Allow, Principal: "*", Action: "sqs:SendMessage", Resource: "*"}]
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement:
          - {Effect: Allow, Principal: {Service: iot.amazonaws.com}, Action: "sts:AssumeRole"}
      Policies:
        - PolicyName: Sends
          PolicyDocument:
            Statement: [{Effect: Allow, Action: "sqs:SendMessage", Resource: [%(role)s]}]
%(more)s
"""
TOPIC = """
  Topic: {Type: AWS::SNS::Topic, Properties: {%s}}
  Subscription:
    Type: AWS::SNS::Subscription
    Properties:
      TopicArn: !Ref Topic
      Protocol: sqs
      Endpoint: !GetAtt Queue.Arn
      RawMessageDelivery: true
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Letters.Arn}
"""
BUS = """
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: orders}}
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !Ref Bus
      EventPattern: {source: [shop]}
      Targets:
        - {Id: q, Arn: !GetAtt Queue.Arn, DeadLetterConfig: {Arn: !GetAtt Letters.Arn}}
"""
DEVICE = """
  Rule:
    Type: AWS::IoT::TopicRule
    Properties:
      TopicRulePayload:
        Sql: "SELECT * FROM 'orders/#'"
        Actions: [{Sqs: {QueueUrl: !Ref Queue, RoleArn: !GetAtt Role.Arn}}]
        ErrorAction: {Sqs: {QueueUrl: !Ref Letters, RoleArn: !GetAtt Role.Arn}}
"""
BOTH = "!Ref Queue, !Ref Letters"
BOTH_ARNS = "!GetAtt Queue.Arn, !GetAtt Letters.Arn"


@pytest.fixture
def sent(tmp_path: Path) -> Callable[..., Played]:
    """Stands up a stack and sends it one message, with a fault."""

    def make(kind: str, name: str, more: str, fault: str = "", **texts: Any) -> Played:
        body = texts.pop("body", BODY)
        written = {"allowed": BOTH, "role": BOTH_ARNS, "fifo": "", "more": more, **texts}
        template = tmp_path / "template.yaml"
        template.write_text(STACK % written, encoding="utf-8")
        deployed = prepare(template, Settings(entries=(Entry(kind, name, BODY),)), {}).deployed
        plan = parse_plan((f"{name}: delivery #1: target-refused({fault})",) if fault else ())
        return play(deployed, Schedule((Send("m1", name, body),), plan))

    return make


def kept(played: Played, place: str) -> list[Any]:
    done = [e.value for e in played.observation.effects if e.place == place]
    return done or [_read(held.text) for held in played.observation.held if held.where == place]


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def told(played: Played, kind: str) -> Iterator[str]:
    return (event.detail for event in played.observation.history if event.kind == kind)


@pytest.mark.parametrize(
    ("kind", "name", "more"), [("topic", "Topic", TOPIC % ""), ("bus", "Bus", BUS)]
)
@pytest.mark.parametrize("allowed", [BOTH, "!Ref Queue"])
def test_a_dead_letter_queue_needs_a_policy_too(sent, kind, name, more, allowed):
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
    https://docs.aws.amazon.com/sns/latest/dg/sns-configure-dead-letter-queue.html
    """
    played = sent(kind, name, more, "access-denied", allowed=allowed)

    assert len(kept(played, "Letters")) == (allowed == BOTH)
    dropped = [] if allowed == BOTH else ["the delivery to Queue is given up, and nothing keeps it"]
    assert list(told(played, "dropped")) == dropped
    assert any("Letters" in one for one in told(played, "denied")) is (allowed != BOTH)


@pytest.mark.parametrize("role", [BOTH_ARNS, "!GetAtt Queue.Arn"])
def test_an_error_action_needs_its_role_and_gets_the_payload_in_base64(sent, role):
    """https://docs.aws.amazon.com/iot/latest/developerguide/rule-error-handling.html"""
    played = sent("rule", "Rule", DEVICE, "throttle", role=role, allowed="!Ref Queue")

    letters = kept(played, "Letters")
    assert len(letters) == (role == BOTH_ARNS)
    for letter in letters:
        assert {"ruleName", "base64OriginalPayload", "failures"} <= set(letter)
        assert letter["failures"][0]["failedAction"] == "SqsAction"


def test_a_fifo_topics_dead_letters_keep_their_group(sent):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html"""
    own = "TopicName: steps.fifo, FifoTopic: true, ContentBasedDeduplication: true"
    played = sent("topic", "Topic", TOPIC % own, "access-denied", fifo="FifoQueue: true")

    assert len(kept(played, "Letters")) == 1


def test_an_empty_message_is_refused_by_a_topic(sent):
    """https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
    played = sent("topic", "Topic", TOPIC % "", body="")

    assert "rejected" in {event.kind for event in played.observation.history}


@pytest.mark.parametrize("body", ["17", "[1]", "null", "no JSON"])
def test_a_detail_that_is_no_json_object_is_a_failed_entry(sent, body):
    """https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html"""
    kinds = {event.kind for event in sent("bus", "Bus", BUS, body=body).observation.history}

    assert "rejected" in kinds
    assert "stored" not in kinds


KEYED = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Table: {Type: AWS::Serverless::SimpleTable}
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      InlineCode: "def handler(event, context): pass"
      Policies: [AdministratorAccess]
      Environment: {Variables: {TABLE: !Ref Table}}
      Events:
        FromQueue: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn}}
"""


@pytest.mark.parametrize("operation", ["get_item", "update_item", "delete_item"])
@pytest.mark.parametrize("key", [{"L": []}, {"N": "1"}, {"M": {}}])
def test_a_key_of_another_type_does_not_match_the_schema(tmp_path, operation, key):
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html"""
    template, codes = tmp_path / "template.yaml", []
    template.write_text(KEYED, encoding="utf-8")

    def handler(event: Any, context: Any) -> None:
        import os

        client = boto3.client("dynamodb")
        with pytest.raises(ClientError) as raised:
            getattr(client, operation)(TableName=os.environ["TABLE"], Key={"id": key})
        codes.append(raised.value.response["Error"]["Code"])

    entry = Entry("queue", "Queue", BODY)
    deployed = prepare(template, Settings(entries=(entry,)), {"Worker": handler}).deployed
    play(deployed, Schedule((Send("m1", "Queue", json.dumps({"id": 1})),)))

    assert codes == ["ValidationException"]


def test_a_failed_entry_that_the_reply_hides_is_told_in_the_story(tmp_path):
    """https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html"""
    animal = Path(__file__).parents[1] / "zoo" / "rest-failed-entry-told-as-accepted"
    notes = []
    for twin in ("defective", "sound"):
        entry = Entry("route", "POST /votes", {"voteId": "{unique}", "choice": "yes"})
        template = animal / twin / "template.yaml"
        deployed = prepare(template, Settings(entries=(entry,)), {}).deployed
        notes.append(list(told(play(deployed, Schedule((Send("m1", entry.name, "x"),))), "noted")))

    assert notes[0] == ["events refused the entry (MalformedDetail), and the reply does not say so"]
    assert notes[1] == []
