"""Hypothesis strategies: workload, plan and choices drawn together, to shrink together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from pytest_storagefirst.errors import SettingsError
from pytest_storagefirst.explore.sweep import outage_ms, single_faults
from pytest_storagefirst.faults.plan import Fault
from pytest_storagefirst.simulation.deployed import Deployed
from pytest_storagefirst.simulation.schedule import Schedule, Send

MOST_CHOICES = 12
LARGEST_CHOICE = 5


def schedules_over(
    deployed: Deployed,
    messages: tuple[Send, ...],
    counts: Mapping[tuple[str, str], int],
    max_faults: int,
) -> st.SearchStrategy[Schedule]:
    """Schedules of a deployed stack whose fault-free run makes the crossings in `counts`.

    The simplest one is a single message without faults.
    """
    faults = list(dict.fromkeys(single_faults(deployed, counts)))
    fault = st.sampled_from(faults) if faults else st.nothing()
    ids = [send.message for send in messages]

    @st.composite
    def one_fault(draw: st.DrawFn) -> Fault:
        chosen = draw(fault)
        if not chosen.for_ms and draw(st.booleans()):
            chosen = Fault(
                chosen.place,
                chosen.point,
                chosen.number,
                chosen.kind,
                chosen.variant,
                times=draw(st.integers(1, 6)),
            )
        elif chosen.for_ms and draw(st.booleans()):
            share = draw(st.integers(1, 10))
            chosen = _with_span(chosen, max(1000, outage_ms(deployed, chosen.kind) * share // 10))
        if chosen.point not in ("request",) and draw(st.booleans()):
            chosen = _under(chosen, draw(st.sampled_from(ids)))
        return chosen

    bodies = {entry.name: entry.bodies for entry in deployed.entries}

    def sends(send: Send) -> st.SearchStrategy[Send]:
        drawn = bodies.get(send.entry)
        if drawn is None:
            return st.just(send)
        return st.one_of(st.just(send), drawn.map(lambda body: replace(send, body=body)))

    plans = st.lists(one_fault(), max_size=max_faults, unique=True).map(tuple)
    return st.builds(
        Schedule,
        workload=st.integers(1, len(messages)).flatmap(
            lambda count: st.tuples(*(sends(send) for send in messages[:count]))
        ),
        plan=plans,
        choices=st.lists(st.integers(0, LARGEST_CHOICE), max_size=MOST_CHOICES).map(tuple),
        concurrency=st.integers(1, 3),
        batch_limit=st.integers(0, 2),
        redrives=st.sampled_from([("after",), ("during", "after"), ("after", "after")]),
    )


def _with_span(fault: Fault, for_ms: int) -> Fault:
    return Fault(fault.place, fault.point, fault.number, fault.kind, fault.variant, for_ms=for_ms)


def _under(fault: Fault, message: str) -> Fault:
    return Fault(
        fault.place,
        fault.point,
        1,
        fault.kind,
        fault.variant,
        message=message,
        times=fault.times,
        for_ms=fault.for_ms,
    )


def schedules(template: Any, max_faults: int = 2, messages: int = 3) -> st.SearchStrategy[Schedule]:
    """Schedules of a template, for `@given`: workload, plan and choices in one.

    The template is stood up when the test begins, once per process. `max_faults` bounds the plan,
    `messages` the workload; a stack with more entries gets a message through each. Raises
    SettingsError for a number that is none.
    """
    check_count("max_faults", max_faults, at_least=0)
    check_count("messages", messages, at_least=1)

    def over() -> st.SearchStrategy[Schedule]:
        from pytest_storagefirst.explore import workload
        from pytest_storagefirst.explore.standing import standing

        stack = standing(template).described().free()
        entries = stack.judge.deployed.entries
        sends = workload.plain(entries, max(messages, len(entries)))
        drawn = schedules_over(
            stack.judge.deployed, sends, stack.baseline_counts(sends), max_faults
        )
        return drawn.map(lambda schedule: replace(schedule, template=str(template)))

    return st.deferred(over)


def check_count(name: str, value: Any, *, at_least: int) -> None:
    """Raise SettingsError unless `value` is a whole number of at least so much."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= at_least:
        return
    raise SettingsError(
        f"{name} has a value that can't be used",
        where=name,
        found=repr(value),
        expected=f"a whole number, {at_least} or more",
        remedy=f"for instance {name}={max(at_least, 2)}",
    )
