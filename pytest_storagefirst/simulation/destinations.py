"""Where a service sends what it gives up on, or is done with: dead-letter queues, destinations."""

from __future__ import annotations

from typing import Any

from pytest_storagefirst.errors import SimulationError


def deliver(
    simulation: Any,
    arn: str,
    text: str,
    messages: tuple[str, ...],
    place: str,
    failed: str = "",
    *,
    until_ms: int | None = None,
) -> None:
    """Put `text`, which is about `messages`, where `arn` says, on behalf of what stands at `place`.

    `failed` says what was given up; then these messages are dead-lettered. From `until_ms` on the
    text is all that is left, and holds nothing. A destination that can't be followed makes the run
    refuse to be judged.
    """
    queue = simulation.deployed.queue_by_arn(arn) if ":sqs:" in arn else None
    if queue is None:
        _refuse(simulation, arn, place, "an SQS queue of the stack")
        return
    if failed:
        simulation.record("dead-lettered", messages, queue.logical_id, failed)
    simulation.queues.send(queue, text, messages, until_ms=until_ms)


def publish(simulation: Any, arn: str, text: str, messages: tuple[str, ...], failed: str) -> None:
    """Tell a topic what was given up."""
    backend = simulation.deployed.world.backend("sns")
    if arn not in backend.topics:
        _refuse(simulation, arn, failed, "an SNS topic of the stack")
        return
    place = simulation.deployed.topology.logical_ids.get(arn, arn)
    simulation.record("dead-lettered", messages, place, failed)
    with simulation.queues.on_behalf_of(messages):
        simulation.before_write("sns", "Publish")
        simulation.moto_random.enter()
        backend.publish(text, arn=arn)


def put_object(
    simulation: Any, arn: str, key: str, text: str, messages: tuple[str, ...], failed: str
) -> None:
    """Keep in a bucket what was given up."""
    backend, name = simulation.deployed.world.backend("s3"), arn.rpartition(":")[2]
    if name not in backend.buckets:
        _refuse(simulation, arn, failed, "an S3 bucket of the stack")
        return
    place = simulation.deployed.topology.logical_ids.get(name, name)
    simulation.record("dead-lettered", messages, place, failed)
    simulation.moto_random.enter()
    backend.put_object(name, key, text.encode())


def _refuse(simulation: Any, arn: str, place: str, expected: str) -> None:
    simulation.refuse(
        SimulationError(
            "what is sent to this destination can't be followed",
            where=place,
            found=arn,
            expected=expected,
        )
    )
