"""Amazon States Language as far as a stack's shape depends on it: can it run, how long may it take.

Rules from the Step Functions developer guide: amazon-states-language-state-machine-structure,
concepts-error-handling, service-quotas.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

from pytest_storagefirst.errors import TemplateError
from pytest_storagefirst.stack.topology import StateMachine

LONGEST_STANDARD_SECONDS = 365 * 86_400
LONGEST_EXPRESS_SECONDS = 300
MOST_ATTEMPTS = 40  # of a retrier, that are waited for: some retry for ever

_RETRIES = {"MaxAttempts": 3, "IntervalSeconds": 1, "BackoffRate": 2.0}
# Integrations that wait for a job of a service that no one simulates.
_FOLLOWED = frozenset({"lambda", "sqs", "sns", "events", "dynamodb", "states", "aws-sdk"})


# The Java SDK's names of services, which `aws-sdk:` integrations go by, where boto3 has another.
_BOTO_NAMES = {
    "cloudwatchevents": "events",
    "cloudwatchlogs": "logs",
    "elasticloadbalancingv2": "elbv2",
    "eventbridge": "events",
    "iotdataplane": "iot-data",
    "sfn": "stepfunctions",
    "states": "stepfunctions",
}


def boto_name(service: str) -> str:
    """boto3's name of the service that an integration names."""
    lowered = service.lower()
    if lowered in _BOTO_NAMES:
        return _BOTO_NAMES[lowered]
    return _services().get(lowered, service)


@cache
def _services() -> dict[str, str]:
    import botocore.loaders

    names = botocore.loaders.Loader().list_available_services("service-2")
    return {name.replace("-", ""): name for name in names}


def check(logical_id: str, definition: str) -> None:
    """Raise TemplateError for a definition that AWS would not take or that can't be run here.

    It names the state machine and, where one is to blame, the state.
    """
    try:
        document = json.loads(definition)
    except ValueError as error:
        raise _refused(logical_id, "", f"the definition is no JSON: {error}") from None
    if not isinstance(document, dict) or not isinstance(document.get("States"), dict):
        raise _refused(logical_id, "", "the definition has no States")
    if document.get("QueryLanguage") == "JSONata":
        raise _jsonata(logical_id, "")
    for name, state, scope in _scopes(document):
        _check_state(logical_id, name, state, scope)
        if state.get("QueryLanguage") == "JSONata":
            raise _jsonata(logical_id, name)


def _check_state(
    logical_id: str, name: str, state: Mapping[str, Any], scope: Mapping[str, Any]
) -> None:
    targets = [state.get("Next"), state.get("Default"), scope.get("StartAt")]
    targets += [one.get("Next") for one in (*_list(state, "Choices"), *_list(state, "Catch"))]
    for target in targets:
        if target is not None and target not in scope["States"]:
            raise _refused(
                logical_id, name, f"there is no state {target!r}", ", ".join(scope["States"])
            )
    processor = state.get("ItemProcessor") or state.get("Iterator") or {}
    if (processor.get("ProcessorConfig") or {}).get("Mode") == "DISTRIBUTED":
        raise _refused(logical_id, name, "a distributed Map can't be followed", "Mode: INLINE")
    if state.get("Type") == "Task":
        _check_resource(logical_id, name, str(state.get("Resource", "")))


def _check_resource(logical_id: str, name: str, resource: str) -> None:
    parts = resource.split(":")
    if len(parts) > 5 and parts[2] == "states" and parts[5] == "activity":
        raise _refused(logical_id, name, "an activity's workers can't be followed", "a function")
    if len(parts) < 7 or parts[2] != "states":
        return
    service, action = parts[5], parts[-1]
    if service not in _FOLLOWED:
        expected = ", ".join(sorted(_FOLLOWED))
        raise _refused(logical_id, name, f"a task on {service} can't be followed", expected)
    if service == "aws-sdk":
        _check_call(logical_id, name, parts[6], parts[-1].partition(".")[0])
    if ".sync" in action and service != "states":
        raise _refused(logical_id, name, f"a job of {service} can't be waited for", "no .sync")


def _check_call(logical_id: str, name: str, service: str, action: str) -> None:
    import botocore.loaders

    known = boto_name(service)
    if known not in _services().values():
        raise _refused(logical_id, name, f"boto3 has no service {service!r}")
    model = botocore.loaders.Loader().load_service_model(known, "service-2")
    if action.lower() not in {operation.lower() for operation in model["operations"]}:
        raise _refused(logical_id, name, f"{service} has no operation {action!r}")


def _jsonata(logical_id: str, state: str) -> TemplateError:
    return _refused(
        logical_id,
        state,
        f"QueryLanguage: JSONata of {'this state' if state else 'the whole state machine'}, which "
        "can't be evaluated here",
        "QueryLanguage: JSONPath, with Parameters and ResultPath in place of Arguments and Output",
    )


def _refused(logical_id: str, state: str, found: str, expected: str = "") -> TemplateError:
    where = f"{logical_id}, state {state!r}" if state else logical_id
    return TemplateError(
        "the state machine can't be simulated", where=where, found=found, expected=expected
    )


@lru_cache(maxsize=256)
def patience_seconds(machine: StateMachine) -> int:
    """How long an execution can take by its own waits and retries, calls that take time apart.

    Each state is counted once and each retrier to its end, or for MOST_ATTEMPTS; no more than an
    execution may last.
    """
    express = machine.kind == "EXPRESS"
    most = LONGEST_EXPRESS_SECONDS if express else LONGEST_STANDARD_SECONDS
    total = 0.0
    try:
        document = json.loads(machine.definition)
    except ValueError:
        return 0
    for _, state, _ in _scopes(document):
        if isinstance(state.get("Seconds"), int):
            total += state["Seconds"]
        for retrier in _list(state, "Retry"):
            total += _waits_of(retrier, most)
    return int(min(total, most))


def _waits_of(retrier: Mapping[str, Any], most: float) -> float:
    known = {**_RETRIES, **retrier}
    longest = known.get("MaxDelaySeconds") or most
    total, wait = 0.0, float(known["IntervalSeconds"])
    for _ in range(min(int(known["MaxAttempts"]), MOST_ATTEMPTS)):
        total += min(wait, longest)
        wait *= float(known["BackoffRate"])
        if total >= most:
            return most
    return total


def _scopes(
    scope: Mapping[str, Any],
) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Every state with its name and what holds it: the machine, a branch or a Map's iteration."""
    for name, state in (scope.get("States") or {}).items():
        yield name, state, scope
        inner = [*_list(state, "Branches"), state.get("ItemProcessor"), state.get("Iterator")]
        for one in inner:
            if isinstance(one, dict):
                yield from _scopes(one)


def _list(state: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    return [one for one in state.get(name) or () if isinstance(one, dict)]


# Where a state writes to, not what it reads.
_WRITTEN = frozenset({"ResultPath", "OutputPath"})


def read_paths(definition: str) -> Iterator[tuple[str, ...]]:
    """The fields that a definition's paths read: of the input, or of what an earlier state left."""
    written = set()
    found: dict[tuple[str, ...], None] = {}
    for name, path in _paths(json.loads(definition)):
        fields = tuple(part for part in path.removeprefix("$").split(".") if part)
        if not fields or any("[" in part or "(" in part for part in fields):
            continue
        if name in _WRITTEN:
            written.add(fields[0])
        else:
            found[fields] = None
    yield from (fields for fields in found if fields[0] not in written)


def _paths(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _paths(inner, name)
    elif isinstance(value, str) and value.startswith("$."):
        yield name, value
