"""What each kind of target does with a delivery: a queue stores it, a function is invoked, …"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_storagefirst.simulation.behalf import aws, on_behalf_of

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation


@dataclass(frozen=True)
class Refused:
    """Why a target did not take a delivery. One that can heal is tried again.

    It is `denied` by the stack's own policies.
    """

    why: str
    heals: bool = True
    denied: bool = False


@dataclass(frozen=True)
class Parcel:
    """What a target is given: its text, whose it is, and where it comes from.

    `group`, `deduplication` and `attributes` are of a message for SQS, `partition_key` of a record
    for Kinesis.
    """

    text: str
    messages: tuple[str, ...]
    source: str
    group: str | None = None
    deduplication: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    partition_key: str = ""
    trigger: str = ""  # the ARN of what delivers
    detail_type: str = ""


def name_of(simulation: Simulation, arn: str) -> str:
    """A target as the history calls it: by logical id where the stack has it."""
    return named(simulation.deployed.topology.logical_ids, arn)


def named(names: Mapping[str, str], arn: str) -> str:
    """The same with the stack's own logical ids."""
    found = names.get(arn) or names.get(":".join(arn.split(":")[:7]))
    if found is None and ":event-bus/" in arn:
        return arn.rpartition("/")[2]
    return found or arn.split(":", 2)[-1]


def hand_over(simulation: Simulation, arn: str, parcel: Parcel) -> Refused | None:
    """Give a parcel to a target. None when it was taken, else why not.

    A target that is not in the stack, or that leaves AWS's message services, gets an emission.
    """
    service = arn.split(":")[2] if arn.startswith("arn:") else ""
    kind = _KINDS.get(service)
    if kind is not None:
        taken = kind(simulation, arn, parcel)
        if taken is not _ELSEWHERE:
            return taken
    emit(simulation, place_outside(simulation.deployed.topology.logical_ids, arn), parcel)
    return None


def place_outside(names: Mapping[str, str], arn: str) -> str:
    """Where what is given to a target that is not followed has its effect."""
    service = arn.split(":")[2] if arn.startswith("arn:") else ""
    return f"{service or arn} {named(names, arn)}"


_ELSEWHERE = Refused("it is not in this stack")


def emit(simulation: Simulation, place: str, parcel: Parcel) -> None:
    """What leaves the stack is an effect of its own."""
    try:
        value = json.loads(parcel.text)
    except ValueError:
        value = parcel.text
    simulation.record("effected", parcel.messages, place, parcel.source)
    simulation.emit(place, value, None)


def _to_queue(simulation: Simulation, arn: str, parcel: Parcel) -> Refused | None:
    from moto.sqs.exceptions import SQSException

    queue = simulation.deployed.queue_by_arn(arn)
    if queue is None:
        return _ELSEWHERE
    try:
        simulation.queues.send(
            queue,
            parcel.text,
            parcel.messages,
            group_id=parcel.group,  # of a standard queue, too: that makes it a fair queue
            deduplication_id=parcel.deduplication if queue.fifo else None,
            message_attributes=dict(parcel.attributes),
        )
    except SQSException as error:
        return Refused(str(error.message), heals=False)
    return None


def _to_function(simulation: Simulation, arn: str, parcel: Parcel) -> Refused | None:
    # What it invokes may be fed by a pipe, which has targets.
    from pytest_storagefirst.simulation import asynchronous

    function = simulation.deployed.function_by_arn(arn)
    if function is None:
        return _ELSEWHERE
    try:
        event = json.loads(parcel.text)
    except ValueError:
        event = parcel.text
    asynchronous.start(simulation, function, event, parcel.messages, parcel.source)
    return None


def _to_topic(simulation: Simulation, arn: str, parcel: Parcel) -> Refused | None:
    if arn not in simulation.deployed.world.backend("sns").topics:
        return _ELSEWHERE
    return _call(
        simulation,
        parcel,
        "sns",
        "publish",
        TopicArn=arn,
        Message=parcel.text,
        **({"MessageGroupId": parcel.group} if arn.endswith(".fifo") and parcel.group else {}),
    )


def _to_bus(simulation: Simulation, arn: str, parcel: Parcel) -> Refused | None:
    if ":event-bus/" not in arn:
        return _ELSEWHERE
    if arn.rpartition("/")[2] not in simulation.deployed.world.backend("events").event_buses:
        return _ELSEWHERE
    try:
        event = json.loads(parcel.text)
    except ValueError:
        event = parcel.text
    if not isinstance(event, dict) or "detail-type" not in event:
        event = {"source": parcel.source, "detail-type": parcel.detail_type, "detail": event}
    entry = {
        "EventBusName": arn,
        "Source": str(event.get("source")),
        "DetailType": str(event.get("detail-type")),
        "Detail": json.dumps(event.get("detail")),
        "Resources": list(event.get("resources") or ()),
    }
    return _call(simulation, parcel, "events", "put_events", Entries=[entry])


def _to_stream(simulation: Simulation, arn: str, parcel: Parcel) -> Refused | None:
    if arn not in simulation.deployed.topology.logical_ids:
        return _ELSEWHERE
    return _call(
        simulation,
        parcel,
        "kinesis",
        "put_record",
        StreamName=arn.rpartition("/")[2],
        Data=parcel.text.encode(),
        PartitionKey=parcel.partition_key or simulation.identities.new_id(),
    )


def _to_machine(simulation: Simulation, arn: str, parcel: Parcel) -> Refused | None:
    from pytest_storagefirst.simulation.machines import state_machines

    machine = simulation.deployed.machine_by_arn(arn)
    if machine is None:
        return _ELSEWHERE
    try:
        state_machines.start(simulation, machine, parcel.text, parcel.messages, parcel.source)
    except state_machines.Refused as error:
        return Refused(error.code, heals=False)
    return None


def _call(
    simulation: Simulation, parcel: Parcel, service: str, operation: str, **parameters: Any
) -> Refused | None:
    """A call that one service makes of another, on behalf of the parcel's messages."""
    from botocore.exceptions import ClientError

    with on_behalf_of(simulation, parcel.messages):
        try:
            getattr(aws(simulation, service), operation)(**parameters)
        except ClientError as error:
            return Refused(str(error.response["Error"]["Code"]), heals=False)
    return None


_KINDS = {
    "sqs": _to_queue,
    "lambda": _to_function,
    "sns": _to_topic,
    "events": _to_bus,
    "kinesis": _to_stream,
    "states": _to_machine,
}
