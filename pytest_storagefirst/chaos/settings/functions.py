"""Settings of Lambda: a mapping's switch, a function's concurrency, handler and variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_storagefirst.chaos.setting import Address, Moved, Setting, Value
from pytest_storagefirst.chaos.settings.settling import settled
from pytest_storagefirst.target.target import Target


def _mapping_state(target: Target, address: Address) -> Value:
    client = target.session().client("lambda")
    state = settled(
        lambda: str(client.get_event_source_mapping(UUID=address["uuid"])["State"]),
        lambda state: not state.endswith("ing"),
    )
    return state == "Enabled"


def _switch_mapping(target: Target, address: Address, value: Value, current: Value) -> None:
    client = target.session().client("lambda")
    client.update_event_source_mapping(UUID=address["uuid"], Enabled=value)


MAPPING_ENABLED = Setting("mapping-enabled", "enabled", _mapping_state, _switch_mapping)


def _concurrency(target: Target, address: Address) -> Value:
    client = target.session().client("lambda")
    answer = client.get_function_concurrency(FunctionName=address["function"])
    reserved = answer.get("ReservedConcurrentExecutions")
    return None if reserved is None else int(reserved)


def _reserve(target: Target, address: Address, value: Value, current: Value) -> None:
    client = target.session().client("lambda")
    if value is None:
        client.delete_function_concurrency(FunctionName=address["function"])
    else:
        client.put_function_concurrency(
            FunctionName=address["function"], ReservedConcurrentExecutions=value
        )


RESERVED_CONCURRENCY = Setting(
    "reserved-concurrency", "reserved concurrency", _concurrency, _reserve
)


def _configuration(target: Target, address: Address) -> dict[str, Any]:
    client = target.session().client("lambda")
    configuration: dict[str, Any] = settled(
        lambda: client.get_function_configuration(FunctionName=address["function"]),
        lambda found: found.get("LastUpdateStatus") != "InProgress",
    )
    return configuration


def _update(
    target: Target, address: Address, current: Value, seen: Callable[[dict[str, Any]], Value]
) -> Callable[..., None]:
    """Updates the function as it was read, with Lambda's own compare-and-swap."""
    client = target.session().client("lambda")
    configuration = _configuration(target, address)
    if seen(configuration) != current:
        raise Moved(seen(configuration))

    def update(**change: Any) -> None:
        revision = configuration.get("RevisionId")
        guard = {"RevisionId": revision} if revision else {}
        try:
            client.update_function_configuration(
                FunctionName=address["function"], **change, **guard
            )
        except client.exceptions.PreconditionFailedException:
            raise Moved(seen(_configuration(target, address))) from None

    return update


def _handler(configuration: dict[str, Any]) -> Value:
    return configuration.get("Handler")


def _set_handler(target: Target, address: Address, value: Value, current: Value) -> None:
    _update(target, address, current, _handler)(Handler=value)


HANDLER = Setting(
    "handler",
    "handler",
    lambda target, address: _handler(_configuration(target, address)),
    _set_handler,
)


def _variables(configuration: dict[str, Any]) -> dict[str, str]:
    return dict(configuration.get("Environment", {}).get("Variables", {}))


def _set_variable(target: Target, address: Address, value: Value, current: Value) -> None:
    name = address["variable"]
    update = _update(target, address, current, lambda one: _variables(one).get(name))
    variables = _variables(_configuration(target, address))
    variables.pop(name, None)
    if value is not None:
        variables[name] = value
    update(Environment={"Variables": variables})


VARIABLE = Setting(
    "variable",
    "environment variable",
    lambda target, address: _variables(_configuration(target, address)).get(address["variable"]),
    _set_variable,
)

SETTINGS = (MAPPING_ENABLED, RESERVED_CONCURRENCY, HANDLER, VARIABLE)
