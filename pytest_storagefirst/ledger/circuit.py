"""A circuit breaker as a run saw it, and whether it did what breakers are for.

Closed, calls go through; open, nobody calls and the messages wait in storage; half open, one call
tries. Sources of the rules: AWS Prescriptive Guidance, Cloud design patterns, "Circuit breaker"
(https://docs.aws.amazon.com/prescriptive-guidance/latest/cloud-design-patterns/circuit-breaker.html)
and the contract of the property `circuit`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

CLOSED, OPEN, HALF_OPEN = "CLOSED", "OPEN", "HALF_OPEN"
STATES = (CLOSED, OPEN, HALF_OPEN)
SLOW_MS = 1_000  # some breakers take a call that lasts so long for a failure

# What a step can be, and what its `state` and `is_good` say.
WROTE = "wrote"  # someone wrote the breaker's item; its state from now on
READ = "read"  # a handler read it; the state that it was shown
# A handler tried to, and got no answer or an old one: many then call, and rightly so.
UNREAD = "unread"
UNWRITTEN = "unwritten"  # one tried to write it, and was refused
CALLED = "called"  # a handler called the downstream for a message
ANSWERED = "answered"  # that call ended; whether the downstream did the work
DIED = "died"  # an environment ended amid its work


class Step(NamedTuple):
    """One step of a handler through its breaker, at `at_ms` of virtual time.

    `environment` and `invocation` are numbers of the run, from 1; 0 is nobody's. `state` is one of
    STATES, or what stands there instead.
    """

    at_ms: int
    kind: str
    place: str  # logical id of the function or state machine at work
    environment: int
    invocation: int
    messages: tuple[str, ...] = ()
    state: str = ""
    is_good: bool = False
    is_slow: bool = False  # an answer that took SLOW_MS or longer


@dataclass(frozen=True)
class Circuit:
    """All that a run showed of one breaker: `place` is where its state is kept.

    `threshold` is after how many failed calls it has to open, where that is known; `recovery_ms`
    how long it stays open before it tries; `successes` how many probes close it; `patience_ms` how
    long an outage it must bear without a message going to a dead-letter queue for it. `unlike`
    says what stands there instead of a state, where none ever stood: "; its item has id, count".
    """

    place: str
    steps: tuple[Step, ...]
    threshold: int | None = None
    recovery_ms: int | None = None
    successes: int | None = None
    patience_ms: int = 900_000
    unlike: str = ""

    @property
    def transitions(self) -> tuple[tuple[int, str, str], ...]:
        """(when, from, to) of each change of state; it begins closed."""
        found, state = [], CLOSED
        for step in self.steps:
            if step.kind == WROTE and step.state != state:
                found.append((step.at_ms, state, step.state))
                state = step.state
        return tuple(found)

    @property
    def final_state(self) -> str:
        changes = self.transitions
        return changes[-1][2] if changes else CLOSED

    @property
    def was_open(self) -> bool:
        return any(state == OPEN for _, _, state in self.transitions)

    def state_at(self, at_ms: int) -> str:
        state = CLOSED
        for when, _, now in self.transitions:
            if when > at_ms:
                break
            state = now
        return state


@dataclass(frozen=True)
class Segment:
    """What happened between two writes of the breaker's item: its state stands still.

    `since_ms` is when it got into this state; each write begins a segment, a failed trial's too.
    """

    state: str
    before: str
    at_ms: int
    since_ms: int
    wrote: Step | None
    steps: tuple[Step, ...]


def segments(steps: Sequence[Step]) -> Iterator[Segment]:
    """A run's steps, cut where the breaker's item was written."""
    state, before, at_ms, since_ms = CLOSED, "", 0, 0
    wrote: Step | None = None
    within: list[Step] = []
    for step in steps:
        if step.kind != WROTE:
            within.append(step)
            continue
        yield Segment(state, before, at_ms, since_ms, wrote, tuple(within))
        before, wrote, at_ms, within = state, step, step.at_ms, []
        if step.state != state:
            state, since_ms = step.state, step.at_ms
    yield Segment(state, before, at_ms, since_ms, wrote, tuple(within))
