"""Two environments at work at once: races are found, sound stacks are not accused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.explore import interleavings
from pytest_storagefirst.explore.footprints import EVERYTHING, Footprint, footprints
from pytest_storagefirst.explore.interleavings import Base, base_schedules, held_back, races
from pytest_storagefirst.explore.judge import Judge, Judged
from pytest_storagefirst.explore.orders import Orders
from pytest_storagefirst.explore.workload import plain
from pytest_storagefirst.ledger.verdict import VIOLATED
from pytest_storagefirst.simulation.choosing import Step
from pytest_storagefirst.simulation.playing import play
from pytest_storagefirst.simulation.schedule import Schedule, Send

ONE_ITEM = '{"id": "the one"}'


def messages(judge: Judge) -> tuple[Send, ...]:
    return plain(judge.deployed.entries, 3)


def accused(judged: Judged) -> set[str]:
    return {name for name, verdict in judged.verdicts.items() if verdict.value == VIOLATED}


def found(judge: Judge, most: int = 300) -> set[str]:
    return {name for judged in races(judge, messages(judge), most=most) for name in accused(judged)}


def counting(workshop: Any, lines: str) -> Judge:
    """A stack that keeps one item for all messages."""
    app = workshop.app.replace('    table.put_item(Item={"id": body["id"]})\n', lines)
    return workshop.judge(workshop.write(app))  # type: ignore[no-any-return]


# What a handler does with each message, from one call to three; what its races come to differs.
HANDLERS = {
    "its own item": """
    table.put_item(Item={"id": body["id"]})
""",
    "one item": """
    table.put_item(Item={"id": "all", "by": body["id"]})
""",
    "read and write": """
    seen = table.get_item(Key={"id": "all"}).get("Item", {"id": "all"})
    table.put_item(Item={**seen, body["id"]: "here"})
""",
    "check and act": """
    if "Item" not in table.get_item(Key={"id": body["id"]}):
        table.update_item(Key={"id": "all"}, UpdateExpression="ADD n :one",
                          ExpressionAttributeValues={":one": 1})
        table.put_item(Item={"id": body["id"]})
""",
    "two items": """
    table.put_item(Item={"id": "first", "by": body["id"]})
    table.put_item(Item={"id": body["id"]})
    table.put_item(Item={"id": "second", "by": body["id"]})
""",
    "first come": """
    try:
        table.put_item(Item={"id": "first", "by": body["id"]},
                       ConditionExpression="attribute_not_exists(id)")
    except table.meta.client.exceptions.ConditionalCheckFailedException:
        table.put_item(Item={"id": "late", "by": body["id"]})
""",
}


@pytest.mark.parametrize("work", HANDLERS.values(), ids=HANDLERS.keys())
@pytest.mark.parametrize("twice", [False, True], ids=["two messages", "one twice"])
def test_the_reduction_loses_no_outcome(workshop: Any, work: str, twice: bool) -> None:
    """Against all orders of what is more than local code; with redeliveries, of all calls."""
    judge = counting(workshop, work)
    name = "the same twice at once from Orders" if twice else "two at once"
    (base,) = (
        base
        for base in base_schedules(judge, messages(judge))
        if base.name.partition(": ")[2] == name
    )
    key_names = {table.name: table.key_names for table in judge.deployed.topology.tables}

    def outcomes(reduced: bool) -> tuple[set[Any], int]:
        def of(step: Step) -> frozenset[Footprint]:
            touched = footprints(step.touched, key_names)
            if reduced or not touched:
                return touched
            if not twice:
                return frozenset({EVERYTHING})
            calls = any(service == "dynamodb" for service, *_ in touched)
            return touched | ({("dynamodb", "", "", True)} if calls else set())

        orders = Orders(interleavings._player(judge, base.schedule), of)
        return {outcome(judged) for judged in orders}, orders.tried

    some, runs = outcomes(reduced=True)
    every, all_runs = outcomes(reduced=False)
    assert some == every
    assert runs <= 60
    assert runs <= (all_runs if twice else all_runs / 2)


def outcome(judged: Judged) -> Any:
    effects = sorted(
        (effect.kind, effect.place, str(effect.key), str(effect.value))
        for effect in judged.played.observation.effects
    )
    return tuple(effects), tuple((name, v.value) for name, v in judged.verdicts.items())


RACES = {
    "a check, then the act": (
        """
    key = {"id": "seen " + body["id"]}
    if "Item" in table.get_item(Key=key, ConsistentRead=True):
        return
    table.update_item(Key={"id": "all"}, UpdateExpression="ADD n :one",
                      ExpressionAttributeValues={":one": 1})
    table.put_item(Item=key)
""",
        "no-duplicate-effects",
    ),
    "a counter that is read, added to and written": (
        """
    item = table.get_item(Key={"id": "all"}, ConsistentRead=True).get("Item", {"n": 0})
    table.put_item(Item={"id": "all", "n": item["n"] + 1})
""",
        "no-message-loss",
    ),
    "a lease that runs out in the middle of the work": (
        """
    import time
    lock = {"id": "lock"}
    try:
        table.put_item(
            Item={**lock, "until": int(time.time()) + 2},
            ConditionExpression="attribute_not_exists(id) OR #u < :now",
            ExpressionAttributeNames={"#u": "until"},
            ExpressionAttributeValues={":now": int(time.time())},
        )
    except table.meta.client.exceptions.ConditionalCheckFailedException:
        raise RuntimeError("try again later")
    item = table.get_item(Key={"id": "all"}, ConsistentRead=True).get("Item", {"n": {}})
    table.put_item(Item={"id": "all", "n": {**item["n"], body["id"]: 1}})
    table.delete_item(Key=lock)
""",
        "no-message-loss",
    ),
}


@pytest.mark.parametrize(("work", "name"), RACES.values(), ids=RACES.keys())
def test_races_are_found_without_a_fault_of_the_stack(workshop: Any, work: str, name: str) -> None:
    assert name in found(counting(workshop, work))


def test_a_sound_stack_is_not_accused_and_costs_little(sound: Judge) -> None:
    tried = races(sound, messages(sound))
    assert not {name for judged in tried for name in accused(judged)}
    assert tried.left == 0
    assert tried.tried < 60


def test_each_run_is_brought_about_again_by_its_schedule_alone(losing: Judge) -> None:
    for judged in races(losing, messages(losing), most=60):
        again = play(losing.deployed, judged.schedule)
        assert again.observation.history == judged.played.observation.history


def test_it_ends_after_so_many_runs_and_goes_on_when_asked(losing: Judge) -> None:
    tried = races(losing, messages(losing), most=5)
    first = [judged.schedule for judged in tried]
    assert len(first) == tried.tried == 5
    assert tried.left > 0
    tried.most = 9
    more = [judged.schedule for judged in tried]
    assert len(more) == 4
    assert [*first, *more] == [
        judged.schedule for judged in races(losing, messages(losing), most=9)
    ]


def test_the_work_can_be_divided_by_the_names_of_its_bases(losing: Judge) -> None:
    bases = base_schedules(losing, messages(losing))
    names = [base.name for base in bases]
    assert len(set(names)) == len(names)
    assert names[:3] == [
        "Orders: the same twice at once from Orders",
        "Orders: two at once, one of them twice from Orders",
        "Orders: two at once",
    ]
    parts = [races(losing, messages(losing), bases=[base], most=1000) for base in bases]
    together = races(losing, messages(losing), most=5000)
    alone = {judged.schedule for part in parts for judged in part}
    assert alone == {judged.schedule for judged in together}
    assert sum(part.tried for part in parts) == together.tried


def test_what_the_stack_forbids_is_not_at_work_at_once(workshop: Any) -> None:
    template = workshop.template.replace(
        "      Timeout: 5\n", "      Timeout: 5\n      ReservedConcurrentExecutions: 1\n"
    )
    judge = workshop.judge(workshop.write(template=template))
    base = Base("two", Schedule(messages(judge)[:2], batch_limit=1, concurrency=2))
    for judged in races(judge, messages(judge), bases=[base]):
        at_work = 0
        for event in judged.played.observation.history:
            at_work += (event.kind == "delivered") - (event.kind in ("succeeded", "failed"))
            assert at_work <= 1


def test_a_third_party_that_has_failed_is_tried_by_several_at_once(workshop: Any) -> None:
    work = 'import urllib.request\nurllib.request.urlopen("https://pay.example/x", data=b"{}")'
    judge = workshop.judge(workshop.working(work))
    names = [base.name for base in base_schedules(judge, messages(judge))]
    assert names[-3:] == [
        "Orders: http POST https://pay.example/x has failed 3 times",
        "Orders: http POST https://pay.example/x has failed 6 times",
        "Orders: http POST https://pay.example/x was out",
    ]


def test_the_next_receive_may_come_while_the_sender_is_at_work(
    workshop: Any, tmp_path: Path
) -> None:
    """A queue between two functions: what is sent onward may be read before the next call."""
    template = workshop.template + CHAIN
    app = workshop.app + CHAINED
    judge = workshop.judge(workshop.write(app, '[[entry]]\nqueue = "Entry"', template))
    assert "no-message-loss" in found(judge)


CHAIN = """
  Onward: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 30}}
  First:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: .
      Handler: app.first
      Runtime: python3.12
      Timeout: 5
      Environment: {Variables: {TABLE: !Ref Table, ONWARD: !Ref Onward}}
      Policies:
        - SQSSendMessagePolicy: {QueueName: !GetAtt Onward.QueueName}
        - DynamoDBCrudPolicy: {TableName: !Ref Table}
      Events: {Queue: {Type: SQS, Properties: {Queue: !GetAtt Entry.Arn}}}
  Second:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: .
      Handler: app.second
      Runtime: python3.12
      Timeout: 5
      Environment: {Variables: {TABLE: !Ref Table}}
      Policies: [{DynamoDBCrudPolicy: {TableName: !Ref Table}}]
      Events: {Queue: {Type: SQS, Properties: {Queue: !GetAtt Onward.Arn}}}
  Entry: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 30}}
"""
CHAINED = """
def first(event, context):
    sqs = boto3.client("sqs")
    for record in event["Records"]:
        sqs.send_message(QueueUrl=os.environ["ONWARD"], MessageBody=record["body"])
        identity = json.loads(record["body"])["id"]
        table.put_item(Item={"id": identity, "state": "asked"})

def second(event, context):
    for record in event["Records"]:
        identity = json.loads(record["body"])["id"]
        table.update_item(Key={"id": identity}, UpdateExpression="SET done = :yes",
                          ExpressionAttributeValues={":yes": True})
"""


def test_one_that_stops_between_its_read_and_its_write_shows_a_lost_update(workshop):
    """Without any choice all go on by turns; the first order of two at work is not enough."""
    app = workshop.app.replace(
        '    table.put_item(Item={"id": body["id"]})\n',
        """
    seen = table.get_item(Key={"id": "all"}, ConsistentRead=True).get("Item", {"id": "all"})
    table.put_item(Item={**seen, body["id"]: "here"})
""",
    )
    judge = workshop.judge(workshop.write(app))
    sends = plain(judge.deployed.entries, 2)
    late = Base("late", Schedule(sends, gap_ms=200, batch_limit=1, concurrency=2))
    found = [accused(judged) for judged in held_back(judge, late)]
    assert not found[0]  # they come one after the other
    assert any("no-message-loss" in names for names in found)
    assert len(found) <= 12
