"""Rules about what reads streams and writes into them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from pytest_storagefirst.audit.consumers import (
    Change,
    Consumer,
    arn_of,
    consumers,
    new_queue,
    on_failure,
    role_policy,
)
from pytest_storagefirst.audit.integrations import integrations
from pytest_storagefirst.audit.view import Looked, View, joined, listed, whole

_RETRIES = 3


def stream_no_destination(view: View) -> Iterator[Looked]:
    for one in consumers(view, "stream"):
        problem = ""
        if on_failure(one.properties) is None:
            problem = (
                f"{_reader(one)} has no failure destination: records that are given up, by a cap "
                "or by age, leave no trace"
            )
        changes = _with_destination(view, one)
        yield _looked("stream-no-destination", one, problem, (changes,) if changes else ())


def stream_no_cap(view: View) -> Iterator[Looked]:
    for one in consumers(view, "stream"):
        attempts = whole(one.properties.get("MaximumRetryAttempts"), -1)
        age = whole(one.properties.get("MaximumRecordAgeInSeconds"), -1)
        problem = ""
        if attempts < 0 and age < 0:
            problem = (
                f"{_reader(one)} retries a batch until its records expire: one bad record stops "
                "its shard, and what comes after it expires unread"
            )
        changes = _with_destination(view, one)
        cap: list[Change] = [
            (one.logical_id, ("MaximumRetryAttempts",), _RETRIES),
            (one.logical_id, ("BisectBatchOnFunctionError",), True),
        ]
        yield _looked("stream-no-cap", one, problem, ((*changes, *cap),) if changes else ())


def stream_no_bisect(view: View) -> Iterator[Looked]:
    for one in consumers(view, "stream"):
        bisects = one.properties.get("BisectBatchOnFunctionError") in (True, "true")
        problem = ""
        if one.batch_size > 1 and not bisects and not one.reports_failures:
            problem = (
                f"{_reader(one)} gives up a batch of up to {one.batch_size} as a whole: good "
                "records share the fate of a bad one"
            )
        bisected = ((one.logical_id, ("BisectBatchOnFunctionError",), True),)
        looked = _looked("stream-no-bisect", one, problem, (bisected,))
        yield replace(looked, batch_of=one.function or "")


def stream_latest(view: View) -> Iterator[Looked]:
    for one in consumers(view, "stream"):
        problem = ""
        if joined(one.properties.get("StartingPosition")) == "LATEST":
            problem = (
                f"{_reader(one)} begins at LATEST: records put while the mapping is made, or made "
                "anew, are never read"
            )
        from_the_start = ((one.logical_id, ("StartingPosition",), "TRIM_HORIZON"),)
        yield _looked("stream-latest", one, problem, (from_the_start,), "StartingPosition")


def _looked(
    rule: str,
    one: Consumer,
    problem: str,
    changes: tuple[tuple[Change, ...], ...],
    key: str = "",
) -> Looked:
    return Looked(
        rule,
        one.logical_id,
        problem,
        (key,) if key else (),
        {"Function": one.function or "the function", "Stream": one.source or "the stream"},
        tuple(filter(None, (one.function, one.source))),
        changes,
    )


def _reader(one: Consumer) -> str:
    return f"the mapping of {one.source or 'a stream'} to {one.function or 'a function'}"


def _with_destination(view: View, one: Consumer) -> tuple[Change, ...]:
    """None where the function's role is not in the template."""
    if one.function is None:
        return ()
    queue = f"{one.logical_id}Failures"
    role = view.properties(one.function).get("Role")
    name = f"{one.logical_id}MayFail"
    allowed = role_policy(view, role, "sqs:SendMessage", arn_of(queue), name)
    if allowed is None:
        return ()
    destination = {"OnFailure": {"Destination": arn_of(queue)}}
    return (new_queue(queue), *allowed, (one.logical_id, ("DestinationConfig",), destination))


_KEY = re.compile(r'"PartitionKey"\s*:\s*"(?P<key>[^"]*)"')


def constant_partition_key(view: View) -> Iterator[Looked]:
    for one in integrations(view):
        if one.service != "kinesis" or not one.stores:
            continue
        found = [
            (match["key"], steps)
            for _, text, steps in one.templates
            for match in [_KEY.search(text)]
            if match is not None
        ]
        mapped = one.given.get("requestParameters")
        if not found and isinstance(mapped, Mapping) and "PartitionKey" in mapped:
            steps = (*one.steps, "requestParameters", "PartitionKey")
            found = [(joined(mapped["PartitionKey"]), steps)]
        for key, steps in found[:1]:
            problem = _of_key(one.route, key) if "$" not in key else ""
            yield Looked("constant-partition-key", one.resource, problem, steps)
    for logical_id, properties in view.of_type("AWS::Events::Rule"):
        for index, target in enumerate(listed(properties.get("Targets"))):
            if not isinstance(target, Mapping):
                continue
            if view.pointed_at(target.get("Arn"), "AWS::Kinesis::Stream") is None:
                continue
            parameters = target.get("KinesisParameters")
            path = joined(parameters.get("PartitionKeyPath")) if parameters else "$.id"
            problem = _of_key(logical_id, path) if not path.startswith("$.") else ""
            steps = ("Targets", index, "KinesisParameters")
            yield Looked("constant-partition-key", logical_id, problem, steps)


def _of_key(by: str, key: str) -> str:
    return (
        f"{by} puts every record under the same partition key, {key!r}: all go through one shard, "
        "and those that it can't take are refused, however many shards there are"
    )
