"""Hypothesis is told how eventful a run was, where it runs the test."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_storagefirst.explore.targeting import LABEL, deliveries_beyond_effects, guide
from pytest_storagefirst.faults.plan import parse_plan
from pytest_storagefirst.simulation.schedule import Schedule, Send

SENDS = tuple(Send(f"m{number}", "Orders", {"id": "{unique}"}) for number in (1, 2))


def judged(judge, *faults):
    return judge.judge(Schedule(SENDS, plan=parse_plan(faults)))


@pytest.fixture
def told(monkeypatch):
    told = []
    real = hypothesis.target

    def target(value, label):
        real(value, label=label)
        told.append((value, label))

    monkeypatch.setattr(hypothesis, "target", target)
    return told


@pytest.mark.parametrize(
    ("faults", "beyond"),
    [
        ([], 0),
        (["Orders: delivery #1: duplicate"], 2),  # a batch of both
        (["Worker: invocation #1: crash"], 2),
    ],
)
def test_deliveries_beyond_effects(sound, faults, beyond):
    assert deliveries_beyond_effects(judged(sound, *faults)) == beyond


def test_hypothesis_is_told_once_for_each_example(sound, told):
    run = judged(sound, "Worker: invocation #1: crash")

    @settings(max_examples=3, database=None)
    @given(st.integers())
    def verified_by_two_properties(_):
        guide(run)
        guide(run)

    verified_by_two_properties()
    assert set(told) == {(2, LABEL)}
    assert 1 <= len(told) <= 3


def test_nobody_is_told_outside_of_its_tests(sound, told):
    guide(judged(sound))

    assert told == []
