"""What AWS refuses of a mapping that reads a stream of Kinesis or DynamoDB.

Ranges from the Lambda API reference, CreateEventSourceMapping, and the Lambda developer guide,
services-kinesis-parameters and services-ddb-params.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import TemplateError
from .references import target

RANGES = {
    "BatchSize": (1, 10_000),
    "MaximumBatchingWindowInSeconds": (0, 300),
    "MaximumRecordAgeInSeconds": (-1, 604_800),
    "MaximumRetryAttempts": (-1, 10_000),
    "ParallelizationFactor": (1, 10),
    "TumblingWindowInSeconds": (0, 900),
}
_POSITIONS = {
    "dynamodb": ("TRIM_HORIZON", "LATEST"),
    "kinesis": ("TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"),
}
_SHORTEST_AGE_SECONDS = 60

Refuse = Callable[..., TemplateError]  # (logical_id, property, problem, *, found, expected)


def service_of(source: Any, resources: Mapping[str, Any]) -> str:
    """ "kinesis" or "dynamodb" for an EventSourceArn that is a stream; else ""."""
    name = target(source)
    if name is not None:
        kind = resources.get(name, {}).get("Type", "")
        if kind == "AWS::Kinesis::Stream":
            return "kinesis"
        return "dynamodb" if kind.startswith("AWS::DynamoDB::") else ""
    service = source.split(":")[2] if isinstance(source, str) and source.count(":") > 4 else ""
    return service if service in _POSITIONS else ""


def check_position(
    logical_id: str, properties: Mapping[str, Any], service: str, refuse: Refuse
) -> None:
    """Raise what `refuse` makes where a mapping does not say where it begins to read."""
    position, allowed = properties.get("StartingPosition"), _POSITIONS[service]
    if not isinstance(position, dict) and position not in allowed:
        raise refuse(
            logical_id,
            "StartingPosition",
            "a mapping of a stream must say where it begins to read"
            if position is None
            else "AWS refuses this value",
            found=str(position),
            expected=", ".join(allowed),
        )
    if position == "AT_TIMESTAMP" and "StartingPositionTimestamp" not in properties:
        raise refuse(
            logical_id,
            "StartingPositionTimestamp",
            "StartingPosition AT_TIMESTAMP asks for a time",
            expected="seconds since 1970",
        )


def check_limits(logical_id: str, properties: Mapping[str, Any], refuse: Refuse) -> None:
    """Raise what `refuse` makes of an age that AWS refuses, and of what is not simulated."""
    age = _whole(properties.get("MaximumRecordAgeInSeconds"))
    if age is not None and -1 < age < _SHORTEST_AGE_SECONDS:
        raise refuse(
            logical_id,
            "MaximumRecordAgeInSeconds",
            "AWS refuses this value",
            found=str(age),
            expected="-1, or 60 to 604,800",
        )
    window = _whole(properties.get("TumblingWindowInSeconds"))
    if window:
        raise refuse(
            logical_id,
            "TumblingWindowInSeconds",
            "tumbling windows are not simulated",
            found=str(window),
            expected="a mapping whose function keeps no state between its invocations",
        )


def _whole(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None
