"""One load run as the master leads it: prepared, watched, drained and judged.

Imported in the Locust process alone.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent

from pytest_storagefirst.errors import LoadError
from pytest_storagefirst.load import account, outcomes
from pytest_storagefirst.load.arrivals import GOOD, message_id
from pytest_storagefirst.load.drain import Drain
from pytest_storagefirst.load.http_client import NoAnswer, NotSent
from pytest_storagefirst.load.journal import Journal, journal_folder
from pytest_storagefirst.load.objectives import parse_objective
from pytest_storagefirst.load.plan import Plan, Way
from pytest_storagefirst.load.profiles import Profile
from pytest_storagefirst.load.sending import sending
from pytest_storagefirst.load.standing import PILOT, Standing
from pytest_storagefirst.load.values import Facts, Transition
from pytest_storagefirst.load.watch import Observing, Watch, left_over
from pytest_storagefirst.report.junit import write_junit
from pytest_storagefirst.report.load_html import write_html
from pytest_storagefirst.report.load_terminal import load_lines
from pytest_storagefirst.report.timeline import write_timeline
from pytest_storagefirst.target.queues import queues_of
from pytest_storagefirst.target.target import Target

# How long a quiet stack is given for messages that are amiss to turn up. What a queue holds is
# counted; what is on its way otherwise is not, and Lambda tries again after one and two minutes.
SETTLE_S = 10.0
UNCOUNTED_SETTLE_S = 200.0
HELD_EVERY_S = 5.0
LOST_REPORTS_S = 5.0  # how long reports are waited for that are overdue
CONTROL = "/_storagefirst"
RATE = "downstream.rate.max1s"

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
        self.target, self.say = target, say
        self.folder = journal_folder(Path.cwd(), run)
        self.report_folder = report_folder or self.folder
        profile = _levelled(profile, target)
        self.plan = Plan(run, profile, way, ())
        self.standing = Standing(self.plan)
        self.document: dict[str, Any] | None = None
        self._interrupted_s: float | None = None
        self._is_concluding = False
        self._pilot = outcomes.UNTRIED
        self._left_over = ""
        self._drain = Drain(_settle_s(profile, target), profile.drain_seconds)
        self._last_offered_s: float | None = None
        self._aside: Mapping[str, str] = {}
        self._looked_aside_s = -HELD_EVERY_S
        self._watch = Watch(
            observer,
            profile.actions,
            profile.warm_up_s,
            self._tell_downstream,
            lambda: self.standing.accepted_at(),
        )
        if any(one.kind == "downstream" for one in profile.actions) and not target.downstream_url:
            raise LoadError(
                f"the profile {profile.name} scripts the third party, and here it is a real one",
                where=target.name,
                expected="the local target, whose third parties are played",
                remedy="choose another profile: storagefirst load --list",
            )
        try:
            self.report_folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LoadError(
                "the report can't be written",
                where=str(self.report_folder),
                found=error.strerror or str(error),
            ) from None

    # --- before -------------------------------------------------------------------------------

    def send_pilot(self) -> None:
        """Send one message ahead, which is accounted for like all others.

        Raises LoadError where the journal can't be kept, or the front door does not take it.
        """
        plan = self.plan
        journal = Journal(
            self.folder / f"worker-{PILOT}.journal",
            plan.run,
            PILOT,
            plan.profile.expected_requests,
        )
        way = plan.way
        if self.target.downstream_url:  # a run before that was killed could not heal it
            self._watch.attempt("healing", lambda: self._tell_downstream(None))
        look = self._watch.observer.sample
        self._left_over = left_over(self._watch.attempt("looking at the target", look))
        self._pilot = outcomes.UNKNOWN
        journal.sending(0)
        try:
            answer = sending(plan)(message_id(plan.run, PILOT, 0), GOOD)
            self._pilot, found = answer.outcome, f"{answer.why} {_short(answer.content)}"
        except NotSent as error:
            self._pilot, found = outcomes.NOT_SENT, str(error)
        except NoAnswer as error:
            found = str(error)
        journal.answered(0, self._pilot)
        journal.close()
        if self._pilot != outcomes.ACCEPTED:
            raise LoadError(
                f"the endpoint does not take a message of {way.name}",
                where=way.url or way.service,
                found=found,
                expected="an answer of 2xx that tells of no failure",
                remedy="see that the stack is up, and that [[entry]] in storagefirst.toml has a "
                "body that it takes",
            )

    def begin(self, workers: Sequence[str]) -> None:
        """Messages are sent from now on, by these workers."""
        self.plan = replace(self.plan, workers=tuple(workers))
        self.standing = Standing(self.plan)
        self.standing.pilot = self._pilot
        self._watch.start()
        profile = self.plan.profile
        self.say(
            f"run {self.plan.run}: {profile.name} at {self.target.name} "
            f"({self.target.stack_name}), about {profile.expected_requests:,.0f} messages in "
            f"{profile.seconds:.0f} s, then up to {profile.drain_seconds:.0f} s to drain"
        )
        if self._left_over:
            self.say(self._left_over)

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
            held = self._watch.attempt("looking into queues", self._watch.observer.held)
            self._aside = held or {}
            self._looked_aside_s = self.elapsed_s

    def line(self) -> str:
        """Where it stands, for a terminal."""
        last = self._watch.last
        counts = {"offered": 0, "accepted": 0, "rejected": 0, "unknown": 0, "not_sent": 0}
        for row in self.standing.rows.values():
            counts["offered"] += row.offered
            for name in list(counts)[1:]:
                counts[name] += row.outcomes[name]
        told = [f"{count} {name}" for name, count in counts.items() if count or name == "offered"]
        names = {"visible": "waiting", "in_flight": "in flight", "dead": "dead"}
        seen = [
            f"{getattr(last, field)} {name}"
            for field, name in names.items()
            if getattr(last, field, None) is not None
        ]
        if last is not None and last.circuit:
            seen.append(last.circuit)
        parts = [", ".join(part) for part in (told, seen) if part]
        if self._last_offered_s is not None:
            parts.append(f"draining, {self._drain.amiss} to come")
        return f"{self.elapsed_s:5.0f} s  " + "; ".join(parts)

    # --- at the end ---------------------------------------------------------------------------

    @property
    def is_interrupted(self) -> bool:
        return self._interrupted_s is not None

    def give_up(self) -> None:
        """The drain is not waited for any longer."""
        if not self._drain.how:
            now_s = self.standing.given_up_s = self.elapsed_s
            offered_s = now_s if self._last_offered_s is None else self._last_offered_s
            self._drain.leave_out(now_s - offered_s)

    def interrupt(self) -> None:
        """No more is sent or done to the target; what was sent is drained and judged."""
        if not self.is_interrupted and self.document is None:
            self._interrupted_s = self.elapsed_s
            self._watch.cancel_actions()
            if any(action.kind == "downstream" for _, action in self._watch.acted):
                self._watch.attempt("healing", lambda: self._tell_downstream(("healthy",)))

    def conclude(self) -> dict[str, Any]:
        """Wait for the drain where it isn't over, judge, and write the report. Only once."""
        while self._is_concluding and self.document is None:
            gevent.sleep(0.1)
        if self.document is not None:
            return self.document
        self._is_concluding = True
        self._wait()
        self.document = self._judged()
        return self.document

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

    def _judged(self) -> dict[str, Any]:
        watch, observer, profile = self._watch, self._watch.observer, self.plan.profile
        self.standing.read_journals(self.folder)
        watch.attempt("looking at the target", watch.sample)
        watch.stop()
        effects = watch.attempt("reading the effects", observer.processed)
        held = watch.attempt("reading the queues", observer.held)
        seen_at = watch.attempt("looking for effects", observer.processed_at) or {}
        told = watch.attempt("asking the third party", observer.downstream_calls)
        calls = None
        if told is not None and self.target.downstream_url:
            calls = [one["began_ms"] / 1000 - watch.began_at for one in told]
        if any(action.kind == "downstream" for _, action in watch.acted):
            watch.attempt("healing", lambda: self._tell_downstream(None))
        seconds = self.elapsed_s
        sent = account.sent(self.standing)
        at_work = {queue.logical_id for queue in queues_of(self.target.topology()).work}
        aside = {message for message, place in (held or {}).items() if place not in at_work}
        dead = frozenset(aside - (effects or {}).keys()) & sent.due_s.keys()
        due_at = self.standing.accepted_at()
        facts = Facts(
            profile=profile,
            account=account.account_of(sent, effects or {}, held or {}),
            rows=self.standing.rows,
            drain=self._drain,
            counts={name: len(ids) for name, ids in sent.by_outcome.items()},
            end_to_end_s={
                message: seen_at[message] - at
                for message, at in due_at.items()
                if message in seen_at and sent.due_s[message] >= profile.warm_up_s
            },
            samples=tuple(watch.samples),
            transitions=tuple(
                Transition(at - watch.began_at, *states) for at, *states in observer.circuit_changes
            ),
            acted=tuple(watch.acted),
            calls=calls,
            dead=dead,
            expected_dead=sent.poison & (sent["accepted"] | (sent["unknown"] & dead)),
            recovery_s=self.target.settings.circuit.get("recovery_seconds"),
            trouble=next(self.standing.troubles(), ""),
            left_over=self._left_over,
        )
        doubts = []
        if self.is_interrupted:
            doubts.append(f"interrupted, {sum(r.offered for r in facts.rows.values())} messages in")
        scripted = [at_s for at_s, action in watch.acted if action.kind == "downstream"]
        if scripted and not any(at_s >= scripted[0] for at_s in calls or ()):
            doubts.append("no third party was called once it was out of order: nothing was tried")
        doubts += self.standing.doubts()
        unread = list(watch.attempt("the observer", observer.doubts) or ())
        doubts += [text if n == 1 else f"{text} ({n} times)" for text, n in watch.problems.items()]
        if effects is None or held is None:
            unread.append("what was processed could not be read")
        facts, doubts = replace(facts, unread=tuple(unread)), doubts + unread
        document = account.document(
            self.plan,
            facts,
            doubts,
            target=self.target.name,
            stack=self.target.stack_name,
            began_at=watch.began_at,
            seconds=seconds,
            reasons=self.standing.reasons,
        )
        self._write(document)
        return document

    def _write(self, document: dict[str, Any]) -> None:
        folder, told = self.report_folder, []
        try:
            _write_json(document, folder)
            write_timeline(document, folder)
            write_junit(document, folder / "junit.xml")
            told = [f"report: {write_html(document, folder)}"]
        except OSError as error:
            account.doubt(document, f"the report can't be written: {error}")
            with suppress(OSError):  # what there is of it should say so
                _write_json(document, folder)
        for text in [*(line.text for line in load_lines(document)), *told]:
            self.say(text)

    def _tell_downstream(self, script: tuple[str, ...] | None) -> None:
        """None: what a load run told it holds no longer, what the settings or a drill say does."""
        base = str(self.target.downstream_url).rstrip("/").removesuffix(CONTROL)
        request = urllib.request.Request(
            f"{base}{CONTROL}/script",
            data=json.dumps({"script": script and list(script), "url": ""}).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=5):
            pass


def _write_json(document: dict[str, Any], folder: Path) -> None:
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    (folder / "report.json").write_text(text, "utf-8")


def _levelled(profile: Profile, target: Target) -> Profile:
    """With the cap that the third parties' settings say, kept to being an objective then."""
    said = [one.per_second for one in target.settings.downstreams]
    cap = profile.downstream_per_s
    if cap is None and said and all(said):
        cap = float(sum(said))
    texts = profile.objectives
    metrics = {parse_objective(text).metric for text in texts}
    if cap is not None and target.downstream_url and RATE not in metrics:
        texts = (*texts, f"{RATE}<=cap*1.05")
    return replace(profile, downstream_per_s=cap, objectives=texts)


def _settle_s(profile: Profile, target: Target) -> float:
    """Long enough for whatever the stack's way leaves uncounted."""
    if profile.settle_seconds is not None:
        return profile.settle_seconds
    topology = target.topology()
    queues = {queue.arn for queue in topology.queues}
    counted = all(mapping.source_arn in queues for mapping in topology.mappings)
    others = topology.topics or topology.buses or topology.buckets or topology.state_machines
    return SETTLE_S if counted and not others else UNCOUNTED_SETTLE_S


def _short(content: bytes) -> str:
    text = " ".join(content.decode("utf-8", "replace").split())
    return text if len(text) <= 120 else text[:119] + "…"
