"""A stack whose work never ends is told so at once: faults would show nothing more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_storagefirst.explore.exploration import explore
from pytest_storagefirst.ledger.events import Event
from pytest_storagefirst.settings import Entry, Settings
from pytest_storagefirst.simulation import run
from pytest_storagefirst.simulation.going_round import going_round

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      InlineCode: |
        import boto3, os
        def handler(event, context):
            for record in event["Records"]:
                boto3.client("sqs").send_message(
                    QueueUrl=os.environ["QUEUE_URL"], MessageBody=record["body"]
                )
      Policies: [AdministratorAccess]
      Environment: {Variables: {QUEUE_URL: !Ref Queue}}
      Events:
        FromQueue: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn}}
"""


def test_no_fault_is_tried_on_work_that_never_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "MOST_EVENTS", 200)
    monkeypatch.setattr(run, "EVENTS_A_MESSAGE", 20)
    template = tmp_path / "template.yaml"
    template.write_text(TEMPLATE, encoding="utf-8")
    entry = Entry("queue", "Queue", {"id": "{unique}"})

    result = explore(template, Settings(entries=(entry,), properties=("drains",), budget_seconds=0))

    assert {one.name: one.verdict for one in result.properties}["drains"] == "violated"
    assert not result.coverage.cells
    assert any("no fault was tried" in note for note in result.notes)


def test_what_kept_going_round_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "MOST_EVENTS", 200)
    monkeypatch.setattr(run, "EVENTS_A_MESSAGE", 20)
    template = tmp_path / "template.yaml"
    template.write_text(TEMPLATE, encoding="utf-8")
    entry = Entry("queue", "Queue", {"id": "{unique}"})

    result = explore(template, Settings(entries=(entry,), properties=("drains",), budget_seconds=0))

    assert re.fullmatch(
        r"work does not come to rest: it did more than \d+ things: Worker (got m\d \d+ times in "
        r"the last half of the run|was invoked again and again, for one message or another)",
        result.properties[0].why,
    )


RELAYED = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Out: {Type: AWS::SQS::Queue}
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      InlineCode: |
        import boto3, json, os
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
        # How often boto3 itself sends again, and how soon, is its version's.
        sqs = boto3.client("sqs", config=Config(retries={"total_max_attempts": 1}))
        def handler(event, context):
            for record in event["Records"]:
                body = json.loads(record["body"])
                hop = body["hop"] = body.get("hop", 0) + 1
                url = os.environ["QUEUE_URL" if hop < 4 else "OUT_URL"]
                for attempt in (1, 2, 3):
                    try:
                        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body))
                        break
                    except BotoCoreError:
                        if attempt == 3:
                            raise
      Policies: [AdministratorAccess]
      Environment: {Variables: {QUEUE_URL: !Ref Queue, OUT_URL: !Ref Out}}
      Events:
        FromQueue: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn, BatchSize: 1}}
"""


def test_what_lost_answers_multiplied_is_worked_off(tmp_path: Path) -> None:
    """Its sender sends again: each hop under the fault makes several of one; then they rest.

    Where a fault lasts for days, nobody sees what comes after it, and that is told as unknown.
    """
    template = tmp_path / "template.yaml"
    template.write_text(RELAYED, encoding="utf-8")
    entry = Entry("queue", "Queue", {"id": "{unique}"})

    result = explore(template, Settings(entries=(entry,), properties=("drains",), budget_seconds=0))

    assert result.properties[0].verdict == "unknown"
    assert "the run was ended while" in result.properties[0].why


def event(kind: str, where: str, detail: str = "", messages: tuple[str, ...] = ("m1",)) -> Event:
    return Event(0, kind, messages, where, detail)


@pytest.mark.parametrize(
    ("history", "told"),
    [
        ([event("delivered", "Worker")] * 40, "Worker got m1 20 times in the last half of the run"),
        (
            [event("called", "Worker", f"sqs.SendMessage #{n}") for n in range(40)],
            "Worker called sqs.SendMessage 20 times in the last half of the run",
        ),
        (
            [event("delivered", "Worker", messages=(f"m{n}",)) for n in range(40)],
            "Worker was invoked again and again, for one message or another",
        ),
        ([event("delivered", "Worker")] * 4, ""),
        ([], ""),
    ],
)
def test_what_goes_round_is_what_comes_most_often(history: list[Event], told: str) -> None:
    assert going_round(history) == told
