"""What the master sees of the target while a run goes on, and what it does to it.

Imported in the Locust process alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import gevent

from pytest_storagefirst.load.profiles import Action

SAMPLE_EVERY_S = 1.0
LOOK_EVERY_S = 2.0  # for effects at the system of record


class Observing(Protocol):
    """What is asked of the target's observer."""

    def sample(self) -> Any: ...
    def processed(self) -> Mapping[str, int]: ...
    def held(self) -> Mapping[str, str]: ...
    def quiet(self, *, waiting: int) -> bool: ...
    def redrive(self) -> Any: ...


class Watch:
    """Samples, looks for effects and acts, each in a greenlet of its own, until stopped.

    Times are seconds into the run. `problems` are what could not be seen or done: such a run shows
    nothing. `seen` says when the effect of a message was first there.
    """

    def __init__(
        self,
        observer: Observing,
        actions: Iterable[Action],
        acting_from_s: float,
        tell_downstream: Callable[[tuple[str, ...]], None],
    ) -> None:
        self.observer = observer
        self.samples: list[tuple[float, Any]] = []
        self.effects: Mapping[str, int] = {}
        self.seen: dict[str, float] = {}
        self.problems: dict[str, int] = {}
        self.acted: list[tuple[float, Action]] = []
        self._tell_downstream = tell_downstream
        self._actions = [(acting_from_s + one.at_s, one) for one in actions]
        self._began = time.monotonic()
        self._greenlets: list[gevent.Greenlet] = []

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._began

    def start(self) -> None:
        self._began = time.monotonic()
        self._greenlets = [
            gevent.spawn(self._again_and_again, SAMPLE_EVERY_S, self.sample),
            gevent.spawn(self._again_and_again, LOOK_EVERY_S, self.look),
            *(gevent.spawn_later(at_s, self._act, one) for at_s, one in self._actions),
        ]

    def stop(self) -> None:
        gevent.killall(self._greenlets)
        self._greenlets = []

    def cancel_actions(self) -> None:
        """Nothing more is done to the target: the run is being ended early."""
        gevent.killall(self._greenlets[2:])

    def sample(self) -> None:
        at_s = self.elapsed_s
        self.samples.append((at_s, self.observer.sample()))

    def look(self) -> None:
        self.effects = self.observer.processed()
        now_s = self.elapsed_s
        for message in self.effects.keys() - self.seen.keys():
            self.seen[message] = now_s

    def attempt(self, what: str, action: Callable[[], Any]) -> Any:
        """Do it, and note what the target refuses; None then."""
        try:
            return action()
        except Exception as error:
            text = str(error).splitlines()[0] if str(error) else type(error).__name__
            told = f"{what} failed: {text}"
            self.problems[told] = self.problems.get(told, 0) + 1
            return None

    def _again_and_again(self, every_s: float, action: Callable[[], None]) -> None:
        while True:
            began = time.monotonic()
            self.attempt(f"the observer's {action.__name__}", action)
            gevent.sleep(max(0.05, began + every_s - time.monotonic()))

    def _act(self, action: Action) -> None:
        def act() -> None:
            if action.kind == "redrive":
                self.observer.redrive()
            else:
                self._tell_downstream(action.script)
            self.acted.append((self.elapsed_s, action))

        self.attempt(f"the action {action.kind} at {action.at_s:g} s", act)
