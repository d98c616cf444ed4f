"""Every planted defect is found under its property, and no sound twin is accused of anything."""

from __future__ import annotations

import math
import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from pytest_storagefirst.explore import stages
from pytest_storagefirst.explore.exploration import explore
from pytest_storagefirst.explore.result import PropertyResult, StackResult
from pytest_storagefirst.settings_file import load_settings

ZOO = Path(__file__).parent
EXPECTED = tomllib.loads((ZOO / "expectations.toml").read_text(encoding="utf-8"))
# The others are in test_races.py.
SHOWN_ALONE = sorted(name for name, one in EXPECTED.items() if one["needs"] != "one interleaving")
NEED_TWO = sorted(name for name, one in EXPECTED.items() if one["needs"] == "two faults")

MOST_FAULTS = {
    "no fault": 0,
    "a bad message": 1,
    "one fault": 1,
    "two faults": 2,
    "two faults of a breaker": 2,
}


@cache
def explored(animal: str, twin: str) -> StackResult:
    """All single faults; where a defect needs two, all pairs, whatever time they take.

    What two faults show, they show of one message. Nothing is drawn.
    """
    (template,) = (ZOO / animal / twin).glob("template.*")
    settings = load_settings(template)
    if EXPECTED[animal]["needs"] != "two faults":
        return explore(template, replace(settings, budget_seconds=0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "MESSAGES", 1)
        result = explore(template, replace(settings, budget_seconds=math.inf), draws=False)
    assert result.coverage.pairs_tried > 500
    assert result.coverage.pairs_left == 0
    return result


def verdicts(result: StackResult) -> dict[str, str]:
    return {one.name: one.verdict for one in result.properties}


def assert_small(witness: PropertyResult, most_faults: int, most_messages: int = 2) -> None:
    """Every witness is, and so their median: two messages and one fault, or what a defect needs."""
    assert witness.witness is not None
    schedule = witness.witness["schedule"]
    assert len(schedule["workload"]) <= most_messages
    assert len(schedule["plan"]) <= most_faults
    assert not schedule["choices"]


def test_every_animal_is_expected_and_there_are_enough():
    animals = {folder.name for folder in ZOO.iterdir() if (folder / "sound").is_dir()}
    assert animals == set(EXPECTED)
    assert len(animals) >= 20


@pytest.mark.parametrize("animal", SHOWN_ALONE)
def test_the_defect_is_found_under_its_property(animal):
    expected = EXPECTED[animal]
    result = explored(animal, "defective")
    found = {one.name: one for one in result.properties}
    witness = found[expected["property"]]
    assert witness.verdict == expected.get("verdict", "violated"), verdicts(result)
    accused = {name for name, one in found.items() if one.verdict == "violated"}
    surplus = accused - {expected["property"], *expected["also"]}
    assert not surplus, {name: found[name].why for name in surplus}
    assert witness.story
    assert witness.why
    if witness.verdict == "violated":  # a run that shows nothing is not made smaller
        most_messages = expected.get("messages", 2)
        assert_small(witness, MOST_FAULTS[expected["needs"]], most_messages)


@pytest.mark.parametrize("animal", NEED_TWO)
def test_no_single_fault_shows_what_needs_two(animal):
    (template,) = (ZOO / animal / "defective").glob("template.*")
    result = explore(template, replace(load_settings(template), budget_seconds=0))
    assert "violated" not in verdicts(result).values()


@pytest.mark.parametrize("animal", sorted(EXPECTED))
def test_the_sound_twin_is_not_accused(animal):
    result = explored(animal, "sound")
    accused = {
        one.name: (one.verdict, one.why)
        for one in result.properties
        if one.verdict not in ("ok", "not-applicable")
    }
    assert not accused
    assert verdicts(result)["no-message-loss"] == "ok"
