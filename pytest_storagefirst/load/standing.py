"""The messages of a run by what the front door said of them, over all workers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_storagefirst.load.arrivals import GOOD, POISON, Arrival, arrivals, message_id
from pytest_storagefirst.load.drain import LEFT_OUT
from pytest_storagefirst.load.journal import read_journal
from pytest_storagefirst.load.outcomes import ACCEPTED, PENDING, UNKNOWN, UNTRIED, Outcomes
from pytest_storagefirst.load.plan import Plan
from pytest_storagefirst.load.seconds import Second, added_up
from pytest_storagefirst.report.covered import counted
from pytest_storagefirst.report.load_story import was

LATEST_S = 1.0  # a generator further behind its own schedule measures itself
PILOT = "pilot"
DROPPED_AS = "dropped: "  # among the reasons
ALL_BUSY = "no sender was free"
ALL_BUSY_REMEDY = "raise at_once or use --processes"
JOURNAL_REMEDY = "make room, or start it in another folder"


@dataclass
class Reported:
    """What one worker told last. Each report repeats what those before it said."""

    outcomes: Outcomes = field(default_factory=Outcomes)
    rows: dict[int, Second] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    late_s: float = 0.0
    sends: int = 0
    began_at: float = 0.0  # by the wall's clock
    is_done: bool = False
    vanished_s: float | None = None  # how far into the run it was last heard of
    has_journal: bool = False
    problem: str = ""  # why it sends nothing

    def take(self, report: Mapping[str, Any]) -> None:
        """One that comes twice or late changes nothing: what a worker knows only grows."""
        if report.get("problem"):
            self.problem, self.is_done = str(report["problem"]), True
            return
        if int(report["sends"]) < self.sends:
            return
        self.outcomes = Outcomes(report["outcomes"])
        self.rows |= {int(at): Second.of(row) for at, row in report["seconds"]}
        self.reasons = dict(report["reasons"])
        self.late_s = report["late_ms"] / 1000
        self.sends = int(report["sends"])
        self.began_at = float(report["began_at"])
        self.is_done = self.is_done or bool(report["done"])


class Standing:
    """Built up from the workers' reports, and from their journals where they are at hand."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.workers = [Reported() for _ in plan.workers]
        self.pilot = UNTRIED
        self.given_up_s = math.inf  # when a second Ctrl-C ended the workers
        self._dealt: list[list[Arrival]] = [[] for _ in plan.workers]
        for arrival in arrivals(plan.profile, plan.run, len(plan.workers)):
            self._dealt[arrival.worker].append(arrival)

    def take(self, report: Mapping[str, Any]) -> None:
        if report.get("run") == self.plan.run:
            self.workers[int(report["worker"])].take(report)

    def read_journals(self, folder: Path) -> None:
        """Learn what killed workers of this machine wrote down and could not report."""
        for number, worker in enumerate(self.workers):
            found = read_journal(journal_of(folder, number), self.plan.run)
            if found is not None:
                worker.outcomes.learn(found)
                worker.has_journal = True

    @property
    def is_done(self) -> bool:
        """Whether no worker has anything to send or to wait for any more."""
        return all(one.is_done or one.vanished_s is not None for one in self.workers)

    @property
    def is_settled(self) -> bool:
        """Whether the journals of all workers are at hand, and leave no answer open."""
        return all(one.has_journal and not one.outcomes.count(PENDING) for one in self.workers)

    def messages(self) -> Iterator[tuple[str, bytes, Arrival]]:
        """(id, outcome, when it was due) of each that was tried, may have been, or was dropped."""
        run = self.plan.run
        for number, (worker, dealt) in enumerate(zip(self.workers, self._dealt, strict=True)):
            for arrival in dealt:
                outcome = worker.outcomes[arrival.sequence]
                if outcome == UNTRIED and self._may_have_sent(worker, arrival):
                    outcome = UNKNOWN
                if outcome != UNTRIED:
                    known = UNKNOWN if outcome == PENDING else outcome
                    yield message_id(run, number, arrival.sequence), known, arrival
        if self.pilot != UNTRIED:
            yield message_id(run, PILOT, 0), self.pilot, Arrival(-1, 0, 0.0, GOOD)

    @staticmethod
    def _may_have_sent(worker: Reported, arrival: Arrival) -> bool:
        """A worker of another machine that vanished sent nobody knows what since its last word."""
        gone = worker.vanished_s
        return gone is not None and not worker.has_journal and arrival.at_s <= gone

    def accepted_at(self) -> dict[str, float]:
        """When each good message that is known to be accepted was due, in seconds of the epoch."""
        began_at = [worker.began_at for worker in self.workers]
        return {
            message: began_at[arrival.worker] + arrival.at_s
            for message, outcome, arrival in self.messages()
            if outcome == ACCEPTED and arrival.kind != POISON and arrival.worker >= 0
        }

    @property
    def rows(self) -> dict[int, Second]:
        return added_up(worker.rows for worker in self.workers)

    @property
    def reasons(self) -> Counter[str]:
        """Why sends were not accepted, and how often."""
        total: Counter[str] = Counter()
        for worker in self.workers:
            total.update(worker.reasons)
        return total

    @property
    def planned(self) -> int:
        """How many messages the profile has."""
        return sum(map(len, self._dealt)) or round(self.plan.profile.expected_requests)

    def doubts(self) -> Iterator[str]:
        """Why this run shows nothing about the target, as far as the generator is to blame."""
        dropped = sum(row.outcomes["dropped"] for row in self.rows.values())
        if dropped:
            why = {
                text.removeprefix(DROPPED_AS)
                for text in self.reasons
                if text.startswith(DROPPED_AS)
            }
            yield (
                f"{counted(dropped, 'message')} {was(dropped)} dropped by the generator"
                + "".join(f" ({text})" for text in sorted(why))
                + f": {JOURNAL_REMEDY if why - {ALL_BUSY} else ALL_BUSY_REMEDY}"
            )
        yield from self.troubles()

    def unsent(self) -> Iterator[str]:
        """Whose messages are left that nobody was told not to send."""
        for number, worker in enumerate(self.workers):
            if worker.problem or self._has_vanished(worker):
                continue
            dealt = self._dealt[number]
            left = sum(worker.outcomes[one.sequence] == UNTRIED for one in dealt)
            if left:
                yield f"worker {number} was ended before {left} of its {len(dealt)} messages"

    def _has_vanished(self, worker: Reported) -> bool:
        return worker.vanished_s is not None and worker.vanished_s < self.given_up_s

    def troubles(self) -> Iterator[str]:
        """What befell workers that can have moved shares and times, to the target's charge."""
        if self.given_up_s < math.inf:
            yield LEFT_OUT
        for number, worker in enumerate(self.workers):
            if worker.problem:
                yield f"worker {number} sent nothing: {worker.problem}"
            elif self._has_vanished(worker):
                yield f"worker {number} vanished {worker.vanished_s:.0f} s into the run"
            if worker.late_s > LATEST_S:
                yield (
                    f"worker {number} was {worker.late_s:.1f} s behind its own schedule: "
                    "use --processes, or a lower rate"
                )


def journal_of(folder: Path, worker: int | str) -> Path:
    return folder / f"worker-{worker}.journal"
