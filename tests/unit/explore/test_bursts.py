"""Bursts against caps, and third parties by script, in explorations and by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_storagefirst.errors import FaultError
from pytest_storagefirst.explore import bursts
from pytest_storagefirst.explore.exploration import explore
from pytest_storagefirst.explore.judge import Judged
from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.explore.stack import open_stack
from pytest_storagefirst.ledger.effects import Observation
from pytest_storagefirst.ledger.load import CALLS, INVOCATIONS, RATE
from pytest_storagefirst.ledger.verdict import OK, UNKNOWN, VIOLATED, Verdict
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings
from pytest_storagefirst.simulation.playing import Played
from pytest_storagefirst.simulation.schedule import Schedule, Send

URL = "https://partner.example/calls"
CALL = f"""
import requests
requests.post("{URL}", json=body, headers={{"Idempotency-Key": body["id"]}}, timeout=2)\\
    .raise_for_status()
"""
DOWNSTREAM = (
    f'[[entry]]\nqueue = "Orders"\nbody = {{ id = "{{unique}}" }}\n[[downstream]]\nurl = "{URL}"\n'
)


@pytest.fixture
def calling(workshop):
    """A template whose handler calls the third party, and what its storagefirst.toml says more."""
    return lambda toml="": workshop.working(CALL, toml=DOWNSTREAM + toml)


def of_all(template):
    result = explore(template, replace(load_settings(template), budget_seconds=0))
    return {one.name: one for one in result.properties}


def test_caps_are_found_in_the_template_and_in_the_settings(workshop):
    template = workshop.template.replace(
        "            FunctionResponseTypes",
        "            ScalingConfig: {MaximumConcurrency: 7}\n            FunctionResponseTypes",
    ).replace("      Timeout:", "      ReservedConcurrentExecutions: 9\n      Timeout:")
    assert template.count("MaximumConcurrency") == template.count("ReservedConcurrent") == 1
    path = workshop.write(template=template, toml=f"{DOWNSTREAM}per_second = 5\nat_once = 3\n")
    caps = prepare(path, load_settings(path)).deployed.caps
    assert [(cap.of, cap.most, cap.place) for cap in caps] == [
        (INVOCATIONS, 7, "Worker"),
        (INVOCATIONS, 9, "Worker"),
        (RATE, 5, URL),
        (CALLS, 3, URL),
    ]
    assert caps[0].source == "Orders"


def test_without_a_cap_no_burst_is_tried(calling):
    template = calling()
    deployed = prepare(template, load_settings(template)).deployed
    assert deployed.caps == ()
    assert list(bursts.schedules(deployed, (Send("m1", "Orders", {}),))) == []


def test_without_a_cap_the_property_does_not_apply(calling):
    levelled = of_all(calling())["load-levelled"]
    assert levelled.verdict == "not-applicable"
    assert "nothing is capped" in levelled.why


def test_a_burst_shows_what_three_messages_do_not(calling):
    levelled = of_all(calling("per_second = 30\n"))["load-levelled"]
    assert levelled.verdict == "violated"
    assert "31 calls within one second" in levelled.why
    assert len(levelled.witness["schedule"]["workload"]) == 31


@pytest.mark.parametrize(
    ("levelled", "quiet", "told"),
    [
        (OK, True, {"load-levelled", "no-message-loss", "drains"}),
        (VIOLATED, True, {"load-levelled", "no-message-loss"}),
        (OK, False, {"load-levelled"}),
        (None, True, {"no-message-loss", "drains"}),
    ],
)
def test_what_a_burst_says_is_said_once(levelled, quiet, told):
    values = {"no-message-loss": OK, "drains": VIOLATED, "poison-isolated": UNKNOWN}
    if levelled is not None:
        values["load-levelled"] = levelled
    played = Played(Observation((), (), (), quiet=quiet), {}, {}, {}, {}, {})
    verdicts = {name: Verdict(value) for name, value in values.items()}
    judged = Judged(Schedule(()), played, None, verdicts)
    assert set(bursts.said_of(judged).verdicts) == told


def test_messages_are_judged_by_what_they_leave_when_all_is_well(calling):
    """Nothing is lost, and bad messages are found, though an outage outlasts all receives."""
    found = of_all(calling('script = ["outage 100 s", "response lost 50 s", "healthy"]\n'))
    told = {name: (one.verdict, one.why) for name, one in found.items()}
    assert {verdict for verdict, _ in told.values()} == {"ok", "not-applicable"}, told
    assert found["no-message-loss"].runs > 50
    assert found["poison-isolated"].verdict == "ok"


def test_by_hand(calling):
    template = calling()
    with open_stack(template, load_settings(template)) as stack:
        partner = stack.downstream(URL)
        partner.outage(seconds=5)
        stack.send()
        stack.run(3)
        assert partner.per_second == {}
        partner.heal()
        stack.run()
        assert list(partner.per_second.values()) == [1]
        assert len(stack.table("Table")) == 1
        stack.verify()


def test_by_hand_below_another_url_and_without_any_in_the_settings(workshop):
    with open_stack(workshop.working(CALL), Settings()) as stack:
        stack.downstream("https://partner.example/").script("brownout 1 s", "healthy")
        stack.downstream("https://other.example/").outage(seconds=60)
        stack.send()
        stack.run()
        assert sum(stack.downstream(URL).per_second.values()) == 2


def test_a_script_by_hand_that_is_none(calling):
    template = calling()
    with (
        open_stack(template, load_settings(template)) as stack,
        pytest.raises(FaultError, match="no third party is 'outtage'"),
    ):
        stack.downstream(URL).script("outtage 3 s")
