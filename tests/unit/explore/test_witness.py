"""A replay file holds all that a run depends on; one that doesn't is refused with a reason."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_storagefirst.errors import ReplayError
from pytest_storagefirst.explore.judge import Judged
from pytest_storagefirst.explore.witness import find_template, read_witness, witness_document
from pytest_storagefirst.faults.plan import parse_fault
from pytest_storagefirst.simulation.schedule import Schedule, Send

PLAN = (
    parse_fault("Worker: dynamodb.PutItem #2 under m1: refused(throttle) for 90.5 s"),
    parse_fault("POST /orders: request #1: sender-resends"),
)
BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)
SCHEDULES = st.builds(
    Schedule,
    workload=st.lists(
        st.builds(Send, st.sampled_from(["m1", "m2"]), st.just("POST /orders"), BODIES),
        min_size=1,
        max_size=3,
    ).map(tuple),
    plan=st.sets(st.sampled_from(PLAN)).map(sorted).map(tuple),
    choices=st.lists(st.integers(0, 9), max_size=3).map(tuple),
    seed=st.integers(0, 9),
    concurrency=st.integers(1, 3),
    batch_limit=st.integers(0, 3),
    one_by_one=st.booleans(),
    redrives=st.lists(st.sampled_from(["during", "after"]), max_size=3).map(tuple),
)
SCHEDULE = Schedule((Send("m1", "POST /orders", {"id": "{unique}"}),), plan=PLAN)


def document(schedule=SCHEDULE, **changes):
    judged = Judged(schedule, SimpleNamespace(), None, {})
    made = witness_document(
        Path("template.yaml").absolute(),
        "drains",
        judged,
        frozenset({"m1"}),
        ("a line",),
        {"a": "b"},
    )
    return {**made, **changes}


@given(SCHEDULES)
def test_what_is_written_is_read(tmp_path_factory, schedule):
    file = tmp_path_factory.mktemp("witness") / "witness.json"
    file.write_text(json.dumps(document(schedule)))

    read = read_witness(file)

    assert read.schedule == schedule
    assert read.template == Path("template.yaml")
    assert read.property_name == "drains"
    assert read.bad == frozenset({"m1"}) & set(schedule.messages)
    assert read.kept == {"a": "b"}


def test_an_unreadable_file(tmp_path):
    with pytest.raises(ReplayError, match=r"nowhere.json: the replay file can't be read"):
        read_witness(tmp_path / "nowhere.json")
    with pytest.raises(ReplayError, match="can't be read"):
        read_witness(tmp_path)


def without(name):
    made = document()
    del made[name]
    return made


def with_schedule(**changes):
    made = document()
    return {**made, "schedule": {**made["schedule"], **changes}}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is no JSON"),
        ("{", "is no JSON"),
        (b"\xff\xfe\x00", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "is no replay file"),
        ('"text"', "is no replay file"),
        ("{}", "is no replay file"),
        (document(format="pact"), "is no replay file"),
        (document(version=0), "is from another version"),
        (document(version=2), "is from another version"),
        (without("schedule"), "is damaged"),
        (without("bad"), "is damaged"),
        (without("property"), "is damaged"),
        (document(property="no-such"), "is damaged"),
        (document(property=["drains"]), "is damaged"),
        (document(template=""), "is damaged"),
        (document(bad="m1"), "is damaged"),
        (document(bad=["m9"]), "is damaged"),
        (document(bad=[["m1"]]), "is damaged"),
        (document(kept=[1]), "is damaged"),
        ({**document(), "schedule": []}, "is damaged"),
        (with_schedule(workload=[]), "is damaged"),
        (with_schedule(workload=["m1"]), "is damaged"),
        (with_schedule(workload=None), "is damaged"),
        (with_schedule(plan=["Worker: explodes"]), "is damaged"),
        (with_schedule(plan=[7]), "is damaged"),
        (with_schedule(choices=["a"]), "is damaged"),
        (with_schedule(seed=None), "is damaged"),
    ],
)
def test_what_is_no_whole_replay_file_of_ours(tmp_path, text, problem):
    file = tmp_path / "witness.json"
    if isinstance(text, bytes):
        file.write_bytes(text)
    else:
        file.write_text(text if isinstance(text, str) else json.dumps(text))

    with pytest.raises(ReplayError, match=problem) as raised:
        read_witness(file)

    error = raised.value
    assert error.where == str(file)
    assert error.found
    assert error.expected
    assert error.remedy


def test_the_template_is_found_from_here_or_above_the_file(tmp_path, monkeypatch):
    (tmp_path / "deep").mkdir()
    (tmp_path / "infra").mkdir()
    (tmp_path / "infra" / "template.yaml").write_text("")
    file = tmp_path / "deep" / "witness.json"
    monkeypatch.chdir("/")

    assert find_template(Path("infra/template.yaml"), file) == tmp_path / "infra/template.yaml"
    monkeypatch.chdir(tmp_path / "infra")
    assert find_template(Path("template.yaml"), file) == tmp_path / "infra/template.yaml"
    with pytest.raises(ReplayError, match=r"found: +elsewhere.yaml"):
        find_template(Path("elsewhere.yaml"), file)
