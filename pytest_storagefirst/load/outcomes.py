"""What came of each message at the front door, as one byte a message, and as it is reported.

A worker reports all it knows each time, so that a report that is lost or comes twice does no harm.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

# Of one message. A byte can only become another one that says more.
UNTRIED = b"."  # its moment has not come, or the worker ended before it
PENDING = b"p"  # about to be sent, or sent; nothing answered yet
ACCEPTED = b"a"
REJECTED = b"r"  # a definite no
UNKNOWN = b"u"  # sent, and no telling whether it was taken
NOT_SENT = b"n"  # no connection: it can't have arrived
DROPPED = b"d"  # no sender was free at its moment: never tried
ALL = (UNTRIED, PENDING, ACCEPTED, REJECTED, UNKNOWN, NOT_SENT, DROPPED)

# Where one message is sent twice, the more telling of two outcomes holds.
_WEIGHT = {one: weight for weight, one in enumerate((*ALL[:2], NOT_SENT, REJECTED, UNKNOWN))}
_WEIGHT |= {DROPPED: 1, ACCEPTED: 9}


def combined(one: bytes, other: bytes) -> bytes:
    """Of two sends of one message: taken once is taken, and an unknown one may have been."""
    return max(one, other, key=lambda outcome: _WEIGHT[outcome])


class Outcomes:
    """The outcomes of one worker's messages, by their sequence number from 0."""

    def __init__(self, packed: Sequence[Sequence[object]] = ()) -> None:
        self._bytes = bytearray()
        for outcome, count in packed:
            self._bytes += str(outcome).encode() * int(str(count))

    def __len__(self) -> int:
        return len(self._bytes)

    def __getitem__(self, sequence: int) -> bytes:
        if sequence >= len(self._bytes):
            return UNTRIED
        return bytes(self._bytes[sequence : sequence + 1])

    def set(self, sequence: int, outcome: bytes) -> None:
        missing = sequence + 1 - len(self._bytes)
        if missing > 0:
            self._bytes += UNTRIED * missing
        self._bytes[sequence] = outcome[0]

    def count(self, outcome: bytes) -> int:
        return self._bytes.count(outcome)

    def packed(self) -> list[list[object]]:
        """Runs of equal outcomes: [["a", 1200], ["u", 1], …]."""
        runs = re.finditer(rb"(.)\1*", bytes(self._bytes), re.DOTALL)
        return [[run[1].decode(), run.end() - run.start()] for run in runs]

    def items(self) -> Iterator[tuple[int, bytes]]:
        """(sequence, outcome) of every message that was tried or dropped."""
        for sequence, value in enumerate(self._bytes):
            if value != UNTRIED[0]:
                yield sequence, bytes((value,))

    def learn(self, other: Outcomes) -> None:
        """Take over what another record of the same worker knows and this one does not."""
        for sequence, outcome in other.items():
            if self[sequence] in (UNTRIED, PENDING) and outcome != self[sequence]:
                self.set(sequence, combined(self[sequence], outcome))
