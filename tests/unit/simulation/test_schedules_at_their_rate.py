"""What recurs comes at its rate while a breaker needs it, and a few times where there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.faults.plan import parse_plan
from pytest_storagefirst.settings_file import load_settings
from pytest_storagefirst.simulation.playing import play
from pytest_storagefirst.simulation.routing.schedules import (
    MOST_TICKS,
    MOST_UNDER_FAULTS,
    AtTheirRate,
)
from pytest_storagefirst.simulation.schedule import Schedule, Send
from pytest_storagefirst.stack.discovery_routing import interval_seconds
from pytest_storagefirst.stack.locating import BLUEPRINTS

TEMPLATE = BLUEPRINTS / "breaker-automatic" / "template.yaml"
HEALTH = "HealthCheck: http GET https://payments.example/health #1: http-500 for {} s"
CHARGES = "Worker: http POST https://payments.example/charges #1: http-500 for {} s"


@pytest.fixture(scope="module")
def deployed():
    return prepare(TEMPLATE, load_settings(TEMPLATE)).deployed


def checks(deployed, *faults: str) -> list[int]:
    """When health was checked, in whole seconds."""
    [entry] = deployed.entries
    sends = (Send("m1", entry.name, entry.body),)
    history = play(deployed, Schedule(sends, parse_plan(faults))).observation.history
    at = [e.at_ms for e in history if e.kind == "delivered" and e.where == "HealthCheck"]
    return [round(at_ms / 1000) for at_ms in at]


def test_each_minute_of_an_outage_and_until_the_circuit_is_closed(deployed):
    found = checks(deployed, CHARGES.format(300), HEALTH.format(300))

    assert found[:6] == [60, 120, 180, 240, 300, 360]
    assert len(found) <= 6 + MOST_TICKS


def test_an_outage_of_days_is_no_run_of_days(deployed):
    found = checks(deployed, CHARGES.format(90_000), HEALTH.format(90_000))

    assert MOST_UNDER_FAULTS <= len(found) <= MOST_UNDER_FAULTS + 2 * MOST_TICKS


def test_who_comes_late_is_waited_for_anew(deployed, monkeypatch):
    began = []
    begin_anew = AtTheirRate.begin_anew
    monkeypatch.setattr(
        AtTheirRate, "begin_anew", lambda self: (began.append(self), begin_anew(self))
    )
    entry = deployed.entries[0]
    sends = tuple(Send(f"m{number}", entry.name, entry.body) for number in (1, 2, 3))
    play(deployed, Schedule(sends, late=2))
    assert len(began) == 2


def test_without_a_breaker_it_comes_when_all_else_is_done(deployed):
    alone = replace(deployed, breaker=None)

    assert len(checks(alone)) == MOST_TICKS
    assert checks(alone, CHARGES.format(300))[0] > 60


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [
        ("rate(1 minute)", 60),
        ("rate(5 minutes)", 300),
        ("rate(2 hours)", 7200),
        ("rate(1 day)", 86_400),
        ("cron(0/15 * * * ? *)", 900),
        ("cron(* * * * ? *)", 60),
        ("cron(0 * * * ? *)", 3600),
        ("cron(0 6 * * ? *)", 86_400),
    ],
)
def test_how_long_it_is_to_the_next(expression, seconds):
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html"""
    assert interval_seconds(expression) == seconds
