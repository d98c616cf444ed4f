"""What the master sees of the target while a run goes on, and what it does to it.

Imported in the Locust process alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import gevent

from pytest_storagefirst.ledger.circuit import CLOSED
from pytest_storagefirst.load.profiles import Action
from pytest_storagefirst.target.observe import Sample

SAMPLE_EVERY_S = 1.0


def left_over(sample: Sample | None) -> str:
    """What was there before a run began, in words; "" where nothing was seen."""
    if sample is None:
        return ""
    waiting = (sample.visible or 0) + (sample.in_flight or 0)
    found = []
    if waiting:
        found.append(f"the queues were not empty: {waiting} messages")
    if sample.dead:
        found.append(f"dead-letter queues held {sample.dead}")
    if sample.circuit not in (CLOSED, None):
        found.append(f"the circuit was {sample.circuit}")
    return f"when it began, {', '.join(found)}" if found else ""


class Observing(Protocol):
    """What is asked of the target's observer; see `pytest_storagefirst.target.observe`."""

    circuit_changes: list[tuple[float, str, str]]

    @property
    def processed_so_far(self) -> Mapping[str, int]: ...
    def sample(self, accepted: Mapping[str, float] | None = None) -> Sample: ...
    def watch_circuit(self, is_over: Callable[[], bool]) -> None: ...
    def processed(self) -> Mapping[str, int]: ...
    def processed_at(self) -> Mapping[str, float]: ...
    def held(self) -> Mapping[str, str]: ...
    def doubts(self) -> tuple[str, ...]: ...
    def downstream_calls(self) -> list[Mapping[str, Any]]: ...
    def quiet(self, unprocessed: int) -> bool: ...
    def redrive(self) -> Any: ...


class Watch:
    """Samples each second and acts at its moments, in greenlets, until stopped.

    Times are seconds into the run. `problems` are what could not be done, and how often: such a run
    shows nothing. `accepted` tells of each message that is known to be accepted when, in seconds of
    the epoch.
    """

    def __init__(
        self,
        observer: Observing,
        actions: Iterable[Action],
        acting_from_s: float,
        tell_downstream: Callable[[tuple[str, ...]], None],
        accepted: Callable[[], Mapping[str, float]],
    ) -> None:
        self.observer = observer
        self.samples: list[tuple[float, Sample]] = []
        self.problems: dict[str, int] = {}
        self.acted: list[tuple[float, Action]] = []
        self.began_at = time.time()
        self._began = time.monotonic()
        self._tell_downstream = tell_downstream
        self._accepted = accepted
        self._actions = [(acting_from_s + one.at_s, one) for one in actions]
        self._acting: list[gevent.Greenlet] = []
        self._looking: list[gevent.Greenlet] = []
        self._is_over = False

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._began

    @property
    def last(self) -> Sample | None:
        return self.samples[-1][1] if self.samples else None

    def start(self) -> None:
        self._began, self.began_at = time.monotonic(), time.time()
        self._looking = [
            gevent.spawn(self._sample_on),
            gevent.spawn(self.observer.watch_circuit, lambda: self._is_over),
        ]
        self._acting = [gevent.spawn_later(at_s, self._act, one) for at_s, one in self._actions]

    def stop(self) -> None:
        self._is_over = True
        gevent.killall([*self._looking, *self._acting])

    def cancel_actions(self) -> None:
        """Nothing more is done to the target: the run is being ended early."""
        gevent.killall(self._acting)

    def attempt(self, what: str, action: Callable[[], Any]) -> Any:
        """Do it, and note what the target refuses; None then."""
        try:
            return action()
        except Exception as error:
            text = str(error).splitlines()[0] if str(error) else type(error).__name__
            told = f"{what} failed: {text}"
            self.problems[told] = self.problems.get(told, 0) + 1
            return None

    def sample(self) -> None:
        at_s = self.elapsed_s
        self.samples.append((at_s, self.observer.sample(self._accepted())))

    def _sample_on(self) -> None:
        while True:
            began = time.monotonic()
            self.attempt("looking at the target", self.sample)
            gevent.sleep(max(0.05, began + SAMPLE_EVERY_S - time.monotonic()))

    def _act(self, action: Action) -> None:
        def act() -> None:
            began_s = self.elapsed_s
            if action.kind == "redrive":
                self.observer.redrive()
            else:
                self._tell_downstream(action.script)
            self.acted.append((began_s, action))

        self.attempt(f"the action {action.kind} at {action.at_s:g} s", act)
