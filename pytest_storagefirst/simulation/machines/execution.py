"""One execution of a state machine, and how Step Functions speaks of it.

To the boundary an execution is what an invocation is.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pytest_storagefirst.simulation.environment import Environment
from pytest_storagefirst.stack.topology import StateMachine


class Refused(Exception):
    """An execution that Step Functions does not start: its error code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


@dataclass(eq=False)
class Execution:
    """One execution. To the boundary it is what an invocation is; `function` is its machine.

    `status` is RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED.
    """

    function: StateMachine
    environment: Environment
    number: int
    arn: str
    name: str
    input_text: str
    messages: tuple[str, ...]
    source: str
    started_ms: int
    status: str = "RUNNING"
    output: Any = None
    error: str = ""
    cause: str = ""
    ended_ms: int = 0
    done: bool = False
    running_loop: Any = None
    crossings_when_dead: int = 0
    deadline: Any = None
    waits_until_ms: int = 0  # the end of the longest Wait state or pause before a retry
    evaluation: Any = None  # moto's environment of it
    timers: list[Any] = field(default_factory=list)
    on_done: list[Callable[[Execution], None]] = field(default_factory=list)
    is_execution: bool = True


def as_text(value: Any) -> str:
    """A JSON value as Step Functions writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def arn_of(machine: StateMachine, name: str, run: str) -> str:
    """An execution's ARN; `run` tells those of an express machine apart."""
    prefix, _, machine_name = machine.arn.rpartition(":stateMachine:")
    if run:
        return f"{prefix}:express:{machine_name}:{name}:{run}"
    return f"{prefix}:execution:{machine_name}:{name}"


def wall(simulation: Any, at_ms: int) -> datetime:
    """A moment of a run, by the clock on the wall."""
    return datetime.fromtimestamp((simulation.scheduler.epoch_ms + at_ms) / 1000, UTC)
