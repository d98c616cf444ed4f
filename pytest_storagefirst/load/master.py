"""One load run as the master leads it: begun, watched, drained and ended.

Imported in the Locust process alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent

from pytest_storagefirst.load import account, fitting, outcomes, preparing
from pytest_storagefirst.load.drain import Drain
from pytest_storagefirst.load.journal import journal_folder
from pytest_storagefirst.load.judging import Ended, judged
from pytest_storagefirst.load.plan import Plan, Way
from pytest_storagefirst.load.profiles import Profile
from pytest_storagefirst.load.reports import write_reports
from pytest_storagefirst.load.seconds import Second
from pytest_storagefirst.load.standing import Standing
from pytest_storagefirst.load.watch import Observing, Watch
from pytest_storagefirst.target.observe import Sample
from pytest_storagefirst.target.target import Target
from pytest_storagefirst.target.third_party_control import ThirdPartyControl

HELD_EVERY_S = 5.0
LOST_REPORTS_S = 5.0  # how long reports are waited for that are overdue

Say = Callable[[str], None]


class Master:
    """A run from its preparation to its verdict. Raises StorageFirstError where it can't begin."""

    def __init__(
        self,
        *,
        run: str,
        profile: Profile,
        target: Target,
        way: Way,
        observer: Observing,
        report_folder: Path | None,
        say: Say,
    ) -> None:
        fitting.check_fits(profile, target)
        self.target, self.say = target, say
        self.folder = journal_folder(Path.cwd(), run)
        self.report_folder = report_folder or self.folder
        preparing.make_folder(self.report_folder)
        profile = fitting.levelled(profile, target)
        self.plan = Plan(run, profile, way, ())
        self.standing = Standing(self.plan)
        self.document: dict[str, Any] | None = None
        self._interrupted_s: float | None = None
        self._is_concluding = False
        self._found_before = preparing.FoundBefore()
        self._drain = Drain(fitting.settle_s(profile, target), profile.drain_seconds)
        self._last_offered_s: float | None = None
        self._aside: Mapping[str, str] = {}
        self._looked_aside_s = -HELD_EVERY_S
        url = target.downstream_url
        self._third_parties = ThirdPartyControl(url) if url else None
        self._watch = Watch(
            observer,
            profile.actions,
            profile.warm_up_s,
            self._tell_third_parties,
            lambda: self.standing.accepted_at(),
        )

    # --- before -------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Look at the target, and send one message ahead.

        Raises StorageFirstError where it can't be looked at, or doesn't take the message.
        """
        watch, plan = self._watch, self.plan
        watch.observer.check()
        if self._third_parties:  # a run before that was killed could not heal it
            watch.attempt("healing", lambda: self._tell_third_parties(None))
        sample = watch.attempt("looking at the target", watch.observer.sample)
        self._found_before = preparing.found_before(sample, plan.profile)
        preparing.send_pilot(plan, self.folder)
        self.standing.pilot = outcomes.ACCEPTED

    def begin(self, workers: Sequence[str]) -> None:
        """Messages are sent from now on, by these workers."""
        pilot = self.standing.pilot
        self.plan = replace(self.plan, workers=tuple(workers))
        self.standing = Standing(self.plan)
        self.standing.pilot = pilot
        self._watch.start()
        profile = self.plan.profile
        self.say(
            f"run {self.plan.run}: {profile.name} at {self.target.name} "
            f"({self.target.stack_name}), about {profile.expected_requests:,.0f} messages in "
            f"{profile.seconds:.0f} s, then up to {profile.drain_seconds:.0f} s to drain"
        )
        if self._found_before.told:
            self.say(self._found_before.told)

    # --- meanwhile ----------------------------------------------------------------------------

    @property
    def elapsed_s(self) -> float:
        return self._watch.elapsed_s

    @property
    def is_sending(self) -> bool:
        """Whether messages are due still, or some have no outcome."""
        ends_s = self.plan.profile.seconds
        if self._interrupted_s is not None:
            ends_s = min(ends_s, self._interrupted_s)
        if not self.standing.is_done:
            ends_s += self._overdue_s
        return self.elapsed_s < ends_s

    @property
    def _overdue_s(self) -> float:
        """How long what workers have under way is waited for; hardly on a second Ctrl-C."""
        answer_s = self.plan.profile.timeout_seconds
        return 1.0 if self._drain.is_left_out else answer_s + LOST_REPORTS_S

    def look(self) -> bool:
        """One look at the drain, about once a second; whether it is over."""
        if self._last_offered_s is None:
            ends = (self.elapsed_s, self.plan.profile.seconds, self._interrupted_s or 1e9)
            self._last_offered_s = min(ends)
        sent = account.sent(self.standing)
        last = self._watch.last
        processed = set(self._watch.observer.processed_so_far)
        quiet = self._watch.observer.quiet(0)
        waiting = sent["accepted"] - processed
        if quiet and waiting and last is not None and last.dead != 0:
            self._look_aside()
        return self._drain.look(
            self.elapsed_s - self._last_offered_s,
            sent["accepted"],
            processed,
            self._aside.keys(),
            quiet,
        )

    def _look_aside(self) -> None:
        if self.elapsed_s - self._looked_aside_s >= HELD_EVERY_S:
            held = self._watch.attempt("looking into queues", self._watch.observer.in_queues)
            self._aside = held or {}
            self._looked_aside_s = self.elapsed_s

    def line(self) -> str:
        """Where it stands, for a terminal."""
        parts = [_counts(self.standing.rows), _seen(self._watch.last)]
        if self._last_offered_s is not None:
            parts.append(f"draining, {self._drain.amiss} to come")
        return f"{self.elapsed_s:5.0f} s  " + "; ".join(filter(None, parts))

    # --- at the end ---------------------------------------------------------------------------

    @property
    def is_interrupted(self) -> bool:
        return self._interrupted_s is not None

    def interrupt(self) -> None:
        """No more is sent or done to the target; what was sent is drained and judged."""
        if not self.is_interrupted and self.document is None:
            self._interrupted_s = self.elapsed_s
            self._watch.cancel_actions()
            self._heal(("healthy",))

    def give_up(self) -> None:
        """The drain is not waited for any longer."""
        if not self._drain.how:
            now_s = self.standing.given_up_s = self.elapsed_s
            offered_s = now_s if self._last_offered_s is None else self._last_offered_s
            self._drain.leave_out(now_s - offered_s)

    def conclude(self) -> dict[str, Any]:
        """Wait for the drain where it isn't over, judge, and write the report. Only once.

        Locust may kill the greenlet that is at it, when its last worker went: whoever asks next
        does it then.
        """
        while self._is_concluding and self.document is None:
            gevent.sleep(0.1)
        if self.document is None:
            self._is_concluding = True
            try:
                self.document = self._concluded()
            finally:
                self._is_concluding = False
        return self.document

    def _concluded(self) -> dict[str, Any]:
        self._wait()
        self.standing.read_journals(self.folder)
        self._heal(None)
        document = judged(
            Ended(
                plan=self.plan,
                target=self.target,
                standing=self.standing,
                watch=self._watch,
                drain=self._drain,
                found_before=self._found_before,
                interrupted_s=self._interrupted_s,
            )
        )
        write_reports(document, self.report_folder, self.say)
        return document

    def _wait(self) -> None:
        since_s = self.elapsed_s
        while not self.standing.is_done and self.elapsed_s - since_s < self._overdue_s:
            gevent.sleep(0.2)
            self.standing.read_journals(self.folder)
            if self.standing.is_settled:
                break
        for worker in self.standing.workers:
            if not worker.is_done and worker.vanished_s is None:
                worker.vanished_s = self.elapsed_s
        while not self.look():
            gevent.sleep(1.0)
            if self._watch.last is not None and int(self.elapsed_s) % 5 == 0:
                self.say(self.line())

    # --- the third parties --------------------------------------------------------------------

    def _tell_third_parties(self, script: tuple[str, ...] | None) -> None:
        assert self._third_parties is not None  # `check_fits` has seen to it
        self._third_parties.tell(script)

    def _heal(self, script: tuple[str, ...] | None) -> None:
        """Where they were told anything."""
        if any(action.kind == "downstream" for _, action in self._watch.acted):
            self._watch.attempt("healing", lambda: self._tell_third_parties(script))


def _counts(rows: Mapping[int, Second]) -> str:
    counts = {"offered": sum(row.offered for row in rows.values())}
    for name in ("accepted", "rejected", "unknown", "not_sent"):
        counts[name] = sum(row.outcomes[name] for row in rows.values())
    told = [f"{count} {name}" for name, count in counts.items() if count or name == "offered"]
    return ", ".join(told)


def _seen(sample: Sample | None) -> str:
    if sample is None:
        return ""
    counts = {"waiting": sample.visible, "in flight": sample.in_flight, "dead": sample.dead}
    told = [f"{count} {name}" for name, count in counts.items() if count is not None]
    return ", ".join([*told, *filter(None, [sample.circuit])])
