"""Hypothesis strategies: workload, plan and choices drawn together, to shrink together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from pytest_storagefirst.errors import SettingsError
from pytest_storagefirst.explore.drawing import draw_schedule
from pytest_storagefirst.explore.ground import Ground
from pytest_storagefirst.simulation.schedule import Schedule, Send


def schedules_over(ground: Ground, max_faults: int) -> st.SearchStrategy[Schedule]:
    """Schedules on this ground. The simplest one is a single message without faults."""
    bodies = {entry.name: entry.bodies for entry in ground.deployed.entries}

    @st.composite
    def drawn(draw: st.DrawFn) -> Schedule:
        def pick(below: int) -> int:
            return draw(st.integers(0, below - 1))

        def body(send: Send) -> Send:
            others = bodies.get(send.entry)
            if others is None or not draw(st.booleans()):
                return send
            return replace(send, body=draw(others))

        return draw_schedule(pick, ground, max_faults, body)

    return drawn()


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
        drawn = schedules_over(stack.ground(sends), max_faults)
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
