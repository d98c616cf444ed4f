"""Rules of AWS IoT: what a device publishes goes to each action of a rule that selects it.

The device's PUBACK says that the broker has the message, not that any action took it: one that
fails goes to the error action, if there is one. Pages: iot-rule-actions, iot-sql-reference,
rule-error-handling, sqs-rule-action.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_storagefirst.errors import SimulationError
from pytest_storagefirst.simulation.behalf import whose
from pytest_storagefirst.simulation.calls.refusals import refusal
from pytest_storagefirst.simulation.frontdoor import HttpReply
from pytest_storagefirst.simulation.routing import deliveries, targets
from pytest_storagefirst.stack.discovery_routing import arns_in
from pytest_storagefirst.stack.topology import TopicRule

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation

PRINCIPAL = "iot.amazonaws.com"
_SQL = re.compile(
    r"\s*select\s+(?P<what>.+?)\s+from\s+'[^']*'\s*(?P<where>where\b.*)?$", re.I | re.S
)
_COLUMN = re.compile(
    r"(?P<what>\*|'[^']*'|[\w.]+(?:\([^()]*\))?)(?:\s+as\s+(?P<name>\w+))?\s*$", re.I
)


def publish(simulation: Simulation, rule: TopicRule, text: str, refused: str) -> HttpReply:
    """A device publishes to a topic that the rule is about."""
    if refused:
        region = simulation.deployed.topology.region
        status, headers, content = refusal("iot-data", refused, f"https://data.iot.{region}/")
        return HttpReply(status, headers, content.decode())
    messages = whose(simulation, text)
    simulation.record("stored", messages, rule.logical_id)
    selected = _selected(simulation, rule, text)
    if selected is not None:
        for action in rule.actions:
            _act(simulation, rule, action, selected, text, messages)
    return HttpReply(200)


def _selected(simulation: Simulation, rule: TopicRule, text: str) -> str | None:
    """What the rule's SELECT makes of a payload; None when it can't be followed."""
    found = _SQL.match(rule.sql)
    columns = [_COLUMN.match(one.strip()) for one in found["what"].split(",")] if found else [None]
    try:
        payload = json.loads(text)
    except ValueError:
        payload = None
    if found is None or found["where"] or any(one is None for one in columns):
        simulation.refuse(
            SimulationError(
                "this SQL of an IoT rule can't be followed",
                where=rule.logical_id,
                found=rule.sql,
                expected="SELECT *, field AS name, timestamp() AS name FROM 'topic', without WHERE",
            )
        )
        return None
    if payload is None:
        return text if found["what"].strip() == "*" else "{}"
    made: dict[str, Any] = {}
    for column in columns:
        assert column is not None
        made.update(_column(simulation, payload, column["what"], column["name"]))
    return json.dumps(made) if isinstance(payload, dict) else text


def _column(simulation: Simulation, payload: Any, what: str, name: str | None) -> Mapping[str, Any]:
    if what == "*":
        return payload if isinstance(payload, dict) else {}
    function = what.partition("(")[0].lower()
    if what.startswith("'"):
        value: Any = what[1:-1]
    elif function == "timestamp":
        value = simulation.wall_ms
    elif "(" in what:
        value = f"<{what}>"
    else:
        value = payload
        for part in what.split("."):
            value = value.get(part) if isinstance(value, dict) else None
    return {name or function.rpartition(".")[2]: value}


def _act(
    simulation: Simulation,
    rule: TopicRule,
    action: Mapping[str, Any],
    text: str,
    published: str,
    messages: tuple[str, ...],
) -> None:
    ((kind, parameters),) = action.items()
    arn = next(arns_in(action), f"iot {kind}")
    if str(parameters.get("useBase64", "")).lower() == "true":
        text = base64.b64encode(text.encode()).decode()
    parcel = targets.Parcel(text, messages, f"delivered by {rule.logical_id}")

    deliveries.start(
        simulation,
        deliveries.Delivery(
            place=rule.logical_id,
            principal=PRINCIPAL,
            source_arn=rule.arn,
            target_arn=arn,
            parcel=parcel,
            retries=deliveries.IOT,
            role_arn=_role_of(action),
            dead_letter_arn=next(arns_in(rule.error_action), None) if rule.error_action else None,
            letters_role_arn=_role_of(rule.error_action),
            letter=_failure(rule, kind, arn, published),
        ),
    )


def _role_of(action: Mapping[str, Any] | None) -> str:
    for parameters in (action or {}).values():
        return str(parameters.get("roleArn", ""))
    return ""


def _failure(rule: TopicRule, kind: str, resource: str, published: str) -> str:
    """What an error action gets of an action that failed (rule-error-handling)."""
    return json.dumps(
        {
            "ruleName": rule.name,
            "topic": "",
            "cloudwatchTraceId": "",
            "clientId": "",
            "base64OriginalPayload": base64.b64encode(published.encode()).decode(),
            "failures": [
                {
                    "failedAction": f"{kind.capitalize()}Action",
                    "failedResource": resource,
                    "errorMessage": "the action failed",
                }
            ],
        }
    )
