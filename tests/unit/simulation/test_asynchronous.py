"""What becomes of an asynchronous invocation: retries, destinations, the function's own DLQ.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.settings import Entry, Settings
from pytest_storagefirst.simulation.playing import Played, play
from pytest_storagefirst.simulation.schedule import Schedule, Send

TEMPLATE = """
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 60}}
  Kept: {Type: AWS::SQS::Queue}
  Caller:
    Type: AWS::Lambda::Function
    Properties:
      {Runtime: python3.13, Handler: a.b, Role: "arn:aws:iam::123456789012:role/r",
       Code: {ZipFile: ""}, Timeout: 5, Environment: {Variables: {CALLED: !Ref Called}}}
  Called:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.13
      Handler: a.b
      Role: arn:aws:iam::123456789012:role/r
      Code: {ZipFile: ""}
      Timeout: 5
      %(function)s
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: !GetAtt Queue.Arn, FunctionName: !Ref Caller, BatchSize: 1}
  %(more)s
"""
CONFIG = """Asynchronous:
    Type: AWS::Lambda::EventInvokeConfig
    Properties:
      FunctionName: !Ref Called
      Qualifier: $LATEST
      MaximumRetryAttempts: %(retries)d
      DestinationConfig: {%(on)s: {Destination: !GetAtt Kept.Arn}}"""


def caller(event: Any, context: Any) -> None:
    import os

    import boto3

    boto3.client("lambda").invoke(
        FunctionName=os.environ["CALLED"],
        InvocationType="Event",
        Payload=event["Records"][0]["body"],
    )


def fails(event: Any, context: Any) -> None:
    raise ValueError("no")


def works(event: Any, context: Any) -> dict[str, str]:
    return {"done": "yes"}


@pytest.fixture
def played(tmp_path: Path) -> Callable[..., Played]:
    def play_one(called: Callable[..., Any], function: str = "", more: str = "") -> Played:
        template = tmp_path / "template.yaml"
        template.write_text(TEMPLATE % {"function": function, "more": more}, encoding="utf-8")
        settings = Settings(entries=(Entry("queue", "Queue", {"id": "{unique}"}),))
        prepared = prepare(template, settings, {"Caller": caller, "Called": called})
        return play(prepared.deployed, Schedule((Send("m1", "Queue", {"id": "{unique}"}),)))

    return play_one


def invocations(played: Played) -> list[int]:
    history = played.observation.history
    return [event.at_ms for event in history if event.where == "Called" and event.kind == "failed"]


def kept(played: Played) -> list[Any]:
    """What was stored after the message itself."""
    return [json.loads(text) for text in played.stored_texts["m1"][1:]]


def test_a_failing_event_is_retried_twice_and_then_dropped(played):
    run = played(fails)
    first, second, third = invocations(run)
    assert (second - first, third - second) == (
        60_001,
        120_001,
    )  # the minute, and 1 ms until it starts
    assert not run.observation.held
    assert any(event.kind == "dropped" for event in run.observation.history)


def test_after_the_last_retry_the_record_goes_to_the_failure_destination(played):
    run = played(fails, more=CONFIG % {"retries": 1, "on": "OnFailure"})
    assert len(invocations(run)) == 2
    (record,) = kept(run)
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["requestPayload"]["id"].startswith("m1-")
    assert record["responsePayload"]["errorType"] == "ValueError"
    assert [(held.message, held.where) for held in run.observation.held] == [("m1", "Kept")]
    assert not run.observation.effects  # what could not be done is held there, and is no effect


def test_the_functions_own_dead_letter_queue_gets_the_event(played):
    run = played(fails, function="DeadLetterConfig: {TargetArn: !GetAtt Kept.Arn}")
    (event,) = kept(run)
    assert json.loads(json.dumps(event))["id"].startswith("m1-")
    assert ("dead-lettered", "Kept") in {(e.kind, e.where) for e in run.observation.history}


def test_a_success_destination_gets_a_record_of_success(played):
    run = played(works, more=CONFIG % {"retries": 2, "on": "OnSuccess"})
    (record,) = kept(run)
    assert record["requestContext"]["condition"] == "Success"
    assert record["responsePayload"] == {"done": "yes"}
