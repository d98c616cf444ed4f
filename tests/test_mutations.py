"""A few of the mutants that `python -m mutations` tries by the thousand: errors or verdicts."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from mutations import watching
from mutations.mutating import changed_data, changed_text
from mutations.subjects import Subject, made_beforehand, subjects
from mutations.trying import Mutant, tried
from pytest_storagefirst.stack.locating import BLUEPRINTS

# Quick ones of each way in; a breaker takes ten times as long.
SOURCES = tuple(
    BLUEPRINTS / name / "template.yaml"
    for name in ("api-queue-table", "rest-queue-table", "api-stream-table", "topic-fanout")
)
COUNTS = {
    "template": 50,
    "settings": 30,
    "body": 10,
    "sample event": 10,
    "message": 8,
    "replay": 12,
    "report": 20,
    "profiles": 20,
    "drill": 20,
}


@pytest.fixture(scope="module")
def known(tmp_path_factory) -> dict[str, Subject]:
    return subjects(SOURCES, *made_beforehand(tmp_path_factory.mktemp("before")))


def test_every_kind_is_tried(known):
    assert set(COUNTS) == set(known)


@pytest.mark.parametrize("kind", COUNTS)
def test_a_mutant_ends_in_an_error_or_a_verdict(known, kind):
    told = [tried(known[kind], Mutant(kind, f"test-{number}")) for number in range(COUNTS[kind])]

    assert [came for came in told if came.what == "defect"] == []
    assert {came.what for came in told} <= {"error", "verdict"}


def test_what_breaks_is_seen(known, tmp_path):
    def judged(file: Path) -> str:
        raise KeyError("a key of ours")

    broken = Subject("drill", known["drill"].sources, known["drill"].mutant, judged)

    came = tried(broken, Mutant("drill", "1"))

    assert came.what == "defect"
    assert "KeyError: 'a key of ours'" in came.trace
    assert came.files


def test_what_writes_elsewhere_is_seen(known, tmp_path):
    def judged(file: Path) -> str:
        (tmp_path / "elsewhere").write_text("")
        return "verdict"

    wanders = Subject("drill", known["drill"].sources, known["drill"].mutant, judged)

    came = tried(wanders, Mutant("drill", "1"))

    assert came.what == "defect"
    assert str(tmp_path / "elsewhere") in came.trace


def test_what_hangs_is_seen(known, monkeypatch):
    def judged(file: Path) -> str:
        while True:
            pass

    monkeypatch.setattr(watching, "MOST_SECONDS", 1)
    hangs = Subject("drill", known["drill"].sources, known["drill"].mutant, judged)

    assert "it did not come to an end within 1 s" in tried(hangs, Mutant("drill", "1")).trace


def test_a_seed_makes_one_mutant():
    text = "Resources:\n  Orders:\n    Type: AWS::SQS::Queue\n"
    value = {"Resources": {"Orders": {"Type": "AWS::SQS::Queue"}}}

    for seed in range(50):
        assert changed_text(text, Random(seed)) == changed_text(text, Random(seed))
        assert repr(changed_data(value, Random(seed))) == repr(changed_data(value, Random(seed)))
    assert len({changed_text(text, Random(seed)) for seed in range(50)}) > 40
