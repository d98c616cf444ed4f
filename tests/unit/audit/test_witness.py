"""A finding's witness is run, is the configuration's own, and plays again."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pytest_storagefirst.audit.findings import Finding, audit
from pytest_storagefirst.audit.ground import Ground, ground
from pytest_storagefirst.audit.run import audit_file
from pytest_storagefirst.audit.told import Told
from pytest_storagefirst.audit.witness import NotShown, Shown, witness
from pytest_storagefirst.explore.replay import replay
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings
from pytest_storagefirst.stack.read_ahead import read_template
from pytest_storagefirst.stack.template import Template

TEMPLATES = Path(__file__).parent / "templates"
ZOO = Path(__file__).parents[2] / "zoo"

# Rule -> the animal whose defect it is; its sound twin is never accused.
IN_THE_ZOO = {
    "default-response-200": "rest-default-200",
    "body-not-encoded": "rest-body-not-url-encoded",
    "failed-entries-unchecked": "rest-failed-entry-told-as-accepted",
    "no-batch-item-failures": "report-flag-missing",
    "no-dlq": "no-dead-letter-queue",
    "dlq-retention": "dlq-retention-too-short",
    "event-target-no-dlq": "event-target-without-dead-letters",
    "subscription-no-dlq": "sns-subscription-without-redrive",
    "async-no-destination": "sns-function-without-dead-letters",
    "stream-no-destination": "kinesis-retries-capped-without-destination",
    "stream-no-cap": "kinesis-poison-blocks-shard",
    "iot-no-error-action": "iot-rule-without-error-action",
    "missing-permission": "event-queue-policy-missing",
}


def told_of(path: Path) -> list[Told]:
    settings = Settings(budget_seconds=0)
    audited = audit_file(path, path.name, settings, 600)
    assert audited.refused == ""
    return list(audited.told)


def standing(path: Path, rule: str) -> tuple[Finding, Ground, Template, Settings]:
    settings = load_settings(path)
    template = read_template(path, settings)
    finding = next(one for one in audit(template).findings if one.rule.id == rule)
    return finding, ground(template, settings), template, settings


@pytest.mark.parametrize("rule", IN_THE_ZOO)
def test_a_planted_defect_has_a_witness_that_plays_again(rule, tmp_path):
    (path,) = (ZOO / IN_THE_ZOO[rule] / "defective").glob("template.*")
    shown = [one.shown for one in told_of(path) if one.finding.rule.id == rule]
    found = [one for one in shown if isinstance(one, Shown)]
    assert found, shown

    file = tmp_path / "witness.json"
    file.write_text(json.dumps(found[0].document), encoding="utf-8")
    again = replay(file, Settings())

    assert again.still_fails
    assert again.property_name == found[0].property_name
    assert again.story == found[0].story


@pytest.mark.parametrize("animal", sorted(path.parent.name for path in ZOO.glob("*/sound")))
def test_a_sound_twin_gets_advice_at_most(animal):
    (path,) = (ZOO / animal / "sound").glob("template.*")

    accused = [one for one in told_of(path) if isinstance(one.shown, Shown)]

    assert [one.finding.message for one in accused] == []


def test_a_broken_handler_is_not_blamed_on_the_mapping():
    """It takes the first record alone: no fault is needed, and BatchSize: 1 would hide it."""
    (path,) = (ZOO / "first-record-only" / "defective").glob("template.*")

    shown = _without_flag(path.parent)

    assert isinstance(shown, NotShown)
    assert "another cause" in shown.why


def _without_flag(folder: Path) -> Shown | NotShown:
    with TemporaryDirectory() as copied:
        shutil.copytree(folder, copied, dirs_exist_ok=True)
        (path,) = Path(copied).glob("template.*")
        lines = path.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if "ReportBatchItemFailures" not in line]
        path.write_text("\n".join(line for line in kept if "FunctionResponse" not in line))
        return witness(*standing(path, "no-batch-item-failures"))


def test_a_loss_that_the_remedy_does_not_cure_is_no_witness():
    """The counterfactual decides: with a remedy that changes nothing, nothing is shown."""
    path = ZOO / "rest-default-200" / "defective" / "template.yaml"
    finding, known, template, settings = standing(path, "default-response-200")
    assert isinstance(witness(finding, known, template, settings), Shown)
    idle = (("BookingsQueue", ("VisibilityTimeout",), 180),)
    spoilt = replace(finding, looked=replace(finding.looked, changes=(idle,)))

    shown = witness(spoilt, known, template, settings)

    assert isinstance(shown, NotShown)
    assert "another cause" in shown.why


def test_what_never_runs_is_shown_by_a_run_without_faults(tmp_path):
    path = tmp_path / "template.yaml"
    path.write_text((TEMPLATES / "function-never-runs.unsound.yaml").read_text(encoding="utf-8"))

    (shown,) = (one.shown for one in told_of(path) if one.finding.rule.id == "function-never-runs")

    assert isinstance(shown, Shown)
    assert shown.faults == 0
    assert "Worker was throttled" in "".join(shown.story)


# One of two subscriptions has a dead-letter queue of its own; what is published goes to one alone.
TWO_SUBSCRIBED = """
Resources:
  News: {Type: AWS::SNS::Topic}
  Warm: {Type: AWS::SQS::Queue}
  Cold: {Type: AWS::SQS::Queue}
  Allowed:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Warm, !Ref Cold]
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal: {Service: sns.amazonaws.com}
            Action: sqs:SendMessage
            Resource: "*"
  ToWarm:
    Type: AWS::SNS::Subscription
    Properties: {TopicArn: !Ref News, Protocol: sqs, Endpoint: !GetAtt Warm.Arn}
  ToCold:
    Type: AWS::SNS::Subscription
    Properties:
      TopicArn: !Ref News
      Protocol: sqs
      Endpoint: !GetAtt Cold.Arn
      FilterPolicy: {kind: [cold]}
"""
ALL_ARE_WARM = """
[[entry]]
topic = "News"
body = { id = "{unique}" }
attributes = { kind = "warm" }
"""


def test_harm_at_a_neighbour_is_not_told_as_harm_of_its_own(tmp_path):
    """Nothing goes to Cold: what the tried schedules lose, they lose on the way to Warm."""
    path = tmp_path / "template.yaml"
    path.write_text(TWO_SUBSCRIBED, encoding="utf-8")
    (tmp_path / "storagefirst.toml").write_text(ALL_ARE_WARM, encoding="utf-8")

    of_both = {
        one.finding.looked.resource: one.shown
        for one in told_of(path)
        if one.finding.rule.id == "subscription-no-dlq"
    }

    assert isinstance(of_both["ToWarm"], Shown)
    assert isinstance(of_both["ToCold"], NotShown)
    assert of_both["ToCold"].why == "nothing that was sent reached Cold in the trial"


def test_a_subscription_inside_of_its_topic_becomes_one_of_its_own(tmp_path):
    """Inside of a topic CloudFormation takes an endpoint and a protocol alone."""
    begin, _, _ = TWO_SUBSCRIBED.partition("  ToWarm:")
    inline = "{Subscription: [{Protocol: sqs, Endpoint: !GetAtt Warm.Arn}]}"
    path = tmp_path / "template.yaml"
    text = begin.replace(
        "{Type: AWS::SNS::Topic}", f"{{Type: AWS::SNS::Topic, Properties: {inline}}}"
    )
    path.write_text(text, encoding="utf-8")

    (one,) = [told for told in told_of(path) if told.finding.rule.id == "subscription-no-dlq"]

    assert isinstance(one.shown, Shown)
    lines = [line.strip() for line in one.finding.cured_by(one.shown.cure).remedy]
    assert "Type: AWS::SNS::Subscription" in lines
    assert "Subscription: []" in lines


def test_what_no_run_gets_to_is_not_said_to_be_sent_nothing(tmp_path):
    """Messages come by the queues; none was seen to be set aside, so that nothing is tried."""
    path = tmp_path / "template.yaml"
    template = TWO_SUBSCRIBED.replace(
        "  Cold: {Type: AWS::SQS::Queue}",
        """  Cold:
    Type: AWS::SQS::Queue
    Properties:
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Letters.Arn, maxReceiveCount: 3}
  Letters: {Type: AWS::SQS::Queue}""",
    )
    path.write_text(template, encoding="utf-8")
    (tmp_path / "storagefirst.toml").write_text(ALL_ARE_WARM, encoding="utf-8")

    (shown,) = (one.shown for one in told_of(path) if one.finding.rule.id == "dlq-retention")

    assert isinstance(shown, NotShown)
    assert "known to take" not in shown.why
    assert "seen to get to where this could do harm" in shown.why


def test_what_hangs_on_code_that_is_not_here_is_advice(tmp_path):
    text = (TEMPLATES / "no-dlq.unsound.yaml").read_text(encoding="utf-8")
    path = tmp_path / "template.yaml"
    path.write_text(text.replace("python3.13", "nodejs22.x"), encoding="utf-8")

    (one,) = [told for told in told_of(path) if told.finding.rule.id == "no-dlq"]

    assert isinstance(one.shown, NotShown)
    assert "code that can't be run here: Worker" in one.shown.why


def test_what_needs_no_code_is_shown_with_a_stand_in_and_plays_again(tmp_path):
    text = (TEMPLATES / "default-response-200.unsound.yaml").read_text(encoding="utf-8")
    text = "Transform: AWS::Serverless-2016-10-31\n" + text
    text += """  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: nodejs22.x
      Handler: index.handler
      InlineCode: "exports.handler = async () => ({})"
      Events: {Queue: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn}}}
"""
    path = tmp_path / "template.yaml"
    path.write_text(text, encoding="utf-8")

    (one,) = [told for told in told_of(path) if told.finding.rule.id == "default-response-200"]

    assert isinstance(one.shown, Shown)
    assert one.shown.document["stand_ins"] == ["Worker"]
    file = tmp_path / "witness.json"
    file.write_text(json.dumps(one.shown.document), encoding="utf-8")
    assert replay(file, Settings()).still_fails


def test_an_audit_without_runs_gives_advice_alone():
    path = ZOO / "rest-default-200" / "defective" / "template.yaml"
    audited = audit_file(path, "t.yaml", Settings(), None)

    assert {one.finding.rule.id for one in audited.told} >= {"default-response-200"}
    assert all(isinstance(one.shown, NotShown) for one in audited.told)


def test_when_time_is_up_the_rest_is_advice():
    path = ZOO / "rest-default-200" / "defective" / "template.yaml"
    audited = audit_file(path, "t.yaml", Settings(), 0)

    (one,) = [told for told in audited.told if told.finding.rule.id == "default-response-200"]
    assert isinstance(one.shown, NotShown)
    assert "budget" in one.shown.why


CHAIN = """
Transform: AWS::Serverless-2016-10-31
Resources:
  First:
    Type: AWS::SQS::Queue
    Properties:
      RedrivePolicy: {deadLetterTargetArn: !GetAtt FirstLetters.Arn, maxReceiveCount: 2}
  FirstLetters: {Type: AWS::SQS::Queue}
  Second:
    Type: AWS::SQS::Queue
    Properties:
      RedrivePolicy: {deadLetterTargetArn: !GetAtt SecondLetters.Arn, maxReceiveCount: 2}
  SecondLetters: {Type: AWS::SQS::Queue}
  Table:
    Type: AWS::Serverless::SimpleTable
  Forward:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      Environment: {Variables: {QUEUE: !Ref Second}}
      Policies: [{SQSSendMessagePolicy: {QueueName: !GetAtt Second.QueueName}}]
      Events: {Queue: {Type: SQS, Properties: {Queue: !GetAtt First.Arn}}}
      InlineCode: |
        import os, boto3
        def handler(event, context):
            for record in event["Records"]:
                boto3.client("sqs").send_message(
                    QueueUrl=os.environ["QUEUE"], MessageBody=record["body"])
  Store:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      Environment: {Variables: {TABLE: !Ref Table}}
      Policies: [{DynamoDBWritePolicy: {TableName: !Ref Table}}]
      Events: {Queue: {Type: SQS, Properties: {Queue: !GetAtt Second.Arn}}}
      InlineCode: |
        import json, os, boto3
        def handler(event, context):
            table = boto3.resource("dynamodb").Table(os.environ["TABLE"])
            for record in event["Records"]:
                order = json.loads(record["body"])
                table.put_item(Item={"id": order["id"], "amount": int(order["amount"])})
"""


def test_the_mapping_is_accused_whose_batch_fails(tmp_path):
    """A batch of one at the first function sends one by one to the second, where it drags, too."""
    path = tmp_path / "template.yaml"
    path.write_text(CHAIN, encoding="utf-8")

    told = [one for one in told_of(path) if one.finding.rule.id == "no-batch-item-failures"]

    assert [one.finding.resource for one in told] == ["Forward", "Store"]
    for one in told:
        assert isinstance(one.shown, Shown), one.shown
        assert "dragged along" in one.shown.why
        failed = [line for line in one.shown.story if "failed with" in line]
        assert failed
        assert all(f"{one.finding.resource} failed with m1 m2" in line for line in failed)


def test_a_mapping_whose_batches_never_fail_is_not_accused(tmp_path):
    """The harm is done in a batch of the second function, whatever the first one's mapping says."""
    path = tmp_path / "template.yaml"
    swallowed = (
        "try:\n"
        "                    boto3.client('sqs').send_message(\n"
        "                        QueueUrl=os.environ['QUEUE'], MessageBody=record['body'])\n"
        "                except Exception:\n"
        "                    pass"
    )
    send = CHAIN[CHAIN.index('boto3.client("sqs")') : CHAIN.index("  Store:")].rstrip()
    path.write_text(CHAIN.replace(send, swallowed), encoding="utf-8")

    told = [one for one in told_of(path) if one.finding.rule.id == "no-batch-item-failures"]

    first, second = told
    assert isinstance(first.shown, NotShown)
    assert isinstance(second.shown, Shown)


ONE_QUEUE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Letters.Arn, maxReceiveCount: 2}
  Letters: {Type: AWS::SQS::Queue, Properties: {MessageRetentionPeriod: 1209600}}
  Table:
    Type: AWS::Serverless::SimpleTable
""" + CHAIN[CHAIN.index("  Store:") :].replace("!GetAtt Second.Arn", "!GetAtt Queue.Arn")


def batch_finding(path: Path) -> Shown | NotShown:
    (one,) = [told for told in told_of(path) if told.finding.rule.id == "no-batch-item-failures"]
    return one.shown


def test_a_bad_message_is_tried_between_good_ones(tmp_path):
    """In a FIFO group what comes behind a bad one may share its fate; what came before may not."""
    path = tmp_path / "template.yaml"
    fifo = "Properties:\n      FifoQueue: true\n      ContentBasedDeduplication: true\n"
    text = ONE_QUEUE.replace("Properties:\n      Redrive", f"{fifo}      Redrive")
    text = text.replace("{MessageRetentionPeriod: 1209600}", "{FifoQueue: true}")
    path.write_text(text, encoding="utf-8")

    shown = batch_finding(path)

    assert isinstance(shown, Shown)
    assert "m1 is good and was dead-lettered" in shown.why


def test_where_no_body_is_refused_one_whose_writes_are_drags_its_batch_along(tmp_path):
    path = tmp_path / "template.yaml"
    taken = """order = {"id": record["body"][:99], "amount": 1}"""
    text = ONE_QUEUE.replace("""order = json.loads(record["body"])""", taken)
    path.write_text(text, encoding="utf-8")

    shown = batch_finding(path)

    assert isinstance(shown, Shown)
    assert "dragged along by m1" in shown.why
    file = tmp_path / "witness.json"
    file.write_text(json.dumps(shown.document), encoding="utf-8")
    assert replay(file, Settings()).still_fails
