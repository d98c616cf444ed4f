"""Defects that only an order of two invocations' crossings shows; no sound twin has one."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_storagefirst.explore.bodies import describe_entries
from pytest_storagefirst.explore.interleavings import Races, base_schedules, races
from pytest_storagefirst.explore.judge import Judge, Judged
from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.explore.workload import plain
from pytest_storagefirst.ledger.verdict import UNKNOWN, VIOLATED
from pytest_storagefirst.settings_file import load_settings

ZOO = Path(__file__).parent
ORDERS = ZOO.parents[1] / "examples" / "orders"
EXPECTED = tomllib.loads((ZOO / "expectations.toml").read_text(encoding="utf-8"))
RACING = [name for name, one in sorted(EXPECTED.items()) if one["needs"] == "one interleaving"]
MOST_ORDERS = 60  # of one schedule
MOST_OF_THE_SOUND = 40  # of each twin: all for the simple ones; all others were tried by hand


def judge_of(folder: Path) -> Judge:
    (template,) = folder.glob("template.*")
    prepared = prepare(template, load_settings(template))
    judge = Judge(prepared.deployed)
    entries = describe_entries(judge, prepared.deployed.entries)
    judge.deployed = replace(prepared.deployed, entries=entries)
    return judge


def raced(judge: Judge, most: int) -> Races:
    return races(judge, plain(judge.deployed.entries, 3), most=most)


def accused(judged: Judged) -> dict[str, str]:
    """What is violated; unknown is no better where the faults asked for have struck."""
    bad = (VIOLATED, UNKNOWN) if judged.played.observation.faults_fired else (VIOLATED,)
    return {name: found.why for name, found in judged.verdicts.items() if found.value in bad}


def test_there_are_races():
    assert len(RACING) >= 4


@pytest.mark.parametrize("animal", RACING)
def test_the_race_is_found_under_its_property(animal):
    expected = EXPECTED[animal]
    judge = judge_of(ZOO / animal / "defective")
    messages = plain(judge.deployed.entries, 3)
    found: set[str] = set()
    for base in base_schedules(judge, messages):
        for judged in races(judge, messages, bases=[base], most=MOST_ORDERS):
            found |= set(accused(judged))
            if expected["property"] in found:
                break
        if expected["property"] in found:
            break
    assert expected["property"] in found
    assert found <= {expected["property"], *expected["also"]}


@pytest.mark.parametrize("animal", sorted(EXPECTED))
def test_the_sound_twin_is_accused_by_no_order(animal):
    judge = judge_of(ZOO / animal / "sound")
    for judged in raced(judge, MOST_OF_THE_SOUND):
        assert not accused(judged), judged.schedule


def test_all_orders_of_the_first_example_are_soon_tried():
    tried = raced(judge_of(ORDERS), 100)
    assert not [found for found in map(accused, tried) if found]
    assert tried.left == 0
    assert tried.tried < 60
