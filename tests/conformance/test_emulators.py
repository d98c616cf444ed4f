"""docs/emulators.md is what was observed, and moto and the simulated SQS still answer like that."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from emulators import page, worlds
from emulators.asking import observed
from emulators.probe import PROBES, Probe
from tests.conformance.test_rules import RULES

RESULTS = page.read()
by_name = pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)


def test_the_page_is_what_the_generator_writes() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.written(RESULTS), (
        "run python -m emulators page"
    )


def test_every_rule_is_asked_or_it_is_said_why_not() -> None:
    asked = {probe.rule for probe in PROBES}

    assert asked | set(page.NOT_ASKED) == {int(number) for number in RULES}
    assert asked.isdisjoint(page.NOT_ASKED)


def test_every_probe_was_put_to_every_emulator() -> None:
    names = [probe.name for probe in PROBES]

    assert len(set(names)) == len(names)
    assert sorted(RESULTS["observed"]["moto"]) == sorted(names), "run make emulators"
    assert sorted(RESULTS["observed"]["ministack"]) == sorted(names), "run make emulators"


@by_name
def test_moto_still_answers_like_that(probe: Probe) -> None:
    [said] = observed(worlds.moto, [probe]).values()

    assert said
    # Another moto may know better; the page names the one that was asked.
    if version("moto") == RESULTS["versions"]["moto"]:
        assert said == RESULTS["observed"]["moto"][probe.name], "run make emulators"


@pytest.mark.parametrize(
    "probe", [one for one in PROBES if one.simulated], ids=lambda probe: probe.name
)
def test_the_simulated_sqs_answers_as_aws(probe: Probe) -> None:
    assert observed(worlds.simulation, [probe]) == {probe.name: probe.aws}
    assert RESULTS["observed"]["simulation"][probe.name] == probe.aws
