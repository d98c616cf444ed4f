"""What a run that did not come to rest was busy with, for the person who wrote the stack."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from pytest_storagefirst.ledger.events import Event

OFTEN = 8  # fewer times are no sign of a loop
_NUMBER = re.compile(r" #\d+.*")


def going_round(history: Sequence[Event]) -> str:
    """What comes most often towards the end, as one clause; "" where nothing comes often."""
    deliveries: Counter[tuple[str, tuple[str, ...]]] = Counter()
    calls: Counter[tuple[str, str]] = Counter()
    for event in history[len(history) // 2 :]:
        if event.kind == "delivered":
            deliveries[event.where, event.messages] += 1
        elif event.kind == "called":
            calls[event.where, _NUMBER.sub("", event.detail)] += 1
    # In one invocation that calls for ever there are few deliveries.
    if deliveries:
        (where, messages), often = max(deliveries.items(), key=lambda one: (one[1], one[0]))
        if often >= OFTEN:
            return f"{where} got {', '.join(messages) or 'a message'} {_times(often)}"
        total = sum(deliveries.values())
        if total >= OFTEN:
            return f"{where} was invoked again and again, for one message or another"
    if calls:
        (where, call), often = max(calls.items(), key=lambda one: (one[1], one[0]))
        if often >= OFTEN:
            return f"{where} called {call} {_times(often)}"
    return ""


def _times(often: int) -> str:
    return f"{often} times in the last half of the run"
