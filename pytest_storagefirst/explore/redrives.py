"""Which pairs decide what a redrive after an outage comes to: tried whatever the time.

An outage ends when all that it kept from being processed has been set aside. Then that is redriven,
and a second fault strikes what comes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from pytest_storagefirst.explore.judge import Judged
from pytest_storagefirst.explore.pairs import AFTER, Counts, First, Pair, likely_first
from pytest_storagefirst.faults.plan import Fault

MOST_AT_REDRIVES = 120  # pairs: a second or two
# Where a handler takes an error for something else, one of these brings it there.
_TELLING = ("refused", "http-500", "crash-after", "response-lost")


def until_set_aside(judged: Judged) -> Fault | None:
    """The fault of a run, ended as soon as the last message was dead-lettered; None if none was."""
    (fault,) = judged.schedule.plan
    history = judged.played.observation.history
    set_aside_ms = max((e.at_ms for e in history if e.kind == "dead-lettered"), default=0)
    began_ms = next((event.at_ms for event in history if event.kind == "faulted"), set_aside_ms)
    lasts_ms = set_aside_ms - began_ms + 1
    return replace(fault, for_ms=lasts_ms) if 1 < lasts_ms < fault.for_ms else None


def at_redrives(pairs: Iterable[Pair], firsts: Iterable[First]) -> tuple[Pair, ...]:
    """Those whose second fault strikes once, at the first crossing that the redrive makes.

    A redrive comes after all receives of a message, so that its pairs stand far back among all
    pairs, and the budget ends before many of them. What decides a property must not hang on the
    machine's speed (docs/decisions.md).
    """
    redriven = {first.struck: first.before for first in firsts if first.during}
    found = [
        pair
        for pair in pairs
        if pair.redrives != AFTER and not pair.second.lasts and _is_first(pair, redriven)
    ]
    return tuple(sorted(found, key=_telling_first)[:MOST_AT_REDRIVES])


def _is_first(pair: Pair, redriven: Mapping[Fault, Counts]) -> bool:
    site = (pair.second.place, pair.second.point)
    return pair.second.number == redriven[pair.first].get(site, 0) + 1


def _telling_first(pair: Pair) -> tuple[object, ...]:
    return pair.second.kind not in _TELLING, *likely_first(pair)
