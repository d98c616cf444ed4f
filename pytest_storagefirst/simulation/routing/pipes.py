"""EventBridge Pipes: a source's batch, filtered, enriched, and given to one target.

The source is read as a function's mapping would read it; what comes back of the batch says what is
done with it. Pages: eb-pipes-event-source, eb-pipes-batching-concurrency, eb-pipes-input-
transformation, eb-pipes-event-enrichment (AWS_SEMANTICS.md, rule 32).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_storagefirst.errors import SimulationError
from pytest_storagefirst.simulation.frontdoor import json_path
from pytest_storagefirst.simulation.routing import input_templates, targets
from pytest_storagefirst.simulation.routing.permissions import may_deliver
from pytest_storagefirst.stack.topology import Pipe, StateMachine

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.functions import Outcome
    from pytest_storagefirst.simulation.run import Simulation

PRINCIPAL = "pipes.amazonaws.com"
HAND_OVER_MS = 20


def run(
    simulation: Simulation,
    pipe: Pipe,
    event: Mapping[str, Any],
    messages: tuple[str, ...],
    on_done: Callable[[Outcome], None],
    source: str,
) -> None:
    """Take one batch through a pipe; `on_done` is told, in the hub, what came of it."""
    from pytest_storagefirst.simulation.functions import Outcome

    place = pipe.logical_id
    simulation.record("delivered", messages, place, source)

    def finish(outcome: Outcome) -> None:
        simulation.record(outcome.kind, messages, place, outcome.error)
        on_done(outcome)

    def give(batch: list[Any]) -> None:
        if not batch:
            finish(Outcome("succeeded"))
            return
        _give(simulation, pipe, batch, messages, finish)

    def begin() -> None:
        records = [_flat(record) for record in event["Records"]]
        if pipe.enrichment_arn:
            shaped = [_shaped(pipe.enrichment_template, one) for one in records]
            _enrich(simulation, pipe, shaped, messages, finish, give)
        else:
            give(records)

    simulation.scheduler.at(simulation.now_ms + HAND_OVER_MS, begin)


def _flat(record: Any) -> Any:
    """A record in a pipe's form: Kinesis's fields stand beside the others (eb-pipes-kinesis)."""
    if isinstance(record, dict) and isinstance(record.get("kinesis"), dict):
        return {**record["kinesis"], **{k: v for k, v in record.items() if k != "kinesis"}}
    return record


def _enrich(
    simulation: Simulation,
    pipe: Pipe,
    batch: list[Any],
    messages: tuple[str, ...],
    finish: Callable[[Outcome], None],
    give: Callable[[list[Any]], None],
) -> None:
    """A function's answer takes the batch's place; an empty one ends it (event-enrichment)."""

    def enriched(outcome: Outcome) -> None:
        if outcome.kind != "succeeded":
            finish(replace(outcome, kind="failed"))
            return
        result = outcome.result
        give(result if isinstance(result, list) else [] if result in (None, "") else [result])

    _invoke(simulation, pipe, pipe.enrichment_arn, batch, messages, enriched)


def _invoke(
    simulation: Simulation,
    pipe: Pipe,
    arn: str,
    batch: list[Any],
    messages: tuple[str, ...],
    on_done: Callable[[Outcome], None],
) -> None:
    from pytest_storagefirst.simulation.functions import Outcome

    refused = may_deliver(simulation, PRINCIPAL, pipe.arn, arn, pipe.role_arn)
    if refused is not None:
        simulation.record("denied", messages, pipe.logical_id, refused.why)
        on_done(Outcome("failed", error=refused.why))
        return
    function = simulation.deployed.function_by_arn(arn)
    if function is None:
        simulation.refuse(
            SimulationError(
                "this step of a pipe can't be followed",
                where=pipe.logical_id,
                found=arn,
                expected="a function of the stack",
            )
        )
        on_done(Outcome("failed", error="no such function"))
        return
    simulation.functions.invoke(function, batch, messages, on_done, f"given by {pipe.logical_id}")


def _give(
    simulation: Simulation,
    pipe: Pipe,
    batch: list[Any],
    messages: tuple[str, ...],
    finish: Callable[[Outcome], None],
) -> None:
    from pytest_storagefirst.simulation.functions import Outcome

    shaped = [_shaped(pipe.target_template, one) for one in batch]
    arn, parameters = pipe.target_arn, pipe.target_parameters
    service = arn.split(":")[2]
    how = parameters.get("LambdaFunctionParameters", {}).get("InvocationType", "REQUEST_RESPONSE")
    simulation.strikes.cross(pipe.logical_id, "delivery", messages)
    strike = simulation.due(pipe.logical_id, "delivery", messages, frozenset({"target-refused"}))
    if strike is not None:
        simulation.strike(strike, messages)
        finish(Outcome("failed", error=strike.fault.variant or "throttle"))
        return
    if service == "lambda" and how == "REQUEST_RESPONSE":
        _invoke(simulation, pipe, arn, shaped, messages, finish)
        return
    machine = simulation.deployed.machine_by_arn(arn) if service == "states" else None
    if machine is not None and machine.kind == "EXPRESS" and _waits(pipe):
        _run_machine(simulation, pipe, machine, shaped, messages, finish)
        return
    refused = may_deliver(simulation, PRINCIPAL, pipe.arn, arn, pipe.role_arn)
    if refused is not None:
        simulation.record("denied", messages, pipe.logical_id, refused.why)
    whole = service in ("lambda", "states")  # these take a batch as one
    items = [shaped] if whole else shaped
    for one, about in zip(items, _whose(simulation, items, messages), strict=True):
        if refused is not None:
            break
        parcel = _parcel(pipe, one, about)
        refused = targets.hand_over(simulation, arn, parcel)
    if refused is not None:
        finish(Outcome("failed", error=refused.why))
    else:
        finish(Outcome("succeeded"))


def _waits(pipe: Pipe) -> bool:
    """Whether a pipe waits for its express workflow to end (PipeTargetStateMachineParameters)."""
    parameters = pipe.target_parameters.get("StepFunctionStateMachineParameters", {})
    return bool(parameters.get("InvocationType", "REQUEST_RESPONSE") == "REQUEST_RESPONSE")


def _run_machine(
    simulation: Simulation,
    pipe: Pipe,
    machine: StateMachine,
    batch: list[Any],
    messages: tuple[str, ...],
    finish: Callable[[Outcome], None],
) -> None:
    from pytest_storagefirst.simulation.functions import Outcome
    from pytest_storagefirst.simulation.machines import state_machines

    def ended(execution: Any) -> None:
        ok = execution.status == "SUCCEEDED"
        finish(Outcome("succeeded") if ok else Outcome("failed", error=execution.error))

    action = "states:StartSyncExecution"
    refused = may_deliver(simulation, PRINCIPAL, pipe.arn, machine.arn, pipe.role_arn, action)
    if refused is not None:
        simulation.record("denied", messages, pipe.logical_id, refused.why)
        finish(Outcome("failed", error=refused.why))
        return
    text, source = json.dumps(batch, ensure_ascii=False), f"given by {pipe.logical_id}"
    try:
        state_machines.start_sync(simulation, machine, text, messages, source, ended)
    except state_machines.Refused as error:
        finish(Outcome("failed", error=error.code))


def _whose(
    simulation: Simulation, items: list[Any], messages: tuple[str, ...]
) -> list[tuple[str, ...]]:
    """Of a batch's messages, those that each item is about: that it names, or that none does."""
    named = [simulation.identities.messages_in(json.dumps(one, default=str)) for one in items]
    rest = tuple(one for one in messages if not any(one in some for some in named))
    return [some or rest or messages for some in named]


def _parcel(pipe: Pipe, value: Any, messages: tuple[str, ...]) -> targets.Parcel:
    queue = pipe.target_parameters.get("SqsQueueParameters", {})
    bus = pipe.target_parameters.get("EventBridgeEventBusParameters", {})
    stream = pipe.target_parameters.get("KinesisStreamParameters", {})
    key = str(stream.get("PartitionKey", ""))
    return targets.Parcel(
        text=value if isinstance(value, str) else json.dumps(value, ensure_ascii=False),
        messages=messages,
        source=bus.get("Source") or f"Pipe {pipe.name}",
        group=_read(queue.get("MessageGroupId"), value),
        deduplication=_read(queue.get("MessageDeduplicationId"), value),
        partition_key=str(_read(key, value) or ""),
        trigger=pipe.arn,
        detail_type=bus.get("DetailType") or "Event from aws:pipes",
    )


def _read(written: str | None, value: Any) -> Any:
    return json_path.read(value, written) if written and written.startswith("$") else written


_VARIABLE = re.compile(r"<(\$[^<>]*|aws\.pipes\.[\w.-]+)>")


def _shaped(template: str, record: Any) -> Any:
    """A record as an input template makes it; as it is without one."""
    if not template:
        return record
    opened = _opened(record)

    def value_of(name: str) -> Any:
        return opened if name == "aws.pipes.event.json" else json_path.read(opened, name)

    text = input_templates.filled(template, _VARIABLE, value_of, nothing="null")
    try:
        return json.loads(text)
    except ValueError:
        return text


def _opened(record: Any) -> Any:
    """Body and data as JSON, where they are: paths reach into them (implicit body parsing)."""
    if not isinstance(record, dict):
        return record
    opened = dict(record)
    for name in ("body", "data"):
        try:
            text = base64.b64decode(opened[name]) if name == "data" else opened[name]
            opened[name] = json.loads(text)
        except (KeyError, TypeError, ValueError):
            continue
    return opened
