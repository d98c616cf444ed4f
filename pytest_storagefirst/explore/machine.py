"""A stack as a Hypothesis state machine: send, break, run, in any order; at the end, all is judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from pytest_storagefirst.explore import workload
from pytest_storagefirst.explore.stack import Stack, standing
from pytest_storagefirst.explore.sweep import single_faults

MOST_MESSAGES = 5


def stateful(template: str | Path, *properties: str, max_faults: int = 2) -> Any:
    """A unittest.TestCase that plays a template in random steps and verifies it at the end.

        TestOrders = stateful("template.yaml")

    Without `properties`, all that apply. The template is stood up when the test runs. What it finds
    is shrunk and kept in Hypothesis's example database, as any state machine's.
    """

    class StackMachine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            found = standing(template)
            self.stack = Stack(found.judge, found.prepared)
            sends = workload.plain(found.judge.deployed.entries, 3)
            counts = found.baseline_counts(sends)
            self.faults = [str(fault) for fault in single_faults(found.judge.deployed, counts)]
            self.sent = 0
            self.injected = 0

        @precondition(lambda self: self.sent < MOST_MESSAGES)
        @rule(data=st.data())
        def send(self, data: st.DataObject) -> None:
            self.stack.send(data.draw(st.sampled_from(self.stack.entries), label="entry"))
            self.sent += 1

        @precondition(lambda self: self.injected < max_faults)
        @rule(data=st.data())
        def inject(self, data: st.DataObject) -> None:
            self.stack.inject(data.draw(st.sampled_from(self.faults), label="fault"))
            self.injected += 1

        @rule()
        def run(self) -> None:
            self.stack.run()

        @rule(seconds=st.integers(1, 120))
        def pass_time(self, seconds: int) -> None:
            self.stack.run(seconds)

        def teardown(self) -> None:
            if self.sent:
                self.stack.verify_what_struck(*properties)

    case = StackMachine.TestCase
    case.settings = hypothesis_settings(deadline=None, stateful_step_count=12)
    case.__name__ = case.__qualname__ = f"Test{Path(str(template)).stem.title()}"
    return case
