"""EventBridge: from an event on a bus to the targets of each rule that matches it.

Rules from the EventBridge user guide: eb-event-patterns, eb-transform-target-input, eb-targets,
eb-rule-retry-policy, eb-rule-dlq (AWS_SEMANTICS.md, rules 28 and 29).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pytest_storagefirst.simulation.behalf import now_text, whose
from pytest_storagefirst.simulation.frontdoor import json_path
from pytest_storagefirst.simulation.routing import deliveries, input_templates, targets
from pytest_storagefirst.simulation.sources import event_patterns, mismatches

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation

PRINCIPAL = "events.amazonaws.com"
MATCHES_NO_RULE = "no rule matches it"


def with_object(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of PutEvents as moto takes it: a detail that is no JSON object is malformed.

    Rule from the EventBridge API reference: PutEventsRequestEntry, Detail.
    """
    try:
        taken = isinstance(json.loads(entry.get("Detail") or "{}"), dict)
    except ValueError:
        return entry
    return entry if taken else {**entry, "Detail": "{"}


def put(simulation: Simulation, bus: Any, entry: Mapping[str, Any], event_id: str) -> None:
    """An event that a bus (moto's) has accepted: each matching rule's targets get it.

    One that no rule matches is gone. `entry` is of PutEvents.
    """
    topology = simulation.deployed.topology
    event = {
        "version": "0",
        "id": event_id,
        "detail-type": entry["DetailType"],
        "source": entry["Source"],
        "account": topology.account,
        "time": now_text(simulation, milliseconds=False),
        "region": topology.region,
        "resources": list(entry.get("Resources") or ()),
        "detail": json.loads(entry["Detail"]),
    }
    route(simulation, bus, event, whose(simulation, json.dumps(event, ensure_ascii=False)))


def route(
    simulation: Simulation, bus: Any, event: dict[str, Any], messages: tuple[str, ...]
) -> None:
    """Give an event to all rules of a bus."""
    place = targets.name_of(simulation, bus.arn)
    for message in messages:
        simulation.identities.name(message, event["id"], f"<{message}.eventId>")
    simulation.record("stored", messages, place)
    text = json.dumps(event, ensure_ascii=False)
    matching = [rule for rule in bus.rules.values() if _matches(rule, text)]
    handed = [(rule, target) for rule in matching for target in rule.targets]
    if not handed:
        simulation.record(
            "dropped", messages, place, MATCHES_NO_RULE + _nearest(simulation, bus, event)
        )
    for rule, target in handed:
        _deliver(simulation, place, rule, target, event, messages)


def _nearest(simulation: Simulation, bus: Any, event: dict[str, Any]) -> str:
    """Of the rule that wants most of what the event has, what else it wants."""
    told = []
    for rule in bus.rules.values():
        written = rule.event_pattern.dump()
        if rule.state == "ENABLED" and written:
            pattern = json.loads(written)
            found = mismatches.mismatch(pattern, event)
            depth = list(pattern).index(found[0][0]) if found is not None else -1
            name = targets.name_of(simulation, rule.arn)
            told.append((-depth, name, mismatches.why_not(pattern, event)))
    return f": for {min(told)[1]}, {min(told)[2]}" if told else ""


def _matches(rule: Any, text: str) -> bool:
    written = rule.event_pattern.dump()
    if rule.state != "ENABLED" or not written:
        return False
    return event_patterns.matches(event_patterns.read(written), event_patterns.read(text))


def _deliver(
    simulation: Simulation,
    place: str,
    rule: Any,
    target: Mapping[str, Any],
    event: dict[str, Any],
    messages: tuple[str, ...],
) -> None:
    arn = str(target["Arn"])
    parcel = targets.Parcel(
        text=shaped(target, event, rule.arn),
        messages=messages,
        source=f"delivered by {targets.name_of(simulation, rule.arn)}",
        group=(target.get("SqsParameters") or {}).get("MessageGroupId"),
        partition_key=_partition_key(target, event),
        trigger=rule.arn,
    )

    deliveries.start(
        simulation,
        deliveries.Delivery(
            place=place,
            principal=PRINCIPAL,
            source_arn=rule.arn,
            target_arn=arn,
            parcel=parcel,
            retries=deliveries.by_policy(target.get("RetryPolicy") or {}),
            role_arn=str(target.get("RoleArn") or rule.role_arn or ""),
            dead_letter_arn=(target.get("DeadLetterConfig") or {}).get("Arn"),
        ),
    )


def _partition_key(target: Mapping[str, Any], event: Mapping[str, Any]) -> str:
    path = (target.get("KinesisParameters") or {}).get("PartitionKeyPath")
    found = json_path.read(event, path) if path else event["id"]
    return found if isinstance(found, str) else json.dumps(found)


# What a target gets.


def shaped(target: Mapping[str, Any], event: Mapping[str, Any], rule_arn: str) -> str:
    """The event as the target's Input, InputPath or InputTransformer make it, as JSON text."""
    if target.get("Input"):
        return str(target["Input"])
    if target.get("InputPath"):
        return json.dumps(json_path.read(event, target["InputPath"]), ensure_ascii=False)
    transformer = target.get("InputTransformer")
    if not transformer:
        return json.dumps(event, ensure_ascii=False)
    values = {
        name: json_path.read(event, path)
        for name, path in (transformer.get("InputPathsMap") or {}).items()
    }
    values.update(
        {
            "aws.events.event": {k: v for k, v in event.items() if k != "detail"},
            "aws.events.event.json": event,
            "aws.events.event.ingestion-time": event["time"],
            "aws.events.rule-arn": rule_arn,
            "aws.events.rule-name": rule_arn.rpartition("/")[2],
        }
    )
    template = str(transformer.get("InputTemplate") or "")
    return input_templates.filled(template, _VARIABLE, values.__getitem__, nothing="")


_VARIABLE = re.compile(r"<([\w.:-]+)>")


def targets_of(bus: Any) -> Iterator[Mapping[str, Any]]:
    """All targets of a bus's rules that an event can reach."""
    for rule in bus.rules.values():
        if rule.state == "ENABLED" and rule.event_pattern.dump():
            yield from rule.targets
