"""What an exploration tried, what it left out, and what it never saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

HELD = "held"
BROKE = "violated"
NEVER_FIRED = "never fired"
NOT_TRIED = "not tried"
OUTCOMES = (NOT_TRIED, NEVER_FIRED, HELD, BROKE)


@dataclass(frozen=True)
class Cell:
    """One single fault at one site ("Worker: dynamodb.PutItem #1"), and what came of it.

    `fault` is its kind, variant and extent: "refused(access-denied)", "crash-before for 90 s".
    `outcome` is "held", "violated", "never fired", or "not tried": another shard's, or out of time.
    """

    site: str
    fault: str
    outcome: str


@dataclass(frozen=True)
class Coverage:
    """The ground that one exploration covered.

    `pairs_skipped` were left out by reduction, as runs with the same outcomes had been seen;
    `pairs_left` and `orders_left` were not reached within the budget. `orders_tried` counts
    interleavings, `drawn` the schedules that Hypothesis drew. `sometimes` maps a fact that a good
    suite sees now and then ("redelivery", "dead letter", …) to the number of runs that saw it.
    """

    cells: tuple[Cell, ...] = ()
    pairs_tried: int = 0
    pairs_skipped: int = 0
    pairs_left: int = 0
    orders_tried: int = 0
    orders_left: int = 0
    drawn: int = 0
    sometimes: Mapping[str, int] = field(default_factory=dict)

    @property
    def sites(self) -> int:
        return len({cell.site for cell in self.cells})

    def count(self, outcome: str) -> int:
        return sum(cell.outcome == outcome for cell in self.cells)

    def to_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "sometimes": dict(self.sometimes),
            "cells": [*map(asdict, self.cells)],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Coverage:
        return cls(**{**value, "cells": tuple(Cell(**cell) for cell in value["cells"])})
