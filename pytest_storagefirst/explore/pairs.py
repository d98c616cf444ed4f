"""All pairs of faults: the first as a run of it alone showed it, the second wherever it can go on.

A fault opens new sites: a retry, a redelivery, a dead-letter queue's consumer, a redrive. So the
second is looked for among the crossings of the run with the first, after the first has struck. In
every pair that strikes twice one strikes first, so that all pairs are found this way, each once.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pytest_storagefirst.explore.judge import Judged
from pytest_storagefirst.explore.reduction import (
    Kind,
    representatives,
    same_kinds,
    signature,
    told_apart,
)
from pytest_storagefirst.explore.sweep import faults_lasting, faults_once
from pytest_storagefirst.faults.catalogue import CALL, sort_of_point
from pytest_storagefirst.faults.plan import Fault, parse_fault
from pytest_storagefirst.simulation.deployed import Deployed

Counts = Mapping[tuple[str, str], int]
DURING = ("during", "after")
AFTER = ("after",)
MOST_AT_AN_END = 6  # crossings after the first fault, and before the end, that are each struck


@dataclass(frozen=True)
class First:
    """What the run of one fault alone showed: all that pairing it needs.

    Crossings of each (place, point) by number: those `before` it struck, its own included, and
    `until` the end of what can be struck. `during` says that dead letters were redriven before the
    faults ended; then `before` is how far the run without that redrive came, and `extent_ms`, if
    not 0, how long the fault lasted instead: until they were set aside.
    """

    fault: Fault
    signature: str
    before: Counts
    until: Counts
    during: bool = False
    extent_ms: int = 0

    @property
    def struck(self) -> Fault:
        """The fault as this run had it."""
        return replace(self.fault, for_ms=self.extent_ms) if self.extent_ms else self.fault

    def to_json(self) -> list[Any]:
        """As it crosses from one process to another."""
        return [
            str(self.fault),
            self.signature,
            *map(_listed, (self.before, self.until)),
            self.during,
            self.extent_ms,
        ]

    @classmethod
    def from_json(cls, value: list[Any]) -> First:
        text, found, before, until, during, extent_ms = value
        return cls(parse_fault(text), found, _counted(before), _counted(until), during, extent_ms)


@dataclass(frozen=True)
class Pair:
    """Two faults in the order in which they strike, and when dead letters are redriven."""

    first: Fault
    second: Fault
    redrives: tuple[str, ...] = AFTER

    def __str__(self) -> str:
        return f"{self.first} + {self.second}" + (" + redrive" if self.redrives != AFTER else "")


@dataclass(frozen=True)
class Pairs:
    """What is to be tried, in order, and what reduction left out."""

    tried: tuple[Pair, ...]
    skipped: tuple[Pair, ...]

    def of(self, shard: tuple[int, int]) -> Pairs:
        """Those that belong to a shard."""
        return Pairs(
            *(
                tuple(pair for pair in some if belongs(str(pair), shard))
                for some in (self.tried, self.skipped)
            )
        )


def belongs(name: str, shard: tuple[int, int]) -> bool:
    """Whether what has this name is a shard's, by its text: every machine divides alike."""
    part, parts = shard
    return parts == 1 or zlib.crc32(name.encode()) % parts == part - 1


def _listed(counts: Counts) -> list[list[Any]]:
    return [[*site, count] for site, count in sorted(counts.items())]


def _counted(listed: list[list[Any]]) -> Counts:
    return {(place, point): count for place, point, count in listed}


def first_of(judged: Judged) -> First:
    """What pairing needs of a run with one fault that struck."""
    (fault,) = judged.schedule.plan
    played = judged.played
    return First(fault, signature(judged), played.crossed[str(fault)], played.strikable)


def first_with_redrive(judged: Judged, alone: First) -> First | None:
    """The same for a run with a redrive during the fault, or when it has just ended.

    None when that opens no new site.
    """
    until = judged.played.strikable
    if all(count <= alone.until.get(site, 0) for site, count in until.items()):
        return None
    (struck,) = judged.schedule.plan
    extent_ms = struck.for_ms if struck != alone.fault else 0
    return First(alone.fault, signature(judged), alone.until, until, True, extent_ms)


def pairs(deployed: Deployed, firsts: Iterable[First], fault_free: str) -> Pairs:
    """All pairs that reduction leaves. `fault_free` is the signature of the run without faults."""
    found = list(firsts)
    alone = {first.fault: first.signature for first in found if not first.during}
    chosen = set(representatives(alone, fault_free))
    kept = list(
        every_pair(
            deployed,
            [first for first in found if first.fault in chosen],
            same_kinds(alone, fault_free),
        )
    )
    wanted = set(kept)
    skipped = tuple(pair for pair in every_pair(deployed, found) if pair not in wanted)
    return Pairs(tuple(sorted(kept, key=likely_first)), skipped)


def every_pair(
    deployed: Deployed, firsts: Iterable[First], same: Mapping[Kind, Kind] | None = None
) -> Iterator[Pair]:
    """Each pair of a first fault and one that can strike after it, once, without reduction."""
    seen = set()
    for first in firsts:
        redrives = DURING if first.during else AFTER
        for second in told_apart(seconds(deployed, first), same or {}):
            struck = first.struck
            both: object = frozenset((struck, second))
            if (struck.point, struck.number) == (second.point, second.number):
                both = (struck, second)  # at one call, the order makes a difference
            if struck != second and (both, redrives) not in seen:
                seen.add((both, redrives))
                yield Pair(struck, second, redrives)


def seconds(deployed: Deployed, first: First) -> Iterator[Fault]:
    """All that can strike after the first fault, once or lasting, by the crossings of its run."""
    for (place, point), until in sorted(first.until.items()):
        before = first.before.get((place, point), 0)
        numbers = list(range(before + 1, until + 1))
        if len(numbers) > 2 * MOST_AT_AN_END:
            numbers = numbers[:MOST_AT_AN_END] + numbers[-MOST_AT_AN_END:]
        for number in numbers:
            yield from faults_once(deployed, place, point, number)
        if numbers:
            yield from faults_lasting(deployed, place, point, before + 1)
    if _is_sent_again(first.fault):
        yield from _at_the_next_attempt(deployed, first.fault)


def _is_sent_again(fault: Fault) -> bool:
    """Whether the SDK itself repeats the call that was struck, within the same crossing."""
    return fault.kind == "response-lost" and sort_of_point(fault.point) == CALL and not fault.lasts


def _at_the_next_attempt(deployed: Deployed, struck: Fault) -> Iterator[Fault]:
    site = (struck.place, struck.point, struck.number)
    for fault in (*faults_once(deployed, *site), *faults_lasting(deployed, *site)):
        if fault.kind in ("refused", "crash-after"):
            yield fault


def likely_first(pair: Pair) -> tuple[object, ...]:
    """Most finds of two faults come from single strikes at early crossings, of different kinds.

    Outages come later: what they show, they mostly show alone.
    """
    both = (pair.first, pair.second)
    return (
        sum(fault.lasts for fault in both),
        pair.redrives != AFTER,
        max(fault.number for fault in both),
        pair.first.kind == pair.second.kind,
        sum(fault.number for fault in both),
        str(pair),
    )
