"""A large workload: learnt from a few of each kind, judged as if each message were seen alone."""

from __future__ import annotations

import itertools
import json
import sys
from dataclasses import replace

import pytest

from pytest_storagefirst.explore import crowds
from pytest_storagefirst.explore import judge as judge_module
from pytest_storagefirst.explore.kinds import kinds
from pytest_storagefirst.explore.result import Violated
from pytest_storagefirst.explore.stack import open_stack
from pytest_storagefirst.faults.plan import parse_fault
from pytest_storagefirst.ledger.crowd import Crowd
from pytest_storagefirst.ledger.oracle import Oracle
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.simulation.schedule import Schedule, Send

MANY = 40

# What a worker does with one message of many, and what `seen` of them is the n-th to come.
ALL = 'table.put_item(Item={"id": body["id"], "amount": body["amount"], "kind": body["kind"]})'
LOSES_ONE = f'if body["id"].endswith("17"):\n    if len(seen) > 1: return\n{ALL}'
TELL = 'urllib.request.urlopen("https://told.example", data=json.dumps(body["id"]).encode())'
HALF_OF_ONE = f'{ALL}\nif len(seen) != 18: table.put_item(Item={{"id": body["id"] + "/second"}})'
COMPUTES = 'table.put_item(Item={"id": body["id"], "half": body["amount"] * 7 % 5})'
TOTAL = (
    'table.update_item(Key={"id": "total"}, UpdateExpression="ADD n :n", '
    'ExpressionAttributeValues={":n": body["amount"]})'
)
TWO_OF_SOME = f'{ALL}\nif len(body["id"]) > 3: table.put_item(Item={{"id": body["id"] + "/more"}})'
ONE_FOR_ALL = TELL.replace('body["id"]', '"all"')


def app(workshop, work):
    lines = "\n".join(f"    {line}" for line in f"seen.append(1)\n{work}".splitlines())
    return workshop.app.replace('    table.put_item(Item={"id": body["id"]})', lines).replace(
        "def work", "import urllib.request\nseen = []\ndef work"
    )


def sends(count=MANY, token=False):
    return tuple(
        Send(
            f"m{number + 1}",
            "Orders",
            {
                "id": "{unique}" if token else f"o-{number}",
                "amount": number * 3,
                "kind": "new" if number % 2 else "old",
            },
        )
        for number in range(count)
    )


def both(judge, schedule, monkeypatch):
    """The run as judged with every message seen alone, and with a few of them."""
    played = judge.play(schedule)
    judged = []
    for few in (10_000, 3):
        monkeypatch.setattr(judge_module, "FEW_MESSAGES", few)
        judge._measured = None
        judged.append(judge.judge_played(schedule, played))
    return judged


@pytest.mark.parametrize("token", [True, False], ids=["our ids", "their ids"])
@pytest.mark.parametrize(
    ("work", "verdict"),
    [
        (ALL, "ok"),
        (LOSES_ONE, "violated"),
        (HALF_OF_ONE, "violated"),
        (ONE_FOR_ALL, "ok"),
    ],
    ids=["sound", "loses one", "half of one", "one effect for all"],
)
def test_a_few_say_what_each_alone_says(workshop, monkeypatch, work, verdict, token):
    if token:
        work = work.replace('body["id"].endswith("17")', "len(seen) == 18").replace(
            "    if len(seen) > 1: return", "    return"
        )
    judge = workshop.judge(workshop.write(app=app(workshop, work)), described=False)
    exact, learnt = both(judge, Schedule(sends(token=token)), monkeypatch)
    assert isinstance(judge._measured[1], Crowd)
    assert learnt.account == exact.account
    assert learnt.verdicts == exact.verdicts
    said = {one.value for one in learnt.verdicts.values()} - {"not-applicable"}
    assert said == {"ok"} if verdict == "ok" else verdict in said


@pytest.mark.parametrize(
    ("work", "fault", "broken"),
    [
        (TELL, "Orders: delivery #2: duplicate", "no-duplicate-effects"),
        (ALL, "Orders: delivery #2: duplicate", ""),
        ("", "Worker: dynamodb.PutItem #10: crash-before", "no-message-loss"),
        (f"{ALL}\n{TELL}", "Worker: dynamodb.PutItem #7: crash-after", "no-duplicate-effects"),
    ],
)
def test_a_fault_amid_many(workshop, monkeypatch, work, fault, broken):
    code = app(workshop, work) if work else workshop.marks_first
    judge = workshop.judge(workshop.write(app=code), described=False)
    exact, learnt = both(judge, Schedule(sends(), plan=(parse_fault(fault),)), monkeypatch)
    assert learnt.account == exact.account
    assert learnt.verdicts == exact.verdicts
    violated = {name for name, verdict in learnt.verdicts.items() if verdict.value == "violated"}
    assert broken in violated if broken else not violated


def test_where_messages_meet_all_together_are_the_measure(workshop, monkeypatch):
    judge = workshop.judge(workshop.write(app=app(workshop, TOTAL)), described=False)
    exact, learnt = both(judge, Schedule(sends(8)), monkeypatch)
    assert isinstance(judge._measured[1], Oracle)
    assert exact.account.clean
    assert learnt.account == exact.account


def test_what_no_value_explains_is_not_compared_and_told(workshop, monkeypatch):
    judge = workshop.judge(workshop.write(app=app(workshop, COMPUTES)), described=False)
    exact, learnt = both(judge, Schedule(sends()), monkeypatch)
    assert replace(learnt.account, remark="") == exact.account
    assert learnt.verdicts["no-message-loss"].value == "ok"
    assert "Table: half.N" in learnt.verdicts["no-message-loss"].why


def test_messages_that_are_unlike_are_seen_alone_as_far_as_they_can(workshop, monkeypatch):
    judge = workshop.judge(workshop.write(app=app(workshop, TWO_OF_SOME)), described=False)
    exact, learnt = both(judge, Schedule(sends(20)), monkeypatch)
    assert learnt.account == exact.account
    monkeypatch.setattr(crowds, "MOST_UNLIKE", 5)
    judge._measured = None
    again = judge.judge_played(learnt.schedule, learnt.played)
    assert {one.value for one in again.verdicts.values()} == {"unknown"}
    assert "leave effects that are not" in again.verdicts["no-message-loss"].why


def test_kinds_are_told_apart_by_what_few_values_choose():
    found = kinds(sends(40))
    assert sorted(len(kind.messages) for kind in found) == [20, 20]
    assert all(len(kind.values[0]) == 2 for kind in found)
    assert [len(kind.messages) for kind in kinds(sends(40, token=True))] == [20, 20]
    texts = [Send(f"m{n}", "Orders", json.dumps({"id": f"o-{n}"})) for n in range(40)]
    (kind,) = kinds(texts)
    assert kind.values[3] == ("o-3",)


def test_a_backlog_by_hand(workshop):
    with open_stack(workshop.write(app=app(workshop, ALL)), Settings()) as stack:
        for number in range(300):
            stack.send("Orders", {"id": f"o-{number}", "amount": number, "kind": "new"})
        assert not stack.effects("Table")
        assert stack.run()
        stack.verify("no-message-loss", "no-duplicate-effects", "drains")
        assert len(stack.table("Table")) == 300


def test_one_lost_in_a_backlog_is_named_and_told_alone(workshop):
    work = LOSES_ONE.replace('endswith("17")', 'endswith("-17.")')
    with open_stack(workshop.write(app=app(workshop, work)), Settings()) as stack:
        for number in range(1200):
            stack.send("Orders", {"id": f"o-{number}.", "amount": number, "kind": "new"})
        stack.run()
        with pytest.raises(Violated) as caught:
            stack.verify("no-message-loss")
    text = str(caught.value)
    assert "m18 was acknowledged and left no effect" in text
    assert "m17 " not in text
    assert len(text) < 20_000


def test_a_body_is_sent_as_it_was_when_it_was_sent(workshop):
    body = {"amount": 1, "kind": "new"}
    with open_stack(workshop.write(app=app(workshop, ALL)), Settings()) as stack:
        for number in range(30):
            body["id"] = f"o-{number}"
            stack.send("Orders", body)
        stack.run()
        stack.verify("no-message-loss")


def calls_a_message(path, count):
    """Python functions called for each message, from sending to the verdict."""
    made = itertools.count()

    def count_one(frame, event, argument):
        if event == "call":
            next(made)

    with open_stack(path, Settings()) as stack:
        sys.setprofile(count_one)
        try:
            for number in range(count):
                stack.send("Orders", {"id": f"{count}-{number}", "amount": 1, "kind": "new"})
            stack.run()
            stack.verify("no-message-loss", "no-duplicate-effects", "drains")
        finally:
            sys.setprofile(None)
    return next(made)


def test_the_cost_of_a_message_does_not_grow(workshop):
    path = workshop.write(app=app(workshop, ALL))
    small, base, large = (calls_a_message(path, count) for count in (300, 100, 1100))
    assert (large - base) / 1000 == pytest.approx((small - base) / 200, rel=0.1)
