"""report.json: the contract of version 1."""

from __future__ import annotations

import json

from pytest_storagefirst.explore.outcome import Outcome
from pytest_storagefirst.explore.result import PropertyResult, StackResult
from pytest_storagefirst.report.json import report, write_report

NOTHING = {"why": "", "runs": 0, "faults_tried": 0, "lost": [], "witness": None, "story": []}
JUDGED = Outcome(
    result=StackResult(
        "orders/template.yaml",
        (
            PropertyResult("no-message-loss", "violated", "m1 is lost", 214, 71, ("m1",), ("a",)),
            PropertyResult("drains", "ok", runs=214, faults_tried=71),
        ),
        notes=("a note",),
        inert=("Alarm (AWS::CloudWatch::Alarm)",),
        seconds=1.23456,
    ),
    replays={"no-message-loss": "out/replays/x.json"},
)


def test_the_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = {"orders/template.yaml": ["no-message-loss", "drains", "order-preserved"]}

    file = write_report({"orders/template.yaml": JUDGED}, expected, tmp_path / "out")

    assert json.loads(file.read_text(encoding="utf-8")) == {
        "version": 1,
        "stacks": [
            {
                "template": "orders/template.yaml",
                "refused": None,
                "seconds": 1.235,
                "notes": ["a note"],
                "inert": ["Alarm (AWS::CloudWatch::Alarm)"],
                "properties": [
                    {
                        "name": "no-message-loss",
                        "verdict": "violated",
                        "why": "m1 is lost",
                        "runs": 214,
                        "faults_tried": 71,
                        "lost": ["m1"],
                        "witness": "replays/x.json",
                        "story": ["a"],
                    },
                    {**NOTHING, "name": "drains", "verdict": "ok", "runs": 214, "faults_tried": 71},
                    {
                        **NOTHING,
                        "name": "order-preserved",
                        "verdict": "unknown",
                        "why": "the exploration gave no verdict on it",
                    },
                ],
            }
        ],
    }


def test_a_stack_that_was_not_judged_is_unknown(tmp_path):
    outcomes = {"a": Outcome(refusal="a:1: no Resources\nmore"), "b": Outcome(defect="KeyError")}

    stacks = report(outcomes, {"a": ["drains"], "b": ["drains"]}, tmp_path)["stacks"]

    assert [stack["refused"] for stack in stacks] == ["a:1: no Resources\nmore", "KeyError"]
    assert [(one["verdict"], one["why"]) for stack in stacks for one in stack["properties"]] == [
        ("unknown", "a:1: no Resources"),
        ("unknown", "KeyError"),
    ]
