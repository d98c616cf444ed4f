"""The final read: what stands at the system of record when a run is over."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pytest_storagefirst.ledger.effects import Effect, Observation
from pytest_storagefirst.simulation import flags
from pytest_storagefirst.simulation.going_round import going_round

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation


_SIMPLE = frozenset({"S", "N", "BOOL"})


def observation(simulation: Simulation) -> Observation:
    """All that judging looks at."""
    quiet = not simulation.why_stopped and simulation.scheduler.next_ms() is None
    return Observation(
        messages=simulation.identities.messages,
        history=tuple(simulation.history),
        effects=(*effects(simulation), *simulation.emissions),
        held=(
            *simulation.queues.held(),
            *simulation.streams.held(),
            *simulation.executions.held(),
        ),
        names=dict(simulation.identities.names),
        quiet=quiet,
        why_not_quiet="" if quiet else _why_not_quiet(simulation),
        circuit=simulation.circuit.result() if simulation.circuit is not None else None,
        load=simulation.load.result() if simulation.load is not None else None,
        faults_required=tuple(str(fault) for fault in simulation.strikes.plan),
        faults_fired=simulation.strikes.fired,
    )


def _why_not_quiet(simulation: Simulation) -> str:
    why = simulation.why_stopped or "work was still going on when all of its time was over"
    round_ = going_round(simulation.history)
    return f"{why}: {round_}" if round_ else why


def effects(simulation: Simulation) -> tuple[Effect, ...]:
    """Every item, object and waiting message of the stack that a run has made or changed.

    But for bookkeeping, and for the item that a circuit breaker keeps its state in: no message
    leaves it there.
    """
    breaker, bookkeeping = simulation.deployed.breaker, simulation.deployed.bookkeeping
    items = (item for item in _items(simulation) if item.place not in bookkeeping)
    if breaker is not None:
        items = (item for item in items if not breaker.keeps(item.place, item.key))
    return (
        *items,
        *_objects(simulation),
        *_messages(simulation),
        *_records(simulation),
    )


def _logical(simulation: Simulation, physical: str) -> str:
    return simulation.deployed.topology.logical_ids.get(physical, physical)


def _items(simulation: Simulation) -> Iterator[Effect]:
    for name, table in sorted(simulation.deployed.world.backend("dynamodb").tables.items()):
        place = _logical(simulation, name)
        keys = [key for key in (table.hash_key_attr, table.range_key_attr) if key]
        kept = flags.keys_in(simulation.deployed.flags, name)
        for item in table.all_items():
            attributes = {
                attribute: {value.type: value.value}
                if value.type in _SIMPLE
                else _plain(value.to_json())
                for attribute, value in item.attrs.items()
            }
            key = {name: attributes[name] for name in keys if name in attributes}
            if key not in kept:  # a flag is nobody's effect
                yield Effect("item", place, key, attributes)


def _plain(value: Any) -> Any:
    """A DynamoDB value with its sets in one order, so that equal values look equal."""
    if isinstance(value, dict):
        if len(value) == 1:
            kind, inner = next(iter(value.items()))
            if kind in ("SS", "NS", "BS") and isinstance(inner, list):
                return {kind: sorted(_plain(one) for one in inner)}
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if hasattr(value, "to_json"):
        return _plain(value.to_json())
    return value


def _objects(simulation: Simulation) -> Iterator[Effect]:
    for name, bucket in sorted(simulation.deployed.world.backend("s3").buckets.items()):
        place = _logical(simulation, name)
        for key_name in sorted(bucket.keys.keys()):
            key = bucket.keys[key_name]
            if not hasattr(key, "value"):
                continue  # a delete marker
            yield Effect("object", place, key_name, _content(key.value))


def _content(raw: bytes) -> Any:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}
    try:
        return json.loads(text)
    except ValueError:
        return text


def _messages(simulation: Simulation) -> Iterator[Effect]:
    """What waits in queues that nothing in the stack reads and no redrive policy feeds.

    What a service put there because it could not deliver it is held, and no effect.
    """
    deployed = simulation.deployed
    for queue in deployed.topology.queues:
        if deployed.mappings_of(queue) or queue.arn in deployed.dead_letter_arns:
            continue
        for message in simulation.queues.store(queue).stored_messages:
            if simulation.queues.is_given_up(message):
                continue
            yield Effect("message", queue.logical_id, None, _content(message.body.encode()))


def _records(simulation: Simulation) -> Iterator[Effect]:
    """What lies in data streams that nothing in the stack reads."""
    for record in simulation.streams.unread():
        data = base64.b64decode(record.event["kinesis"]["data"])
        yield Effect("message", record.stream.logical_id, None, _content(data))
