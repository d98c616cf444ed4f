"""Third parties over a run: what each does by its script, what it takes, and what it was asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_storagefirst.ledger.load import FAILED, TAKEN, THROTTLED, Call, Load
from pytest_storagefirst.scripts import (
    NO_TROUBLE,
    RETRY_AFTER_SECONDS,
    Script,
    Step,
    Trouble,
    parse_script,
    step_at,
    trouble,
)
from pytest_storagefirst.simulation.wire import HttpAnswer

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.deployed import Deployed, Downstream
    from pytest_storagefirst.simulation.run import Simulation

WINDOW_MS = 1000


@dataclass(eq=False)
class _Arrival:
    """A call that has reached its third party; `ended_ms` None while it is under way.

    That of an invocation which died amid it never ends: it is over with the invocation.
    """

    began_ms: int
    downstream: str
    messages: tuple[str, ...]
    invocation: Any
    ended_ms: int | None = None
    answer: str = TAKEN


class LoadWatch:
    """What third parties do and are asked in one run."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._scripts = [
            (downstream.url, 0, downstream.script)
            for downstream in simulation.deployed.downstreams
            if downstream.script
        ]
        self._numbers: Counter[tuple[str, int, int]] = Counter()
        self._arrivals: list[_Arrival] = []
        self._under_way: dict[int, _Arrival] = {}
        self._longest_ms = 0  # that a call has taken

    def result(self) -> Load:
        calls = (
            Call(
                one.began_ms,
                one.began_ms if one.ended_ms is None else one.ended_ms,
                one.downstream,
                one.messages,
                one.answer,
            )
            for one in self._arrivals
        )
        return Load(self._simulation.deployed.caps, tuple(calls))

    def add(self, url: str, script: Script) -> None:
        """From now on the third parties below this URL do what the script says."""
        self._scripts.append((url, self._simulation.now_ms, script))

    def outlast_scripts(self) -> None:
        """Let the time of all scripts pass, once nothing else is left to do."""
        ends_ms = max((began + _length_ms(script) for _, began, script in self._scripts), default=0)
        if self._simulation.scheduler.next_ms() is None and not self._simulation.why_stopped:
            self._simulation.scheduler.advance_to(ends_ms)

    def meets(self, url: str) -> Trouble:
        """What a call to this URL finds by a script: the last that was given, if several are."""
        for place, began_ms, script in reversed(self._scripts):
            if not url.startswith(place):
                continue
            found = step_at(script, self._simulation.now_ms - began_ms)
            return self._in_step(place, began_ms, *found) if found else NO_TROUBLE
        return NO_TROUBLE

    def _in_step(self, place: str, began_ms: int, at: int, step: Step, since_ms: int) -> Trouble:
        if not step.kind:
            return NO_TROUBLE
        key = place, began_ms, at
        self._numbers[key] += 1
        return trouble(step.kind, self._numbers[key], since_ms, step.retry_after_seconds)

    def arrived(self, invocation: Any, crossing: Any, downstream: Downstream, url: str) -> Trouble:
        """A call has reached its third party; says whether that has too much to do by its caps."""
        now_ms = self._simulation.now_ms
        place = downstream.url or url
        refused = Trouble("http-429", 1) if self._is_full(downstream, now_ms) else NO_TROUBLE
        arrival = _Arrival(now_ms, place, crossing.messages, invocation)
        self._arrivals.append(arrival)
        self._under_way[id(crossing)] = arrival
        return refused

    def _is_full(self, downstream: Downstream, now_ms: int) -> bool:
        if not downstream.per_second and not downstream.at_once:
            return False
        recent, since_ms = 0, now_ms - max(WINDOW_MS, self._longest_ms)
        at_once = sum(
            one.downstream == downstream.url and not one.invocation.done
            for one in self._under_way.values()
        )
        for one in reversed(self._arrivals):
            if one.began_ms <= since_ms:
                break
            if one.downstream == downstream.url and one.answer != THROTTLED:
                recent += one.began_ms > now_ms - WINDOW_MS
                at_once += one.ended_ms is not None and one.ended_ms > now_ms
        return 0 < downstream.per_second <= recent or 0 < downstream.at_once <= at_once

    def answered(self, crossing: Any, reply: HttpAnswer | None) -> None:
        """A call is over: with this answer, or with none."""
        arrival = self._under_way.pop(id(crossing), None)
        if arrival is None:
            return
        arrival.ended_ms = self._simulation.now_ms
        if reply is None or reply.status >= 400:
            is_throttled = reply is not None and reply.status == 429
            arrival.answer = THROTTLED if is_throttled else FAILED
        if reply is not None:
            arrival.ended_ms += round(reply.delay_seconds * 1000)
        self._longest_ms = max(self._longest_ms, arrival.ended_ms - arrival.began_ms)


def load_watch(simulation: Simulation) -> LoadWatch | None:
    """What watches a run's third parties; None where none is listed and nothing is capped."""
    deployed = simulation.deployed
    return LoadWatch(simulation) if deployed.downstreams or deployed.caps else None


def with_healthy_downstreams(deployed: Deployed) -> Deployed:
    """The stack with third parties that do and take all that they are asked."""
    listed = deployed.downstreams
    if not any(one.script or one.per_second or one.at_once for one in listed):
        return deployed
    healthy = tuple(replace(one, script=(), per_second=0, at_once=0) for one in listed)
    return replace(deployed, downstreams=healthy)


def _length_ms(script: Iterable[Step]) -> int:
    return sum(step.for_ms for step in script)


def _is_below(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


class DownstreamByHand:
    """A third party that a test tells what to do, from now on and in virtual time."""

    def __init__(self, simulation: Simulation, url: str) -> None:
        self._simulation = simulation
        self._url = url

    def script(self, *steps: str) -> None:
        """What it does one after the other: "outage 60 s", "slow start 30 s", "healthy".

        Raises FaultError for what is no step.
        """
        script = parse_script(steps)
        if self._simulation.load is None:
            self._simulation.load = LoadWatch(self._simulation)
        self._simulation.load.add(self._url, script)

    def outage(self, seconds: float) -> None:
        """No connection for so long."""
        self.script(f"outage {seconds} s")

    def throttled(self, seconds: float, retry_after_seconds: int = RETRY_AFTER_SECONDS) -> None:
        """It answers 429 for so long, and says when to come again."""
        self.script(f"throttled {seconds} s, retry after {retry_after_seconds} s")

    def heal(self) -> None:
        """All is well from now on."""
        self.script("healthy")

    @property
    def per_second(self) -> dict[int, int]:
        """How many calls have arrived in each second of virtual time in which one did."""
        load = self._simulation.load
        if load is None:
            return {}
        calls = [call for call in load.result().calls if _is_below(self._url, call.downstream)]
        return Load(calls=tuple(call._replace(downstream=self._url) for call in calls)).per_second(
            self._url
        )
