"""Judging a drill: canary messages before, during and after it, and what became of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property

from pytest_storagefirst.chaos.drill import Drill, SteadyState
from pytest_storagefirst.chaos.front_door import FrontDoor
from pytest_storagefirst.chaos.patience import Patience, patience_with
from pytest_storagefirst.chaos.setting import Change
from pytest_storagefirst.ledger.accounting import Account, balance
from pytest_storagefirst.ledger.circuit import OPEN
from pytest_storagefirst.load.fitting import UNCOUNTED_SETTLE_S
from pytest_storagefirst.load.outcomes import ACCEPTED, NOT_SENT, REJECTED
from pytest_storagefirst.target.effects import BEFORE
from pytest_storagefirst.target.observe import Observer, Sample
from pytest_storagefirst.target.queues import queues_of
from pytest_storagefirst.target.target import Target

BAD = "bad-messages"
SENDS = (BAD, "dead-letters", "delivered")  # settings whose values are messages
EVERY_S = 2.0  # between canaries while it is broken
MOST = 60
SETTLE_S = 3.0  # beyond what the observer waits for
_LOOK_EVERY_S = 0.5
AWS_LOOK_EVERY_S = 3.0


@dataclass
class Canaries:
    """Sends and looks, as the engine asks it to; all that it has seen is kept for the verdict.

    `others` are messages of the drill's faults, all of them accepted; those that are `bad` are to
    be set aside. Times are in seconds of the epoch.
    """

    drill: Drill
    doors: tuple[FrontDoor, ...]  # which take turns
    observer: Observer
    name: str
    say: Callable[[str], None]
    wait: Callable[[float], None] = time.sleep  # raises Stopped
    outcomes: dict[str, bytes] = field(default_factory=dict)
    sent_through: dict[str, str] = field(default_factory=dict)
    sent_at: dict[str, float] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    effects: dict[str, int] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    bad: set[str] = field(default_factory=set)
    processed_while_broken: set[str] | None = None
    steady_after: bool | None = None
    recovered_after_s: float | None = None
    is_quiet: bool = False
    given_up: set[str] = field(default_factory=set)  # missing when all had rested for long enough
    began_at: float = field(default_factory=time.time)
    _sampled_at: float = 0.0
    _broken_at: float = 0.0
    _ending_at: float = 0.0

    # --- what the engine asks -----------------------------------------------------------------

    def before(self) -> bool:
        return self._steady(BEFORE, self._state.within_s)

    def made(self, change: Change) -> None:
        """Messages that a fault has sent are the drill's own."""
        if change.setting in SENDS:
            self.others |= set(change.value)
        if change.setting == BAD:
            self.bad |= set(change.value)
            self.sent_through |= dict.fromkeys(change.value, change.place)

    def broken(self) -> None:
        self._broken_at = time.time()
        self.during()

    def during(self) -> None:
        now = time.time()
        sent = [message for message in self.outcomes if "-during-" in message]
        due = self._broken_at + len(sent) * EVERY_S
        if now >= due and len(sent) < MOST:
            self._send("during", len(sent) + 1)
        if now - self._sampled_at >= 1:
            self._sampled_at = now
            self.samples.append(self.observer.sample())

    def ending(self) -> None:
        self._ending_at = time.time()
        self.effects = dict(self.observer.processed())
        self.processed_while_broken = set(self.effects)

    def mended(self) -> None:
        """Wait until all is well again, or time is up; then look at everything once more."""
        began = time.time()
        until = began + self.patience.within_s
        if self._wait(until, lambda: not self._waiting()):
            self.recovered_after_s = round(time.time() - began, 1)
        self.say(self._told_recovery(began))
        self.steady_after = self._steady("after", self._state.within_s)
        if not self._is_in_vain():
            until = max(until, time.time() + self._settle_s + SETTLE_S)
            self._wait(until, lambda: self._rests() and not self._waiting())
        self._look(finally_=True)
        self._rests()

    # --- the parts ----------------------------------------------------------------------------

    @cached_property
    def patience(self) -> Patience:
        return patience_with(self.drill, self._target.topology())

    @property
    def _target(self) -> Target:
        return self.doors[0].target

    @property
    def _state(self) -> SteadyState:
        return self.drill.steady_state or SteadyState()

    @property
    def accepted(self) -> set[str]:
        return {one for one, outcome in self.outcomes.items() if outcome == ACCEPTED} | self.others

    def unfelt(self) -> bool:
        """Whether all that was accepted while it was broken was processed before it was mended.

        What was sent in the last moments would not have been processed anyway.
        """
        last = self._ending_at - EVERY_S * 0.75
        sent = {one for one in self.accepted if "-during-" in one and self.sent_at[one] < last}
        return bool(sent) and sent <= (self.processed_while_broken or set())

    def has_recovered_by_itself(self) -> bool:
        """Whether an open circuit was seen to go on."""
        changes = self.observer.circuit_changes
        return any(before == OPEN for at_s, before, _ in changes if at_s < self._ending_at)

    def account(self, changes: Iterable[Change] = ()) -> Account:
        """The ledger of all messages of the drill but the bad ones. What a change of `changes` was
        to send that was not made to its end may have been sent.
        """
        sent = (change for change in changes if change.setting in SENDS[1:])
        tried = {message for change in sent for message in change.value}
        refused = {one for one, how in self.outcomes.items() if how in (REJECTED, NOT_SENT)}
        accepted = self.accepted - self.bad
        return balance(
            attempted=(set(self.outcomes) | self.others | tried) - self.bad,
            acknowledged=accepted,
            rejected=refused,
            effective=self.effects.keys(),
            held=self.held.keys(),
            duplicated={one for one, count in self.effects.items() if count > 1},
        )

    def _wait(self, until: float, is_over: Callable[[], bool]) -> bool:
        """Whether it is over in time. Nobody waits on where all has rested for long enough: what is
        missing then is given up.
        """
        at_rest_since, effects = None, -1
        while time.time() < until:
            self._look()
            if is_over():
                return True
            moved = len(self.effects) != effects
            effects = len(self.effects)
            at_rest_since = (at_rest_since or time.time()) if self._rests() and not moved else None
            if at_rest_since is not None and time.time() - at_rest_since >= self._settle_s:
                self.given_up |= self._late()
                return False
            self._pause()
        return False

    @cached_property
    def _settle_s(self) -> float:
        """How long no message is on its way unseen: a function's own queue can't be looked into."""
        polled = ("sqs", "kinesis", "dynamodb")  # which tell, or can be read
        fed = {
            edge.target.split(":")[2]
            for edge in self._target.topology().edges
            if edge.source.split(":")[2] not in polled
        }
        return UNCOUNTED_SETTLE_S if fed & {"lambda", "states"} else SETTLE_S

    def _rests(self) -> bool:
        """Whether nothing waits or is in flight any more, wherever what is missing is."""
        self.samples.append(self.observer.sample())
        self.is_quiet = self.observer.quiet(0) and not self.observer.behind
        return self.is_quiet

    def _steady(self, when: str, within_s: float) -> bool:
        """Whether messages that are sent now are all processed in time."""
        count = max(self._state.canaries, len(self.doors))
        mine = [self._send(when, number) for number in range(1, count + 1)]
        refused = [message for message in mine if self.outcomes[message] != ACCEPTED]
        if refused:
            self.say(
                f"steady state {when}: {self._doors_of(refused)} does not accept every message"
            )
            return False
        until = time.time() + within_s
        while True:
            self._look()
            late = [message for message in mine if message not in self.effects]
            if not late:
                self.say(f"steady state {when}: {len(mine)} messages, all processed")
                return True
            if time.time() > until:
                self.say(
                    f"steady state {when}: {len(late)} of {len(mine)} messages were not processed "
                    f"within {within_s:g} s, sent through {self._doors_of(late)}"
                )
                return False
            self._pause()

    def _send(self, word: str, number: int) -> str:
        message = f"{self.name}-{word}-{number}"
        door = self.doors[(number - 1) % len(self.doors)]
        self.sent_through[message] = door.way.name
        self.sent_at[message] = time.time()
        self.outcomes[message] = door.send(message)
        return message

    def _doors_of(self, messages: Iterable[str]) -> str:
        return ", ".join(dict.fromkeys(self.sent_through[message] for message in messages))

    def _look(self, *, finally_: bool = False) -> None:
        self.effects = dict(self.observer.processed())
        self.samples.append(self.observer.sample())
        if finally_ or self._late() or self.observer.behind:
            self.held = dict(self.observer.held(self.effects))

    def _late(self) -> set[str]:
        return self.accepted - set(self.effects)

    def _waiting(self) -> set[str]:
        """What is neither processed nor set aside for good, and may be in time."""
        waiting = self._late() - self.dead
        return waiting if self.patience.sees_bad_set_aside else waiting - self.bad

    @property
    def given_for_good(self) -> dict[str, str]:
        """The bad messages that were last seen where nothing sets them aside, and in which queue:
        it has no dead-letter queue.
        """
        work = queues_of(self._target.topology()).work
        without = {queue.logical_id for queue in work if not queue.dead_letter_arn}
        held = {message: self.held.get(message, "") for message in self.bad - set(self.effects)}
        return {message: place for message, place in held.items() if place in without}

    @property
    def dead(self) -> set[str]:
        """The messages that were last seen set aside: held, and not where work waits."""
        waiting = self.observer.waiting_places
        return {message for message, place in self.held.items() if place not in waiting}

    def _is_in_vain(self) -> bool:
        """Whether bad messages will keep the stack from rest for longer than is waited."""
        return bool(self.bad) and not self.patience.sees_bad_set_aside

    def _pause(self) -> None:
        is_local = self._target.endpoint_url is not None
        self.wait(_LOOK_EVERY_S if is_local else AWS_LOOK_EVERY_S)

    def _told_recovery(self, began: float) -> str:
        if self.recovered_after_s is not None:
            but = " but the bad messages" if self._is_in_vain() else ""
            return f"all{but} is processed or set aside {self.recovered_after_s:g} s after the undo"
        waiting = len(self._waiting())
        are = "message is" if waiting == 1 else "messages are"
        return f"{waiting} {are} still missing {time.time() - began:.0f} s after the undo"
