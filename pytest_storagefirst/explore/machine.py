"""A stack as a Hypothesis state machine: send, break, run in any order, then be judged."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hypothesis import Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from pytest_storagefirst.errors import StorageFirstError
from pytest_storagefirst.explore import workload
from pytest_storagefirst.explore.result import PropertyFailure
from pytest_storagefirst.explore.stack import Stack
from pytest_storagefirst.explore.standing import standing
from pytest_storagefirst.explore.strategies import check_count
from pytest_storagefirst.ledger.properties import select

MOST_MESSAGES = 5


def _one_of(values: Callable[[Any], Sequence[str]]) -> st.SearchStrategy[str]:
    """One of what the machine itself knows only once its stack stands; printed as it is."""
    return st.runner().flatmap(lambda machine: st.sampled_from(values(machine)))


def _told_alone(step: Callable[..., None]) -> Callable[..., None]:
    """What a step raises says all there is to say: pytest shows no frame of ours for it."""

    @functools.wraps(step)
    def taken(*arguments: Any, **named: Any) -> None:
        __tracebackhide__ = True
        try:
            step(*arguments, **named)
        except (StorageFirstError, PropertyFailure) as error:
            raise error.with_traceback(None) from None

    return taken


def stateful(template: str | Path, *properties: str, max_faults: int = 2) -> Any:
    """A unittest.TestCase that plays a template in random steps and verifies it at the end.

        TestOrders = stateful("template.yaml")

    Without `properties`, all that apply. The template is stood up when the test runs. What it finds
    is shrunk and kept in Hypothesis's example database, as any state machine's. Raises
    SettingsError for a property that doesn't exist.
    """
    select(properties)
    check_count("max_faults", max_faults, at_least=0)

    class StackMachine(RuleBasedStateMachine):
        @_told_alone
        def __init__(self) -> None:
            super().__init__()
            found = standing(template).described().free()
            entries = found.judge.deployed.entries
            # Crossings count from the injection on: those of one message reach any later one too.
            sends = workload.plain(entries, len(entries))
            counts = found.baseline_counts(sends)
            self.faults = [
                str(fault)
                for fault in found.ground(sends).faults
                if fault.number <= counts.get((fault.place, fault.point), 1)
            ]
            self.stack = Stack(found)  # last: it begins a run, and the world holds one at a time
            self.sent = 0
            self.injected = 0

        @precondition(lambda self: self.sent < MOST_MESSAGES)
        @rule(entry=_one_of(lambda machine: machine.stack.entries))
        @_told_alone
        def send(self, entry: str) -> None:
            self.stack.send(entry)
            self.sent += 1

        @precondition(lambda self: self.injected < max_faults)
        @rule(fault=_one_of(lambda machine: machine.faults))
        @_told_alone
        def inject(self, fault: str) -> None:
            self.stack.inject(fault)
            self.injected += 1

        @rule()
        @_told_alone
        def run(self) -> None:
            self.stack.run()

        @rule(seconds=st.integers(1, 120))
        @_told_alone
        def pass_time(self, seconds: int) -> None:
            self.stack.run(seconds)

        @_told_alone
        def teardown(self) -> None:
            try:
                if self.sent:
                    self.stack.run()  # verifying ends all faults: let them strike what was sent
                    self.stack.verify_what_struck(*properties)
            finally:
                self.stack.close()

    case = StackMachine.TestCase
    case.settings = hypothesis_settings(
        case.settings,
        stateful_step_count=12,
        phases=set(Phase) - {Phase.explain},  # it would explain our code
    )
    case.__name__ = case.__qualname__ = f"Test{Path(str(template)).stem.title()}"
    return case
