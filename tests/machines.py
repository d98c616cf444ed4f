"""A stack for tests of state machines: tables, queues and functions that a definition can call."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.faults.plan import parse_plan
from pytest_storagefirst.ledger.events import Event
from pytest_storagefirst.settings import Entry, Settings
from pytest_storagefirst.simulation.deployed import Deployed
from pytest_storagefirst.simulation.environment import Code
from pytest_storagefirst.simulation.machines.state_machines import Execution
from pytest_storagefirst.simulation.playing import finish
from pytest_storagefirst.simulation.run import Simulation
from pytest_storagefirst.simulation.schedule import Schedule

TEMPLATE = """
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: work, VisibilityTimeout: 900}}
  Aside: {Type: AWS::SQS::Queue, Properties: {QueueName: aside}}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: things
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
  Bucket: {Type: AWS::S3::Bucket, Properties: {BucketName: the-bucket}}
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: bus}}
  Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: news}}
  Worker:
    Type: AWS::Lambda::Function
    Properties: &function
      FunctionName: worker
      Runtime: python3.12
      Handler: app.handler
      Role: arn:aws:iam::123456789012:role/worker
      Timeout: 30
      Code: {ZipFile: "def handler(event, context): pass"}
  Other: {Type: AWS::Lambda::Function, Properties: {<<: *function, FunctionName: other}}
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {FunctionName: !Ref Worker, EventSourceArn: !GetAtt Queue.Arn}
  Machine:
    Type: AWS::StepFunctions::StateMachine
    Properties: &machine
      StateMachineName: machine
      RoleArn: arn:aws:iam::123456789012:role/machine
      Definition: {StartAt: Done, States: {Done: {Type: Succeed}}}
  Child:
    Type: AWS::StepFunctions::StateMachine
    Properties: {<<: *machine, StateMachineName: child}
"""
WORKER = "arn:aws:lambda:us-east-1:123456789012:function:worker"
OTHER = "arn:aws:lambda:us-east-1:123456789012:function:other"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:machine"
CHILD = "arn:aws:states:us-east-1:123456789012:stateMachine:child"
QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/123456789012/aside"

Handler = Callable[[Any, Any], Any]
States = dict[str, Any]


def stand_up(folder: Path) -> Deployed:
    path = folder / "template.yaml"
    path.write_text(TEMPLATE)
    return prepare(path, Settings(entries=(Entry("queue", "Queue"),))).deployed


def task(resource: str, **more: Any) -> States:
    """A Task that ends its scope, unless `more` says otherwise."""
    end = {} if "Next" in more else {"End": True}
    return {"Type": "Task", "Resource": resource, **end, **more}


def put(key: str = "$.id", **more: Any) -> States:
    """A Task that puts an item under the key that a path finds."""
    parameters = {"TableName": "things", "Item": {"id": {"S.$": key}}}
    return task("arn:aws:states:::dynamodb:putItem", Parameters=parameters, **more)


def states(**named: States) -> dict[str, Any]:
    """A definition that starts at the first of its states."""
    return {"StartAt": next(iter(named)), "States": named}


@dataclass(frozen=True)
class Ran:
    """What came of a run of executions."""

    executions: tuple[Execution, ...]
    history: tuple[Event, ...]
    simulation: Simulation
    items: list[Any]
    messages: list[Any]

    @property
    def execution(self) -> Execution:
        return self.executions[0]

    def at(self, kind: str, where: str = "Machine") -> list[int]:
        """When things of a kind happened at a place, in milliseconds."""
        return [e.at_ms for e in self.history if e.kind == kind and e.where == where]

    def calls(self, where: str = "Machine") -> list[tuple[int, str]]:
        return [
            (e.at_ms, e.detail.partition(" ")[0])
            for e in self.history
            if e.kind == "called" and e.where == where
        ]


def with_machine(
    deployed: Deployed, definition: Any, *, kind: str = "STANDARD", child: Any = None, **code: Any
) -> Deployed:
    """The stack with these definitions in its machines, and these handlers in its functions."""
    given = {"Machine": (definition, kind), "Child": (child, "STANDARD")}
    machines = tuple(
        replace(one, definition=json.dumps(given[one.logical_id][0]), kind=given[one.logical_id][1])
        if given[one.logical_id][0] is not None
        else one
        for one in deployed.topology.state_machines
    )
    codes = {name: Code(name, "app.handler", override=handler) for name, handler in code.items()}
    return replace(
        deployed,
        topology=replace(deployed.topology, state_machines=machines),
        code={**deployed.code, **codes},
        lookups={},
    )


def execute(deployed: Deployed, *faults: str, given: Any = None, times: int = 1) -> Ran:
    """Start the machine so many times at once, with an input of each, and run until quiet."""
    simulation = Simulation(deployed, Schedule((), parse_plan(faults)))
    machine = deployed.machine_by_arn(MACHINE)
    assert machine is not None
    with simulation.running():
        simulation.begin()
        for number in range(1, times + 1):
            said = {"id": f"m{number}"} if given is None else given
            simulation.executions.start(machine, json.dumps(said), (f"m{number}",), "a test")
        simulation.settle_under_faults()
        played = finish(simulation)
    if simulation.refusals:
        raise simulation.refusals[0]
    effects = played.observation.effects
    return Ran(
        tuple(simulation.executions),
        played.observation.history,
        simulation,
        [effect.value for effect in effects if effect.kind == "item"],
        [effect.value for effect in effects if effect.kind == "message"],
    )
