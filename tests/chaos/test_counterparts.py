"""Faults of tests as faults of drills: which have a counterpart, and what is said of the others."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from pytest_storagefirst.chaos.breaking import KINDS, Aim
from pytest_storagefirst.chaos.counterparts import (
    counterpart,
    drill_of_replay,
    replay_of,
    written_replay,
)
from pytest_storagefirst.chaos.drill import Drill, Fault, drill_names, find_drill
from pytest_storagefirst.chaos.front_door import FrontDoor, front_doors
from pytest_storagefirst.chaos.plan import make_plan
from pytest_storagefirst.errors import DrillError, ReplayError
from pytest_storagefirst.faults.catalogue import KINDS as CATALOGUE
from pytest_storagefirst.faults.plan import parse_fault
from pytest_storagefirst.load.plan import Way
from pytest_storagefirst.load.profiles import Action
from pytest_storagefirst.simulation.schedule import Schedule, Send
from tests.chaos.test_deliveries import with_entries

FOUND = {
    "Worker: invocation #1: mapping-disabled for 90 s": Fault(
        "mapping-disabled", ("Worker",), for_s=90
    ),
    "Worker: invocation #1: throttled for 30 s": Fault("throttled", ("Worker",), for_s=30),
    "Worker: dynamodb.PutItem #1: refused(access-denied) for 90 s": Fault(
        "table-denied", for_s=90, options={"actions": ["dynamodb:PutItem"]}
    ),
    "Worker: dynamodb.PutItem #1: refused(throttle) for 90 s": Fault("table-throttled", for_s=90),
    "Worker: http POST https://payments.example/charges #1: refused for 90 s": Fault(
        "outage", for_s=90
    ),
    "Work: delivery #1: visibility-expired": Fault("visibility-expired", ("Work",)),
    "Work: delivery #1: ack-lost for 20 s": Fault("delete-denied", ("Work",), for_s=20),
    "POST /orders: request #1: storage-refused(access-denied)": Fault("send-denied"),
}
NONE = (
    "Worker: dynamodb.PutItem #1: response-lost",
    "Worker: dynamodb.PutItem #1: crash-after",
    "Worker: invocation #1: recycled",
    "Work: delivery #1: reordered",
    "POST /orders: request #1: sender-resends",
    "Worker: s3.PutObject #1: refused(throttle) for 90 s",
)


@pytest.mark.parametrize("text", FOUND)
def test_a_counterpart(text):
    assert counterpart(parse_fault(text)) == FOUND[text]


@pytest.mark.parametrize("text", NONE)
def test_no_counterpart_and_why(text):
    said = counterpart(parse_fault(text))

    assert isinstance(said, str)
    assert len(said) > 20


@pytest.mark.parametrize("entry", ["queue", "topic", "bus", "stream", "bucket", "table"])
def test_a_failed_drill_is_a_replay_file_whatever_its_way_in_is(shop, entry, tmp_path):
    body = '{"id": "{unique}", "amount": 12}'
    door = FrontDoor(shop, Way("In", "", body=body, service=entry, operation="put"))
    drill = Drill("outage", "", faults=(Fault("mapping-disabled", for_s=9),))
    document, left_out = replay_of(
        drill, shop.topology(), (door,), tmp_path / "template.yaml", "no-message-loss"
    )

    sends = Schedule.from_json(document["schedule"]).workload
    assert {(send.entry, json.dumps(send.body)) for send in sends} == {("In", body)}
    assert left_out == ()


def test_every_counterpart_is_a_fault_of_drills():
    assert all(found.kind in KINDS for found in FOUND.values())
    assert {"response-lost", "crash-after"} <= set(CATALOGUE)


def replay_file(folder: Path, *plan: str, bad: tuple[str, ...] = ()) -> Path:
    schedule = Schedule((Send("m1", "Work", {"id": "{unique}"}),)).to_json()
    document = {
        "format": "storagefirst-replay",
        "version": 1,
        "template": "template.yaml",
        "property": "no-duplicate-effects",
        "bad": bad,
        "kept": {},
        "schedule": {**schedule, "plan": list(plan)},
        "story": [],
    }
    file = folder / "failure.json"
    file.write_text(json.dumps(document))
    return file


def test_a_replay_file_is_a_drill_and_says_what_it_leaves_out(shop, tmp_path):
    file = replay_file(
        tmp_path,
        "Worker: invocation #1: mapping-disabled for 90 s",
        "Worker: dynamodb.PutItem #1: response-lost",
    )
    drill = find_drill(file.name, tmp_path)

    assert [one.kind for one in drill.faults] == ["mapping-disabled"]
    [left_out] = drill.unmatched
    assert "response-lost" in left_out
    assert drill.expected.properties == ("no-duplicate-effects", "no-message-loss")
    [(_, [change])] = make_plan(drill, Aim(shop, "x")).changes
    assert change.place == "FromWork"


def test_bad_messages_of_a_replay_file_are_bad_messages_of_the_drill(tmp_path):
    drill = find_drill(replay_file(tmp_path, bad=("m1",)).name, tmp_path)

    assert drill.faults == (Fault("poison", options={"messages": 1}),)


def test_a_replay_file_without_any_counterpart_is_refused(tmp_path):
    file = replay_file(tmp_path, "Worker: dynamodb.PutItem #1: response-lost")

    with pytest.raises(DrillError, match="no fault of this replay file") as caught:
        drill_of_replay(file)
    assert "response-lost" in caught.value.line


def test_a_file_that_is_no_replay_file_is_refused(tmp_path):
    (tmp_path / "other.json").write_text("{}")

    with pytest.raises(ReplayError, match="no replay file"):
        find_drill("other.json", tmp_path)


def load_report(folder: Path, *actions: dict[str, object]) -> Path:
    file = folder / "report.json"
    file.write_text(json.dumps({"kind": "load", "run": "r1", "actions": actions}))
    return file


def test_what_a_failing_load_run_did_to_its_target_is_a_drill(tmp_path):
    script = ["outage 40 s", "slow start 20 s", "response lost 5 s", "brownout 10 s", "healthy"]
    file = load_report(
        tmp_path,
        asdict(Action(5, "downstream", tuple(script))),
        asdict(Action(90, "redrive")),
    )
    drill = find_drill(file.name, tmp_path)

    assert drill.faults == (
        Fault("outage", at_s=5, for_s=40),
        Fault("outage", at_s=45, for_s=20),
        Fault("outage", at_s=70, for_s=10),
        Fault("redrive", at_s=90, for_s=10),
    )
    [left_out] = drill.unmatched
    assert "response lost" in left_out


@pytest.mark.parametrize(
    ("action", "told"),
    [
        ((), "load alone"),
        (({"at_s": 5, "kind": "downstream", "script": ["response lost 5 s"]},), "response lost"),
        (({"at_s": "soon", "kind": "downstream", "script": []},), "can't be read"),
        (({"at_s": 5, "kind": "downstream", "script": ["flood 5 s"]},), "flood"),
    ],
)
def test_a_load_run_without_a_counterpart_is_refused(action, told, tmp_path):
    load_report(tmp_path, *action)

    with pytest.raises(DrillError) as caught:
        find_drill("report.json", tmp_path)
    assert told in caught.value.line


def test_the_drills_of_the_wheel_are_those_of_the_repository():
    """pyproject puts chaos/ there; here the repository's own are used."""
    project = (Path(__file__).parent.parent.parent / "pyproject.toml").read_text()

    assert '"chaos" = "pytest_storagefirst/chaos/drills"' in project
    assert "consumer-disabled" in drill_names()


def test_a_replay_file_that_cant_be_written_is_a_line_and_no_traceback(shop, tmp_path):
    template = tmp_path / "template.yaml"
    template.write_text("Resources: {}")
    doors = front_doors(with_entries(shop, "Work"))
    drill = find_drill("consumer-disabled", tmp_path)
    place = tmp_path / "replay.json"

    place.mkdir()
    told = written_replay(drill, doors, template, "no-message-loss", tmp_path)
    assert told.startswith(f"no replay file: {place} can't be written")

    place.rmdir()
    told = written_replay(drill, doors, template, "no-message-loss", tmp_path)
    assert told.startswith(f"replay: {place}")
    assert json.loads(place.read_text())["property"] == "no-message-loss"
