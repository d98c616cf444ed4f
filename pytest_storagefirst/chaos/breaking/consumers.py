"""Faults of those who process: switched off, throttled, broken, hurried."""

from __future__ import annotations

from dataclasses import replace

from pytest_storagefirst.chaos.breaking.kind import (
    Aim,
    Kind,
    always,
    chosen,
    consumers_of,
    mappings_of,
    unfit,
    work_queues,
)
from pytest_storagefirst.chaos.drill import Fault
from pytest_storagefirst.chaos.setting import Change
from pytest_storagefirst.errors import DrillError

KEPT_UNRESERVED = 100  # by Lambda, of an account's concurrency
NO_HANDLER = "storagefirst_drill_no_such_module.handler"


def _mapping_disabled(aim: Aim, fault: Fault) -> list[Change]:
    """Where a function is named, those that feed it are meant."""
    arns = {one.logical_id: one.arn for one in aim.topology.functions}
    where: list[str] = []
    for name in fault.where:
        fed = [m.logical_id for m in mappings_of(aim.topology) if m.function_arn == arns.get(name)]
        where += fed or [name]
    fault = replace(fault, where=tuple(where))
    return [
        aim.change(
            "mapping-enabled",
            one.logical_id,
            {"uuid": one.uuid},
            False,
            f"nothing is read from {one.source_arn.rpartition(':')[2]}",
        )
        for one in chosen(fault, "event source mapping", mappings_of(aim.topology))
    ]


def _throttled(aim: Aim, fault: Fault) -> list[Change]:
    most = _most(fault)
    changes = [
        aim.change(
            "reserved-concurrency",
            one.logical_id,
            {"function": one.name},
            most,
            "every caller of the function",
        )
        for one in chosen(fault, "function", consumers_of(aim.topology))
    ]
    _check_account(aim, fault, changes)
    return changes


def _check_account(aim: Aim, fault: Fault, changes: list[Change]) -> None:
    """The account keeps a hundred for functions that reserve none; where it can't be asked, what
    can't be reserved is found out when it is tried.
    """
    wanted = _most(fault)
    if not wanted:
        return
    try:
        limit = aim.target.session().client("lambda").get_account_settings()["AccountLimit"]
        free = limit["UnreservedConcurrentExecutions"] - KEPT_UNRESERVED
    except Exception:
        return
    free += sum(one.before or 0 for one in changes)
    if wanted * len(changes) > max(0, free):
        raise DrillError(
            f"concurrency = {wanted} can't be reserved for {len(changes)} functions in this account"
            if len(changes) > 1
            else f"concurrency = {wanted} can't be reserved in this account",
            where=fault.told_at,
            found=f"{max(0, free)} are free to be reserved",
            expected="a number that the account has; 0 always can be set",
        )


def _most(fault: Fault) -> int:
    most = fault.options.get("concurrency", 0)
    if isinstance(most, bool) or not isinstance(most, int) or most < 0:
        raise unfit(fault, f"concurrency = {most!r}", expected="a whole number, 0 or more")
    return most


def _visibility_expired(aim: Aim, fault: Fault) -> list[Change]:
    seconds = str(fault.options.get("visibility_timeout_seconds", 1))
    consumed = {one.source_arn for one in aim.topology.mappings}
    queues = [one for one in work_queues(aim.topology) if one.arn in consumed]
    return [
        aim.change(
            "queue-attribute",
            one.logical_id,
            {
                "queue": one.url,
                "attribute": "VisibilityTimeout",
                "functions": _readers(aim, one.arn),
            },
            seconds,
            "every message received meanwhile comes again while it is at work: a receive more",
        )
        for one in chosen(fault, "queue with a consumer", queues)
    ]


def _readers(aim: Aim, source_arn: str) -> list[str]:
    fed = {one.function_arn for one in aim.topology.mappings if one.source_arn == source_arn}
    return [one.name for one in aim.topology.functions if one.arn in fed]


def _init_failed(aim: Aim, fault: Fault) -> list[Change]:
    functions = [one for one in consumers_of(aim.topology) if one.package_type == "Zip"]
    return [
        aim.change(
            "handler",
            one.logical_id,
            {"function": one.name},
            NO_HANDLER,
            "every invocation of the function's $LATEST fails",
        )
        for one in chosen(fault, "function whose code is no container image", functions)
    ]


KINDS = (
    Kind("mapping-disabled", _mapping_disabled, stops=always),
    Kind("throttled", _throttled, ("concurrency",), stops=lambda fault: not _most(fault)),
    Kind("visibility-expired", _visibility_expired, ("visibility_timeout_seconds",)),
    Kind("init-failed", _init_failed, stops=always),
)
