"""The context object: Lambda's attributes, and time left by the virtual clock."""

from __future__ import annotations

import time
from typing import Any

import pytest

from pytest_storagefirst.simulation.playing import play_on


def test_time_left_is_virtual_and_never_negative(rig: Any) -> None:
    left: list[int] = []

    def worker(event: Any, context: Any) -> None:
        left.append(context.get_remaining_time_in_millis())
        time.sleep(10)
        left.append(context.get_remaining_time_in_millis())
        kept.append(context)

    kept: list[Any] = []
    simulation = rig.with_handlers(Worker=worker).simulation()
    play_on(simulation)
    assert left == [30_000, 20_000]
    simulation.scheduler.now_ms += 1_000_000
    assert kept[0].get_remaining_time_in_millis() == 0


def test_what_it_tells(rig: Any) -> None:
    seen: list[Any] = []

    def worker(event: Any, context: Any) -> None:
        seen.append(context)
        context.of_my_own = 1  # Lambda's allows it, and middleware does it
        context.log("said")

    played = rig.with_handlers(Worker=worker).play(messages=2, batch_limit=1)
    first, second = seen
    assert first.function_name == "worker"
    assert first.invoked_function_arn.endswith(":function:worker")
    assert first.function_version == "$LATEST"
    assert first.memory_limit_in_mb == "128"
    assert first.log_group_name == "/aws/lambda/worker"
    assert first.identity.cognito_identity_id is None
    assert first.client_context is None
    assert first.aws_request_id != second.aws_request_id
    assert played.printed == "said\n" * 2
    again = rig.with_handlers(Worker=worker).play(messages=2, batch_limit=1)
    assert again.printed == played.printed
    assert [one.aws_request_id for one in seen[2:]] == [one.aws_request_id for one in seen[:2]]


def test_an_attribute_that_it_lacks(rig: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        with pytest.raises(AttributeError):
            _ = context.nonsense

    assert rig.with_handlers(Worker=worker).play().errors == ()
