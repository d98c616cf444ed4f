"""What was offered and answered in each second of a run, kept so that workers can be added up."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_storagefirst.load.outcomes import (
    ACCEPTED,
    DROPPED,
    NOT_SENT,
    REJECTED,
    UNKNOWN,
)

_NAMES = {
    ACCEPTED: "accepted",
    REJECTED: "rejected",
    UNKNOWN: "unknown",
    NOT_SENT: "not_sent",
    DROPPED: "dropped",
}


@dataclass
class Second:
    """Sends that were due within one second: how many, how they went, and how long each took.

    `service` and `latency` count milliseconds (rounded as `rounded` does) from sending, and from
    the moment it was due, to the answer or to giving up.
    """

    offered: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    service: Counter[int] = field(default_factory=Counter)
    latency: Counter[int] = field(default_factory=Counter)

    def document(self) -> dict[str, Any]:
        """Lists of pairs: keys of a message between Locust's nodes are texts."""
        return {
            "offered": self.offered,
            "outcomes": dict(self.outcomes),
            "service": [list(pair) for pair in self.service.items()],
            "latency": [list(pair) for pair in self.latency.items()],
        }

    @staticmethod
    def of(document: Mapping[str, Any]) -> Second:
        return Second(
            int(document["offered"]),
            Counter({str(name): int(count) for name, count in document["outcomes"].items()}),
            Counter({int(ms): int(count) for ms, count in document["service"]}),
            Counter({int(ms): int(count) for ms, count in document["latency"]}),
        )


class Seconds:
    """Of one worker, by the second in which a send was due. `changed` are not reported yet."""

    def __init__(self) -> None:
        self.rows: dict[int, Second] = {}
        self.changed: set[int] = set()

    def offered(self, at_s: float) -> None:
        self._row(at_s).offered += 1

    def answered(self, at_s: float, outcome: bytes, service_s: float, latency_s: float) -> None:
        row = self._row(at_s)
        row.outcomes[_NAMES[outcome]] += 1
        row.service[rounded(service_s * 1000)] += 1
        row.latency[rounded(latency_s * 1000)] += 1

    def dropped(self, at_s: float) -> None:
        self._row(at_s).outcomes[_NAMES[DROPPED]] += 1

    def _row(self, at_s: float) -> Second:
        self.changed.add(int(at_s))
        return self.rows.setdefault(int(at_s), Second())

    def report(self, *, whole: bool) -> list[list[Any]]:
        """[[second, row], …] of what changed since the last report, or of all."""
        told = sorted(self.rows if whole else self.changed)
        self.changed.clear()
        return [[at, self.rows[at].document()] for at in told]


def rounded(milliseconds: float) -> int:
    """To 1 ms below a second, above it to two more digits: what a count by value can hold."""
    if milliseconds < 1000:
        return math.ceil(milliseconds)
    return math.ceil(milliseconds / 10) * 10


def added_up(workers: Iterable[Mapping[int, Second]]) -> dict[int, Second]:
    """The workers' rows as one."""
    total: dict[int, Second] = {}
    for rows in workers:
        for at, row in rows.items():
            summed = total.setdefault(at, Second())
            summed.offered += row.offered
            summed.outcomes.update(row.outcomes)
            summed.service.update(row.service)
            summed.latency.update(row.latency)
    return total


def quantile(counts: Mapping[int, int], share: float) -> float | None:
    """The value that so many of all do not exceed; None of none."""
    total = sum(counts.values())
    wanted = max(1, math.ceil(total * share - 1e-9))
    for value in sorted(counts):
        wanted -= counts[value]
        if wanted <= 0:
            return float(value)
    return None
