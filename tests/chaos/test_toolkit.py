"""Drills as Chaos Toolkit's actions and probes: they guard and undo themselves."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from pytest_storagefirst.chaos import toolkit
from pytest_storagefirst.chaos.guards import live_name
from tests.chaos import stage
from tests.chaos.test_guards import command  # noqa: F401 - a fixture
from tests.chaos.test_trouble import left_open

OWN = 'summary = "own"\n[[faults]]\nkind = "throttled"\nfor = "0 s"\n'


@pytest.fixture(autouse=True)
def environment(command: object) -> None:  # noqa: F811
    """The variables by which a stack of moto's server is found."""


def test_a_drill_that_shows_nothing_fails_its_activity(shop, monkeypatch):
    """And has undone what it did: the raised error is what Chaos Toolkit writes down."""
    before = stage.configuration(shop)
    stage.drill_file(Path.cwd(), OWN)

    class ActivityFailed(Exception):
        pass

    chaoslib = types.ModuleType("chaoslib")
    exceptions = types.ModuleType("chaoslib.exceptions")
    exceptions.ActivityFailed = ActivityFailed  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "chaoslib", chaoslib)
    monkeypatch.setitem(sys.modules, "chaoslib.exceptions", exceptions)
    with pytest.raises(ActivityFailed, match=r"exits with 4.*nothing was judged"):
        toolkit.run_drill("own.toml", "stack:shop", live_name(shop))

    assert stage.configuration(shop) == before
    assert toolkit.nothing_left_open("stack:shop")


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
