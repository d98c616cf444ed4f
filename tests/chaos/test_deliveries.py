"""Faults that send messages of their own: for which queues, and what others sent is let be."""

from __future__ import annotations

import contextlib
import json
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.chaos.breaking import Aim
from pytest_storagefirst.chaos.drill import Drill, find_drill
from pytest_storagefirst.chaos.guards import guards_of
from pytest_storagefirst.chaos.outcome import Outcome
from pytest_storagefirst.chaos.plan import make_plan, plan_lines
from pytest_storagefirst.chaos.run import run
from pytest_storagefirst.chaos.settings import SETTINGS
from pytest_storagefirst.chaos.verdict import conclude, document
from pytest_storagefirst.errors import DrillError, StorageFirstError
from pytest_storagefirst.settings import Entry
from pytest_storagefirst.stack.policies import Role
from pytest_storagefirst.stack.topology import EventSourceMapping, Queue, Stream
from pytest_storagefirst.target.target import Target
from tests.chaos import stage
from tests.chaos.test_canaries import bodies_in, canaries_for
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
    drill = find_drill(name, Path())
    planned = make_plan(drill, Aim(target, "x"))

    told = [
        line for line in plan_lines(planned, target, guards_of(target), "go") if "tried" in line
    ]
    assert told == ["    not tried: Audit: of no entry is it known what comes to it"]
    assert "https://sqs/audit" not in address_of(target, name)


@SENDING
def test_a_queue_that_was_not_tried_is_told_with_the_verdict(name, shop):
    """What holds of one worker says nothing of another, so who reads `ok` reads that, too."""
    target = with_entries(shop, "Work", second=True)
    drill = find_drill(name, Path())
    [(_, changes)] = make_plan(drill, Aim(target, "run")).changes
    outcome = Outcome("run", drill, changes=list(changes), shown=True)
    told = document(outcome, canaries_for(target, drill, []), target)

    assert told["not_tried"] == ["Audit: of no entry is it known what comes to it"]
    duplicates = next(one for one in told["properties"] if one["name"] == "no-duplicate-effects")
    assert duplicates["why"].endswith(
        "; not tried: Audit: of no entry is it known what comes to it"
    )
    assert "not tried" not in told["properties"][0]["why"]


@pytest.mark.parametrize("named", [False, True])
def test_a_queue_that_no_mapping_reads_is_told_where_none_was_named(named, shop):
    """As of workers that poll by themselves."""
    target = with_entries(shop, "Work")
    topology = target.topology()
    polled = Queue("Polled", "polled", "https://sqs/polled", "arn:polled")
    document = json.dumps({"Action": "sqs:ReceiveMessage", "Resource": "arn:polled"})
    role = Role("Poller", "poller", "arn:role", (document,))
    policies = replace(topology.policies, roles={**topology.policies.roles, "arn:role": role})
    target.__dict__["_topology"] = replace(
        topology, queues=(*topology.queues, polled), policies=policies
    )
    drill = find_drill("duplicate-delivery", Path())
    fault = replace(drill.faults[0], where=("Work",) if named else ())
    [(_, changes)] = make_plan(replace(drill, faults=(fault,)), Aim(target, "x")).changes

    told = {line for one in changes for line in one.not_tried}
    assert told == (set() if named else {"Polled: no event source mapping reads it"})


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


def test_messages_of_a_fault_that_was_not_made_to_its_end_are_in_the_ledger(shop):
    """Some of them may have been sent: they are attempted, and nobody knows more."""
    target = with_entries(shop, "Work")
    drill = find_drill("dlq-redrive-storm", Path())
    [(_, changes)] = make_plan(drill, Aim(target, "run")).changes
    outcome = Outcome("run", drill, changes=list(changes))
    ledger = document(outcome, canaries_for(target, drill, []), target)["ledger"]

    assert (ledger["attempted"], ledger["unknown"], ledger["accepted"]) == (20, 20, 0)


# --- bad messages -----------------------------------------------------------------------------


def test_bad_messages_go_through_every_entry(shop):
    target = with_entries(shop, "Work", "Letters")
    [(_, changes)] = make_plan(find_drill("poison-message", Path()), Aim(target, "x")).changes

    assert {one.place: one.value for one in changes} == {
        "Work": ["x-poison-1", "x-poison-3"],
        "Letters": ["x-poison-2", "x-poison-4"],
    }


def test_a_bad_message_goes_in_by_its_own_entry(own_shop):
    target = with_entries(own_shop, "Work", "Letters")
    setting = SETTINGS["bad-messages"]
    setting.write(target, {"messages": ["x-poison-1"], "entry": "Letters"}, ["x-poison-1"], None)

    assert "x-poison-1" in bodies_in(target, "Letters")[0]
    assert bodies_in(target, "Work") == []


def without_letters(target: Target) -> Target:
    """Its queue has no dead-letter queue any more."""
    found = with_entries(target, "Work", "Letters")
    queues = [
        replace(one, dead_letter_arn=None, max_receive_count=None)
        for one in target.topology().queues
    ]
    mapping = target.topology().mappings[0]
    letters = next(one for one in queues if one.logical_id == "Letters")
    mappings = (mapping, replace(mapping, logical_id="B", source_arn=letters.arn))
    found.__dict__["_topology"] = replace(
        target.topology(), queues=tuple(queues), mappings=mappings
    )
    return found


def aimed_at(*names: str) -> Drill:
    """The drill, for these entries alone."""
    drill = find_drill("poison-message", Path())
    return replace(drill, needs=(), faults=(replace(drill.faults[0], where=names),))


def judged(
    target: Target, held: dict[str, str], effects: dict[str, int], *names: str
) -> tuple[str, str]:
    drill = aimed_at(*names)
    canaries = canaries_for(target, drill, [])
    [(_, changes)] = make_plan(drill, Aim(target, "run")).changes
    for one in changes:
        canaries.made(one)
    canaries.held, canaries.effects = held, effects
    _, _, properties = conclude(Outcome("run", drill, shown=True), canaries)
    found = next(one for one in properties if one["name"] == "poison-isolated")
    return found["verdict"], found["why"]


def test_a_queue_that_never_sets_a_bad_message_aside_is_violated(shop):
    """Each entry is judged: that another's were set aside or processed does not help."""
    target = without_letters(shop)
    processed = {"run-poison-2": 1, "run-poison-4": 1}
    held = {"run-poison-1": "Work", "run-poison-3": "Work"}

    names = ("Work", "Letters")
    verdict, why = judged(target, held, processed, *names)
    assert verdict == "violated"
    assert "Work: bad messages are still being tried 300 s after the undo" in why
    assert "Work has no dead-letter queue" in why
    processed |= {"run-poison-1": 1, "run-poison-3": 1}
    assert judged(target, {}, processed, *names)[0] == "ok"


def half_with_letters(target: Target) -> Target:
    """Two entries: the first leads to a queue without dead-letter queue."""
    found = without_letters(target)
    queues = {one.logical_id: one for one in found.topology().queues}
    dead = Queue("Dead", "dead", "https://sqs/dead", "arn:dead")
    letters = replace(queues["Letters"], dead_letter_arn=dead.arn, max_receive_count=3)
    found.__dict__["_topology"] = replace(found.topology(), queues=(queues["Work"], letters, dead))
    return found


def test_nothing_bad_is_sent_to_where_it_would_stay(shop):
    """The first queue has no dead-letter queue, another has one: that alone is tried."""
    target = half_with_letters(shop)
    drill = find_drill("poison-message", Path())
    planned = make_plan(drill, Aim(target, "run"))
    [(_, [change])] = planned.changes

    assert (change.place, change.value) == ("Letters", ["run-poison-1", "run-poison-2"])
    told = "\n".join(plan_lines(planned, target, guards_of(target), "go"))
    assert "    not tried: Work: Work has no dead-letter queue: bad messages are given" in told
    # That the other sets them aside is no evidence for this one.
    outcome = Outcome("run", drill, changes=[change], shown=True)
    canaries = canaries_for(target, drill, [])
    canaries.made(change)
    canaries.held = dict.fromkeys(change.value, "Dead")
    found = next(one for one in conclude(outcome, canaries)[2] if one["name"] == "poison-isolated")
    assert found["verdict"] == "unknown"
    assert "not tried: Work: Work has no dead-letter queue" in found["why"]


def test_a_stack_that_sets_nothing_aside_gets_no_bad_message(shop):
    target = without_letters(shop)
    with pytest.raises(DrillError, match="needs a failure destination") as raised:
        make_plan(find_drill("poison-message", Path()), Aim(target, "x"))
    assert "dead-letter queue" in raised.value.line
    with pytest.raises(DrillError, match="Work has no dead-letter queue") as raised:
        make_plan(aimed_at(), Aim(target, "x"))
    assert "where = " in raised.value.line


def test_who_names_such_an_entry_is_told_that_it_stays(shop):
    target = without_letters(shop)
    [(_, [change])] = make_plan(aimed_at("Work"), Aim(target, "x")).changes

    assert "Work has no dead-letter queue" in change.reach
    assert "the drill can't take them away" in change.reach
    assert change.not_tried == ()


def test_a_dead_letter_queue_of_others_is_not_filled(shop):
    """What lies there can't be seen, nor taken away."""
    target = half_with_letters(shop)
    topology = target.topology()
    work, letters, dead = topology.queues
    target.__dict__["_topology"] = replace(
        topology, queues=(replace(work, dead_letter_arn="arn:aws:sqs:::shared"), letters, dead)
    )
    [(_, [change])] = make_plan(find_drill("poison-message", Path()), Aim(target, "x")).changes

    assert change.place == "Letters"
    assert "the dead-letter queue of Work is not the stack's own" in change.not_tried[0]


@pytest.mark.parametrize(
    ("bounds", "fits"),
    [((None, None), False), ((-1, -1), False), ((3, None), True), ((None, 60), True)],
)
def test_a_stream_that_one_record_stops_gets_none(bounds, fits, shop):
    target = half_with_letters(shop)
    topology = target.topology()
    stream = Stream("Feed", "feed", "arn:feed")
    mapping = replace(
        topology.mappings[0],
        logical_id="FromFeed",
        source_arn=stream.arn,
        maximum_retry_attempts=bounds[0],
        maximum_record_age_seconds=bounds[1],
    )
    target.__dict__["_topology"] = replace(
        topology, streams=(stream,), mappings=(*topology.mappings, mapping)
    )
    entries = (Entry("stream", "Feed", {"id": "{unique}"}), *target.settings.entries)
    target = replace(target, settings=replace(target.settings, entries=entries))
    target.__dict__["_topology"] = replace(
        topology, streams=(stream,), mappings=(*topology.mappings, mapping)
    )
    [(_, changes)] = make_plan(find_drill("poison-message", Path()), Aim(target, "x")).changes

    assert ("Feed" in {one.place for one in changes}) == fits
    assert any("stop their shard" in line for line in changes[0].not_tried) != fits


def test_what_is_left_is_told_and_where(shop):
    """Neither deleted nor processed; what was never looked for, too."""
    target = without_letters(shop)
    drill = aimed_at("Work")
    [(_, [change])] = make_plan(drill, Aim(target, "run")).changes
    outcome = Outcome("run", drill, changes=[change], shown=True)
    canaries = canaries_for(target, drill, [])
    canaries.made(change)
    canaries.held = {"run-poison-2": "Work"}
    canaries.effects = {"run-poison-1": 1}

    [line] = document(outcome, canaries, target)["left_behind"]
    assert line.startswith("run-poison-2 in Work: it has no dead-letter queue")
    [line] = document(outcome, None, target)["left_behind"]
    assert line == "run-poison-1, run-poison-2 in the stack, where is not known"
    outcome.taken_away = ["run-poison-1", "run-poison-2"]
    assert document(outcome, None, target)["left_behind"] == []


def test_one_that_is_still_being_tried_is_not_known(shop):
    target = with_entries(shop, "Work")
    verdict, why = judged(target, {"run-poison-1": "Work", "run-poison-2": "Letters"}, {})

    assert (verdict, why) == ("unknown", "Work: bad messages are still being tried")


# --- messages that come again while at work ----------------------------------------------------


REPORT = "REPORT RequestId: 1\tDuration: {} ms\tBilled Duration: 9000 ms\tInit Duration: 8000 ms"
AS_JSON = '{{"type": "platform.report", "record": {{"metrics": {{"durationMs": {}}}}}}}'


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (REPORT.format("1200.5"), ""),
        (AS_JSON.format("1200.5"), ""),
        (REPORT.format("80.00"), r"took longer than 1 s \(0.08 s at the most\)"),
        (AS_JSON.format("80.0"), "no message came again while it was at work"),
        ("2 orders", "logged how long it took"),
    ],
)
def test_a_visibility_timeout_is_felt_by_an_invocation_that_took_longer(line, why, own_shop):
    drill = find_drill("visibility-shortened", Path())
    [(_, [change])] = make_plan(drill, Aim(own_shop, "x")).changes
    logs, now_s = own_shop.session().client("logs"), time.time()
    group = f"/aws/lambda/{change.address['functions'][0]}"
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="one")
    long_ago = {"timestamp": int(now_s * 1000) - 60_000, "message": REPORT.format("5000")}
    event = {"timestamp": int(now_s * 1000) + 1, "message": line}
    logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=[long_ago, event])

    felt = SETTINGS[change.setting].felt
    assert felt is not None
    told = felt(own_shop, change.address, change.value, now_s)
    assert re.search(why, told) if why else told == ""


def test_what_takes_long_after_the_undo_is_not_what_felt_it(own_shop):
    drill = find_drill("visibility-shortened", Path())
    [(_, [change])] = make_plan(drill, Aim(own_shop, "x")).changes
    logs, sqs = (own_shop.session().client(name) for name in ("logs", "sqs"))
    group = f"/aws/lambda/{change.address['functions'][0]}"
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="one")
    sqs.set_queue_attributes(
        QueueUrl=change.address["queue"], Attributes={"VisibilityTimeout": "60"}
    )
    after_ms = int(time.time() * 1000) + 5000
    event = {"timestamp": after_ms, "message": REPORT.format("1500")}
    logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=[event])

    felt = SETTINGS[change.setting].felt
    assert felt is not None
    assert "logged how long it took" in felt(
        own_shop, change.address, change.value, time.time() - 30
    )


# --- files ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('[[faults]]\nkind = "throttled"\n', "no summary"),
        ('summary = "x"\n', "no faults"),
        ("needs = []\n", "no summary and no faults"),
    ],
)
def test_a_file_that_lacks_something_says_what(text, found, tmp_path):
    stage.drill_file(tmp_path, text)
    with pytest.raises(StorageFirstError) as raised:
        find_drill("own.toml", tmp_path)
    assert f"{found};" in f"{raised.value.line};"


def test_where_is_a_list(tmp_path):
    text = 'summary = "x"\n[[faults]]\nkind = "throttled"\nwhere = "WorkerQ"\n'
    stage.drill_file(tmp_path, text)
    with pytest.raises(StorageFirstError, match="where") as raised:
        find_drill("own.toml", tmp_path)
    assert "a list of logical ids" in raised.value.line
