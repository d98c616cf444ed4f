"""Which fault of a plan strikes which crossing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from pytest_storagefirst.faults.plan import Fault, Plan

ALL = ""  # in the numbers of a crossing: its number among those of all messages


class Strike:
    """A fault of the plan at work: since when, and how often it has struck.

    `crossed` are the crossings of every point that had been counted when it first struck.
    """

    __slots__ = ("began_ms", "counted_before", "crossed", "fault", "healed", "struck")

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.began_ms: int | None = None
        self.counted_before = 0  # crossings of its point before it was injected
        self.crossed: Mapping[tuple[str, str], int] = {}
        self.healed = False
        self.struck = 0

    @property
    def exhausted(self) -> bool:
        """It will not strike again, whatever happens."""
        return self.healed or (not self.fault.for_ms and self.struck >= self.fault.times)


class Strikes:
    """Counts crossings of every point, and tells which fault is due at one."""

    def __init__(self, plan: Plan) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self._message_counts: dict[tuple[str, str], dict[str, int]] = {}
        self._strikes = [Strike(fault) for fault in plan]
        self._places = {fault.place for fault in plan}

    def concerns(self, place: str) -> bool:
        """Whether a fault of the plan is of this place."""
        return place in self._places

    def cross(self, place: str, point: str, messages: Iterable[str]) -> int:
        """Count one crossing of a point; returns its number within the run."""
        key = (place, point)
        counted = self._message_counts.get(key)
        if counted is None:
            counted = self._message_counts[key] = {}
        for message in messages:
            counted[message] = counted.get(message, 0) + 1
        number = self.counts[key] = self.counts[key] + 1
        return number

    def numbers(self, place: str, point: str, messages: Iterable[str]) -> Mapping[str, int]:
        """The numbers of the crossing counted last, of all and under each message.

        For a crossing that lasts: others may be counted before the last of its attempts.
        """
        if place not in self._places:
            return {}
        counted = self._message_counts.get((place, point), {})
        numbers = {message: counted.get(message, 0) for message in messages}
        numbers[ALL] = self.counts[place, point]
        return numbers

    def due(
        self,
        place: str,
        point: str,
        messages: tuple[str, ...],
        now_ms: int,
        kinds: frozenset[str],
        numbers: Mapping[str, int] | None = None,
    ) -> Strike | None:
        """The fault that strikes a crossing, if any; `hit` it when it is applied.

        `numbers` are the crossing's own; without them it is the one counted last.
        """
        if place not in self._places:
            return None
        if numbers is None:
            numbers = self.numbers(place, point, messages)
        for strike in self._strikes:
            fault = strike.fault
            if fault.place != place or fault.point != point or fault.kind not in kinds:
                continue
            if strike.exhausted or (fault.message and fault.message not in messages):
                continue
            if fault.for_ms and strike.began_ms is not None:
                if now_ms < strike.began_ms + fault.for_ms:
                    return strike
            elif numbers.get(fault.message or ALL, 0) - strike.counted_before >= fault.number:
                return strike
        return None

    def hit(self, strike: Strike, now_ms: int) -> None:
        if strike.began_ms is None:
            strike.began_ms = now_ms
            strike.crossed = dict(self.counts)
        strike.struck += 1

    def add(self, plan: Plan) -> None:
        """More faults for a run under way; they count crossings from now on."""
        for fault in plan:
            strike = Strike(fault)
            key = (fault.place, fault.point)
            strike.counted_before = (
                self._message_counts.get(key, {}).get(fault.message, 0)
                if fault.message
                else self.counts[key]
            )
            self._strikes.append(strike)
            self._places.add(fault.place)

    def forget_the_idle(self) -> None:
        """Drop the faults that never struck."""
        self._strikes = [strike for strike in self._strikes if strike.struck]

    def heal(self) -> None:
        """End all faults there are; those added later strike."""
        for strike in self._strikes:
            strike.healed = True

    @property
    def healed(self) -> bool:
        return all(strike.healed for strike in self._strikes)

    @property
    def plan(self) -> Plan:
        return tuple(strike.fault for strike in self._strikes)

    @property
    def fired(self) -> tuple[str, ...]:
        return tuple(str(strike.fault) for strike in self._strikes if strike.struck)

    @property
    def crossed(self) -> Mapping[str, Mapping[tuple[str, str], int]]:
        """By fault that struck: the crossings of every point up to then, its own included."""
        return {str(strike.fault): strike.crossed for strike in self._strikes if strike.struck}

    @property
    def all_exhausted(self) -> bool:
        """No fault will strike again, whatever happens."""
        return all(strike.exhausted for strike in self._strikes)

    @property
    def some_wait(self) -> bool:
        """A fault still waits for crossings, however late they come."""
        return any(
            not strike.exhausted and (strike.began_ms is None or not strike.fault.for_ms)
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
