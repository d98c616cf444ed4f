"""When a run is over: nothing left to do, nothing more to come, or no time left."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

DRAINED, SETTLED, DEADLINE = "drained", "settled", "deadline"
LEFT_OUT = "interrupted: the drain was not waited for"


@dataclass
class Drain:
    """Fed with what is seen again and again after the last message was sent.

    DRAINED: every accepted message has its effect, or is set aside, and the stack is quiet.
    SETTLED: it was quiet for `settle_s` without any more effect, and messages are still amiss.
    DEADLINE: neither came in time, so that what is amiss may still come. `ended_s` is how long
    it took, in seconds from the last arrival; of a settled one, until it was at rest.
    """

    settle_s: float
    deadline_s: float
    how: str = ""
    ended_s: float = 0.0
    amiss: int = 0
    is_left_out: bool = False  # nobody waited for it: a DEADLINE of someone's making
    _processed: int = -1
    _at_rest_since_s: float | None = None

    def leave_out(self, since_s: float) -> None:
        """End it, `since_s` after the last arrival, unless it is over."""
        if not self.how:
            self.how, self.ended_s, self.is_left_out = DEADLINE, since_s, True

    def look(
        self, since_s: float, accepted: Set[str], processed: Set[str], aside: Set[str], quiet: bool
    ) -> bool:
        """Whether it is over, `since_s` after the last arrival; `aside` are dead letters."""
        if self.how:
            return True
        self.amiss = len(accepted - processed - aside)
        moved = len(processed) != self._processed
        self._processed = len(processed)
        if not quiet or moved:
            self._at_rest_since_s = None
        elif self._at_rest_since_s is None:
            self._at_rest_since_s = since_s
        if quiet and not self.amiss:
            self.how, self.ended_s = DRAINED, since_s
        elif self._at_rest_since_s is not None and since_s - self._at_rest_since_s >= self.settle_s:
            self.how, self.ended_s = SETTLED, self._at_rest_since_s
        elif since_s >= self.deadline_s:
            self.how, self.ended_s = DEADLINE, since_s
        return bool(self.how)
