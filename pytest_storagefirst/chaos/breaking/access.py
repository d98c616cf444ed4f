"""Faults of storage: it refuses, or takes next to nothing."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_storagefirst.chaos.breaking.kind import (
    Aim,
    Kind,
    always,
    chosen,
    consumers_of,
    unfit,
    work_queues,
)
from pytest_storagefirst.chaos.drill import Fault
from pytest_storagefirst.chaos.setting import Change
from pytest_storagefirst.chaos.settings.queues import denying
from pytest_storagefirst.stack.topology import Function, Table
from pytest_storagefirst.target.stores import stores_of_record

TABLE_ACTIONS = tuple(
    f"dynamodb:{name}"
    for name in (
        *("GetItem", "BatchGetItem", "Query", "Scan", "ConditionCheckItem"),
        *("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "PartiQLInsert"),
        *("PartiQLUpdate", "PartiQLDelete", "PartiQLSelect"),
    )
)


def _denied_at_queue(action: str, reach: str) -> Kind:
    def plan(aim: Aim, fault: Fault) -> list[Change]:
        return [
            aim.change(
                "queue-policy",
                one.logical_id,
                {"queue": one.url},
                lambda before, arn=one.arn: denying(before, arn, f"sqs:{action}"),
                reach,
            )
            for one in chosen(fault, "queue", work_queues(aim.topology))
        ]

    return Kind({"SendMessage": "send-denied", "DeleteMessage": "delete-denied"}[action], plan)


def _tables(aim: Aim, fault: Fault) -> list[Table]:
    topology = aim.topology
    if fault.where:
        return chosen(fault, "table", topology.tables)
    circuit = str(aim.target.settings.circuit.get("table", ""))
    ends = stores_of_record(topology, aim.target.settings, circuit).ends
    return chosen(fault, "table", [one for one in ends if isinstance(one, Table)])


def _table_denied(aim: Aim, fault: Fault) -> list[Change]:
    tables = _tables(aim, fault)
    actions = fault.options.get("actions", list(TABLE_ACTIONS))
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Action": actions,
                "Resource": [part for one in tables for part in (one.arn, f"{one.arn}/index/*")],
            }
        ],
    }
    changes = []
    for role, functions in _roles(consumers_of(aim.topology)).items():
        names = ", ".join(one.logical_id for one in functions)
        changes.append(
            aim.change(
                "role-policy",
                aim.topology.logical_ids.get(role, role),
                {"role": role, "policy": f"storagefirst-drill-{aim.drill}"},
                document,
                f"whoever has the role: {names}, and any function of another stack that has it too",
            )
        )
    if not changes:
        raise unfit(fault, "none of its functions has a role")
    return changes


def _roles(functions: Iterable[Function]) -> dict[str, list[Function]]:
    roles: dict[str, list[Function]] = {}
    for one in functions:
        if one.role_arn:
            roles.setdefault(one.role_arn.rpartition("/")[2], []).append(one)
    return roles


def _table_throttled(aim: Aim, fault: Fault) -> list[Change]:
    units = fault.options.get("units", 1)
    return [
        aim.change(
            "table-throughput",
            one.logical_id,
            {"table": one.name},
            lambda before: {"mode": before["mode"], "read": units, "write": units},
            "everyone who reads or writes the table",
        )
        for one in _tables(aim, fault)
    ]


KINDS = (
    _denied_at_queue("SendMessage", "every sender of the queue, of other stacks too"),
    _denied_at_queue("DeleteMessage", "every consumer of the queue: what it did comes again"),
    Kind("table-denied", _table_denied, ("actions",), stops=always),
    Kind("table-throttled", _table_throttled, ("units",)),
)
