"""What runs say of each property, counted in one after the other, in whatever order they come."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pytest_storagefirst.explore.judge import Judged, shows_nothing
from pytest_storagefirst.explore.result import Calls, PropertyResult, Transition, busiest
from pytest_storagefirst.explore.witness import named, told_in_steps, witness_document
from pytest_storagefirst.ledger.verdict import NOT_APPLICABLE, OK, UNKNOWN, VIOLATED, Verdict
from pytest_storagefirst.report.narrative import in_lines
from pytest_storagefirst.simulation.schedule import Schedule

POISON = "poison-isolated"
LOAD = "load-levelled"

# What a good suite sees now and then, by the kind of event that shows it.
_SEEN_AS = {"dead letter": "dead-lettered", "redrive": "redriven"}
SOMETIMES = ("redelivery", "duplicate delivery", *_SEEN_AS, "two at work at once")


@dataclass
class Tally:
    """What the runs so far say of one property."""

    verdict: str = NOT_APPLICABLE
    why: str = ""
    runs: int = 0
    faults: set[str] = field(default_factory=set)
    smallest: Judged | None = None  # of the runs with that verdict
    bad: frozenset[str] = frozenset()  # bad messages of the smallest run
    kept: Mapping[str, str] = field(default_factory=dict)  # what it must hold again
    calls: tuple[Calls, ...] = ()  # of the busiest run
    why_idle: str = ""  # of a run that had nothing for it to judge
    why_silent: str = ""  # of a run that showed nothing either way

    def keep(
        self,
        verdict: Verdict,
        judged: Judged,
        bad: frozenset[str] = frozenset(),
        kept: Mapping[str, str] | None = None,
    ) -> None:
        """Keep what is worse, and of what is as bad the smallest run."""
        order = [NOT_APPLICABLE, OK, UNKNOWN, VIOLATED]
        worse = order.index(verdict.value) - order.index(self.verdict)
        smaller = (
            worse == 0
            and self.smallest is not None
            and is_smaller(judged.schedule, self.smallest.schedule)
        )
        if worse > 0 or smaller:
            self.verdict, self.why = verdict.value, verdict.why
            self.smallest, self.bad, self.kept = judged, bad, kept or {}


class Tallies:
    """A tally of each property, and what was seen on the way."""

    def __init__(self, names: Iterable[str]) -> None:
        self.by_name = {name: Tally() for name in names}
        self.sometimes = Counter[str](dict.fromkeys(SOMETIMES, 0))

    def take(
        self, judged: Judged, bad: frozenset[str] = frozenset(), *, counts_faults: bool = True
    ) -> list[str]:
        """Count a judged run in; returns the properties that it violates."""
        violated = []
        for name, verdict in judged.verdicts.items():
            opens = name == "circuit" and verdict.value == VIOLATED  # for a bad message
            if bad and name != POISON and not opens:
                continue  # what a bad message drags along is that property's to say
            tally = self.by_name[name]
            if verdict.value == NOT_APPLICABLE:
                tally.why_idle = min(filter(None, (tally.why_idle, verdict.why)), default="")
                continue
            if verdict.value == UNKNOWN and shows_nothing(judged, verdict):
                tally.why_silent = min(filter(None, (tally.why_silent, verdict.why)), default="")
                continue  # evidence neither for nor against
            tally.runs += 1
            if counts_faults:
                tally.faults.update(judged.played.observation.faults_fired)
            if verdict.value == VIOLATED:
                violated.append(name)
            tally.keep(verdict, judged, bad)
            if name == LOAD:
                tally.calls = busiest((tally.calls, calls_of(judged)))
        for fact in seen_in(judged):
            self.sometimes[fact] += 1
        circuit = judged.played.observation.circuit
        if circuit is not None:
            self.sometimes["open breaker"] += circuit.was_open
        return violated

    def results(self, template: Path) -> tuple[PropertyResult, ...]:
        """What these runs alone say, to be merged with what others do.

        Without any run that shows something the verdict is "not-applicable", or "unknown" where a
        run that should have shown something did not; `runs` is 0 in both.
        """
        return tuple(_result(name, tally, template) for name, tally in self.by_name.items())


def _result(name: str, tally: Tally, template: Path) -> PropertyResult:
    judged = tally.smallest
    if tally.verdict == NOT_APPLICABLE:
        if tally.why_silent:
            return PropertyResult(name, UNKNOWN, f"no run shows anything: {tally.why_silent}")
        why = tally.why or tally.why_idle.replace("in this run", "in any run")
        return PropertyResult(name, NOT_APPLICABLE, why)
    counted = PropertyResult(name, tally.verdict, tally.why, tally.runs, len(tally.faults))
    if tally.verdict == OK and name == LOAD:
        return replace(counted, calls=tally.calls)
    if tally.verdict == OK and judged is not None and name == "circuit":
        return replace(counted, transitions=transitions_of(judged))
    if tally.verdict == OK or judged is None:
        return counted
    return with_story(counted, judged, tally.bad, tally.kept, template)


def with_story(
    counted: PropertyResult,
    judged: Judged,
    bad: frozenset[str],
    kept: Mapping[str, str],
    template: Path,
) -> PropertyResult:
    """The result with this run told, and as the witness that a replay file holds."""
    verdict = judged.verdicts[counted.name]
    steps = told_in_steps(judged, verdict, bad)
    story = in_lines(steps)
    return PropertyResult(
        counted.name,
        counted.verdict,
        named(verdict.why, judged),
        counted.runs,
        counted.faults_tried,
        lost=verdict.messages,
        story=story,
        witness=witness_document(template, counted.name, judged, bad, story, kept),
        transitions=transitions_of(judged),
        calls=calls_of(judged) if counted.name == LOAD else (),
        steps=steps,
    )


def calls_of(judged: Judged) -> tuple[Calls, ...]:
    load = judged.played.observation.load
    urls = sorted({call.downstream for call in load.calls}) if load is not None else ()
    return tuple(
        (url, *one) for url in urls if load for one in sorted(load.per_second(url).items())
    )


def transitions_of(judged: Judged) -> tuple[Transition, ...]:
    circuit = judged.played.observation.circuit
    changes = circuit.transitions if circuit is not None else ()
    return tuple((at_ms / 1000, before, after) for at_ms, before, after in changes)


def seen_in(judged: Judged) -> list[str]:
    """Which of `SOMETIMES` a run's history shows."""
    seen: dict[str, None] = {}
    kinds = set()
    deliveries = Counter[tuple[str, str]]()
    at_work: Counter[str] = Counter()
    for event in judged.played.observation.history:
        kinds.add(event.kind)
        if event.kind == "delivered":
            deliveries.update((event.where, message) for message in event.messages)
            at_work[event.where] += 1
            if "(duplicate)" in event.detail:
                seen["duplicate delivery"] = None
            if at_work[event.where] > 1:
                seen["two at work at once"] = None
        elif event.kind in ("succeeded", "failed") and not event.detail.startswith(
            ("reported by", "its response")
        ):
            at_work[event.where] = max(0, at_work[event.where] - 1)
    if any(times > 1 for times in deliveries.values()):
        seen["redelivery"] = None
    seen.update((fact, None) for fact, kind in _SEEN_AS.items() if kind in kinds)
    return list(seen)


def size(schedule: Schedule) -> tuple[int, ...]:
    """Smaller is easier to read: fewer faults, shorter ones, fewer messages, no choices."""
    return (
        len(schedule.plan),
        sum(fault.lasts for fault in schedule.plan),
        len(schedule.workload),
        len(schedule.choices),
        schedule.concurrency,
        len(schedule.redrives),
    )


def is_smaller(one: Schedule, other: Schedule) -> bool:
    sizes = size(one), size(other)
    return sizes[0] < sizes[1] or (sizes[0] == sizes[1] and rank(one) < rank(other))


def rank(schedule: Schedule) -> tuple[tuple[int, ...], str]:
    """Size, and among schedules of one size an order that is the same wherever they are tried.

    Bodies take no part in it: the first that was tried is the plainest.
    """
    whole = {name: value for name, value in schedule.to_json().items() if name != "workload"}
    return size(schedule), json.dumps(whole, sort_keys=True)
