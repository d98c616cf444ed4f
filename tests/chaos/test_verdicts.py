"""What a drill may say where it could not look, or not undo."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_storagefirst.chaos.canaries import Canaries
from pytest_storagefirst.chaos.drill import find_drill
from pytest_storagefirst.chaos.outcome import Outcome
from pytest_storagefirst.chaos.undo import FAILED, Undone
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


def test_a_stack_that_could_not_be_looked_at_is_unknown(shop):
    outcome = Outcome("run", find_drill("consumer-disabled", Path()), shown=True, problems=[GONE])
    verdict, why, _ = conclude(outcome, waiting(shop))

    assert verdict == "unknown"
    assert any("could not be watched" in one for one in why)
