"""Finding a stack's parts by what AWS calls them."""

from __future__ import annotations

from typing import Any

import pytest

ARN = "arn:aws:lambda:us-east-1:123456789012:function:worker"


@pytest.mark.parametrize("name", ["worker", "worker:live", ARN, f"{ARN}:7", f"{ARN}:live"])
def test_functions(rig: Any, name: str) -> None:
    assert rig.deployed.function_by_arn(name).logical_id == "Worker"


@pytest.mark.parametrize("name", ["nobody", "", ARN + "s", "arn:aws:sqs:us-east-1:1:worker"])
def test_no_function(rig: Any, name: str) -> None:
    assert rig.deployed.function_by_arn(name) is None


def test_queues(rig: Any) -> None:
    deployed = rig.deployed
    assert deployed.queue_by_name("work").logical_id == "Queue"
    assert deployed.queue_by_arn("arn:aws:sqs:us-east-1:123456789012:lines.fifo").fifo
    assert deployed.queue_by_arn("arn:aws:sqs:us-east-1:123456789012:none") is None
    [mapping] = deployed.mappings_of(deployed.queue_by_name("work"))
    assert mapping.function_arn == ARN
    assert deployed.mappings_of(deployed.queue_by_name("aside")) == ()
    assert deployed.dead_letter_arns == {"arn:aws:sqs:us-east-1:123456789012:dead"}


def test_entries(rig: Any) -> None:
    assert rig.deployed.entry("Lines").queue.name == "lines.fifo"
    with pytest.raises(StopIteration):
        rig.deployed.entry("Nowhere")
