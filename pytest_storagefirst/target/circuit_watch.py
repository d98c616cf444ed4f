"""Looking at a deployed stack's circuit again and again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import Any

from pytest_storagefirst.ledger.circuit import CLOSED, OPEN
from pytest_storagefirst.stack.breaker import Breaker
from pytest_storagefirst.stack.topology import Table
from pytest_storagefirst.target.circuit_state import find_breaker, look

LOOK_SECONDS = 0.04
CLOSED_LOOK_SECONDS = 0.25
SEARCH_SECONDS = 1.0


class CircuitWatch:
    """The circuit of `breaker`; None: of the one that is found in `tables`, where no message is.

    `changes` are what differed from look to look: when, in seconds of the epoch by `now`, from
    which state and to which. What could not be seen is no change.
    """

    def __init__(
        self,
        breaker: Breaker | None,
        tables: Iterable[Table],
        session: Any,
        pattern: re.Pattern[str],
        now: Callable[[], float],
    ) -> None:
        self.changes: list[tuple[float, str, str]] = []
        self._breaker, self._tables = breaker, tuple(tables)
        self._session, self._pattern, self._now = session, pattern, now
        self._found: Breaker | None = None
        self._searched_s = now() - SEARCH_SECONDS
        self._state: str | None = None
        self._kept = ""  # with the state
        self._is_rewritten = False

    def look(self) -> str | None:
        """CLOSED, OPEN or HALF_OPEN; None: there is no circuit. Raises botocore's errors."""
        breaker = self._breaker or self._search()
        if breaker is None:
            return None
        state, kept = look(breaker, self._session)
        before, self._state = self._state, state
        if before is not None and state != before:
            self.changes.append((self._now(), before, state))
        self._is_rewritten |= state == before == OPEN and kept != self._kept
        self._kept = kept
        return state

    def was_rewritten(self) -> bool:
        """Whether, since this was asked last, it stood OPEN and OPEN again with something else
        beside it: so a probe leaves it that failed between two looks.
        """
        found, self._is_rewritten = self._is_rewritten, False
        return found

    def watch(self, is_over: Callable[[], bool]) -> None:
        """Look until it is over, in a thread or greenlet of the caller's. Raises nothing.

        Half open is over in the time of one call, and no sample sees it. So there are many looks a
        second while it isn't closed; each is one read.
        """
        while not is_over():
            try:
                state = self.look()
            except Exception:  # a gap: the next look may see again
                state = None
            time.sleep(CLOSED_LOOK_SECONDS if state in (CLOSED, None) else LOOK_SECONDS)

    def _search(self) -> Breaker | None:
        """The one that nobody named, looked for once a second."""
        if self._now() - self._searched_s >= SEARCH_SECONDS:
            self._found = find_breaker(self._tables, self._session, self._pattern)
            self._searched_s = self._now()
        return self._found
