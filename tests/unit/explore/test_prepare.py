"""Standing a stack up: the same stack each time, and nothing left of how it was done."""

from __future__ import annotations

import gc
import textwrap
from pathlib import Path

import pytest
import time_machine

from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.settings_file import load_settings

STACK = """\
Resources:
  Jobs:
    Type: AWS::SQS::Queue
  Seen:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      BillingMode: PAY_PER_REQUEST
      StreamSpecification: {StreamViewType: NEW_IMAGE}
  Role:
    Type: AWS::IAM::Role
    Properties: {AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: []}}
  Work:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      Role: !GetAtt Role.Arn
      Environment: {Variables: {STREAM: !GetAtt Seen.StreamArn}}
      Code: {ZipFile: "def handler(event, context): pass"}
  Feed:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: !GetAtt Jobs.Arn, FunctionName: !Ref Work}
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "template.yaml"
    path.write_text(textwrap.dedent(STACK), encoding="utf-8")
    return path


def test_a_stack_is_the_same_whenever_it_is_stood_up(template: Path) -> None:
    settings = load_settings(template)
    first = prepare(template, settings).deployed.topology
    with time_machine.travel("2031-05-06T07:08:09Z"):
        second = prepare(template, settings).deployed.topology
    assert first == second
    assert first.tables[0].stream_arn == first.functions[0].environment["STREAM"]
    assert "/stream/2026-01-01T" in str(first.tables[0].stream_arn)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_is_left_as_it_was(template: Path, enabled: bool) -> None:
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        prepare(template, load_settings(template))
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()


def test_a_function_that_never_runs_is_noted(template: Path) -> None:
    text = template.read_text()
    template.write_text(
        text.replace("Handler: index", "ReservedConcurrentExecutions: 0\n      Handler: index")
    )

    assert prepare(template, load_settings(template)).notes == (
        "Work never runs: its ReservedConcurrentExecutions are 0",
    )
