"""Flags, mappings and code that are changed while messages are in flight."""

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent, indent

import pytest

from pytest_storagefirst.errors import SettingsError
from pytest_storagefirst.explore.exploration import explore
from pytest_storagefirst.explore.flags import flags_of
from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.explore.stack import open_stack
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings
from pytest_storagefirst.simulation.flags import opposite

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 180
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Letters.Arn, maxReceiveCount: 5}
  Letters: {Type: AWS::SQS::Queue, Properties: {MessageRetentionPeriod: 1209600}}
  NewFormat: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: "off"}}
  Greeting: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: hello}}
  Old: &table
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
  New: *table
  Flags: *table
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      Timeout: 30
      Environment:
        Variables: {OLD: !Ref Old, NEW: !Ref New, FLAGS: !Ref Flags, FLAG: !Ref NewFormat}
      Policies:
        - DynamoDBCrudPolicy: {TableName: !Ref Old}
        - DynamoDBCrudPolicy: {TableName: !Ref New}
        - DynamoDBReadPolicy: {TableName: !Ref Flags}
        - SSMParameterReadPolicy: {ParameterName: !Ref NewFormat}
      Events:
        Queue:
          Type: SQS
          Properties:
            Queue: !GetAtt Queue.Arn
            FunctionResponseTypes: [ReportBatchItemFailures]
      InlineCode: |
CODE
"""
START = """
import json, os, boto3
ssm, tables = boto3.client("ssm"), boto3.resource("dynamodb")
old, new = tables.Table(os.environ["OLD"]), tables.Table(os.environ["NEW"])
flags = tables.Table(os.environ["FLAGS"])
def is_new():
    return ssm.get_parameter(Name=os.environ["FLAG"])["Parameter"]["Value"] == "on"
def is_on():
    return flags.get_item(Key={"id": "work"})["Item"]["enabled"]
def store(table, record):
    body = json.loads(record["body"])
    table.put_item(Item={"id": body["id"], "amount": str(body["amount"])})
def handler(event, context):
    failed = []
    for record in event["Records"]:
        try:
            process(record)
        except Exception:
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
def process(record):
"""
ONE_TABLE = "store(new if is_new() else old, record)"
BOTH = "if is_new(): store(new, record)\nif not is_new(): store(old, record)"
SWITCH = "if not is_on(): raise RuntimeError('later')\nstore(old, record)"
DROPS = "if not is_on(): return\nstore(old, record)"
TOML = """
[[entry]]
queue = "Queue"
body = { id = "{unique}", amount = 1 }
"""
ITEM = """
[[flag]]
table = "Flags"
key = { id = "work" }
attribute = "enabled"
values = [true, false]
"""


@pytest.fixture
def template(tmp_path):
    def written(process, more=""):
        code = START + indent(process, "    ")
        text = TEMPLATE.replace("CODE", indent(dedent(code), " " * 8))
        path = tmp_path / "template.yaml"
        path.write_text(text, encoding="utf-8")
        (tmp_path / "storagefirst.toml").write_text(TOML + more, encoding="utf-8")
        return path

    return written


def explored(path):
    return explore(path, replace(load_settings(path), budget_seconds=0))


def verdicts(result):
    return {one.name: one.verdict for one in result.properties}


def flips(result):
    return [cell for cell in result.coverage.cells if cell.fault.startswith("flag-flipped")]


@pytest.mark.parametrize(
    ("process", "more", "doubled"),
    # Who comes again after a flip is stored in the other table, too.
    [(ONE_TABLE, "", {"no-duplicate-effects"}), (SWITCH, ITEM, set())],
)
def test_either_outcome_of_a_flag_is_an_effect_and_what_waits_is_not_lost(
    template, process, more, doubled
):
    result = explored(template(process, more))

    found = verdicts(result)
    assert {name for name, one in found.items() if one == "violated"} == doubled
    assert "unknown" not in found.values()
    lasting = [cell for cell in flips(result) if " for 0." not in cell.fault]
    assert len(lasting) in (3, 4)  # before each read, and before the read of what comes again
    assert len(flips(result)) - len(lasting) == 3  # to and fro between two reads of one batch
    assert {cell.outcome for cell in flips(result)} == {"held", *(["violated"] * len(doubled))}


def test_a_flag_that_is_read_twice_leaves_neither_outcome_or_both(template):
    result = explored(template(BOTH))

    assert verdicts(result)["no-message-loss"] == "violated"


def test_both_outcomes_are_a_duplicate(template):
    path = template(ONE_TABLE)
    with open_stack(path, load_settings(path)) as stack:
        stack.inject(
            "Worker: ssm.GetParameter #2: flag-flipped(NewFormat)", "Worker: invocation #1: crash"
        )
        stack.send()
        stack.run()
        stack.verify("no-message-loss")
        with pytest.raises(AssertionError, match="m1"):
            stack.verify("no-duplicate-effects")


def test_a_switch_that_drops_what_was_acknowledged_loses_it(template):
    result = explored(template(DROPS, ITEM))

    assert verdicts(result)["no-message-loss"] == "violated"
    assert {cell.outcome for cell in flips(result)} == {"violated"}


def test_a_flag_flips_back_when_its_time_is_over_and_is_as_before_in_the_next_run(template):
    path = template(ONE_TABLE)
    with open_stack(path, load_settings(path)) as stack:
        stack.inject("Worker: ssm.GetParameter #1: flag-flipped for 600 s")
        stack.send()
        stack.run()
        noted = [event for event in stack.history if event.where == "NewFormat"]
        assert [event.detail for event in noted] == ['is "on" now', 'is "off" now']
        assert noted[1].at_ms - noted[0].at_ms == 600_000
        assert len(stack.table("New").items) == 1
    with open_stack(path, load_settings(path)) as stack:
        stack.send()
        stack.run()
        assert len(stack.table("Old").items) == 1


def test_a_redeployment_leaves_those_at_work_to_their_end(template):
    path = template(
        "global seen\nseen = globals().get('seen', 0) + 1\n"
        "record = dict(record, body=json.dumps({**json.loads(record['body']),"
        " 'amount': seen}))\nstore(old, record)"
    )
    with open_stack(path, load_settings(path)) as stack:
        stack.inject("Worker: dynamodb.PutItem #1: redeployed")
        stack.send()
        stack.send()
        stack.run()
        stack.send()
        stack.run()
        amounts = sorted(item["amount"] for item in stack.table("Old").items)
        assert amounts == ["1", "1", "2"]


def test_a_disabled_mapping_is_enabled_when_its_time_is_over(template):
    path = template(ONE_TABLE)
    with open_stack(path, load_settings(path)) as stack:
        stack.inject("Worker: invocation #1: mapping-disabled for 60 s")
        stack.send()
        stack.run()
        switched = [e.detail for e in stack.history if e.detail in ("enabled", "disabled")]
        assert switched == ["disabled", "enabled"]
        stack.send()
        stack.run()
        stack.verify("no-message-loss", "drains")


def test_what_reads_like_a_switch_is_a_flag(template):
    path = template(ONE_TABLE, ITEM)
    deployed = prepare(path, load_settings(path)).deployed
    found = {flag.name: flag.values for flag in deployed.flags}
    assert found == {"NewFormat": ("off", "on"), "Flags.enabled": (True, False)}
    assert [opposite(word) for word in ("True", "OFF", "enabled", "hello")] == [
        "False",
        "ON",
        "disabled",
        None,
    ]


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({}, "one of table, parameter, profile"),
        ({"table": "Flags", "parameter": "Greeting"}, "table and parameter"),
        ({"table": "Flag", "attribute": "a", "key": {}}, 'write "Flags"'),
        ({"table": "Flags", "attribute": "a"}, "id = …"),
        ({"table": "Flags", "attribute": "a", "key": {"id": "1"}, "values": [1]}, "two values"),
        ({"parameter": "Greeting"}, "two values"),
        ({"profile": "P", "flag": "x"}, "no such profile"),
    ],
)
def test_a_flag_that_is_not_there_is_refused(template, told, message):
    topology = prepare(template(ONE_TABLE), Settings()).deployed.topology
    with pytest.raises(SettingsError, match=message):
        flags_of(Settings(flags=(told,)), topology)


@pytest.mark.parametrize("point", ["invocation", "ssm.GetParameter", "dynamodb.PutItem"])
def test_a_flip_strikes_wherever_a_function_crosses(template, point):
    path = template(ONE_TABLE)
    with open_stack(path, load_settings(path)) as stack:
        stack.inject(f"Worker: {point} #1: flag-flipped")
        stack.send()
        stack.run()
        faulted = [event.detail for event in stack.history if event.kind == "faulted"]
        assert faulted == [f"Worker: {point} #1: flag-flipped"]
        stack.verify()
