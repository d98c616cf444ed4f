"""Where a stack's messages end, and what stands there of those of one run."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TypeVar

from pytest_storagefirst.errors import TargetError
from pytest_storagefirst.target.alike import alike
from pytest_storagefirst.target.effects import (
    Tally,
    by_message,
    first_of,
    measure_of,
    whole,
)
from pytest_storagefirst.target.queues import Queues
from pytest_storagefirst.target.stores import (
    Reading,
    reading_of,
    reading_of_queue,
    stores_of_record,
)
from pytest_storagefirst.target.target import Target

READ_SECONDS = 0.2  # of a sample, for each store
TRIES = 5  # of a read that decides

Seen = TypeVar("Seen")


class SystemOfRecord:
    """The tables, buckets and queues in which a target's messages end, and those put aside.

    `pattern` finds the run's ids; `circuit` is the logical id of the breaker's table, "" for none.
    """

    def __init__(
        self,
        target: Target,
        queues: Queues,
        pattern: re.Pattern[str],
        circuit: str,
        now: Callable[[], float],
    ) -> None:
        session, url = target.session(), target.endpoint_url
        record = stores_of_record(target.topology(), target.settings, circuit)
        self.ends: tuple[Reading, ...] = (
            *(reading_of(one, session, pattern) for one in record.ends),
            *(reading_of_queue(one, session, pattern, url) for one in queues.ends),
        )
        self._aside = tuple(reading_of(one, session, pattern) for one in record.aside)
        self._now = now
        self._tally = Tally()

    # --- while a run goes on ------------------------------------------------------------------

    @property
    def so_far(self) -> Mapping[str, int]:
        """Message id -> how often its whole effect stands, as far as was read on."""
        return self._tally.whole

    def read_on(self) -> Mapping[str, int]:
        """Read a little more of each store; `so_far`. Raises botocore's errors."""
        for reading in self.ends:
            reading.go_on(READ_SECONDS, self._now)
        self._tally.add({reading.place: reading.new for reading in self.ends})
        for reading in self.ends:
            reading.new.clear()
        return self.so_far

    def check_aside(self) -> None:
        """Look into where failed messages are put. Raises botocore's errors."""
        for reading in self._aside:
            reading.go_on(0.0, self._now)

    # --- at its end ---------------------------------------------------------------------------

    def processed(self) -> dict[str, int]:
        """As `Observer.processed`."""
        for reading in self.ends:
            surely(f"the effects in {reading.place}", partial(reading.all, self._now))
        return whole(self._effects())

    def processed_at(self) -> dict[str, float]:
        """As `Observer.processed_at`."""
        messages = by_message(self._effects())
        measure = measure_of(messages)
        seen = {reading.place: reading.seen for reading in self.ends}
        return {
            message: max(seen[place][message] for place in left)
            for message, left in messages.items()
            if measure.times(left)
        }

    def aside(self) -> dict[str, str]:
        """The messages in buckets and tables for failed ones, and where. Raises TargetError."""
        found: dict[str, str] = {}
        for reading in self._aside:
            ids = surely(f"what is in {reading.place}", partial(reading.all, self._now))
            found |= dict.fromkeys(ids, reading.place)
        return found

    def doubled(self) -> str:
        """As `Observer.doubled`."""
        first = first_of(by_message(self._effects()))
        for reading in self.ends:
            if all(reading.found.get(message, 0) < 2 for message in first):
                continue
            times = surely(f"the effects in {reading.place}", partial(_alike, reading, first))
            if times > 1:
                return (
                    f"each message leaves {times} effects in {reading.place} that are alike but "
                    "for their key: done more than once, or meant so"
                )
        return ""

    def _effects(self) -> dict[str, dict[str, int]]:
        return {reading.place: reading.found for reading in self.ends}


def _alike(reading: Reading, messages: Iterable[str]) -> int:
    return alike(reading.contents(list(messages)))


def surely(what: str, read: Callable[[], Seen]) -> Seen:
    """What is read in a few tries. Raises TargetError where all fail."""
    for number in range(TRIES):
        try:
            return read()
        except Exception as error:
            found = str(error) or type(error).__name__
            time.sleep(min(0.1 * 2**number, 1.0))
    raise TargetError(f"{what} can't be read", found=found, expected=f"an answer in {TRIES} tries")
