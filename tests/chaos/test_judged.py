"""Drills on ministack, judged: a sound stack passes, its broken twin loses and is told how."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pytest_storagefirst.chaos import agent
from pytest_storagefirst.chaos.breaking import Aim
from pytest_storagefirst.chaos.guards import live_name
from pytest_storagefirst.chaos.lock import holder
from pytest_storagefirst.chaos.plan import make_plan
from pytest_storagefirst.chaos.recover import recover
from pytest_storagefirst.chaos.run import run
from pytest_storagefirst.cli import main
from pytest_storagefirst.explore.replay import replay
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.stack.locating import template_path
from pytest_storagefirst.target import local
from pytest_storagefirst.target.target import Target
from tests.chaos import stage
from tests.chaos.test_every_drill import drilling, every_drill, quick

APP = """
import json, os, urllib.request
import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


WRAPPED
def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            order = json.loads(record["body"])
            urllib.request.urlopen(os.environ["DOWNSTREAM_URL"], data=b"{}", timeout=1).read()
            table.put_item(Item={"id": order["id"]})
        except Exception as error:
            print(error)
            ON_FAILURE
    return {"batchItemFailures": failures}
"""
AGENT = "/shop/agent"
WRAPPED = "import agent\n\n\n@agent.with_faults"
REPORTED = 'failures.append({"itemIdentifier": record["messageId"]})'
SWALLOWED = "pass  # the defect: it is acknowledged all the same"


def folder_of(place: Path, on_failure: str, wrapped: str = "") -> Path:
    """The blueprint of a stack with a third party, with another handler and little patience.

    The function names the agent's parameter; whether it carries the agent is another thing.
    """
    blueprint = template_path("blueprint:breaker-in-handler")
    shutil.copytree(blueprint.parent, place)
    text = blueprint.read_text(encoding="utf-8")
    text = text.replace("VisibilityTimeout: 180", "VisibilityTimeout: 2")
    text = text.replace("Timeout: 30", "Timeout: 2")
    variables = "        Variables:\n"
    assert text.count(variables) == 1
    text = text.replace(variables, f"{variables}          {agent.VARIABLE}: {AGENT}\n")
    (place / "template.yaml").write_text(text, encoding="utf-8")
    app = APP.replace("ON_FAILURE", on_failure).replace("WRAPPED", wrapped)
    (place / "src" / "app.py").write_text(app)
    shutil.copy(agent.__file__, place / "src")
    settings = place / "storagefirst.toml"
    settings.write_text(settings.read_text().partition("[circuit]")[0])
    return place


def up(place: Path) -> Iterator[tuple[Path, Target]]:
    made = local.up(None, {}, place)
    try:
        yield place, made.target
    finally:
        local.down(place)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Target]]:
    yield from up(folder_of(tmp_path_factory.mktemp("sound") / "shop", REPORTED, WRAPPED))


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Target]]:
    yield from up(folder_of(tmp_path_factory.mktemp("broken") / "shop", SWALLOWED))


def drilled(
    stack: tuple[Path, Target], name: str, monkeypatch: pytest.MonkeyPatch, seconds: int = 4
) -> tuple[Result, dict[str, Any]]:
    folder, target = stack
    monkeypatch.chdir(folder)
    arguments = ["drill", name, "--live", live_name(target), "--duration", str(seconds)]
    result = CliRunner().invoke(main, [*arguments, "--report", "out"])
    return result, json.loads((folder / "out" / "report.json").read_text())


def test_a_sound_stack_loses_nothing_in_an_outage(sound, monkeypatch):
    folder, target = sound
    result, report = drilled(sound, "downstream-outage", monkeypatch)

    assert result.exit_code == 0, result.output
    assert (report["verdict"], report["exit"], report["shown"]) == ("ok", 0, True)
    assert report["ledger"]["accepted"] == report["ledger"]["processed"] >= 8
    assert report["recovered_after_s"] is not None
    assert [one["name"] for one in report["phases"]] == ["steady", "broken", "mended"]
    assert holder(target) is None
    assert "no-message-loss" in (folder / "out" / "report.html").read_text()
    suite = ElementTree.parse(folder / "out" / "junit.xml").getroot()
    assert suite.get("failures") == "0"


def test_its_broken_twin_loses_what_came_in_the_outage(broken, monkeypatch):
    folder, _ = broken
    result, report = drilled(broken, "downstream-outage", monkeypatch)

    assert result.exit_code == 3, result.output
    assert report["ledger"]["lost"]
    assert all("-during-" in message for message in report["ledger"]["lost"])
    assert f"lost: {report['ledger']['lost'][0]}" in result.output
    assert [one["verdict"] for one in report["properties"]] == ["violated", "ok"]
    suite = ElementTree.parse(folder / "out" / "junit.xml").getroot()
    assert int(suite.get("failures") or 0) >= 1

    # The failure as a test, on the same template in virtual time; and the test's file as a drill.
    again = replay(folder / "out" / "replay.json", Settings())
    assert (again.property_name, again.verdict) == ("no-message-loss", "violated"), again
    planned = CliRunner().invoke(main, ["drill", "out/replay.json"])
    assert planned.exit_code == 0, planned.output
    assert "https://payments.example/charges: script absent ->" in planned.output


@pytest.mark.parametrize(
    ("name", "why"),
    [("queue-send-denied", "never in effect"), ("table-denied", "was set and not felt")],
)
def test_a_fault_that_does_not_take_hold_shows_nothing(name, why, sound, monkeypatch):
    """ministack keeps policies, answers what they would do, and asks none of them."""
    result, report = drilled(sound, name, monkeypatch)

    assert result.exit_code == 4, result.output
    assert report["verdict"] == "unknown"
    assert why in result.output


@pytest.mark.parametrize("name", ["consumer-disabled", "duplicate-delivery", "dlq-redrive-storm"])
def test_messages_that_wait_or_come_twice_are_accounted_for(name, sound, monkeypatch):
    result, report = drilled(sound, name, monkeypatch, 3)

    assert result.exit_code == 0, result.output
    assert report["ledger"]["duplicated"] == []


# --- the agent --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("function-latency", 'kind = "slow"\nseconds = 1'),
        ("function-error", 'kind = "error"'),
    ],
)
def test_the_agent_does_what_it_is_told_until_it_is_undone(name, fault, sound, monkeypatch):
    """Every invocation, where the drills of these names strike some: chance proves nothing."""
    folder, target = sound
    text = f"""summary = "As {name}."
        needs = ["agent"]
        [steady_state]
        [[faults]]
        for = "8 s"
        {fault}
        [expected]
        properties = ["no-message-loss", "drains"]"""
    stage.drill_file(folder, text, f"{name}.toml")
    result, report = drilled(sound, f"{name}.toml", monkeypatch, 8)

    assert result.exit_code == 0, result.output
    assert report["shown"]
    assert report["ledger"]["lost"] == []
    [change] = report["changes"]
    assert (change["place"], change["before"]) == (AGENT, None)
    with pytest.raises(target.session().client("ssm").exceptions.ParameterNotFound):
        target.session().client("ssm").get_parameter(Name=AGENT)


def test_orders_that_nobody_follows_show_nothing(broken, monkeypatch):
    """The variable is there, and the handler is not wrapped."""
    result, report = drilled(broken, "function-error", monkeypatch, 2)

    assert result.exit_code == 4, result.output
    assert report["shown"]
    assert "not shown that it was felt: no invocation of" in result.output


# --- all drills on ministack ------------------------------------------------------------------


@pytest.fixture(scope="module")
def shop_there(sound: tuple[Path, Target]) -> Target:
    """The stack of the tests on moto, on the same emulator."""
    target = stage.deploy(str(sound[1].endpoint_url), "everything")
    return replace(target, downstream_url=sound[1].downstream_url)


# ministack asks no policy, and the function leaves no effect.
NOT_SHOWN = {"queue-send-denied", "queue-delete-denied", "duplicate-delivery"}


@every_drill
def test_what_a_drill_changed_is_as_before(name, shop_there, tmp_path):
    before = stage.configuration(shop_there)
    planned = make_plan(quick(name), Aim(shop_there, "x"))
    assert all(changes for _, changes in planned.changes)
    assert stage.configuration(shop_there) == before

    outcome = run(quick(name), drilling(shop_there, tmp_path))

    assert stage.configuration(shop_there) == before
    assert outcome.is_undone
    assert outcome.shown == (name not in NOT_SHOWN), outcome.problems
    assert holder(shop_there) is None
    assert recover(shop_there, tmp_path).found == 0
