"""Faults that send messages of their own: for which queues, and what others sent is let be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.chaos.breaking import Aim
from pytest_storagefirst.chaos.drill import find_drill
from pytest_storagefirst.chaos.plan import make_plan
from pytest_storagefirst.chaos.run import run
from pytest_storagefirst.errors import DrillError
from pytest_storagefirst.settings import Entry
from pytest_storagefirst.stack.topology import EventSourceMapping, Queue
from pytest_storagefirst.target.target import Target
from tests.chaos import stage
from tests.chaos.test_every_drill import drilling, quick

SENDING = pytest.mark.parametrize("name", ["duplicate-delivery", "dlq-redrive-storm"])


def with_entries(target: Target, *names: str, second: bool = False) -> Target:
    """The target with these queues as entries; with a queue more that sorts first, and is read."""
    entries = tuple(Entry("queue", name, {"id": "{unique}", "to": name}) for name in names)
    found = replace(target, settings=replace(target.settings, entries=entries))
    topology = target.topology()
    if second:
        letters = next(one for one in topology.queues if one.logical_id == "Letters")
        more = Queue(
            "Audit", "audit", "https://sqs/audit", "arn:audit", dead_letter_arn=letters.arn
        )
        first = topology.mappings[0]
        reading = EventSourceMapping("AReads", first.uuid, first.function_arn, more.arn, 1)
        topology = replace(
            topology,
            queues=(more, *topology.queues),
            mappings=(reading, *topology.mappings),
        )
    found.__dict__["_topology"] = topology
    return found


def address_of(target: Target, name: str) -> dict[str, tuple[str, int]]:
    """By the queue that is meant: the entry, and how many messages."""
    planned = make_plan(find_drill(name, Path()), Aim(target, "x"))
    return {
        change.address["queue"]: (change.address["entry"], len(change.value))
        for _, changes in planned.changes
        for change in changes
        if "entry" in change.address
    }


@SENDING
def test_each_queue_gets_messages_of_an_entry_that_comes_to_it(name, shop):
    """Whatever stands first: the first entry leads to the last queue here."""
    target = with_entries(shop, "Work", "Audit", second=True)
    count = {"duplicate-delivery": 3, "dlq-redrive-storm": 20}[name]
    work = next(one.url for one in shop.topology().queues if one.logical_id == "Work")

    assert address_of(target, name) == {
        work: ("Work", count),
        "https://sqs/audit": ("Audit", count),
    }


@SENDING
def test_a_queue_that_no_entry_is_known_to_lead_to_is_told_in_the_plan(name, shop):
    target = with_entries(shop, "Work", second=True)
    planned = make_plan(find_drill(name, Path()), Aim(target, "x"))
    reach = " ".join(change.reach for _, changes in planned.changes for change in changes)

    assert "not tried: Audit: of no entry is it known what comes to it" in reach
    assert "https://sqs/audit" not in address_of(target, name)


@SENDING
def test_a_stack_whose_queues_no_entry_leads_to_is_refused(name, shop):
    target = with_entries(shop, "Letters")
    with pytest.raises(DrillError, match="Work: of no entry is it known") as raised:
        make_plan(find_drill(name, Path()), Aim(target, "x"))
    assert "[[entry]]" in raised.value.line


@SENDING
def test_what_others_have_sent_is_not_received(name, own_shop, tmp_path):
    """A receive counts: the last of them would send it to the dead-letter queue."""
    client = own_shop.session().client("sqs")
    work = next(one for one in own_shop.topology().queues if one.logical_id == "Work")
    counts: dict[str, str] = {}

    class Watching(stage.Watching):
        def made(self, change: Any) -> None:
            """While nothing is read from the queue but by what the drill does."""
            if change.setting == "mapping-enabled":
                for number in range(12):
                    body = json.dumps({"id": f"other-{number}"})
                    client.send_message(QueueUrl=work.url, MessageBody=body)
                return
            while answer := client.receive_message(
                QueueUrl=work.url, MaxNumberOfMessages=10, AttributeNames=["All"]
            ).get("Messages"):
                for one in answer:
                    told = one["Attributes"]["ApproximateReceiveCount"]
                    counts[json.loads(one["Body"])["id"]] = told

    how = replace(drilling(own_shop, tmp_path), watcher=lambda *_: Watching())
    run(quick(name, 2), how)

    assert {counts.get(f"other-{number}") for number in range(12)} == {"1"}
