"""When each message is meant to be sent: laid out ahead by the clock, whoever answers when.

The same for each process that asks: every worker takes its share of one sequence, and the master
knows from an id when its message was due.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from pytest_storagefirst.load.profiles import Phase, Profile

GOOD, POISON, DUPLICATE = "good", "poison", "duplicate"


@dataclass(frozen=True)
class Arrival:
    """One message: the `sequence`-th of its worker, due so many seconds after the start."""

    worker: int
    sequence: int
    at_s: float
    kind: str  # GOOD, POISON or DUPLICATE, which is sent twice


def arrivals(profile: Profile, run: str, workers: int) -> Iterator[Arrival]:
    """All messages of a run, in order, dealt to the workers in turn."""
    acting = sends = 0
    if not workers:
        return
    for number, at_s in enumerate(moments(profile.phases, run)):
        kind = GOOD
        if at_s >= profile.warm_up_s:
            acting += 1
            if _is_due(acting, profile.poison):
                kind = POISON
            elif _is_due(acting, profile.duplicates):
                kind = DUPLICATE
        sends += 2 if kind == DUPLICATE else 1
        if sends > profile.max_requests:
            return
        yield Arrival(number % workers, number // workers, at_s, kind)


def _is_due(count: int, share: float) -> bool:
    """Whether the `count`-th message makes up another whole one of this share of all."""
    return int(count * share + 1e-9) > int((count - 1) * share + 1e-9)


def moments(phases: tuple[Phase, ...], seed: str) -> Iterator[float]:
    """Seconds from the start at which messages are due, ascending.

    A unit of `due` is one message of the rate summed up over time, so that a ramp comes closer and
    closer, and what a phase leaves over counts in the next.
    """
    gaps = Random(f"{seed} gaps")
    began_s = summed = due = 0.0
    for phase in phases:
        while due < summed + phase.expected - 1e-9:
            yield began_s + _when(phase, due - summed)
            due += gaps.expovariate(1.0) if phase.poisson else 1.0
        began_s += phase.seconds
        summed += phase.expected


def _when(phase: Phase, count: float) -> float:
    """Seconds into the phase until so many messages were due."""
    slope = (phase.to_per_s - phase.from_per_s) / phase.seconds
    if abs(slope) < 1e-12:
        return count / phase.from_per_s
    root = math.sqrt(max(0.0, phase.from_per_s**2 + 2 * slope * count))
    return (root - phase.from_per_s) / slope


def message_id(run: str, worker: int | str, sequence: int) -> str:
    return f"{run}-{worker}-{sequence}"


def new_run(*seeds: object) -> str:
    """A short name for a run, unlike any other's."""
    return "r" + hashlib.blake2s(repr(seeds).encode(), digest_size=5).hexdigest()
