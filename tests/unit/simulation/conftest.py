"""A stack with something of everything, and handlers that are given it to work on."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.faults.plan import parse_plan
from pytest_storagefirst.ledger.events import to_bytes
from pytest_storagefirst.settings import Entry, Settings
from pytest_storagefirst.simulation.deployed import Deployed, Downstream
from pytest_storagefirst.simulation.environment import Code
from pytest_storagefirst.simulation.playing import Played, play
from pytest_storagefirst.simulation.run import Simulation
from pytest_storagefirst.simulation.schedule import Schedule, Send

# Collected where there is something to try: `make compatibility` says where.
collect_ignore = [] if os.environ.get("STORAGEFIRST_TEST_PYTHONS") else ["test_other_pythons.py"]

TEMPLATE = """
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: work
      VisibilityTimeout: 60
      RedrivePolicy: {deadLetterTargetArn: !GetAtt DeadLetters.Arn, maxReceiveCount: 3}
  DeadLetters: {Type: AWS::SQS::Queue, Properties: {QueueName: dead}}
  Lines:
    Type: AWS::SQS::Queue
    Properties: {QueueName: lines.fifo, FifoQueue: true, ContentBasedDeduplication: true}
  Aside: {Type: AWS::SQS::Queue, Properties: {QueueName: aside}}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: things
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions:
        - {AttributeName: id, AttributeType: S}
        - {AttributeName: at, AttributeType: N}
      KeySchema: [{AttributeName: id, KeyType: HASH}, {AttributeName: at, KeyType: RANGE}]
  Keys:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: keys
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
  Bucket: {Type: AWS::S3::Bucket, Properties: {BucketName: the-bucket}}
  Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: news}}
  Worker:
    Type: AWS::Lambda::Function
    Properties: &function
      FunctionName: worker
      Runtime: python3.12
      Handler: app.handler
      Role: arn:aws:iam::123456789012:role/worker
      Timeout: 30
      Environment: {Variables: {STAGE: test}}
      Code: {ZipFile: "def handler(event, context): pass"}
  Liner: {Type: AWS::Lambda::Function, Properties: {<<: *function, FunctionName: liner}}
  Callee: {Type: AWS::Lambda::Function, Properties: {<<: *function, FunctionName: callee}}
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      FunctionName: !Ref Worker
      EventSourceArn: !GetAtt Queue.Arn
      FunctionResponseTypes: [ReportBatchItemFailures]
  LinesMapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {FunctionName: !Ref Liner, EventSourceArn: !GetAtt Lines.Arn}
"""

Handler = Callable[[Any, Any], Any]


def nothing(event: Any, context: Any) -> None:
    pass


@dataclass(frozen=True)
class Rig:
    """The stack with handlers in it."""

    deployed: Deployed

    def with_code(self, **code: Code) -> Rig:
        return Rig(replace(self.deployed, code={**self.deployed.code, **code}, lookups={}))

    def with_handlers(self, **handlers: Handler) -> Rig:
        return self.with_code(
            **{name: Code(name, "app.handler", override=each) for name, each in handlers.items()}
        )

    def with_files(self, folder: Path, handler: str = "app.handler", **files: str) -> Rig:
        """The Worker with code in `folder`; `lib__a` stands for lib/a.py, `lib__init` too."""
        return self.with_code(Worker=code_in(folder, "Worker", handler, **files))

    def with_downstreams(self, *downstreams: Downstream) -> Rig:
        return Rig(replace(self.deployed, downstreams=downstreams))

    def with_function(self, logical_id: str, **attributes: Any) -> Rig:
        functions = tuple(
            replace(one, **attributes) if one.logical_id == logical_id else one
            for one in self.deployed.topology.functions
        )
        topology = replace(self.deployed.topology, functions=functions)
        return Rig(replace(self.deployed, topology=topology, lookups={}))

    def schedule(self, *faults: str, messages: int = 1, **more: Any) -> Schedule:
        entry = more.pop("entry", "Queue")
        body = more.pop("body", {"id": "{unique}"})
        sends = tuple(Send(f"m{number}", entry, body) for number in range(1, messages + 1))
        return Schedule(sends, parse_plan(faults), **more)

    def play(self, *faults: str, **more: Any) -> Played:
        return play(self.deployed, self.schedule(*faults, **more))

    def simulation(self, *faults: str, **more: Any) -> Simulation:
        return Simulation(self.deployed, self.schedule(*faults, **more))


def code_in(folder: Path, function: str, handler: str = "app.handler", **files: str) -> Code:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / (name.replace("__", "/").replace("/init", "/__init__") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return Code(function, handler, search=(folder,))


@pytest.fixture(scope="session")
def whole_stack(tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    path = tmp_path_factory.mktemp("stack") / "template.yaml"
    path.write_text(TEMPLATE)
    settings = Settings(entries=(Entry("queue", "Queue"), Entry("queue", "Lines")))
    return prepare(path, settings).deployed


@pytest.fixture
def rig(whole_stack: Deployed) -> Rig:
    """The stack, with handlers that do nothing."""
    return Rig(whole_stack).with_handlers(Worker=nothing, Liner=nothing, Callee=nothing)


@pytest.fixture
def history() -> Callable[[Played], bytes]:
    return lambda played: to_bytes(played.observation.history)


@pytest.fixture
def kinds() -> Callable[..., list[str]]:
    """The kinds of a run's events, of one place if it is named."""

    def kinds_of(played: Played, where: str = "") -> list[str]:
        return [
            event.kind for event in played.observation.history if not where or event.where == where
        ]

    return kinds_of


@pytest.fixture
def items() -> Callable[..., list[dict[str, Any]]]:
    """What stands in a table at a run's end, as DynamoDB's JSON."""

    def items_of(played: Played, place: str = "Keys") -> list[dict[str, Any]]:
        return [
            effect.value
            for effect in played.observation.effects
            if effect.kind == "item" and effect.place == place
        ]

    return items_of
