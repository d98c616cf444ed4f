"""Faults within a function: it is slow, or fails. By AWS Fault Injection Service, or our agent.

What a function carries decides: FIS's extension, as FIS itself knows it, by the variable that names
its bucket; else the agent, by the variable that names its parameter.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_storagefirst.chaos.breaking.kind import Aim, Kind, chosen, unfit
from pytest_storagefirst.chaos.drill import Fault
from pytest_storagefirst.chaos.setting import Change
from pytest_storagefirst.chaos.settings.parameters import of_type
from pytest_storagefirst.stack.topology import Function, Topology

AGENT_VARIABLE = "STORAGEFIRST_AGENT"  # names the parameter that the agent asks
FIS_VARIABLE = "AWS_FIS_CONFIGURATION_LOCATION"  # the ARN of where FIS leaves what is to fail
FIS_WRAPPER = ("AWS_LAMBDA_EXEC_WRAPPER", "/opt/aws-fis/bootstrap")
CARRIED = (
    f"a function that carries FIS's extension, with the variable {FIS_VARIABLE}, or the agent, "
    f"with {AGENT_VARIABLE}: docs/drills.md"
)
RESOURCES_OF_A_TARGET, STOP_CONDITIONS = 5, 5  # FIS's quotas
_BEYOND_S = 180.0  # an experiment lasts longer than its fault: until it is proved, and undone


def carrying(topology: Topology) -> list[Function]:
    return [
        one
        for one in topology.functions
        if FIS_VARIABLE in one.environment or AGENT_VARIABLE in one.environment
    ]


def _within(aim: Aim, fault: Fault) -> list[Change]:
    known = carrying(aim.topology)
    if not known:
        raise unfit(fault, "no function carries what would make it fail", expected=CARRIED)
    share = _number(fault, "share", 1.0, 0.0, 1.0)
    seconds = _number(fault, "seconds", 3, 0, 900)
    functions = chosen(fault, "function that carries FIS's extension or the agent", known)
    by_fis = [one for one in functions if FIS_VARIABLE in one.environment]
    by_agent = [one for one in functions if one not in by_fis]
    changes = list(_ordered(aim, fault, by_agent, share, seconds))
    if by_fis:
        changes.append(_experiment(aim, fault, by_fis, share, seconds))
    return changes


def _number(fault: Fault, key: str, default: float, least: float, most: float) -> float:
    value = fault.options.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise unfit(fault, f"{key} = {value!r}", expected=f"a number, {least:g} to {most:g}")
    return value


# --- by the agent -----------------------------------------------------------------------------


def _ordered(
    aim: Aim, fault: Fault, functions: list[Function], share: float, seconds: float
) -> Iterator[Change]:
    orders: dict[str, object] = {"do": fault.kind}
    if fault.kind == "slow":
        orders["seconds"] = seconds
    text = json.dumps(orders | {"share": share})
    for name in dict.fromkeys(one.environment[AGENT_VARIABLE] for one in functions):
        asking = [
            one for one in aim.topology.functions if one.environment.get(AGENT_VARIABLE) == name
        ]
        yield aim.change(
            "agent-orders",
            name,
            {"parameter": name, "functions": [one.name for one in asking]},
            lambda before: of_type(text, before),
            f"invocations of {_listed(asking)}",
        )


# --- by FIS -----------------------------------------------------------------------------------


def _experiment(
    aim: Aim, fault: Fault, functions: list[Function], share: float, seconds: float
) -> Change:
    wrapper, script = FIS_WRAPPER
    bare = [one for one in functions if one.environment.get(wrapper) != script]
    bare = [one for one in bare if one.package_type == "Zip"]  # an image may start it in itself
    if bare:
        raise unfit(
            fault,
            f"{_listed(bare)} has {FIS_VARIABLE} and does not start FIS's extension",
            expected=f"the layer of AWS-FIS-extension, and {wrapper} = {script}",
        )
    role = aim.target.settings.drills.get("fis_role")
    if not role:
        raise unfit(
            fault,
            f"{_listed(functions)} carries FIS's extension, and FIS has no role to act in",
            expected='fis_role = "arn:aws:iam::…:role/…" below [drills] of storagefirst.toml',
        )
    minutes = math.ceil((fault.for_s + _BEYOND_S) / 60)
    parameters = {"duration": f"PT{minutes}M", "invocationPercentage": f"{_percent(share)}"}
    if fault.kind == "slow":
        action, more = "add-delay", {"startupDelayMilliseconds": f"{round(seconds * 1000)}"}
    else:
        action, more = "error", {"preventExecution": "true"}
    targets: dict[str, Any] = {}
    actions: dict[str, Any] = {}
    arns = [one.arn for one in functions]
    for start in range(0, len(arns), RESOURCES_OF_A_TARGET):
        name = f"functions{start // RESOURCES_OF_A_TARGET + 1}"
        targets[name] = {
            "resourceType": "aws:lambda:function",
            "resourceArns": arns[start : start + RESOURCES_OF_A_TARGET],
            "selectionMode": "ALL",
        }
        actions[f"{fault.kind}-{name}"] = {
            "actionId": f"aws:lambda:invocation-{action}",
            "parameters": parameters | more,
            "targets": {"Functions": name},
        }
    template = {
        "description": f"a drill of pytest-storagefirst on {aim.target.stack_name}",
        "actions": actions,
        "targets": targets,
        "stopConditions": _stop_conditions(aim),
        "roleArn": str(role),
    }
    address: Mapping[str, Any] = {
        "token": f"{aim.drill}-{fault.kind}-{fault.at_s:g}",
        "functions": [one.name for one in functions],
    }
    reach = f"invocations of {_listed(functions)}, within a minute, and 20 s after its end"
    return aim.change("fis-experiment", _listed(functions), address, template, reach)


def _percent(share: float) -> int:
    return max(1, round(share * 100))


def _stop_conditions(aim: Aim) -> list[dict[str, str]]:
    """The drill's alarm guards as FIS's own, so that they hold when the drill's process is gone."""
    target = aim.target
    partition = target.session().boto3_session.get_partition_for_region(target.region)
    here = f"arn:{partition}:cloudwatch:{target.region}:{target.account}:alarm"
    return [
        {"source": "aws:cloudwatch:alarm", "value": f"{here}:{name}"}
        for name in aim.alarms[:STOP_CONDITIONS]
    ] or [{"source": "none"}]


def _listed(functions: list[Function]) -> str:
    return ", ".join(one.logical_id for one in functions)


KINDS = (
    Kind("slow", _within, ("seconds", "share")),
    Kind("error", _within, ("share",)),
)
