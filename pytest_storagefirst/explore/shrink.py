"""A smaller schedule that still violates: fewer messages, fewer and shorter faults, no choices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pytest_storagefirst.errors import StorageFirstError
from pytest_storagefirst.explore.judge import Judge, Judged
from pytest_storagefirst.ledger.verdict import VIOLATED
from pytest_storagefirst.simulation.schedule import Schedule

MOST_TRIES = 80


def shrink(judge: Judge, judged: Judged, name: str, bad: frozenset[str]) -> Judged:
    """The smallest run found that violates `name`, by one simplification after the other."""
    tried = {judged.schedule}
    simpler = True
    while simpler:
        simpler = False
        for schedule in _simplified(judged.schedule, bad):
            if schedule in tried:
                continue
            if len(tried) > MOST_TRIES:
                return judged
            tried.add(schedule)
            try:
                again = judge.judge(schedule, bad & frozenset(schedule.messages))
            except StorageFirstError:
                continue  # a run that can't be followed is no simpler one
            if again.verdicts[name].value == VIOLATED and _all_fired(again):
                judged, simpler = again, True
                break
    return judged


def _all_fired(judged: Judged) -> bool:
    observation = judged.played.observation
    return set(observation.faults_required) <= set(observation.faults_fired)


def _simplified(schedule: Schedule, bad: frozenset[str]) -> Iterator[Schedule]:
    if schedule.choices:
        yield replace(schedule, choices=())
        yield replace(schedule, choices=schedule.choices[: len(schedule.choices) // 2])
    if schedule.concurrency > 1:
        yield replace(schedule, concurrency=1)
    if schedule.one_by_one:
        yield replace(schedule, one_by_one=False)
    if schedule.seed:
        yield replace(schedule, seed=0)
    if schedule.batch_limit:
        yield replace(schedule, batch_limit=0)
    if schedule.redrives != ("after",):
        yield replace(schedule, redrives=("after",))
    if len(schedule.workload) > 2 and not bad:
        yield replace(schedule, workload=schedule.workload[:1])
    for index in reversed(range(len(schedule.workload))):  # so that m1 stays
        rest = schedule.workload[:index] + schedule.workload[index + 1 :]
        if rest and not (bad and not bad & {send.message for send in rest}):
            yield replace(schedule, workload=rest)
    for index, fault in enumerate(schedule.plan):
        yield replace(schedule, plan=schedule.plan[:index] + schedule.plan[index + 1 :])
        for smaller in (
            replace(fault, for_ms=0, times=1),
            replace(fault, times=max(1, fault.times // 2)),
            replace(fault, number=1),
            replace(fault, message=""),
        ):
            if smaller != fault:
                plan = (*schedule.plan[:index], smaller, *schedule.plan[index + 1 :])
                yield replace(schedule, plan=plan)
