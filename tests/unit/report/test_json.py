"""report.json: the contract of version 1."""

from __future__ import annotations

import json
import re
from pathlib import Path

from pytest_storagefirst import __version__
from pytest_storagefirst.explore.coverage import Cell, Coverage
from pytest_storagefirst.explore.graph import Graph, Link, Node
from pytest_storagefirst.explore.outcome import Outcome
from pytest_storagefirst.explore.result import PropertyResult, StackResult
from pytest_storagefirst.report.json import report, write_report
from pytest_storagefirst.report.narrative import Step

NOTHING = {"why": "", "runs": 0, "faults_tried": 0, "lost": [], "witness": None, "story": []}
JUDGED = Outcome(
    result=StackResult(
        "orders/template.yaml",
        (
            PropertyResult(
                "no-message-loss",
                "violated",
                "m1 is lost",
                214,
                71,
                ("m1",),
                ("a",),
                steps=(
                    Step(101, "called", "a", ("m1",), "Worker", "dynamodb.PutItem #1", "Orders"),
                    Step(None, "ledger", "b"),
                ),
            ),
            PropertyResult("drains", "ok", runs=214, faults_tried=71),
        ),
        notes=("a note",),
        inert=("Alarm (AWS::CloudWatch::Alarm)",),
        seconds=1.23456,
        coverage=Coverage(
            cells=(
                Cell("Worker: dynamodb.PutItem #1", "response-lost", "violated"),
                Cell("Worker: dynamodb.PutItem #1", "stale", "never fired"),
            ),
            pairs_tried=3,
            sometimes={"redelivery": 2, "dead letter": 0},
        ),
        shard=(2, 3),
        graph=Graph((Node("Worker", "function"),), (Link("Worker", "Orders", "calls"),), ("Q",)),
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
                "shard": [2, 3],
                "interrupted": False,
                "plugin": __version__,
                "topology": {
                    "nodes": [{"id": "Worker", "kind": "function"}],
                    "links": [{"source": "Worker", "target": "Orders", "kind": "calls"}],
                    "entries": ["Q"],
                },
                "coverage": {
                    **JUDGED.result.coverage.to_json(),
                    "sites": 1,
                    "never_fired": 1,
                    "never_seen": ["dead letter"],
                },
                "properties": [
                    {
                        "name": "no-message-loss",
                        "verdict": "violated",
                        "why": "m1 is lost",
                        "runs": 214,
                        "faults_tried": 71,
                        "lost": ["m1"],
                        "witness": "replays/x.json",
                        "again": "pytest -p storagefirst --storagefirst-replay=out/replays/x.json",
                        "story": ["a"],
                        "steps": [
                            {
                                "at": 0.101,
                                "kind": "called",
                                "text": "a",
                                "messages": ["m1"],
                                "where": "Worker",
                                "detail": "dynamodb.PutItem #1",
                                "to": "Orders",
                            },
                            {"kind": "ledger", "text": "b"},
                        ],
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

    stacks = report(outcomes, {"a": ["drains"], "b": ["drains"]}, tmp_path, (1, 2))["stacks"]

    assert [(stack["shard"], stack["coverage"]) for stack in stacks] == [([1, 2], None)] * 2
    assert [stack["refused"] for stack in stacks] == ["a:1: no Resources\nmore", "KeyError"]
    assert [(one["verdict"], one["why"]) for stack in stacks for one in stack["properties"]] == [
        ("unknown", "a:1: no Resources"),
        ("unknown", "KeyError"),
    ]


def test_the_page_on_reports_shows_its_keys(tmp_path):
    page = Path(__file__).parents[3] / "docs" / "reference" / "report.md"
    text = page.read_text(encoding="utf-8")
    (shown,) = re.findall(
        r'^```json\n(\{"version": 1, "stacks".*?)^```$', text, re.MULTILINE | re.DOTALL
    )

    assert keys(json.loads(shown)) == keys(report({"a": JUDGED}, {}, tmp_path))


def keys(value):
    """The names in a JSON value, of a list those in its first; facts are data and no names."""
    if isinstance(value, list):
        return keys(value[0]) if value else None
    if isinstance(value, dict):
        return {key: keys(part) for key, part in value.items() if key != "sometimes"}
    return None
