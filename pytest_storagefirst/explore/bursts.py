"""A burst against what a stack caps: many messages at once, with all the concurrency it allows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_storagefirst.ledger.verdict import UNKNOWN, VIOLATED
from pytest_storagefirst.simulation.schedule import Schedule, Send

if TYPE_CHECKING:
    from pytest_storagefirst.explore.judge import Judged
    from pytest_storagefirst.simulation.deployed import Deployed

PROPERTY = "load-levelled"
MESSAGES = 60  # more than any batch, and some for each of the pollers that a queue begins with
GAP_MS = 1
AT_ONCE = 1_000  # the most that a mapping can have (services-sqs-scaling); the stack has its say

_FOLLOW = frozenset({"drains", "redrive-completes"})


def schedules(deployed: Deployed, messages: tuple[Send, ...]) -> Iterator[tuple[str, Schedule]]:
    """The bursts to try; none where nothing is capped."""
    if not deployed.caps:
        return
    sends = tuple(
        replace(messages[number % len(messages)], message=f"m{number + 1}")
        for number in range(MESSAGES)
    )
    burst = Schedule(sends, gap_ms=GAP_MS, concurrency=AT_ONCE)
    yield f"load: {MESSAGES} messages at once", burst
    yield f"load: {MESSAGES} messages at once, one a batch", replace(burst, batch_limit=1)


def said_of(judged: Judged) -> Judged:
    """What a burst shows: nothing twice, and of one that had to be ended only its load.

    Its backlog may be longer than a run, and so many messages may be more than can be told apart:
    a few of them are judged anyway. That a backlog does not drain, or is set aside once more after
    a redrive, is said by how it is levelled.
    """
    levelled = judged.verdicts.get(PROPERTY)
    is_quiet = judged.played.observation.quiet
    follow = _FOLLOW if levelled is not None and levelled.value == VIOLATED else frozenset()
    verdicts = {
        name: one
        for name, one in judged.verdicts.items()
        if name == PROPERTY or (is_quiet and one.value != UNKNOWN and name not in follow)
    }
    return replace(judged, verdicts=verdicts)
