"""What the master sees of the target while a run goes on, and what it does to it.

Imported in the Locust process alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Protocol

import gevent
from gevent.event import Event

from pytest_storagefirst.load.profiles import Action
from pytest_storagefirst.target.observe import Sample

SAMPLE_EVERY_S = 1.0
LAST_LOOK_WITHIN_S = 60.0  # one that is under way when a run ends


class Observing(Protocol):
    """What is asked of the target's observer; see `pytest_storagefirst.target.observe`."""

    @property
    def circuit_changes(self) -> list[tuple[float, str, str]]: ...
    @property
    def processed_so_far(self) -> Mapping[str, int]: ...
    def check(self) -> None: ...
    def sample(self, accepted: Mapping[str, float] | None = None) -> Sample: ...
    def watch_circuit(self, is_over: Callable[[], bool]) -> None: ...
    def processed(self) -> Mapping[str, int]: ...
    def processed_at(self) -> Mapping[str, float]: ...
    def held(self, processed: Collection[str]) -> Mapping[str, str]: ...
    def in_queues(self) -> Mapping[str, str]: ...
    @property
    def waiting_places(self) -> frozenset[str]: ...
    def doubts(self) -> tuple[str, ...]: ...
    def doubled(self) -> str: ...
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
        self._is_over = Event()

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
            gevent.spawn(self.observer.watch_circuit, self._is_over.is_set),
        ]
        self._acting = [gevent.spawn_later(at_s, self._act, one) for at_s, one in self._actions]

    @property
    def undone(self) -> list[Action]:
        """The actions whose moment did not come."""
        done = [one for _, one in self.acted]
        return [one for _, one in self._actions if one not in done]

    def stop(self) -> None:
        """A look that is under way is awaited: the next one would come upon its unread pages."""
        self._is_over.set()
        gevent.killall(self._acting)
        gevent.joinall(self._looking, timeout=LAST_LOOK_WITHIN_S)
        gevent.killall(self._looking)

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
        while not self._is_over.is_set():
            began = time.monotonic()
            self.attempt("looking at the target", self.sample)
            self._is_over.wait(max(0.05, began + SAMPLE_EVERY_S - time.monotonic()))

    def _act(self, action: Action) -> None:
        def act() -> None:
            began_s = self.elapsed_s
            if action.kind == "redrive":
                self.observer.redrive()
            else:
                self._tell_downstream(action.script)
            self.acted.append((began_s, action))

        self.attempt(f"the action {action.kind} at {action.at_s:g} s", act)
