"""A smaller schedule that still violates: fewer messages, fewer and plainer faults, no choices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pytest_storagefirst.errors import StorageFirstError
from pytest_storagefirst.explore.judge import Judge, Judged
from pytest_storagefirst.explore.sweep import faults_once
from pytest_storagefirst.faults import catalogue
from pytest_storagefirst.faults.plan import Fault, Plan
from pytest_storagefirst.ledger.verdict import VIOLATED
from pytest_storagefirst.simulation.schedule import SEND_GAP_MS, Schedule

MOST_TRIES = 200
MOST_EVENTS = 250_000  # of all these runs together: some go round a thousand times

Shown = dict[Schedule, frozenset[str]]  # the properties that a schedule was seen to violate

# By what a fault strikes: what is easiest to tell and to believe, first.
_PLAINEST = {
    catalogue.CALL: (("refused", "access-denied"), ("crash-before", ""), ("crash-after", "")),
    catalogue.HTTP: (("http-500", ""), ("crash-before", ""), ("crash-after", "")),
    catalogue.INVOCATION: (("crash", ""),),
    catalogue.DELIVERY: (("duplicate", ""),),
    catalogue.REQUEST: (("storage-refused", "server-error"),),
}


def shrink(
    judge: Judge, judged: Judged, name: str, bad: frozenset[str], shown: Shown | None = None
) -> Judged:
    """The smallest run found that violates `name`, by one simplification after the other.

    `shown` keeps what each run showed, for the next property that the same run violates.
    """
    shown = {} if shown is None else shown
    smallest, tried, events = judged.schedule, {judged.schedule}, 0
    simpler = True
    while simpler and len(tried) <= MOST_TRIES and events <= MOST_EVENTS:
        simpler = False
        for schedule in _simplified(judge, smallest, bad):
            if schedule in tried:
                continue
            if len(tried) > MOST_TRIES or events > MOST_EVENTS:
                break
            tried.add(schedule)
            if schedule not in shown:
                shown[schedule], more = _shown_by(judge, schedule, bad)
                events += more
            if name in shown[schedule]:
                smallest, simpler = schedule, True
                break
    if smallest == judged.schedule:
        return judged
    return judge.judge(smallest, bad & frozenset(smallest.messages))


def _shown_by(judge: Judge, schedule: Schedule, bad: frozenset[str]) -> tuple[frozenset[str], int]:
    """(the properties seen violated by a run whose faults all fired, how many events it took)."""
    try:
        judged = judge.judge(schedule, bad & frozenset(schedule.messages))
    except StorageFirstError:
        return frozenset(), 0  # a run that can't be followed is no simpler one
    violated = (name for name, verdict in judged.verdicts.items() if verdict.value == VIOLATED)
    seen = frozenset(violated) if _all_fired(judged) else frozenset()
    return seen, len(judged.played.observation.history)


def _all_fired(judged: Judged) -> bool:
    observation = judged.played.observation
    return set(observation.faults_required) <= set(observation.faults_fired)


def _simplified(judge: Judge, schedule: Schedule, bad: frozenset[str]) -> Iterator[Schedule]:
    own = {entry.name: entry.body for entry in judge.deployed.entries}
    # Without its fault a good message that stands for a bad one would be accused as it is.
    by_plan = any(s.message in bad and s.body == own.get(s.entry) for s in schedule.workload)
    for simpler in _all_simplified(judge, schedule, bad):
        if not by_plan or simpler.plan == schedule.plan:
            yield simpler


def _all_simplified(judge: Judge, schedule: Schedule, bad: frozenset[str]) -> Iterator[Schedule]:
    if schedule.choices:
        yield replace(schedule, choices=())
    if schedule.plan:
        yield replace(schedule, plan=())
    for index in range(len(schedule.plan)):
        yield _with_plan(schedule, index)
    if schedule.concurrency > 1:
        yield replace(schedule, concurrency=1)
    if schedule.ahead:
        yield replace(schedule, ahead=0)
    if schedule.one_by_one:
        yield replace(schedule, one_by_one=False)
    if schedule.seed:
        yield replace(schedule, seed=0)
    if schedule.batch_limit:
        yield replace(schedule, batch_limit=0)
    if schedule.redrives not in ((), ("after",)):  # without any it has a reason to be so
        yield replace(schedule, redrives=("after",))
    for late in dict.fromkeys((0, schedule.late // 2, schedule.late - 1)) if schedule.late else ():
        in_time = len(schedule.in_time)
        yield replace(schedule, workload=schedule.workload[: in_time + late], late=late)
    if schedule.gap_ms != SEND_GAP_MS:
        yield replace(schedule, gap_ms=SEND_GAP_MS)
    yield from _with_fewer_messages(schedule, bad)
    yield from _with_own_bodies(judge, schedule, bad)
    yield from _with_fewer_choices(schedule)
    for index, fault in enumerate(schedule.plan):
        for simpler in _simpler_faults(judge, fault):
            yield _with_plan(schedule, index, simpler)


def _with_plan(schedule: Schedule, index: int, *instead: Fault) -> Schedule:
    """With another fault in place of one, or with none there."""
    plan = (*schedule.plan[:index], *instead, *schedule.plan[index + 1 :])
    return replace(schedule, plan=tuple(dict.fromkeys(plan)))


def _with_fewer_messages(schedule: Schedule, bad: frozenset[str]) -> Iterator[Schedule]:
    count = len(schedule.workload)
    if count > 2 and not bad:
        yield replace(schedule, workload=schedule.workload[:1], late=0)
    in_time = len(schedule.in_time)
    if in_time > 3 and not bad:
        late = schedule.workload[in_time:]
        yield replace(schedule, workload=schedule.workload[: in_time // 2] + late)
    for index in reversed(range(count)):  # so that m1 stays
        rest = schedule.workload[:index] + schedule.workload[index + 1 :]
        if rest and not (bad and not bad & {send.message for send in rest}):
            fewer = replace(schedule, workload=rest, late=schedule.late - (index >= in_time))
            yield fewer
            yield replace(fewer, plan=_counted_for(schedule.plan, count))


def _counted_for(plan: Plan, count: int) -> Plan:
    """Where there was one message more, the same work comes earlier in the count of crossings."""
    fewer = (replace(one, number=max(1, one.number * (count - 1) // count)) for one in plan)
    return tuple(dict.fromkeys(fewer))


def _with_own_bodies(judge: Judge, schedule: Schedule, bad: frozenset[str]) -> Iterator[Schedule]:
    """With the entry's own body where another one was drawn."""
    own = {entry.name: entry.body for entry in judge.deployed.entries}
    for index, send in enumerate(schedule.workload):
        if send.message not in bad and send.body != own.get(send.entry, send.body):
            workload = list(schedule.workload)
            workload[index] = replace(send, body=own[send.entry])
            yield replace(schedule, workload=tuple(workload))


def _with_fewer_choices(schedule: Schedule) -> Iterator[Schedule]:
    choices = schedule.choices
    if choices:
        yield replace(schedule, choices=choices[: len(choices) // 2])
    for index in reversed(range(len(choices))):
        for lower in (0, 1) if choices[index] not in (0, 1) else (0,) * choices[index]:
            changed = [*choices[:index], lower, *choices[index + 1 :]]
            while changed and not changed[-1]:
                changed.pop()
            yield replace(schedule, choices=tuple(changed))


def _simpler_faults(judge: Judge, fault: Fault) -> Iterator[Fault]:
    yield replace(fault, for_ms=0, times=1)
    yield replace(fault, times=max(1, fault.times // 2))
    yield replace(fault, number=1)
    yield replace(fault, number=max(1, fault.number // 2))
    yield replace(fault, number=max(1, fault.number - 1))
    yield replace(fault, message="")
    if not fault.lasts:
        plainest = _PLAINEST[catalogue.sort_of_point(fault.point)]
        kinds = [kind for kind, _ in plainest]
        plainer = plainest[: kinds.index(fault.kind)] if fault.kind in kinds else plainest
        for other in faults_once(judge.deployed, fault.place, fault.point, fault.number):
            if (other.kind, other.variant) in plainer:
                yield replace(fault, kind=other.kind, variant=other.variant)
