"""The section that pytest's terminal shows, and what `storagefirst merge` prints."""

from __future__ import annotations

from dataclasses import replace

from pytest_storagefirst.explore.coverage import Cell, Coverage
from pytest_storagefirst.explore.outcome import Outcome
from pytest_storagefirst.explore.result import PropertyResult, StackResult
from pytest_storagefirst.report.terminal import Line, stack_lines, story_lines

RESULT = StackResult(
    "template.yaml",
    (
        PropertyResult("no-message-loss", "violated", "m1 is lost", 1214, 71, ("m1",), ("a", "b")),
        PropertyResult("drains", "ok", runs=1, faults_tried=1),
    ),
    notes=("a note",),
    inert=("Alarm (AWS::CloudWatch::Alarm)",),
    seconds=1.25,
    coverage=Coverage(cells=(Cell("Orders: delivery #1", "duplicate", "held"),)),
)


def test_a_stack():
    assert stack_lines("template.yaml", Outcome(result=RESULT), (), verbosity=0) == [
        Line(
            "template.yaml: 1,214 runs, 71 faults tried in 1.2 s; violated: no-message-loss; ok: 1",
            {"red": True},
        ),
        Line("  tried: 1 fault at 1 site"),
        Line("  note: a note"),
    ]


def test_a_part_of_a_stack_says_so():
    part = replace(RESULT, shard=(2, 3), interrupted=True)

    first = stack_lines("template.yaml", Outcome(result=part), (), verbosity=0)[0].text

    assert "71 faults tried in 1.2 s, shard 2 of 3, interrupted; violated" in first


def test_verbosity_adds_to_it():
    texts = [
        [line.text for line in stack_lines("a", Outcome(result=RESULT), (), verbosity=verbosity)]
        for verbosity in (0, 1, 2)
    ]

    assert set(texts[1]) - set(texts[0]) == {"  plays no part: Alarm (AWS::CloudWatch::Alarm)"}
    assert set(texts[2]) - set(texts[1]) == {"  Orders: delivery #1  held: duplicate"}


def test_the_stories_of_what_no_item_told():
    assert [line.text for line in story_lines(Outcome(result=RESULT))] == [
        "",
        "no-message-loss: m1 is lost",
        "  a",
        "  b",
        "",
    ]
    assert story_lines(Outcome(refusal="no")) == []
