"""Where a service sends what it gives up on, or is done with: dead-letter queues, destinations."""

from __future__ import annotations

from typing import Any

from pytest_storagefirst.errors import SimulationError


def deliver(
    simulation: Any, arn: str, text: str, messages: tuple[str, ...], place: str, failed: str = ""
) -> None:
    """Put `text`, which is about `messages`, where `arn` says, on behalf of what stands at `place`.

    `failed` says what was given up; then these messages are dead-lettered. A destination that can't
    be followed makes the run refuse to be judged.
    """
    queue = simulation.deployed.queue_by_arn(arn) if ":sqs:" in arn else None
    if queue is None:
        simulation.refuse(
            SimulationError(
                "what is sent to this destination can't be followed",
                where=place,
                found=arn,
                expected="an SQS queue of the stack",
            )
        )
        return
    if failed:
        simulation.record("dead-lettered", messages, queue.logical_id, failed)
    simulation.queues.send(queue, text, messages)
