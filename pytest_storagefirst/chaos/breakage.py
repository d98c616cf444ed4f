"""What a drill has broken so far: its faults made at their times, shown, and undone.

`run` says in which order; this holds what is open.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from pytest_storagefirst.chaos import lock
from pytest_storagefirst.chaos.breaking import Aim
from pytest_storagefirst.chaos.drill import Drill, Fault
from pytest_storagefirst.chaos.interruptions import Interruptions, Stopped
from pytest_storagefirst.chaos.journal import (
    CLOSED,
    LOCK,
    Journal,
)
from pytest_storagefirst.chaos.outcome import Drilling, Outcome, Watcher
from pytest_storagefirst.chaos.plan import changes_of
from pytest_storagefirst.chaos.proof import Unshown, shows, still_there
from pytest_storagefirst.chaos.settings import SETTINGS
from pytest_storagefirst.chaos.settings.messages import dead_letters_taken_away
from pytest_storagefirst.chaos.sign_of_life import SignOfLife
from pytest_storagefirst.chaos.undo import Undone, told_error, undo_all
from pytest_storagefirst.errors import DrillError, StorageFirstError

GUARD_EVERY_S = 10.0


class Breakage:
    """The faults of one drill under way. `open` are the changes that are not undone yet."""

    def __init__(
        self,
        drill: Drill,
        how: Drilling,
        aim: Aim,
        journal: Journal,
        outcome: Outcome,
        interruptions: Interruptions,
        watcher: Watcher | None,
    ) -> None:
        self.drill, self.how, self.aim, self.watcher = drill, how, aim, watcher
        self.journal, self.outcome, self.interruptions = journal, outcome, interruptions
        self.target = how.target
        # What is changed now: each with the fault that it belongs to, and the journal's step.
        self.open: list[tuple[Fault, dict[str, Any]]] = []
        self.sign_of_life: SignOfLife | None = None
        self._guarded_at = time.monotonic()
        self._is_ending = False
        self._said: set[str] = set()
        self.made: list[tuple[Fault, dict[str, Any]]] = []  # those that are undone, too

    def take_lock(self, mine: Mapping[str, Any]) -> None:
        self.interruptions.check()
        self.journal.write({"step": LOCK, "name": lock.lock_name(self.target.stack_name)})
        try:
            lock.take(self.target, mine)
        except StorageFirstError:
            raise
        except Exception as error:
            raise DrillError(
                "the stack's lock can't be taken, and so the drill is not begun",
                where=lock.lock_name(self.target.stack_name),
                found=told_error(error),
            ) from None
        self.sign_of_life = SignOfLife(self.target, mine, self.interruptions)
        self.sign_of_life.start()

    def drive(self) -> None:
        """All faults at their times. The clock begins when the first are shown to be in effect."""
        moments = sorted(
            [(fault.at_s, 1, number) for number, fault in enumerate(self.drill.faults)]
            + [(fault.end_s, 0, number) for number, fault in enumerate(self.drill.faults)]
        )
        first = [number for at_s, begins, number in moments if begins and at_s == 0]
        for number in first:
            self.make(self.drill.faults[number])
        self.prove()
        self.outcome.shown = True
        self.outcome.times["began"] = time.time()
        clock = time.monotonic()
        if self.watcher is not None:
            self.watcher.broken()
        for at_s, begins, number in moments:
            if begins and number in first:
                continue
            self.wait_until(clock + at_s)
            if begins:
                self.make(self.drill.faults[number])
                self.prove()
            else:
                self.unmake(self.drill.faults[number])

    def make(self, fault: Fault) -> None:
        for change in changes_of(fault, self.aim):
            self.interruptions.check()
            setting = SETTINGS[change.setting]
            step = {
                "setting": change.setting,
                "place": change.place,
                "address": dict(change.address),
                "before": change.before,
                "value": change.value,
            }
            number = self.journal.change(step)
            self.made.append((fault, {**step, "number": number}))
            self.open.append(self.made[-1])
            self.outcome.changes.append(change)
            setting.write(self.target, change.address, change.value, change.before)
            if self.watcher is not None:
                self.watcher.made(change)
            self.how.say(f"{change.place}: {setting.told} changed")

    def prove(self) -> None:
        """Wait until all that is changed is in effect. Raises Unshown."""
        for _, step in self.open:
            if not self.shows(step, step["value"]):
                raise Unshown(
                    f"{step['place']}: {SETTINGS[step['setting']].told}: the fault was never in "
                    "effect, though it was set"
                )
        self.how.say("every fault is shown to be in effect")

    def shows(self, step: Mapping[str, Any], value: Any) -> bool:
        return shows(self.target, step, value, self.interruptions.wait)

    def wait_until(self, moment: float) -> None:
        """Let the drill's clock go on; raises Stopped when it has to end."""
        while True:
            left = moment - time.monotonic()
            if self.watcher is not None:
                self.watcher.during()
            self.interruptions.wait(min(max(left, 0.0), 1.0))
            if time.monotonic() - self._guarded_at >= GUARD_EVERY_S:
                self._guarded_at = time.monotonic()
                try:
                    self.how.guards.check_alarms(self.target)
                except StorageFirstError as error:
                    raise Stopped(error.problem) from None
            if left <= 0:
                return

    def unmake(self, fault: Fault) -> None:
        """Undo one fault; what can't be undone now is tried again at the end."""
        if self.watcher is not None and not self._is_ending:
            self._is_ending = True
            self.watcher.ending()
        mine = [step for whose, step in reversed(self.open) if whose is fault]
        self._prove_again(mine)
        self._undo([step for step in mine if not SETTINGS[step["setting"]].after_judging])

    def _prove_again(self, steps: Iterable[Mapping[str, Any]]) -> None:
        """What is not in effect any more when its time is over may have been felt by nobody."""
        for step in steps:
            setting = SETTINGS[step["setting"]]
            if setting.moves_itself:
                continue
            name = f"{step['place']}: {setting.told}"
            try:
                value, before = step["value"], step["before"]
                if not setting.in_effect(self.target, step["address"], value, before):
                    self.outcome.problems.append(f"{name}: the fault was not in effect to its end")
            except Exception as error:
                self.outcome.problems.append(
                    f"{name}: whether it was in effect to its end is not known: {told_error(error)}"
                )

    def mend(self) -> None:
        """Undo all that is still changed, but what is evidence; show that it is gone."""
        left = [step for _, step in reversed(self.open)]
        self._undo([step for step in left if not SETTINGS[step["setting"]].after_judging])
        self.outcome.undo_problems += still_there(
            self.target, [step for _, step in self.made], self.outcome.undone
        )
        self.outcome.times["undone"] = time.time()

    def judge(self) -> None:
        """What became of the messages. What the watcher raises shows nothing, and ends nothing."""
        if self.watcher is None or not self.outcome.shown:
            return
        try:
            self.watcher.mended()
        except Stopped as stopped:
            self.outcome.stopped = str(stopped)
            told = f"it was ended early: {stopped}"
            if told not in self.outcome.problems:
                self.outcome.problems.append(told)
        except Exception as error:
            self.outcome.problems.append(f"what became of it can't be told: {told_error(error)}")
        if not self.outcome.stopped:  # who ends a drill waits for no log
            self._ask_who_felt_it()
        self._clean()

    def _clean(self) -> None:
        """Take away what the drill's own messages left in dead-letter queues."""
        try:
            self.outcome.taken_away = dead_letters_taken_away(self.target, self.aim.drill)
        except Exception as error:
            self.outcome.undo_problems.append(
                f"whether messages of the drill lie in dead-letter queues: {told_error(error)}"
            )
        if self.outcome.taken_away:
            self.how.say(f"deleted dead letters: {', '.join(self.outcome.taken_away)}")

    def _ask_who_felt_it(self) -> None:
        """That a setting says so itself is known of few; of a fault's settings one is enough."""
        for fault in self.drill.faults:
            asked = [step for whose, step in self.made if whose is fault]
            asked = [step for step in asked if SETTINGS[step["setting"]].felt is not None]
            reasons = [self._why_unfelt(step) for step in asked]
            told = f"{fault.kind} was set, and it is not shown that it was felt: "
            told += "; ".join(dict.fromkeys(reasons))
            if asked and all(reasons) and told not in self.outcome.problems:
                self.outcome.problems.append(told)

    def _why_unfelt(self, step: Mapping[str, Any]) -> str:
        felt = SETTINGS[step["setting"]].felt
        if felt is None:
            return ""
        try:
            began = self.outcome.times["began"]
            return felt(self.target, step["address"], step["value"], began)
        except Exception as error:
            return told_error(error)

    def _undo(self, steps: list[dict[str, Any]]) -> list[Undone]:
        results = undo_all(self.target, steps, self.journal, self._say_once)
        done = {one.number for one in results if one.is_done}
        self.outcome.undone += [one for one in results if one.is_done]
        self.open = [(whose, step) for whose, step in self.open if step["number"] not in done]
        return results

    def _say_once(self, line: str) -> None:
        """What can't be undone is tried again at the end, and told once."""
        if line not in self._said:
            self._said.add(line)
            self.how.say(line)

    def end(self) -> None:
        """Undo what is left, let go of the lock. What can't be undone stays in the journal."""
        left = [step for _, step in reversed(self.open)]
        results = self._undo(left)
        self.outcome.undone += [one for one in results if not one.is_done]
        self.outcome.undo_problems += still_there(self.target, left, results)
        if self.sign_of_life is not None:
            self.sign_of_life.end()
        try:
            if not self.open:
                lock.release(self.target, self.aim.drill)
                self.journal.write({"step": CLOSED}, must_copy=False)
        except Exception as error:
            self.outcome.undo_problems.append(
                f"{lock.lock_name(self.target.stack_name)} is not released: {told_error(error)}"
            )
        finally:
            self.journal.close()
