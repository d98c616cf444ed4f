"""Which fault of a plan strikes which crossing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pytest_storagefirst.faults.plan import Fault, Plan


class Strike:
    """A fault of the plan at work: since when, and how often it has struck."""

    __slots__ = ("began_ms", "counted_before", "fault", "struck")

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.began_ms: int | None = None
        self.counted_before = 0  # crossings of its point before it was injected
        self.struck = 0


class Strikes:
    """Counts crossings of every point, and tells which fault is due at one."""

    def __init__(self, plan: Plan) -> None:
        self.healed = False
        self.counts: Counter[tuple[str, str]] = Counter()
        self.message_counts: Counter[tuple[str, str, str]] = Counter()
        self._strikes = [Strike(fault) for fault in plan]
        self._places = {fault.place for fault in plan}

    def cross(self, place: str, point: str, messages: Iterable[str]) -> int:
        """Count one crossing of a point; returns its number within the run."""
        self.counts[place, point] += 1
        for message in messages:
            self.message_counts[place, point, message] += 1
        return self.counts[place, point]

    def due(
        self,
        place: str,
        point: str,
        messages: tuple[str, ...],
        now_ms: int,
        kinds: frozenset[str],
    ) -> Strike | None:
        """The fault that strikes the crossing counted last, if any; `hit` it when it is applied."""
        if self.healed or place not in self._places:
            return None
        for strike in self._strikes:
            fault = strike.fault
            if fault.place != place or fault.point != point or fault.kind not in kinds:
                continue
            if fault.message and fault.message not in messages:
                continue
            if strike.began_ms is None:
                count = (
                    self.message_counts[place, point, fault.message]
                    if fault.message
                    else self.counts[place, point]
                )
                if count - strike.counted_before >= fault.number:
                    return strike
            elif fault.for_ms:
                if now_ms < strike.began_ms + fault.for_ms:
                    return strike
            elif strike.struck < fault.times:
                return strike
        return None

    def hit(self, strike: Strike, now_ms: int) -> None:
        if strike.began_ms is None:
            strike.began_ms = now_ms
        strike.struck += 1

    def add(self, plan: Plan) -> None:
        """More faults for a run under way; they count crossings from now on."""
        for fault in plan:
            strike = Strike(fault)
            key = (fault.place, fault.point)
            strike.counted_before = (
                self.message_counts[(*key, fault.message)] if fault.message else self.counts[key]
            )
            self._strikes.append(strike)
            self._places.add(fault.place)

    def forget_the_idle(self) -> None:
        """Drop the faults that never struck."""
        self._strikes = [strike for strike in self._strikes if strike.struck]

    def heal(self) -> None:
        """End all faults."""
        self.healed = True

    @property
    def plan(self) -> Plan:
        return tuple(strike.fault for strike in self._strikes)

    @property
    def fired(self) -> tuple[str, ...]:
        return tuple(str(strike.fault) for strike in self._strikes if strike.struck)

    @property
    def all_exhausted(self) -> bool:
        """No fault will strike again, whatever happens."""
        return self.healed or all(
            strike.struck >= strike.fault.times and not strike.fault.for_ms
            for strike in self._strikes
        )

    def last_end_ms(self) -> int:
        """When the last of the faults that have begun and go by time will have ended."""
        return max(
            (
                (strike.began_ms or 0) + strike.fault.for_ms
                for strike in self._strikes
                if strike.fault.for_ms and strike.began_ms is not None
            ),
            default=0,
        )
