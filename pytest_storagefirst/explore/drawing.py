"""A schedule drawn number by number: from Hypothesis, so that it shrinks, or from a seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from pytest_storagefirst.explore.ground import Ground
from pytest_storagefirst.explore.sweep import outage_ms
from pytest_storagefirst.faults.catalogue import REQUEST
from pytest_storagefirst.faults.plan import Fault, Plan
from pytest_storagefirst.simulation.choosing import TIME_PASSES
from pytest_storagefirst.simulation.deployed import Deployed
from pytest_storagefirst.simulation.schedule import Schedule, Send

Value = TypeVar("Value")

# A whole number from 0 to below the one given. The smaller, the simpler is what it stands for.
Pick = Callable[[int], int]

REDRIVES = (("after",), ("during", "after"), ("after", "after"))
MOST_AT_ONCE = 3  # invocations of one mapping
MOST_SWITCHES = 3  # times that another than the earliest goes first
WHO_ELSE = (1, 2, 3, TIME_PASSES)
MOST_TIMES = 6
MOST_REPEATS = 4  # crossings of one point by one message that are each tried


def draw_schedule(
    pick: Pick, ground: Ground, max_faults: int, body: Callable[[Send], Send]
) -> Schedule:
    """Workload, plan and choices. `body` may give a message another body."""
    count = 1 + pick(len(ground.messages))
    workload = tuple(body(send) for send in ground.messages[:count])
    return Schedule(
        workload,
        plan=draw_plan(pick, ground, max_faults, workload[pick(count)].message),
        choices=draw_choices(pick, ground.choices),
        concurrency=1 + pick(MOST_AT_ONCE),
        batch_limit=pick(3),
        redrives=one_of(pick, REDRIVES),
    )


def draw_plan(pick: Pick, ground: Ground, max_faults: int, about: str) -> Plan:
    """Faults that are likely to meet: of one message, one after the other, on the way back."""
    plan: list[Fault] = []
    for _ in range(pick(max_faults + 1) if ground.faults else 0):
        fault = _related(pick, ground, plan[-1]) if plan else one_of(pick, ground.faults)
        fault = vary_extent(pick, ground.deployed, fault)
        too = bool(plan and plan[-1].message)  # of one message: then the next one mostly is as well
        if fault.point != REQUEST and pick(3) >= 2 - too:
            fault = replace(fault, message=about, number=1 + pick(MOST_REPEATS))
        if fault not in plan:
            plan.append(fault)
    return tuple(plan)


def _related(pick: Pick, ground: Ground, before: Fault) -> Fault:
    relation = pick(4)
    if relation == 1:  # the same point, a little later
        fault = one_of(pick, ground.at_point(before.place, before.point))
        return replace(fault, number=before.number + 1 + pick(3))
    if relation == 2:
        return one_of(pick, ground.at_place(before.place))
    if relation == 3 and ground.beyond:
        return one_of(pick, ground.beyond)
    return one_of(pick, ground.faults)


def vary_extent(pick: Pick, deployed: Deployed, fault: Fault) -> Fault:
    """The fault as it is, for more crossings, or for a part of its time."""
    if fault.for_ms:
        share = pick(20)  # in half of the cases the whole
        if share < 10:
            return fault
        whole_ms = outage_ms(deployed, fault.kind, fault.place)
        return replace(fault, for_ms=max(1000, whole_ms * (share - 9) // 10))
    times = pick(2 * MOST_TIMES)
    return fault if times < MOST_TIMES else replace(fault, times=times - MOST_TIMES + 1)


def draw_choices(pick: Pick, offered: int) -> tuple[int, ...]:
    """Mostly the earliest goes first, at a few points another one."""
    count = max(0, pick(2 * MOST_SWITCHES) - MOST_SWITCHES + 1)  # in most runs none: those are fast
    switches = {pick(offered): one_of(pick, WHO_ELSE) for _ in range(count)}
    return tuple(switches.get(index, 0) for index in range(max(switches, default=-1) + 1))


def one_of(pick: Pick, values: Sequence[Value]) -> Value:
    return values[pick(len(values))]
