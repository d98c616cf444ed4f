"""Results cross process borders whole, and only "ok" and "not-applicable" pass."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_storagefirst.explore.outcome import InternalError, Outcome, Refused
from pytest_storagefirst.explore.result import (
    NotShown,
    PropertyResult,
    ReplayResult,
    StackResult,
    Violated,
    require,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
TEXTS = st.lists(st.text(), max_size=3).map(tuple)
PROPERTY_RESULTS = st.builds(
    PropertyResult,
    name=st.text(),
    verdict=st.sampled_from(["ok", "violated", "unknown", "not-applicable"]),
    why=st.text(),
    runs=st.integers(),
    faults_tried=st.integers(),
    lost=TEXTS,
    story=TEXTS,
    witness=st.none() | st.dictionaries(st.text(), JSON, max_size=3),
)
STACK_RESULTS = st.builds(
    StackResult,
    template=st.text(),
    properties=st.lists(PROPERTY_RESULTS, max_size=3).map(tuple),
    notes=TEXTS,
    inert=TEXTS,
    seconds=st.floats(allow_nan=False),
)


@given(STACK_RESULTS)
def test_a_result_comes_back_from_json_as_it_was(result):
    assert StackResult.from_json(json.loads(json.dumps(result.to_json()))) == result


@given(
    st.builds(
        Outcome,
        result=st.none() | STACK_RESULTS,
        replayed=st.none()
        | st.builds(
            *(ReplayResult, st.text(), st.text(), st.text(), st.text()),
            story=TEXTS,
        ),
        refusal=st.text(),
        defect=st.text(),
        trace=st.text(),
        replays=st.dictionaries(st.text(), st.text()),
    )
)
def test_an_outcome_comes_back_from_json_as_it_was(outcome):
    assert Outcome.from_json(json.loads(json.dumps(outcome.to_json()))) == outcome


@pytest.mark.parametrize("verdict", ["ok", "not-applicable"])
def test_these_pass(verdict):
    require(PropertyResult("drains", verdict))


@pytest.mark.parametrize(
    ("verdict", "kind"),
    [("violated", Violated), ("unknown", NotShown), ("no verdict that we know", NotShown)],
)
def test_everything_else_fails(verdict, kind):
    with pytest.raises(kind) as raised:
        require(PropertyResult("drains", verdict, "it spins", story=("a", "b")), hint="again: …")

    assert str(raised.value) == "drains: it spins\n\n  a\n  b\n\nagain: …"


def test_a_replay_passes_by_its_verdict_alone():
    assert ReplayResult("template.yaml", "drains", "violated").still_fails
    require(ReplayResult("template.yaml", "drains", "ok"))
    with pytest.raises(NotShown, match="drains: the run gave no reason"):
        require(ReplayResult("template.yaml", "drains", "unknown"))


def test_an_outcome_without_a_result_says_why():
    with pytest.raises(Refused, match="no such file"):
        Outcome(refusal="no such file").of("drains")
    with pytest.raises(InternalError, match="KeyError"):
        Outcome(defect="KeyError").of("drains")
    assert Outcome(refusal="no such file\nmore").judged(["drains"]) == (
        PropertyResult("drains", "unknown", "no such file"),
    )
    assert Outcome().of("drains").verdict == "unknown"
