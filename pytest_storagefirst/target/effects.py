"""What messages left at the system of record: found by their ids, and compared with one another.

Nobody says what the whole effect of a message is. It is taken from messages that were sent while
all was well: which stores each left something in, and how much.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from heapq import nsmallest
from typing import Any

BEFORE = "before"  # in place of a worker, of messages that are sent before anything is broken
FIRST = 20  # messages whose effects are the measure for all
# Of these so many must agree before what they left counts as whole: one in ten.
AGREE = 10

Effects = Mapping[str, Mapping[str, int]]  # place -> message id -> how many effects


@dataclass(frozen=True)
class Measure:
    """What whole effects look like: of each kind, how many effects stand in which place."""

    kinds: tuple[Mapping[str, int], ...]

    def times(self, left: Mapping[str, int]) -> int:
        """How often the effect of a message stands that left so many in each place; 0: not whole.

        `left` is place -> count. What is begun a second time counts as a second time.
        """
        found = 0
        for kind in self.kinds:
            if all(left.get(place, 0) >= count for place, count in kind.items()):
                found = max(found, *(-(-left[place] // count) for place, count in kind.items()))
        return found


def id_pattern(run: str) -> re.Pattern[str]:
    """Finds the ids of a run's messages, `{run}-{worker}-{seq}`, in a text."""
    return re.compile(rf"{re.escape(run)}-\w+-\d+")


def ids_in_item(item: Mapping[str, Any], pattern: re.Pattern[str]) -> Mapping[str, int]:
    """The messages that an item of DynamoDB's, typed, is an effect of, and how often.

    What remembers that a function has run (Powertools' idempotency) is no effect.
    """
    if _remembers_a_run(item):
        return {}
    return ids_in_text(json.dumps(item, default=as_text), pattern)


def ids_in_text(text: str, pattern: re.Pattern[str]) -> Mapping[str, int]:
    """As `ids_in_item`. An id can stand in several fields of one effect, and so counts once.

    Where several messages meet in one text, one that stands there twice as often as another does
    is in it twice.
    """
    found = Counter(pattern.findall(text))
    if len(found) < 2:
        return dict.fromkeys(found, 1)
    least = min(found.values())
    return {message: count // least for message, count in found.items()}


def _remembers_a_run(item: Mapping[str, Any]) -> bool:
    status = item.get("status", {}).get("S")
    return status in ("INPROGRESS", "COMPLETED", "EXPIRED") and "N" in item.get("expiration", {})


def as_text(value: Any) -> Any:
    """What JSON has no word for: binary values, and sets of them."""
    if isinstance(value, (set, frozenset)):
        return sorted(map(as_text, value))
    raw = getattr(value, "value", value)
    return raw.decode("latin-1") if isinstance(raw, (bytes, bytearray)) else str(value)


def by_message(effects: Effects) -> dict[str, dict[str, int]]:
    """Message id -> place -> count."""
    turned: dict[str, dict[str, int]] = defaultdict(dict)
    for place, counts in effects.items():
        for message, count in counts.items():
            turned[message][place] = count
    return turned


def first_of(messages: Iterable[str]) -> list[str]:
    """Those by which all others are measured: sent before anything was broken, else the first."""
    there = list(messages)
    before = [message for message in there if message.split("-")[-2] == BEFORE]
    return nsmallest(FIRST, before or there, key=_sent)


def measure_of(messages: Mapping[str, Mapping[str, int]]) -> Measure:
    """What is whole, by `first_of` the messages; of each message place -> count.

    Messages may leave their effects in different places (one table for each region). A kind that
    stands in fewer places than another one is that one, unfinished.
    """
    first = first_of(messages)
    kinds: dict[frozenset[str], list[Mapping[str, int]]] = defaultdict(list)
    for message in first:
        kinds[frozenset(messages[message])].append(messages[message])
    agreed = [places for places, seen in kinds.items() if len(seen) * AGREE >= len(first)]
    return Measure(
        tuple(
            {place: _commonest(left[place] for left in kinds[places]) for place in sorted(places)}
            for places in agreed
            if not any(places < others for others in agreed)
        )
    )


class Tally:
    """Which messages are whole, kept up with what is found: what is new is what it costs.

    `whole` is message id -> how often, as `whole` of all effects would say.
    """

    def __init__(self) -> None:
        self.whole: dict[str, int] = {}
        self._messages: dict[str, dict[str, int]] = defaultdict(dict)
        self._first: list[str] = []
        self._measure = Measure(())

    def add(self, effects: Effects) -> None:
        """`effects` are the counts of those messages that have more of them now than before."""
        new = {message for counts in effects.values() for message in counts}
        for place, counts in effects.items():
            for message, count in counts.items():
                self._messages[message][place] = count
        self._first = first_of({*self._first, *new})
        measure = measure_of({message: self._messages[message] for message in self._first})
        if measure != self._measure:
            self._measure, new = measure, set(self._messages)
        for message in new:
            times = measure.times(self._messages[message])
            if times:
                self.whole[message] = times
            else:
                self.whole.pop(message, None)


def whole(effects: Effects) -> dict[str, int]:
    """The messages whose whole effect stands, and how often."""
    messages = by_message(effects)
    measure = measure_of(messages)
    times = {message: measure.times(left) for message, left in messages.items()}
    return {message: count for message, count in times.items() if count}


def _commonest(counts: Iterable[int]) -> int:
    """What most have; of two that are as common, the smaller."""
    seen = Counter(counts)
    return min(seen, key=lambda count: (-seen[count], count))


def _sent(message: str) -> tuple[int, str]:
    return int(message.rpartition("-")[2]), message
