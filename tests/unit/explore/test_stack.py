"""The stack that a test drives by hand, as DESIGN section 4 writes it, and what misuse is told."""

from __future__ import annotations

import json
import os
from decimal import Decimal

import boto3
import pytest

from pytest_storagefirst.errors import (
    EntryError,
    FaultError,
    HandlerError,
    SettingsError,
    SimulationError,
    StorageFirstError,
    TemplateError,
)
from pytest_storagefirst.explore.machine import stateful
from pytest_storagefirst.explore.result import NotShown, Violated
from pytest_storagefirst.explore.stack import open_stack
from pytest_storagefirst.explore.standing import standing
from pytest_storagefirst.explore.strategies import schedules
from pytest_storagefirst.explore.sweep import single_faults
from pytest_storagefirst.explore.verifying import judge
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings
from pytest_storagefirst.simulation.schedule import Schedule, Send
from pytest_storagefirst.stack.locating import BLUEPRINTS

SLOW = 'import time\ntable.put_item(Item={"id": body["id"] + " began"})\ntime.sleep(3)'


def handler_that_keeps(kept):
    def handler(event, context):
        kept.extend(record["body"] for record in event["Records"])

    return handler


@pytest.fixture
def opened(workshop):
    """A sound stack, open."""
    with open_stack(workshop.write(), Settings()) as stack:
        yield stack


def test_by_hand_step_by_step():
    def my_handler(event, context):
        table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])
        for record in event["Records"]:
            table.put_item(Item=json.loads(record["body"]))
        return {"batchItemFailures": []}

    with open_stack(
        "blueprint:api-queue-table", Settings(), handlers={"Worker": my_handler}
    ) as stack:
        reply = stack.send("POST /messages", {"id": "o-1", "amount": 12})
        stack.inject("Worker: dynamodb.PutItem #1: response-lost")
        quiet = stack.run()

        assert quiet
        assert reply.status == 200
        assert stack.table("Table").item(id="o-1")["amount"] == 12
        assert stack.table("Table").item(id="o-2") is None
        assert len(stack.table("Table")) == 1
        assert stack.table("Table").items == [{"id": "o-1", "amount": Decimal(12)}]
        assert [event.detail for event in stack.history if event.kind == "faulted"] == [
            "Worker: dynamodb.PutItem #1: response-lost"
        ]
        assert [effect.place for effect in stack.effects("Table")] == ["Table"]
        stack.verify("no-message-loss")
        stack.verify()
        assert len(stack.table("Table")) == 1


@pytest.mark.parametrize("blueprint", sorted(BLUEPRINTS.glob("*/template.yaml")))
def test_a_blueprint_needs_no_template(blueprint):
    with open_stack(f"blueprint:{blueprint.parent.name}", Settings()) as stack:
        stack.send()
        stack.send(body={"id": "{unique}", "sender": "s-1", "amount": 1})
        stack.run()
        stack.verify()


def test_what_goes_on_to_a_bus_of_the_stack_has_not_left_it():
    with open_stack("blueprint:api-bus-table", Settings()) as stack:
        stack.send()
        stack.run()
        assert [effect.place for effect in stack.effects()] == ["Table"]


@pytest.mark.parametrize(
    ("blueprint", "faults"),
    [
        ("topic-fanout", ("Topic: delivery #1: duplicate", "Topic: request #2: throttled")),
        ("iot-queue-table", ("Rule: delivery #1: target-refused", "Rule: request #2: throttled")),
    ],
)
def test_an_entry_without_a_front_door_is_struck_as_what_it_is_too(blueprint, faults):
    with open_stack(f"blueprint:{blueprint}", Settings()) as stack:
        stack.inject(*faults)
        stack.send()
        stack.send()
        stack.run()
        stack.verify()


def test_a_violation_tells_the_story(workshop):
    with open_stack(workshop.write(app=workshop.marks_first), Settings()) as stack:
        stack.send("Orders", {"id": "{unique}"})
        stack.inject("Worker: dynamodb.PutItem #2: crash-before")
        stack.run()
        with pytest.raises(Violated) as raised:
            stack.verify("no-message-loss")

    text = str(raised.value)
    assert text.startswith("no-message-loss: m1 was acknowledged and left only a part of its eff")
    assert "FAULT  Worker: dynamodb.PutItem #2: crash-before" in text
    assert "acknowledged 1 = processed 0 + stranded 0 + lost 1" in text


def test_nothing_sent_shows_nothing(opened):
    with pytest.raises(NotShown, match="no message was acknowledged"):
        opened.verify("no-message-loss")


def test_a_fault_that_never_struck_shows_nothing_unless_it_is_not_asked_for(workshop):
    template = workshop.write()
    for verify, shown in (("verify", False), ("verify_what_struck", True)):
        with open_stack(template, Settings()) as stack:
            stack.send()
            stack.inject("Worker: s3.PutObject #1: refused")
            if shown:
                getattr(stack, verify)("no-message-loss")
            else:
                with pytest.raises(NotShown, match=r"s3.PutObject #1: refused” never struck"):
                    getattr(stack, verify)("no-message-loss")


def test_what_is_under_way_between_two_steps_goes_on_where_it_was(workshop):
    with open_stack(workshop.working(SLOW), Settings()) as stack:
        stack.send()
        assert not stack.run(1)
        assert len(stack.table("Table")) == 1  # looking on does not end it either
        assert not stack.run(1.5)
        assert stack.run()
        assert len(stack.table("Table")) == 2
        assert [event.kind for event in stack.history].count("delivered") == 1
        stack.verify()


def test_what_a_crash_has_ended_stays_ended(workshop):
    work = SLOW + '\ntry:\n    time.sleep(1)\nfinally:\n    table.put_item(Item={"id": "finally"})'
    with open_stack(workshop.working(work), Settings()) as stack:
        stack.run(1)
        stack.send()
        stack.inject("Worker: invocation #1: throttled", "Worker: dynamodb.PutItem #1: crash-after")
        stack.run(70)
        assert stack.table("Table").item(id="finally") is None


def test_faults_end_and_dead_letters_come_back(opened):
    opened.send()
    opened.inject("Worker: dynamodb.PutItem #1: refused(access-denied) for 10000 s")
    opened.run()
    assert not opened.effects()
    opened.heal()
    assert opened.redrive()
    opened.run()
    assert len(opened.effects()) == 1
    assert not opened.redrive()
    opened.verify()


def test_two_stacks_of_one_template_do_not_meet(workshop):
    template = workshop.write()
    with open_stack(template, Settings()) as first, open_stack(template, Settings()) as second:
        first.send()
        first.run()
        assert len(first.table("Table")) == 1
        assert len(second.table("Table")) == 0
        schedule = Schedule((Send("m1", "Orders", {"id": "{unique}"}),), template=str(template))
        assert {one.verdict for one in judge(schedule, ("drains",), Settings())} == {"ok"}
        assert len(first.table("Table")) == 1


def test_a_stack_is_stood_up_once(workshop):
    template = workshop.write()

    assert standing(template) is standing(str(template), Settings(seed=3, budget_seconds=1))
    assert standing(template) is not standing(template, Settings(imports={"A": "b"}))


def test_a_body_of_the_tests_own_needs_none_in_the_settings(workshop):
    template = workshop.working('if body["kind"] != "order": raise ValueError(body)')
    with open_stack(template, Settings()) as stack:
        stack.send("Orders", {"id": "{unique}", "kind": "order"})
        stack.verify("no-message-loss")
    with open_stack(template, Settings()) as stack, pytest.raises(EntryError, match="refuses this"):
        stack.send("Orders")
    with pytest.raises(EntryError, match="refuses this"):
        standing(template).described()


def test_a_function_as_handler():
    kept = []
    with open_stack(
        "blueprint:api-queue-table", Settings(), handlers={"Worker": handler_that_keeps(kept)}
    ) as stack:
        stack.send("POST /messages", {"id": "o-1"})
        stack.run()

    assert '{"id": "o-1"}' in kept


# --- misuse ------------------------------------------------------------------------------------


def told(error):
    """The error says all that a user needs."""
    assert error.problem
    assert error.where or error.found
    assert error.expected
    assert error.remedy
    return str(error)


@pytest.mark.parametrize(
    ("misuse", "kind", "text"),
    [
        (lambda stack: stack.send("Order"), EntryError, "write 'Orders'"),
        (lambda stack: stack.send("Orders", object()), EntryError, "object"),
        (lambda stack: stack.send("Orders", b"bytes"), EntryError, "the text that goes over"),
        (lambda stack: stack.inject("nonsense"), FaultError, "this is not a fault"),
        (lambda stack: stack.inject(None), FaultError, "this is not a fault"),
        (lambda stack: stack.inject("Wroker: invocation #1: crash"), FaultError, "'Worker'"),
        (lambda stack: stack.run(-1), SimulationError, "-1"),
        (lambda stack: stack.run("5"), SimulationError, "'5'"),
        (lambda stack: stack.run(float("inf")), SimulationError, "inf"),
        (lambda stack: stack.table("Tabel"), TemplateError, "write 'Table'"),
        (lambda stack: stack.table(None), TemplateError, "Table"),
    ],
)
def test_misuse_of_a_stack(opened, misuse, kind, text):
    with pytest.raises(kind) as raised:
        misuse(opened)

    assert text in told(raised.value)


def test_a_property_that_there_is_not(opened):
    with pytest.raises(SettingsError, match="no-mesage-loss"):
        opened.verify("no-mesage-loss")


@pytest.mark.parametrize(
    "use",
    [
        lambda stack: stack.send(),
        lambda stack: stack.inject("Worker: invocation #1: crash"),
        lambda stack: stack.run(),
        lambda stack: stack.heal(),
        lambda stack: stack.redrive(),
    ],
)
def test_after_the_end_there_is_nothing_more(opened, use):
    opened.send()
    opened.verify()
    with pytest.raises(SimulationError, match=r"has ended with verify\(\)") as raised:
        use(opened)
    told(raised.value)
    opened.close()
    with pytest.raises(SimulationError, match="has ended with its `with` block"):
        use(opened)


def test_a_closed_stack_cannot_be_read(workshop):
    with open_stack(workshop.write(), Settings()) as stack:
        stack.send()
    with pytest.raises(SimulationError, match="has ended with its `with` block"):
        stack.table("Table")
    with pytest.raises(SimulationError, match="has ended with its `with` block"):
        stack.verify()


def test_several_entries_and_none_named(workshop):
    toml = '[[entry]]\nqueue = "Orders"\n[[entry]]\nqueue = "Dead"\n'
    template = workshop.write(toml=toml)
    with open_stack(template, load_settings(template)) as stack:
        assert stack.entries == ("Orders", "Dead")
        with pytest.raises(EntryError, match="several entries, and none is named") as raised:
            stack.send()
    assert "stack.send('Orders')" in told(raised.value)


@pytest.mark.parametrize(
    ("handlers", "kind", "text"),
    [
        ({"Wroker": print}, SettingsError, "Worker"),
        ({"Worker": 5}, SettingsError, "5"),
        ({"Worker": "no colon"}, SettingsError, "no colon"),
        ({"Worker": "nowhere_at_all:handler"}, HandlerError, "nowhere_at_all"),
    ],
)
def test_misuse_of_handlers(handlers, kind, text):
    with (
        pytest.raises(kind) as raised,
        open_stack("blueprint:api-queue-table", Settings(), handlers=handlers),
    ):
        pass

    assert text in str(raised.value)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("nowhere/template.yaml", "write the path from the folder"),
        ("blueprint:api-queue-tabel", 'write "blueprint:api-queue-table"'),
        ("blueprint:", "api-queue-table"),
    ],
)
def test_no_such_template(template, text):
    with pytest.raises(TemplateError) as raised:
        standing(template)

    assert text in told(raised.value)


@pytest.mark.parametrize(
    "misuse",
    [
        lambda: schedules("template.yaml", max_faults=-1),
        lambda: schedules("template.yaml", max_faults="two"),
        lambda: schedules("template.yaml", messages=0),
        lambda: schedules("template.yaml", messages=True),
        lambda: stateful("template.yaml", max_faults=-1),
        lambda: stateful("template.yaml", "no-mesage-loss"),
        lambda: judge(["no", "schedule"], (), Settings()),
        lambda: judge(Schedule(()), (), Settings()),
    ],
)
def test_misuse_of_hypothesis(misuse):
    with pytest.raises(StorageFirstError) as raised:
        misuse()

    assert raised.value.found
    assert raised.value.expected


def test_a_fault_of_a_schedule_that_finds_nothing_says_nothing_against_the_stack(workshop):
    template = workshop.write()
    faults = [*single_faults(standing(template).judge.deployed, {("Worker", "s3.PutObject"): 1})]
    schedule = Schedule(
        (Send("m1", "Orders", {"id": "{unique}"}),), plan=(faults[0],), template=str(template)
    )

    (found,) = judge(schedule, ("no-message-loss",), Settings())

    assert (found.verdict, found.faults_tried) == ("ok", 0)


POLLED = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Mail: {Type: AWS::SQS::Queue}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
  Poller:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: app.handler
      CodeUri: .
      Policies: [AdministratorAccess]
      Environment: {Variables: {TABLE: !Ref Table, MAIL: !Ref Mail}}
      Events:
        Often: {Type: %s, Properties: {%s: rate(5 minutes)}}
"""
POLLS = """
import json, os, boto3
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])
sqs = boto3.client("sqs")

def handler(event, context):
    got = sqs.receive_message(QueueUrl=os.environ["MAIL"], MaxNumberOfMessages=10)
    for message in got.get("Messages", ()):
        table.put_item(Item={"id": json.loads(message["Body"])["id"]})
        sqs.delete_message(QueueUrl=os.environ["MAIL"], ReceiptHandle=message["ReceiptHandle"])
"""


@pytest.mark.parametrize(
    ("kind", "name"), [("Schedule", "Schedule"), ("ScheduleV2", "ScheduleExpression")]
)
def test_what_recurs_by_the_clock_comes_in_a_run_by_hand(workshop, kind, name):
    toml = '[[entry]]\nqueue = "Mail"\nbody = { id = "{unique}" }\n'
    template = workshop.write(POLLS, toml, POLLED % (kind, name))
    settings = load_settings(template, Settings())
    with open_stack(template, settings) as stack:
        stack.send(body={"id": "o-1"})
        stack.run(seconds=60)
        assert not stack.effects("Table")  # so long and no longer: nothing comes of itself

        assert stack.run()
        assert stack.table("Table").item(id="o-1") == {"id": "o-1"}
        stack.verify("no-message-loss", "drains")
