"""A circuit that is forced open as its breaker would have left it; flags that AppConfig serves."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pytest_storagefirst.chaos.breaking import Aim
from pytest_storagefirst.chaos.drill import find_drill
from pytest_storagefirst.chaos.guards import live_name
from pytest_storagefirst.chaos.plan import make_plan
from pytest_storagefirst.chaos.recover import recover
from pytest_storagefirst.chaos.run import run
from pytest_storagefirst.chaos.setting import Change
from pytest_storagefirst.chaos.settings.items import as_json, from_json
from pytest_storagefirst.cli import main
from pytest_storagefirst.errors import SettingsError
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.stack.breaker import Breaker, moment
from pytest_storagefirst.stack.locating import template_path
from pytest_storagefirst.target import local
from pytest_storagefirst.target.target import Target
from tests.chaos import stage
from tests.chaos.test_every_drill import drilling, killed_at, quick

NOW_S = 1_700_000_000.5


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("now", 1_700_000_000),
        ("now + 60 s", 1_700_000_060),
        ("now in ms", 1_700_000_000_500),
        ("now + 1 s as text", "2023-11-14T22:13:21Z"),
        ("never", "never"),
        (3, 3),
        (0.5, Decimal("0.5")),
    ],
)
def test_a_moment_is_told_as_the_breaker_writes_it(said, meant):
    assert moment(said, NOW_S) == meant


@pytest.mark.parametrize(
    ("attribute", "item", "rewritten"),
    [
        ("state", {"id": "a", "n": 1}, {"id": "a", "n": 1, "state": "OPEN"}),
        ("gate.mode", {"gate": {"n": 1}}, {"gate": {"n": 1, "mode": "OPEN"}}),
        ("a.b.c", {"a": {"x": 1, "b": {"y": 2}}}, {"a": {"x": 1, "b": {"y": 2, "c": "OPEN"}}}),
        ("a.b", {"a.b": "CLOSED"}, {"a.b": "OPEN"}),
        ("gate.mode", {}, {"gate": {"mode": "OPEN"}}),
    ],
)
def test_a_word_is_written_where_it_is_read(attribute, item, rewritten):
    breaker = Breaker("table", "Circuit", "circuit", attribute=attribute)

    assert breaker.with_word(item, "OPEN") == rewritten
    assert breaker.word_in(rewritten) == "OPEN"


def test_an_item_is_the_same_after_python_has_had_it():
    item = {
        "bytes": {"B": {"base64": "AAE="}},
        "map": {"M": {"list": {"L": [{"N": "1.50"}, {"BOOL": True}, {"NULL": True}]}}},
        "names": {"SS": ["a", "b"]},
        "raw": {"BS": [{"base64": "AAE="}]},
    }

    assert as_json(from_json(item)) == item


# --- what is planned --------------------------------------------------------------------------


def opening(target: Target, **circuit: Any) -> Change:
    settings = replace(stage.SETTINGS, circuit={**stage.SETTINGS.circuit, **circuit})
    aim = Aim(replace(target, settings=settings), "x")
    [(_, [change])] = make_plan(find_drill("circuit-forced-open", Path()), aim).changes
    return change


def test_what_else_the_breaker_writes_is_written_too(shop):
    change = opening(shop, opened={"until": "now + 60 s", "failures": 3})

    assert change.before == stage.CLOSED | {"seen": {"SS": ["a", "b"]}}
    until = int(change.value["until"]["N"])
    assert 50 < until - time.time() < 70
    assert change.value == {
        **change.before,
        "state": {"S": "OPEN"},
        "failures": {"N": "3"},
        "until": {"N": str(until)},
    }


def test_that_nothing_is_known_of_what_else_it_writes_is_told(own_shop):
    circuit = next(one for one in own_shop.topology().tables if one.logical_id == "Circuit")
    key = {"name": stage.CLOSED["name"]}
    own_shop.session().client("dynamodb").delete_item(TableName=circuit.name, Key=key)

    assert "opened = {" in opening(own_shop).reach
    assert "opened = {" not in opening(own_shop, opened={}).reach


@pytest.mark.parametrize(
    "circuit", [{"table": "Circuit", "opened": 3}, {"parameter": "/x", "opened": {"until": 1}}]
)
def test_what_is_written_when_it_opens_is_a_table(circuit, shop):
    target = replace(shop, settings=Settings(circuit=circuit))

    with pytest.raises(SettingsError, match="opened = "):
        make_plan(find_drill("circuit-forced-open", Path()), Aim(target, "x"))


# --- on ministack -----------------------------------------------------------------------------


def blueprint(name: str, place: Path) -> Path:
    """A blueprint whose messages come again soon."""
    shutil.copytree(template_path(f"blueprint:{name}").parent, place)
    template = place / "template.yaml"
    text = template.read_text(encoding="utf-8").replace("Timeout: 30", "Timeout: 3")
    template.write_text(text.replace("VisibilityTimeout: 180", "VisibilityTimeout: 3"))
    return place


def test_a_handler_takes_it_for_its_breakers_own(tmp_path, monkeypatch):
    """It reads more of the item than the state, and fails where that is missing."""
    place = blueprint("breaker-in-handler", tmp_path / "shop")
    target = local.up(None, {}, place).target
    try:
        monkeypatch.chdir(place)
        arguments = ["drill", "circuit-forced-open", "--duration", "5"]
        result = CliRunner().invoke(main, [*arguments, "--live", live_name(target)])
        logs = target.session().client("logs")
        worker = target.topology().functions[0].name
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{worker}")["events"]
        lines = "\n".join(event["message"] for event in events)
    finally:
        local.down(place)

    assert result.exit_code == 0, result.output
    assert "put back to absent" in result.output
    assert "Traceback" not in lines, lines


@pytest.fixture(scope="module")
def flagged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    place = blueprint("feature-flags", tmp_path_factory.mktemp("flagged") / "shop")
    template = place / "template.yaml"
    # The emulator then tells the version as a number, which it does not take as one.
    text = template.read_text().replace("!Ref FlagsVersion", "!GetAtt FlagsVersion.VersionNumber")
    template.write_text(text)
    try:
        yield local.up(None, {}, place).target
    finally:
        local.down(place)


def appconfig(target: Target) -> dict[str, Any]:
    """What is served and what there is to be served."""
    [one] = target.topology().configurations
    client = target.session().client("appconfig")
    profile = {"ApplicationId": one.application[0], "ConfigurationProfileId": one.profile[0]}
    newest = client.list_deployments(
        ApplicationId=one.application[0], EnvironmentId=one.environment[0]
    )["Items"]
    newest.sort(key=lambda deployment: deployment["DeploymentNumber"])
    return {
        "served": (newest[-1]["State"], str(newest[-1]["ConfigurationVersion"])),
        "versions": client.list_hosted_configuration_versions(**profile)["Items"],
        "strategies": client.list_deployment_strategies()["Items"],
    }


def test_flags_in_appconfig_are_flipped_and_deployed_as_before(flagged, tmp_path):
    before = appconfig(flagged)
    during: list[Any] = []
    look = stage.Watching(lambda: during.append(appconfig(flagged)))
    how = replace(drilling(flagged, tmp_path), watcher=lambda *_: look)
    outcome = run(quick("flag-flipped"), how)

    [change] = outcome.changes
    assert '"processing": {"enabled": false}, "counted": {"enabled": true}' in str(change.value)
    assert outcome.shown
    assert during[0]["served"] != before["served"]
    assert len(during[0]["versions"]) == len(before["versions"]) + 1
    assert outcome.is_undone
    assert appconfig(flagged) == before


def test_killed_at_any_step_appconfig_serves_what_it_served(flagged, tmp_path):
    before = appconfig(flagged)
    steps = 0
    while killed_at(steps, "flag-flipped", flagged, tmp_path / str(steps)):
        assert not recover(flagged, tmp_path / str(steps)).left
        assert appconfig(flagged) == before, f"killed at moment {steps}"
        assert recover(flagged, tmp_path / str(steps)).found == 0
        steps += 1
    assert steps >= 8


def test_killed_before_it_is_deployed_its_version_is_found(flagged, tmp_path):
    """The version and the way to deploy it are there, and the deployment is not begun."""
    before = appconfig(flagged)

    def drill() -> None:
        flagged.session().client("appconfig").meta.events.register(
            "before-call.appconfig.StartDeployment", lambda **_: os._exit(0)
        )
        run(quick("flag-flipped"), drilling(flagged, tmp_path))

    stage.in_a_process_of_its_own(drill)
    assert len(appconfig(flagged)["versions"]) == len(before["versions"]) + 1

    assert recover(flagged, tmp_path).left == ()
    assert appconfig(flagged) == before


def test_another_version_that_was_deployed_meanwhile_is_left(flagged, tmp_path):
    [one] = flagged.topology().configurations
    client = flagged.session().client("appconfig")
    profile = {"ApplicationId": one.application[0], "ConfigurationProfileId": one.profile[0]}

    def deploy() -> None:
        theirs = client.create_hosted_configuration_version(
            **profile, Content=one.content.encode(), ContentType=one.content_type
        )["VersionNumber"]
        [strategy] = client.list_deployment_strategies()["Items"][:1]
        client.start_deployment(
            ApplicationId=one.application[0],
            EnvironmentId=one.environment[0],
            ConfigurationProfileId=one.profile[0],
            ConfigurationVersion=str(theirs),
            DeploymentStrategyId=strategy["Id"],
        )

    how = replace(drilling(flagged, tmp_path), watcher=lambda *_: stage.Watching(deploy))
    outcome = run(quick("flag-flipped"), how)

    assert not outcome.is_undone
    assert "changed meanwhile by someone else" in outcome.undone[0].told
    assert recover(flagged, tmp_path, keep_changes=True).left == ()
