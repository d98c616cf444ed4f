"""What blocks a drill: the command says it in one clear line, exits with 5, and touches nothing."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from pytest_storagefirst.chaos import breakage
from pytest_storagefirst.chaos import guards as guarding
from pytest_storagefirst.chaos.guards import Guards, live_name
from pytest_storagefirst.chaos.lock import holder
from pytest_storagefirst.chaos.run import run
from pytest_storagefirst.errors import DrillError
from pytest_storagefirst.target.target import Target
from tests.chaos import stage
from tests.chaos.conftest import CONFIGURATION
from tests.chaos.test_every_drill import drilling, quick
from tests.chaos.test_trouble import client_error, refusing


def refused(result: Result, *words: str) -> None:
    assert result.exit_code == 5, result.output
    assert len(result.output.strip().splitlines()) == 1, result.output
    assert "Traceback" not in result.output
    for word in words:
        assert word in result.output


def test_the_command_plans_acts_and_recovers(command, shop, tmp_path):
    before = stage.configuration(shop)
    at = ("--target", "stack:shop")

    planned = command("drill", "consumer-disabled", *at)
    assert planned.exit_code == 0, planned.output
    assert "FromWork: enabled true -> false" in planned.output
    assert f"--live {live_name(shop)}" in planned.output
    assert stage.configuration(shop) == before

    acted = command(
        *("drill", "consumer-disabled", *at, "--live", live_name(shop)),
        *("--duration", "0.05", "--faults-only", "--report", "out"),
    )
    assert acted.exit_code == 4, acted.output  # nothing was judged, and that is said
    assert "no message was sent: nothing was judged" in acted.output
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["kind"], report["shown"], report["exit"]) == ("drill", True, 4)
    assert [one["how"] for one in report["undone"]] == ["put back"]
    assert stage.configuration(shop) == before

    nothing = command("recover", *at)
    assert nothing.exit_code == 0, nothing.output
    assert "nothing to undo" in nothing.output


def test_list_is_a_name_a_line(command):
    lines = command("drill", "--list").output.splitlines()

    assert len(lines) == 18
    assert "consumer-disabled" in lines


def test_a_steady_state_that_is_not_there_breaks_nothing(command, shop):
    """moto runs no function without Docker: no canary is ever processed."""
    before = stage.configuration(shop)
    text = """
summary = "own"
[steady_state]
canaries = 1
within = "1 s"
[[faults]]
kind = "throttled"
for = "1 s"
"""
    stage.drill_file(Path.cwd(), text)
    asked = ("drill", "own.toml", "--target", "stack:shop", "--live", live_name(shop))
    result = command(*asked, "--report", "out")

    assert result.exit_code == 4, result.output
    suite = ElementTree.parse("out/junit.xml").getroot()
    assert float(suite.get("time") or 0) >= 1  # what it waited for the canary
    assert suite.find("testsuite").get("timestamp")
    assert "the steady state was not there before: nothing was broken" in result.output
    assert stage.configuration(shop) == before
    assert not list(Path.cwd().glob(".storagefirst/drills/*"))


WRONG = {
    "account": "999999999999:us-east-1:shop",
    "region": "123456789012:eu-west-1:shop",
    "stack": "123456789012:us-east-1:shop-2",
    "form": "shop",
    "empty": "",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_live_names_exactly_this_stack(wrong, command, shop):
    before = stage.configuration(shop)
    result = command("drill", "consumer-disabled", "--target", "stack:shop", "--live", WRONG[wrong])

    refused(result, live_name(shop))
    assert stage.configuration(shop) == before


def test_a_stack_that_is_not_there(command):
    refused(command("drill", "consumer-disabled", "--target", "stack:nowhere"), "no such stack")
    refused(command("recover", "--target", "stack:nowhere"), "no such stack")
    refused(command("drill", "consumer-disabled", "--target", "nowhere"), "no such target")
    refused(command("drill", "consumer-disabled", "--target", "local"), "no local target is up")


def test_a_stack_that_is_not_tagged(command, moto_url):
    target = stage.deploy(moto_url, "production", tagged=False)
    before = stage.configuration(target)
    at = ("--target", "stack:production")

    assert command("drill", "consumer-disabled", *at).exit_code == 0
    result = command("drill", "consumer-disabled", *at, "--live", live_name(target))

    refused(result, "does not permit drills", "storagefirst:drills")
    assert stage.configuration(target) == before


def test_a_stack_that_the_allow_list_does_not_name(command, monkeypatch):
    """Off loopback nothing is even asked."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://aws.example")

    refused(command("drill", "consumer-disabled", "--target", "stack:shop"), "not allowed")


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("circuit-forced-open", "needs a circuit"),
        ("circuit-state-lost", "needs a circuit"),
        ("dlq-redrive-storm", "needs a dead-letter queue"),
        ("consumer-disabled", "needs a mapping"),
        ("function-latency", "needs an agent"),
        ("flag-flipped", "needs a flag"),
        ("downstream-outage", "needs a downstream"),
        ("table-denied", "needs a table"),
        ("queue-send-denied", "needs a queue"),
    ],
)
def test_a_drill_that_does_not_fit_the_stack(name, word, command, moto_url):
    Path("storagefirst.toml").write_text("")
    formation = stage.clients(moto_url).client("cloudformation")
    topic = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    if not any(
        one["StackName"] == "topic" for one in formation.describe_stacks().get("Stacks", ())
    ):
        formation.create_stack(StackName="topic", TemplateBody=json.dumps(topic))

    refused(command("drill", name, "--target", "stack:topic"), name, word)


BAD_FILES = {
    'summary = "x"\n': "at least one fault",
    'summary = "x"\n[[faults]]\nkind = "mapping-disable"\n': "mapping-disabled",
    'summary = "x"\n[[faults]]\nkind = "throttled"\nfor = "soon"\n': "own.toml:4",
    'summary = "x"\nneeds = ["moon"]\n[[faults]]\nkind = "throttled"\n': "own.toml:2",
    'summary = "x"\n[[faults]]\nkind = "throttled"\nwhere = "Nobody"\n': "'Nobody'",
    'summary = "x"\n[[faults]]\nkind = "throttled"\n[[faults]]\nkind = "throttled"\n': "same time",
    'summary = "x"\n[[faults]]\nkind = "throttled"\nunits = 1\n': "unknown key",
    'summary = "x"\n[[faults]]\nkind = "throttled"\n[expected]\nproperties = ["luck"]\n': "luck",
    'summary = "x"\n[[faults]]\nkind = "poison"\nmessages = 0\n': "1 to 100",
    "this is no TOML": "no valid TOML",
}


@pytest.mark.parametrize("text", BAD_FILES)
def test_a_drill_file_that_cannot_be_read(text, command, shop):
    stage.drill_file(Path.cwd(), text)

    refused(command("drill", "own.toml", "--target", "stack:shop"), BAD_FILES[text])


def test_a_name_that_is_nearly_one(command):
    refused(command("drill", "consumer-disable", "--target", "local"), '"consumer-disabled"')


def test_a_fault_that_is_there_already(command, own_shop):
    function = own_shop.topology().functions[0]
    own_shop.session().client("lambda").put_function_concurrency(
        FunctionName=function.name, ReservedConcurrentExecutions=0
    )

    result = command("drill", "consumer-throttled", "--target", own_shop.name)

    refused(result, "is there already")


# --- guards -----------------------------------------------------------------------------------


def blocked(target: Target, folder: Path, guards: Guards, match: str, seconds: float = 0.01) -> Any:
    before = stage.configuration(target)
    drill = quick("consumer-disabled")
    drill = replace(drill, faults=tuple(replace(one, for_s=seconds) for one in drill.faults))
    with pytest.raises(DrillError, match=match) as caught:
        run(drill, replace(drilling(target, folder), guards=guards))
    assert stage.configuration(target) == before
    assert holder(target) is None
    assert not list(folder.iterdir())
    return caught.value


def alarm(target: Target, state: str, name: str = "errors") -> None:
    client = target.session().client("cloudwatch")
    client.put_metric_alarm(
        AlarmName=name,
        Namespace="Shop",
        MetricName="Errors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    client.set_alarm_state(AlarmName=name, StateValue=state, StateReason="a test")


@pytest.mark.parametrize("state", ["ALARM", "INSUFFICIENT_DATA", "missing"])
def test_an_alarm_that_is_not_ok_blocks(state, shop, tmp_path):
    if state != "missing":
        alarm(shop, state)
    else:
        shop.session().client("cloudwatch").delete_alarms(AlarmNames=["errors"])

    blocked(shop, tmp_path, Guards(alarms=("errors",)), f"the alarm errors is {state}")


@pytest.mark.parametrize("state", ["ALARM", "INSUFFICIENT_DATA", "missing"])
def test_an_alarm_stops_a_drill_that_runs(state, shop, tmp_path, monkeypatch):
    monkeypatch.setattr(breakage, "GUARD_EVERY_S", 0.0)
    alarm(shop, "OK")
    before = stage.configuration(shop)
    client = shop.session().client("cloudwatch")

    def goes_off() -> None:
        if state == "missing":
            client.delete_alarms(AlarmNames=["errors"])
        else:
            client.set_alarm_state(AlarmName="errors", StateValue=state, StateReason="a test")

    drill = quick("consumer-disabled")
    drill = replace(drill, faults=tuple(replace(one, for_s=30) for one in drill.faults))
    how = replace(
        drilling(shop, tmp_path),
        guards=Guards(alarms=("errors",)),
        watcher=lambda *_: stage.Watching(goes_off),
    )
    outcome = run(drill, how)

    assert outcome.stopped == f"the alarm errors is {state}"
    assert outcome.is_undone
    assert stage.configuration(shop) == before


@pytest.mark.parametrize("state", ["ALARM", "INSUFFICIENT_DATA", "missing"])
def test_an_alarm_that_goes_off_in_the_steady_state_has_nothing_broken(state, shop, tmp_path):
    alarm(shop, "OK")
    was = stage.configuration(shop)

    class GoesOff(stage.Watching):
        def before(self) -> bool:
            if state == "missing":
                shop.session().client("cloudwatch").delete_alarms(AlarmNames=["errors"])
            else:
                alarm(shop, state)
            return True

    how = replace(
        drilling(shop, tmp_path),
        guards=Guards(alarms=("errors",)),
        watcher=lambda *_: GoesOff(),
    )
    outcome = run(quick("consumer-disabled"), how)

    assert outcome.problems == [f"the alarm errors is {state}: nothing was broken"]
    assert outcome.changes == []
    assert not list(tmp_path.iterdir())
    assert stage.configuration(shop) == was


@pytest.mark.parametrize("state", ["ALARM", "INSUFFICIENT_DATA", "missing"])
def test_an_alarm_is_named_on_the_command_line(state, command, shop):
    if state != "missing":
        alarm(shop, state, "named")
    else:
        shop.session().client("cloudwatch").delete_alarms(AlarmNames=["named"])
    asked = ("drill", "consumer-disabled", "--target", "stack:shop", "--live", live_name(shop))

    refused(command(*asked, "--faults-only", "--alarm", "named"), f"the alarm named is {state}")


def test_a_guard_that_cannot_look_blocks(own_shop, tmp_path):
    client = own_shop.session().client("cloudwatch")

    def refuse(**_: Any) -> None:
        raise client_error("AccessDenied")

    client.meta.events.register("before-call", refuse)
    found = blocked(own_shop, tmp_path, Guards(alarms=("errors",)), "can't look at the alarms")

    assert "use some that do" in found.line


@pytest.mark.parametrize("service", ["sts", "cloudformation"])
def test_nobody_says_which_account_this_is(service, shop, tmp_path):
    client = shop.session().client(service)

    def refuse(**_: Any) -> None:
        raise client_error("ExpiredToken")

    client.meta.events.register("before-call", refuse)
    before = stage.configuration(shop)
    with pytest.raises(DrillError, match="so it blocks") as caught:
        run(quick("consumer-disabled"), drilling(shop, tmp_path))

    assert "get new ones" in caught.value.line
    client.meta.events.unregister("before-call", refuse)
    assert stage.configuration(shop) == before


def test_a_lock_that_cannot_be_taken_blocks(shop, tmp_path):
    before = stage.configuration(shop)
    end = refusing(shop, ("PutParameter",), client_error("AccessDeniedException"))
    with pytest.raises(DrillError, match="lock can't be taken"):
        run(quick("consumer-disabled"), drilling(shop, tmp_path))
    end()

    assert stage.configuration(shop) == before
    assert holder(shop) is None


def test_a_drill_that_takes_too_long_is_refused(shop, tmp_path):
    blocked(shop, tmp_path, Guards(maximum_s=60), "longer than is allowed", seconds=61)


MONDAY = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
WINDOWS = {
    "Mon-Fri 09:00-17:00": True,
    "Mon 11:00-24:00 Europe/Berlin": True,
    "Sat-Mon 09:00-17:00": True,
    "12:00-12:01": True,
    "Tue-Sun 09:00-17:00": False,
    "Mon 09:00-12:00": False,  # it would end after it
    "Mon-Fri 09:00-13:00 Europe/Berlin": False,
    "Mon-Fri 13:00-17:00": False,
}


@pytest.mark.parametrize("window", WINDOWS)
def test_the_time_window(window):
    guards = Guards(window=window)
    if WINDOWS[window]:
        guards._check_window(MONDAY, 60)
    else:
        with pytest.raises(DrillError, match="time window"):
            guards._check_window(MONDAY, 60)


@pytest.mark.parametrize("window", ["always", "09:00", "17:00-09:00", "25:00-26:00", "Mon 9-17"])
def test_a_window_that_is_none(window, shop, tmp_path):
    blocked(shop, tmp_path, Guards(window=window), "no time window")


def test_guards_are_read_from_the_settings(command, shop):
    Path("storagefirst.toml").write_text(
        CONFIGURATION
        + '\n[drills]\nalarms = ["errors"]\nwindow = "Mon-Sun 00:00-24:00"\nmaximum_seconds = 30\n'
    )
    at = ("--target", "stack:shop")
    plan = command("drill", "consumer-disabled", *at, "--duration", "20").output
    assert "as long as it lasts: errors" in plan
    assert "time window: Mon-Sun 00:00-24:00" in plan

    result = command("drill", "consumer-disabled", *at, "--live", live_name(shop))
    refused(result, "longer than is allowed", "maximum_seconds")
    assert guarding.MAXIMUM_S == 900
