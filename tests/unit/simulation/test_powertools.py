"""aws-lambda-powertools as its users write it: nothing of it is replaced."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.explore.exploration import explore
from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.faults.plan import parse_plan
from pytest_storagefirst.settings import Entry, Settings
from pytest_storagefirst.simulation.playing import Played, play
from pytest_storagefirst.simulation.schedule import Schedule, Send

pytest.importorskip("aws_lambda_powertools")

BODY = {"orderId": "{unique}", "amount": 12}
STACK = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Orders:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 60
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Letters.Arn, maxReceiveCount: 5}
  Letters: {Type: AWS::SQS::Queue, Properties: {MessageRetentionPeriod: 1209600}}
  Charges:
    Type: AWS::DynamoDB::Table
    Properties: &keyed
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
  Seen:
    Type: AWS::DynamoDB::Table
    Properties: {<<: *keyed, TimeToLiveSpecification: {AttributeName: expiration, Enabled: true}}
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: app.handler
      CodeUri: src
      Timeout: 10
      Environment: {Variables: {CHARGES: !Ref Charges, SEEN: !Ref Seen}}
      Policies:
        - DynamoDBCrudPolicy: {TableName: !Ref Charges}
        - DynamoDBCrudPolicy: {TableName: !Ref Seen}
      Events:
        Orders:
          Type: SQS
          Properties:
            Queue: !GetAtt Orders.Arn
            FunctionResponseTypes: [ReportBatchItemFailures]
"""
HANDLER = """
import os

import boto3
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor, EventType, process_partial_response,
)
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer, IdempotencyConfig, idempotent_function,
)

charges = boto3.resource("dynamodb").Table(os.environ["CHARGES"])
seen = DynamoDBPersistenceLayer(table_name=os.environ["SEEN"])
config = IdempotencyConfig(event_key_jmespath="orderId", expires_after_seconds=3600)
processor = BatchProcessor(event_type=EventType.SQS)


%(idempotent)s
def charge(order):
    charges.update_item(
        Key={"id": order["orderId"]},
        UpdateExpression="ADD times :one",
        ExpressionAttributeValues={":one": 1},
    )
    return order["orderId"]


def record_handler(record):
    return charge(order=record.json_body)


def handler(event, context):
    config.register_lambda_context(context)
    return process_partial_response(event, record_handler, processor, context)
"""
IDEMPOTENT = (
    '@idempotent_function(data_keyword_argument="order", persistence_store=seen, config=config)'
)


def template(folder: Path, idempotent: str = IDEMPOTENT) -> Path:
    (folder / "src").mkdir()
    (folder / "src" / "app.py").write_text(HANDLER % {"idempotent": idempotent}, encoding="utf-8")
    file = folder / "template.yaml"
    file.write_text(STACK, encoding="utf-8")
    return file


def played(file: Path, *faults: str, bodies: tuple[Any, ...] = (BODY,)) -> Played:
    settings = Settings(entries=(Entry("queue", "Orders", BODY),))
    sends = tuple(Send(f"m{n + 1}", "Orders", body) for n, body in enumerate(bodies))
    return play(prepare(file, settings).deployed, Schedule(sends, parse_plan(faults)))


def times(run: Played) -> list[str]:
    return [e.value["times"]["N"] for e in run.observation.effects if e.place == "Charges"]


def test_the_batch_processor_reports_what_failed(tmp_path):
    run = played(template(tmp_path), bodies=(BODY, {"amount": 1}, BODY))

    assert times(run) == ["1", "1"]
    failed = [event for event in run.observation.history if event.kind == "failed"]
    assert {event.messages for event in failed} == {("m2",)}
    assert [held.message for held in run.observation.held] == ["m2"]


def test_its_idempotency_keeps_a_second_delivery_from_charging_again(tmp_path):
    run = played(template(tmp_path), "Orders: delivery #1: duplicate")

    assert times(run) == ["1"]
    [record] = [e.value for e in run.observation.effects if e.place == "Seen"]
    assert record["status"] == {"S": "COMPLETED"}
    assert json.loads(record["data"]["S"]).startswith("m1-")


def test_without_it_the_charge_doubles(tmp_path):
    run = played(template(tmp_path, ""), "Orders: delivery #1: duplicate")

    assert times(run) == ["2"]


def test_a_record_in_progress_keeps_an_overlapping_delivery_out(tmp_path):
    """While one is at work another gets IdempotencyAlreadyInProgressError, and comes back."""
    run = played(template(tmp_path), "Orders: delivery #1: visibility-expired")

    assert times(run) == ["1"]


def test_nothing_is_lost_under_any_single_fault(tmp_path):
    settings = Settings(
        entries=(Entry("queue", "Orders", BODY),), budget_seconds=0, properties=("no-message-loss",)
    )

    [loss] = explore(template(tmp_path), settings).properties

    assert loss.verdict == "ok"
