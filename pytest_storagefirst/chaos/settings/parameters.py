"""A parameter of Systems Manager: a flag, a breaker's state, the agent's orders."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pytest_storagefirst.chaos.setting import Address, Moved, Setting, Value
from pytest_storagefirst.chaos.settings.function_logs import felt_by_agent
from pytest_storagefirst.target.target import Target


def _parameter(target: Target, address: Address) -> Value:
    client = target.session().client("ssm")
    try:
        answer = client.get_parameter(Name=address["parameter"], WithDecryption=True)
    except client.exceptions.ParameterNotFound:
        return None
    found = answer["Parameter"]
    return {"value": found["Value"], "type": found.get("Type", "String")}


def _put(target: Target, address: Address, value: Value, current: Value) -> None:
    client = target.session().client("ssm")
    name = address["parameter"]
    if value is None:
        client.delete_parameter(Name=name)
        return
    told: dict[str, Any] = {"Name": name, "Value": value["value"], "Type": value["type"]}
    if current is not None:
        client.put_parameter(**told, Overwrite=True)
        return
    try:
        client.put_parameter(**told)
    except client.exceptions.ParameterAlreadyExists:
        raise Moved(_parameter(target, address)) from None


PARAMETER = Setting("parameter", "value", _parameter, _put)
CIRCUIT_PARAMETER = replace(PARAMETER, name="circuit-parameter", moves_itself=True)
AGENT_ORDERS = replace(PARAMETER, name="agent-orders", told="orders", felt=felt_by_agent)

SETTINGS = (PARAMETER, CIRCUIT_PARAMETER, AGENT_ORDERS)


def of_type(text: str, before: Value) -> Value:
    """A parameter's value, of the type that it has."""
    return {"value": text, "type": before["type"] if before else "String"}
