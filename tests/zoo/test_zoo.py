"""Every planted defect is found under its property, and no sound twin is accused of anything."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from pytest_storagefirst.explore.exploration import explore
from pytest_storagefirst.explore.result import StackResult
from pytest_storagefirst.settings_file import load_settings

ZOO = Path(__file__).parent
EXPECTED = tomllib.loads((ZOO / "expectations.toml").read_text(encoding="utf-8"))


@cache
def explored(animal: str, twin: str) -> StackResult:
    """All single faults; what more than one shows is tried in other tests."""
    (template,) = (ZOO / animal / twin).glob("template.*")
    return explore(template, replace(load_settings(template), budget_seconds=0))


def verdicts(result: StackResult) -> dict[str, str]:
    return {one.name: one.verdict for one in result.properties}


def test_every_animal_is_expected_and_there_are_enough():
    animals = {folder.name for folder in ZOO.iterdir() if (folder / "sound").is_dir()}
    assert animals == set(EXPECTED)
    assert len(animals) >= 20


@pytest.mark.parametrize("animal", sorted(EXPECTED))
def test_the_defect_is_found_under_its_property(animal):
    expected = EXPECTED[animal]
    result = explored(animal, "defective")
    found = {one.name: one for one in result.properties if one.verdict == "violated"}
    assert expected["property"] in found, verdicts(result)
    surplus = set(found) - {expected["property"], *expected["also"]}
    assert not surplus, {name: found[name].why for name in surplus}
    witness = found[expected["property"]]
    assert witness.story
    assert witness.why


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
