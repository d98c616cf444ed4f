"""Canary messages: through which doors they go, how long they are waited for, what they leave."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from pytest_storagefirst.chaos.breaking import Aim
from pytest_storagefirst.chaos.canaries import SETTLE_S, Canaries
from pytest_storagefirst.chaos.drill import Drill, Expected, SteadyState, find_drill
from pytest_storagefirst.chaos.front_door import front_doors
from pytest_storagefirst.chaos.guards import guards_of, live_name
from pytest_storagefirst.chaos.outcome import Outcome
from pytest_storagefirst.chaos.patience import patience_with
from pytest_storagefirst.chaos.plan import make_plan, plan_lines
from pytest_storagefirst.chaos.settings.messages import dead_letters_taken_away
from pytest_storagefirst.chaos.verdict import conclude
from pytest_storagefirst.cli import main
from pytest_storagefirst.load.fitting import UNCOUNTED_SETTLE_S
from pytest_storagefirst.settings import Entry
from pytest_storagefirst.stack.topology import Edge, EventSourceMapping, Queue, Topology
from pytest_storagefirst.target import local
from pytest_storagefirst.target.observe import Observer
from pytest_storagefirst.target.target import Target
from tests.chaos.test_judged import REPORTED, folder_of


def canaries_for(target: Target, drill: Drill, said: list[str]) -> Canaries:
    doors = front_doors(target)
    return Canaries(drill, doors, Observer(target, "run"), "run", said.append, lambda _: None)


def bodies_in(target: Target, name: str) -> list[str]:
    queue = next(one for one in target.topology().queues if one.logical_id == name)
    client = target.session().client("sqs")
    found: list[str] = []
    while answer := client.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10).get(
        "Messages"
    ):
        found += [one["Body"] for one in answer]
    return found


@pytest.mark.parametrize(
    ("edges", "seconds"),
    [
        ((Edge("arn:aws:sqs:r:1:q", "arn:aws:lambda:r:1:function:f"),), SETTLE_S),
        ((Edge("arn:aws:sns:r:1:t", "arn:aws:sqs:r:1:q"),), SETTLE_S),
        ((Edge("arn:aws:sns:r:1:t", "arn:aws:lambda:r:1:function:f"),), UNCOUNTED_SETTLE_S),
        ((Edge("arn:aws:events:r:1:rule/x", "arn:aws:states:r:1:m"),), UNCOUNTED_SETTLE_S),
    ],
)
def test_what_nobody_can_look_into_is_given_its_retries(edges, seconds):
    """Who polls a queue or a stream leaves there what waits; an event of Lambda's own is unseen."""
    target = SimpleNamespace(topology=lambda: Topology("s", "1", "r", edges=edges))
    doors = (SimpleNamespace(target=target),)
    canaries = Canaries(find_drill("consumer-disabled", Path()), doors, None, "run", print)

    assert canaries._settle_s == seconds


def test_all_entries_get_messages_in_turn(own_shop):
    entries = tuple(
        Entry("queue", name, {"id": "{unique}", "to": name}) for name in ("Work", "Letters")
    )
    target = replace(own_shop, settings=replace(own_shop.settings, entries=entries))
    mapping = own_shop.topology().mappings[0]
    own_shop.session().client("lambda").update_event_source_mapping(
        UUID=mapping.uuid, Enabled=False
    )
    said: list[str] = []
    drill = replace(find_drill("consumer-disabled", Path()), steady_state=SteadyState(3, 0.0))

    assert not canaries_for(target, drill, said).before()
    assert said[-1].endswith("sent through Work, Letters")
    assert {json.loads(body)["to"] for body in bodies_in(target, "Work")} == {"Work"}
    assert [json.loads(body)["id"] for body in bodies_in(target, "Letters")] == ["run-before-2"]


def test_every_entry_is_tried_before_anything_is_broken(own_shop):
    entries = tuple(Entry("queue", name, {"id": "{unique}"}) for name in ("Work", "Letters"))
    target = replace(own_shop, settings=replace(own_shop.settings, entries=entries))
    drill = replace(find_drill("consumer-disabled", Path()), steady_state=SteadyState(1, 0.0))
    canaries = canaries_for(target, drill, [])
    canaries.before()

    assert list(canaries.sent_through.values()) == ["Work", "Letters"]


# --- how long ---------------------------------------------------------------------------------


def stack_of(visibility_s: int, receives: int | None) -> Topology:
    queue = Queue("Work", "work", "https://work", "arn:work", visibility_timeout_seconds=30)
    queue = replace(queue, visibility_timeout_seconds=visibility_s, max_receive_count=receives)
    letters = Queue("Letters", "letters", "https://letters", "arn:letters")
    if receives:
        queue = replace(queue, dead_letter_arn=letters.arn)
    reading = EventSourceMapping("Read", "uuid", "arn:worker", queue.arn, batch_size=1)
    return Topology("shop", "1", "eu-west-1", queues=(queue, letters), mappings=(reading,))


@pytest.mark.parametrize(
    ("visibility_s", "receives", "name", "within_s", "sees"),
    [
        (30, 3, "consumer-disabled", 300, True),
        (180, 100, "consumer-disabled", 420, False),
        (900, 3, "downstream-outage", 1860, False),
        (180, 4, "poison-message", 780, True),
        (180, 100, "poison-message", 420, False),
    ],
)
def test_a_drill_waits_as_long_as_the_queues_hide_messages(
    visibility_s, receives, name, within_s, sees
):
    topology = stack_of(visibility_s, receives)
    found = patience_with(find_drill(name, Path()), topology)

    assert found.within_s == within_s
    assert found.sees_bad_set_aside == sees
    own = replace(find_drill(name, Path()), expected=Expected(recovers_within_s=5.0))
    assert patience_with(own, topology).within_s == 5.0


def test_what_is_tried_for_longer_than_is_waited_is_unknown_and_says_what_would_do(shop):
    """Bad messages that a queue gives out a hundred times, three minutes apart."""
    drill = find_drill("poison-message", Path())
    queues = tuple(
        replace(one, visibility_timeout_seconds=180, max_receive_count=100)
        if one.logical_id == "Work"
        else one
        for one in shop.topology().queues
    )
    target = replace(shop)
    target.__dict__["_topology"] = replace(shop.topology(), queues=queues)
    planned = make_plan(drill, Aim(target, "x"))
    plan = "\n".join(plan_lines(planned, target, guards_of(target), "go"))

    assert "Work gives a bad message 100 times before it sets it aside: 18000 s" in plan
    assert "Work gives a message that failed again after 180 s" in plan
    canaries = canaries_for(target, drill, [])
    canaries.bad = {"run-poison-1"}
    canaries.others = {"run-poison-1"}
    _, why, _ = conclude(Outcome("run", drill, shown=True), canaries)
    assert any('recovers_within = "18060 s"' in one for one in why)


# --- what they leave --------------------------------------------------------------------------


def test_of_dead_letters_its_own_alone_are_taken_away(own_shop):
    letters = next(one for one in own_shop.topology().queues if one.logical_id == "Letters")
    client = own_shop.session().client("sqs")
    ours = ["run7-during-1", "run7-after-12"]
    theirs = ["run8-during-1", "order 4711", "run7"]
    for body in (*ours, *theirs):
        client.send_message(QueueUrl=letters.url, MessageBody=json.dumps({"id": body}))

    assert dead_letters_taken_away(own_shop, "run7") == sorted(ours)
    told = client.get_queue_attributes(QueueUrl=letters.url, AttributeNames=["All"])["Attributes"]
    hidden = int(told["ApproximateNumberOfMessagesNotVisible"])
    assert int(told["ApproximateNumberOfMessages"]) + hidden == len(theirs)
    left = [json.loads(body)["id"] for body in bodies_in(own_shop, "Letters")]
    assert sorted(left) == sorted(theirs)


def test_messages_that_a_drill_let_die_are_deleted_and_told(tmp_path, monkeypatch):
    """A function that is broken for longer than its queue tries: nothing is lost, all is dead."""
    place = folder_of(tmp_path / "shop", REPORTED)
    template = place / "template.yaml"
    text = template.read_text().replace("maxReceiveCount: 100", "maxReceiveCount: 1")
    template.write_text(text)
    target = local.up(None, {}, place).target
    client = target.session().client("sqs")
    letters = next(one for one in target.topology().queues if one.logical_id == "DeadLetters")
    try:
        monkeypatch.chdir(place)
        client.send_message(QueueUrl=letters.url, MessageBody="someone else's")
        arguments = ["drill", "function-broken", "--duration", "4", "--report", "out"]
        result = CliRunner().invoke(main, [*arguments, "--live", live_name(target)])
        report: dict[str, Any] = json.loads((place / "out" / "report.json").read_text())
        left = bodies_in(target, "DeadLetters")
    finally:
        local.down(place)

    assert result.exit_code == 0, result.output
    assert report["ledger"]["dead"] >= 1
    assert report["ledger"]["lost"] == []
    # A slow machine's may be dead and processed: the visibility timeout is short.
    assert len(report["taken_away"]) >= report["ledger"]["dead"]
    assert f"deleted dead letters: {report['taken_away'][0]}" in result.output
    assert left == ["someone else's"]
