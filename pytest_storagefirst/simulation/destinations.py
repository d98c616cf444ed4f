"""Where a service sends what it gives up on, or is done with: dead-letter queues, destinations."""

from __future__ import annotations

from typing import Any

from pytest_storagefirst.errors import SimulationError
from pytest_storagefirst.simulation.behalf import on_behalf_of
from pytest_storagefirst.simulation.permissions.permissions import may_deliver
from pytest_storagefirst.stack.topology import Function

_PRINCIPAL = "lambda.amazonaws.com"


def may_send(
    simulation: Any, function: Function, arn: str, messages: tuple[str, ...], key: str = ""
) -> bool:
    """Whether Lambda may send a function's events or records there; the history says why not.

    It does so with the function's role: sqs:SendMessage, sns:Publish, lambda:InvokeFunction,
    events:PutEvents, or s3:PutObject of `key`. What it may not send it deletes (Lambda developer
    guide: invocation-async-retain-records; monitoring-metrics-types, DeadLetterErrors and
    DestinationDeliveryFailures).
    """
    if not function.role_arn:
        return True
    target, action = (f"{arn}/{key}", "s3:PutObject") if key else (arn, "")
    refused = may_deliver(simulation, _PRINCIPAL, function.arn, target, function.role_arn, action)
    if refused is not None:
        simulation.record("denied", messages, function.logical_id, refused.reading)
    return refused is None


def deliver(
    simulation: Any,
    arn: str,
    text: str,
    messages: tuple[str, ...],
    place: str,
    failed: str = "",
    *,
    until_ms: int | None = None,
    group: str | None = None,
    deduplication: str | None = None,
) -> None:
    """Put `text`, which is about `messages`, where `arn` says, on behalf of what stands at `place`.

    `failed` says what was given up; then these messages are dead-lettered. From `until_ms` on the
    text is all that is left, and holds nothing. `group` and `deduplication` are for FIFO queues.
    Call it in the hub.
    """
    from moto.sqs.exceptions import SQSException

    # Its targets may have destinations of their own.
    from pytest_storagefirst.simulation.routing import targets

    where = targets.name_of(simulation, arn)
    if failed:
        simulation.record("dead-lettered", messages, where, failed)
    queue = simulation.deployed.queue_by_arn(arn) if ":sqs:" in arn else None
    if queue is not None:
        try:
            simulation.queues.send(
                queue,
                text,
                messages,
                until_ms=until_ms,
                given_up=bool(failed),
                group_id=group if queue.fifo else None,
                deduplication_id=deduplication if queue.fifo else None,
            )
        except SQSException as error:  # an empty text, one that is too long
            told = f"delivery to {where}: {error.message}"
            simulation.record("errored", messages, place, told)
        return
    parcel = targets.Parcel(
        text,
        messages,
        "lambda",
        trigger=arn,
        detail_type=f"Lambda Function Invocation Result - {'Failure' if failed else 'Success'}",
    )
    refused = targets.hand_over(simulation, arn, parcel)
    if refused is not None:
        simulation.record("errored", messages, place, f"delivery to {where}: {refused.why}")


def put_object(
    simulation: Any, arn: str, key: str, text: str, messages: tuple[str, ...], failed: str
) -> None:
    """Keep in a bucket what was given up."""
    backend, name = simulation.deployed.world.backend("s3"), arn.rpartition(":")[2]
    if name not in backend.buckets:
        simulation.refuse(
            SimulationError(
                "what is sent to this destination can't be followed",
                where=failed,
                found=arn,
                expected="an S3 bucket of the stack",
            )
        )
        return
    place = simulation.deployed.topology.logical_ids.get(name, name)
    simulation.record("dead-lettered", messages, place, failed)
    simulation.moto_random.enter()
    with on_behalf_of(simulation, messages):
        backend.put_object(name, key, text.encode())
