"""Drills as Chaos Toolkit's actions and probes: they guard and undo themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed
from chaoslib.experiment import ensure_experiment_is_valid, run_experiment

from pytest_storagefirst.chaos import toolkit
from pytest_storagefirst.chaos.guards import live_name
from tests.chaos import stage
from tests.chaos.test_trouble import left_open

OWN = 'summary = "own"\n[[faults]]\nkind = "throttled"\nfor = "0 s"\n'


@pytest.fixture(autouse=True)
def environment(command: object) -> None:
    """The variables by which a stack of moto's server is found; nothing is left to tell."""
    toolkit.drills_were_ok()


def test_a_drill_that_shows_nothing_fails_its_activity(shop):
    """And has undone what it did: the raised error is what Chaos Toolkit writes down."""
    before = stage.configuration(shop)
    stage.drill_file(Path.cwd(), OWN)

    with pytest.raises(ActivityFailed, match=r"exits with 4.*nothing was judged"):
        toolkit.run_drill("own.toml", "stack:shop", live_name(shop))

    assert stage.configuration(shop) == before
    assert toolkit.nothing_left_open("stack:shop")


def experiment(**arguments: object) -> dict[str, Any]:
    """The one of the page, for another drill."""
    page = (Path(__file__).parents[2] / "docs" / "drills.md").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(page.split("```json\n")[1].partition("```")[0])
    drill = {"drill": arguments["drill"], "target": arguments["target"]}
    probes = found["steady-state-hypothesis"]["probes"]
    probes[0]["provider"]["arguments"] = drill
    probes[1]["provider"]["arguments"] = {"target": arguments["target"]}
    found["method"][0]["provider"]["arguments"] = arguments
    found["rollbacks"][0]["provider"]["arguments"] = {"target": arguments["target"]}
    return found


@pytest.mark.parametrize("exit_code", [0, 3, 4])
def test_an_experiment_whose_drill_was_not_ok_fails(exit_code, shop, monkeypatch):
    """As `chaos run` judges it, which exits with 1 where the journal says that it has deviated."""
    monkeypatch.setattr(toolkit.command, "drill", lambda *_: exit_code)
    arguments = {"drill": "consumer-disabled", "target": "stack:shop", "live": live_name(shop)}
    made = experiment(**arguments)
    ensure_experiment_is_valid(made)
    journal = run_experiment(made)
    is_ok = exit_code == 0

    assert (journal["status"], journal["deviated"]) == ("completed", not is_ok)
    assert [one["status"] for one in journal["run"]] == ["succeeded" if is_ok else "failed"]
    assert [one["status"] for one in journal["rollbacks"]] == ["succeeded"]
    assert toolkit.drills_were_ok()  # it is told: the next experiment of the process may begin


def test_a_drill_that_is_refused_is_not_ok_either(shop):
    journal = run_experiment(
        experiment(drill="consumer-disabled", target="stack:shop", live="1:us-east-1:shop")
    )

    assert journal["deviated"]
    assert "--live names another stack" in str(journal["run"][0]["exception"])


def test_a_drill_that_a_guard_blocks_fails_its_activity(shop):
    before = stage.configuration(shop)
    with pytest.raises(Exception, match="--live names another stack"):
        toolkit.run_drill("consumer-disabled", "stack:shop", "999999999999:us-east-1:shop")

    assert stage.configuration(shop) == before


def test_the_rollback_finishes_what_a_killed_process_left(own_shop):
    before = stage.configuration(own_shop)
    name = own_shop.name
    left_open(own_shop, Path.cwd())

    assert not toolkit.nothing_left_open(name)
    assert toolkit.recover_all(name)["exit"] == 0
    assert toolkit.nothing_left_open(name)
    assert stage.configuration(own_shop) == before


def test_a_probe_says_whether_a_drill_fits(shop):
    assert toolkit.drill_fits("consumer-disabled", "stack:shop")
    assert not toolkit.drill_fits("consumer-disabled", "stack:nowhere")
    Path("storagefirst.toml").write_text("")
    assert not toolkit.drill_fits("flag-flipped-2", "stack:shop")


def test_what_is_public_is_documented():
    for name in toolkit.__all__:
        assert getattr(toolkit, name).__doc__
