"""function-latency and function-error by AWS FIS, against moto's FIS: what it is told, and undo."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.chaos.breaking import Aim
from pytest_storagefirst.chaos.drill import find_drill
from pytest_storagefirst.chaos.lock import holder
from pytest_storagefirst.chaos.plan import make_plan
from pytest_storagefirst.chaos.recover import recover
from pytest_storagefirst.chaos.run import run
from pytest_storagefirst.chaos.settings import experiments
from pytest_storagefirst.errors import DrillError
from pytest_storagefirst.target.target import Target
from tests.chaos import stage
from tests.chaos.test_every_drill import drilling, killed_at, quick

ROLE = "arn:aws:iam::123456789012:role/chaos"
CARRIES = {
    "AWS_FIS_CONFIGURATION_LOCATION": "arn:aws:s3:::faults/FisConfigs/",
    "AWS_LAMBDA_EXEC_WRAPPER": "/opt/aws-fis/bootstrap",
}
both = pytest.mark.parametrize("name", ["function-latency", "function-error"])


def with_role(target: Target) -> Target:
    settings = replace(stage.SETTINGS, drills={"fis_role": ROLE})
    made = replace(target, settings=settings)
    fis = made.session().client("fis")

    def goes_on(parsed: dict[str, Any], **_: Any) -> None:
        """moto's experiments go on only where they are asked for by their ids."""
        for one in parsed.get("experiments", ()):
            while one["state"]["status"] in ("pending", "initiating", "stopping"):
                one["state"] = fis.get_experiment(id=one["id"])["experiment"]["state"]

    fis.meta.events.register("after-call.fis.ListExperiments", goes_on)
    return made


@pytest.fixture(scope="module")
def carrier(moto_url: str) -> Target:
    return with_role(stage.deploy(moto_url, "carrier", **CARRIES))


def seen(target: Target) -> dict[str, Any]:
    """The configuration of the stack, and what of FIS is there or at work."""
    fis = target.session().client("fis")
    running = [
        one
        for one in fis.list_experiments()["experiments"]
        if one["state"]["status"] not in ("stopped", "completed")
    ]
    return {
        **stage.configuration(target),
        "templates": fis.list_experiment_templates()["experimentTemplates"],
        "running": running,
    }


@both
def test_fis_is_told_what_the_fault_is_and_stopped_after_it(name, carrier, tmp_path):
    before = seen(carrier)
    during: list[Any] = []
    fis = carrier.session().client("fis")

    def look() -> None:
        [one] = seen(carrier)["running"]
        assert one["state"]["status"] == "running"
        [template] = seen(carrier)["templates"]
        during.append(fis.get_experiment_template(id=template["id"])["experimentTemplate"])

    how = replace(drilling(carrier, tmp_path), watcher=lambda *_: stage.Watching(look))
    outcome = run(quick(name), how)

    assert outcome.shown
    assert outcome.is_undone
    assert seen(carrier) == before
    assert holder(carrier) is None
    # moto runs no function: what FIS says is at work, none has felt.
    assert [one.rpartition(": ")[2] for one in outcome.problems] == [
        "no invocation of " + carrier.topology().functions[0].name + " logged AWS FIS EXTENSION"
    ]
    [template] = during
    [action] = template["actions"].values()
    [target] = template["targets"].values()
    assert template["roleArn"] == ROLE
    assert template["stopConditions"] == [{"source": "none"}]
    assert target["resourceArns"] == [carrier.topology().functions[0].arn]
    # A minute more than three, which the proof and the undo may take.
    expected = {"duration": "PT4M", "invocationPercentage": "100"}
    if name == "function-latency":
        expected["startupDelayMilliseconds"] = "3000"
    else:
        expected |= {"invocationPercentage": "50", "preventExecution": "true"}
    assert action["parameters"] == expected
    assert action["actionId"] == (
        "aws:lambda:invocation-add-delay"
        if name == "function-latency"
        else "aws:lambda:invocation-error"
    )


def test_alarms_that_guard_the_drill_stop_the_experiment(carrier):
    drill = find_drill("function-error", Path())
    planned = make_plan(drill, Aim(carrier, "x", ("orders-errors",)))

    [(_, [change])] = planned.changes
    assert change.value["stopConditions"] == [
        {
            "source": "aws:cloudwatch:alarm",
            "value": f"arn:aws:cloudwatch:us-east-1:{carrier.account}:alarm:orders-errors",
        }
    ]


@both
def test_killed_at_any_step_recover_stops_and_deletes_it(name, carrier, tmp_path):
    before = seen(carrier)
    steps = 0
    while killed_at(steps, name, carrier, tmp_path / str(steps)):
        assert not recover(carrier, tmp_path / str(steps)).left
        assert seen(carrier) == before, f"killed at moment {steps}"
        assert recover(carrier, tmp_path / str(steps)).found == 0
        steps += 1
    assert steps >= 8


@pytest.mark.parametrize("operation", ["CreateExperimentTemplate", "StartExperiment"])
def test_killed_before_its_id_is_known_it_is_found_by_its_tag(operation, carrier, tmp_path):
    """FIS has done what it was told, and the drill has not heard the answer."""
    before = seen(carrier)

    def drill() -> None:
        carrier.session().client("fis").meta.events.register(
            f"after-call.fis.{operation}", lambda **_: os.kill(os.getpid(), signal.SIGKILL)
        )
        run(quick("function-error"), drilling(carrier, tmp_path))

    stage.in_a_process_of_its_own(drill)
    assert len(seen(carrier)["templates"]) == 1
    assert len(seen(carrier)["running"]) == (operation == "StartExperiment")

    assert recover(carrier, tmp_path).left == ()
    assert seen(carrier) == before
    assert recover(carrier, tmp_path).found == 0


def test_an_experiment_that_ends_too_early_shows_nothing(carrier, tmp_path):
    """As one does that its stop condition ends."""
    fis = carrier.session().client("fis")

    def stop() -> None:
        for one in seen(carrier)["running"]:
            fis.stop_experiment(id=one["id"])

    how = replace(drilling(carrier, tmp_path), watcher=lambda *_: stage.Watching(stop))
    outcome = run(quick("function-error"), how)

    assert any("not in effect to its end" in one for one in outcome.problems)
    assert outcome.is_undone


def test_an_experiment_that_fails_tells_fiss_reason(carrier, tmp_path):
    """As where the role may not write to the bucket; moto's never fail."""
    before = seen(carrier)
    events = carrier.session().client("fis").meta.events

    def fails(parsed: dict[str, Any], **_: Any) -> None:
        for one in parsed.get("experiments", ()):
            if one["state"]["status"] == "running":
                one["state"] = {"status": "failed", "reason": "the role has no s3:PutObject"}

    events.register_last("after-call.fis.ListExperiments", fails)
    try:
        outcome = run(quick("function-error"), drilling(carrier, tmp_path))
    finally:
        events.unregister("after-call.fis.ListExperiments", fails)
        for one in seen(carrier)["running"]:
            carrier.session().client("fis").stop_experiment(id=one["id"])

    assert not outcome.shown
    assert outcome.problems == ["the experiment has failed: the role has no s3:PutObject"]
    assert seen(carrier)["templates"] == before["templates"]


def test_nobody_elses_experiment_is_touched(carrier, tmp_path):
    fis = carrier.session().client("fis")
    made = fis.create_experiment_template(
        description="theirs",
        stopConditions=[{"source": "none"}],
        actions={"wait": {"actionId": "aws:fis:wait", "parameters": {"duration": "PT1M"}}},
        roleArn=ROLE,
        tags={experiments.TAG: "another drill"},
    )["experimentTemplate"]["id"]
    started = fis.start_experiment(experimentTemplateId=made)["experiment"]["id"]
    try:
        assert run(quick("function-error"), drilling(carrier, tmp_path)).is_undone
        assert [one["id"] for one in seen(carrier)["running"]] == [started]
        assert [one["id"] for one in seen(carrier)["templates"]] == [made]
    finally:
        fis.stop_experiment(id=started)
        fis.get_experiment(id=started)
        fis.delete_experiment_template(id=made)


@pytest.mark.parametrize(
    ("variables", "role", "told"),
    [
        (CARRIES, "", "fis_role = "),
        ({**CARRIES, "AWS_LAMBDA_EXEC_WRAPPER": "/opt/other"}, ROLE, "/opt/aws-fis/bootstrap"),
    ],
)
def test_half_of_what_fis_needs_is_refused_before_anything(variables, role, told, carrier):
    """One line that says what to add."""
    topology = carrier.topology()
    functions = tuple(replace(one, environment=variables) for one in topology.functions)
    target = replace(carrier, settings=replace(stage.SETTINGS, drills={"fis_role": role}))
    target.__dict__["_topology"] = replace(topology, functions=functions)

    with pytest.raises(DrillError) as caught:
        make_plan(find_drill("function-error", Path()), Aim(target, "x"))
    assert told in caught.value.line
    assert len(caught.value.line.splitlines()) == 1


def test_without_extension_and_agent_it_is_said_what_to_add(carrier):
    topology = carrier.topology()
    functions = tuple(replace(one, environment={}) for one in topology.functions)
    target = replace(carrier)
    target.__dict__["_topology"] = replace(topology, functions=functions)

    with pytest.raises(DrillError) as caught:
        make_plan(find_drill("function-latency", Path()), Aim(target, "x"))
    assert "AWS_FIS_CONFIGURATION_LOCATION" in caught.value.line
    assert "STORAGEFIRST_AGENT" in caught.value.line


def test_more_functions_than_fis_takes_at_once_are_several_targets(carrier):
    topology = carrier.topology()
    one = topology.functions[0]
    functions = tuple(
        replace(one, logical_id=f"F{number}", arn=f"{one.arn}{number}") for number in range(7)
    )
    target = replace(carrier)
    target.__dict__["_topology"] = replace(topology, functions=functions)
    [(_, [change])] = make_plan(find_drill("function-latency", Path()), Aim(target, "x")).changes

    sizes = [len(one["resourceArns"]) for one in change.value["targets"].values()]
    assert sizes == [5, 2]
    used = [one["targets"]["Functions"] for one in change.value["actions"].values()]
    assert used == list(change.value["targets"])
