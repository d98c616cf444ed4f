"""What a drill may say where it could not look, or not undo."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pytest_storagefirst.chaos.canaries import Canaries
from pytest_storagefirst.chaos.drill import find_drill
from pytest_storagefirst.chaos.outcome import Outcome
from pytest_storagefirst.chaos.undo import ERROR_AT_MOST, FAILED, Undone, told_error
from pytest_storagefirst.chaos.verdict import conclude
from pytest_storagefirst.target.target import Target
from tests.chaos.test_canaries import canaries_for

GONE = "what became of it can't be told: Could not connect"


def waiting(shop: Target) -> Canaries:
    """One message that was accepted, and has not been seen since."""
    canaries = canaries_for(shop, find_drill("consumer-disabled", Path()), [])
    canaries.others = {"run-redrive-1"}
    return canaries


@pytest.mark.parametrize(
    ("undone", "steady_after", "expected"),
    [
        ([], False, "violated"),
        ([], None, "unknown"),
        ([Undone(1, FAILED, "it is not undone")], False, "unknown"),
    ],
    ids=["waited and undone", "nobody could look", "not undone"],
)
def test_that_messages_wait_is_said_where_it_was_waited_for_what_was_undone(
    undone, steady_after, expected, shop
):
    canaries = waiting(shop)
    canaries.steady_after = steady_after
    outcome = Outcome("run", find_drill("consumer-disabled", Path()), shown=True, undone=undone)
    _, _, properties = conclude(outcome, canaries)

    verdicts = {one["name"]: one["verdict"] for one in properties}
    assert verdicts["drains"] == expected


def test_a_page_in_the_place_of_an_answer_is_a_line():
    page = "<!DOCTYPE HTML>\n<html><title>500</title><h1>Internal Server Error</h1>" + "x " * 900
    told = told_error(RuntimeError(page))

    assert told.startswith("500 Internal Server Error")
    assert len(told) <= ERROR_AT_MOST + 1
    assert told_error(RuntimeError("a < b > c")) == "a < b > c"


def test_a_stack_that_could_not_be_looked_at_is_unknown(shop):
    outcome = Outcome("run", find_drill("consumer-disabled", Path()), shown=True, problems=[GONE])
    verdict, why, _ = conclude(outcome, waiting(shop))

    assert verdict == "unknown"
    assert any("could not be watched" in one for one in why)


@pytest.mark.parametrize(
    ("name", "service", "expected"),
    [
        ("local", "kinesis", "unknown"),
        ("local", "sqs", "violated"),
        ("stack:shop", "kinesis", "violated"),
    ],
)
def test_what_the_emulator_does_otherwise_is_not_held_against_the_stack(
    name, service, expected, shop
):
    """It takes a stream's batch for processed, whatever failures the function reports of it."""
    topology = shop.topology()
    arn = f"arn:aws:{service}:us-east-1:123456789012:x"
    reading = replace(
        topology.mappings[0], source_arn=arn, reports_batch_item_failures=True, logical_id="Reads"
    )
    target = replace(shop, name=name)
    canaries = waiting(target)
    target.__dict__["_topology"] = replace(topology, mappings=(reading,))
    canaries.given_up = {"run-redrive-1"}
    outcome = Outcome("run", find_drill("consumer-disabled", Path()), shown=True)
    verdict, why, properties = conclude(outcome, canaries)

    assert properties[0]["verdict"] == "violated"
    assert verdict == expected
    assert any("Reads reports the failures" in one for one in why) == (expected == "unknown")
