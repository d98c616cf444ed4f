"""What a run asked of its third parties, second by second, and what the stack is allowed to ask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

# What a cap is of.
INVOCATIONS = "invocations at once"
CALLS = "calls at once"
RATE = "calls within one second"

# How a third party took a call.
TAKEN = "taken"
THROTTLED = "throttled"  # by its own cap, or as its script says
FAILED = "failed"


@dataclass(frozen=True)
class Cap:
    """At most so many INVOCATIONS or CALLS at once, or calls in any second (RATE).

    `place` is a function's logical id, or a third party's URL. Of invocations only those count that
    come from `source`, a queue's logical id, where one is given. `told` is where the cap is from.
    """

    of: str
    most: int
    place: str
    told: str
    source: str = ""


class Call(NamedTuple):
    """One call that reached a third party, from its arrival to its answer."""

    began_ms: int
    ended_ms: int
    downstream: str  # its URL, as [[downstream]] has it
    messages: tuple[str, ...]
    answer: str  # TAKEN, THROTTLED or FAILED


@dataclass(frozen=True)
class Load:
    """All calls of a run that reached a third party, in order, and the caps of its stack."""

    caps: tuple[Cap, ...] = ()
    calls: tuple[Call, ...] = ()

    def to(self, downstream: str) -> tuple[Call, ...]:
        return tuple(call for call in self.calls if call.downstream == downstream)

    def per_second(self, downstream: str) -> dict[int, int]:
        """How many calls arrived in each second of virtual time in which one did."""
        return dict(Counter(call.began_ms // 1000 for call in self.to(downstream)))


class Span(NamedTuple):
    """Something under way from one moment to another, for these messages."""

    began_ms: int
    ended_ms: int
    messages: tuple[str, ...]


class Peak(NamedTuple):
    """The most there was, when it was first so, and of whose messages."""

    most: int
    at_ms: int
    messages: tuple[str, ...]


NOTHING = Peak(0, 0, ())


def peak_at_once(spans: Iterable[Span]) -> Peak:
    """The most that were under way at once. What ends when another begins is over."""
    peak = NOTHING
    under_way: list[Span] = []
    # What is refused at once goes last: it met those that began with it.
    for span in sorted(spans, key=lambda one: (one.began_ms, -one.ended_ms, one.messages)):
        under_way = [one for one in under_way if one.ended_ms > span.began_ms]
        under_way.append(span)
        if len(under_way) > peak.most:
            peak = Peak(len(under_way), span.began_ms, _messages(under_way))
    return peak


def peak_rate(calls: Iterable[Call], window_ms: int = 1000) -> Peak:
    """The most that arrived within one window, wherever it begins; `at_ms` is its first arrival."""
    peak = NOTHING
    within: list[Span] = []
    for call in sorted(calls):
        within = [one for one in within if one.began_ms > call.began_ms - window_ms]
        within.append(Span(call.began_ms, call.ended_ms, call.messages))
        if len(within) > peak.most:
            peak = Peak(len(within), within[0].began_ms, _messages(within))
    return peak


def _messages(spans: Iterable[Span]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(message for span in spans for message in span.messages))
