"""What AppConfig serves of a profile in an environment: a version that is hosted and deployed.

A drill hosts a version of its own, which its label names, and deploys it at once. Undo deploys the
version before, and deletes what the drill has made. None of AppConfig's own strategies is used: the
one that deploys at once watches for ten minutes, and in these nothing can be stopped or deployed.
API reference: API_StartDeployment, API_StopDeployment, API_CreateDeploymentStrategy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_storagefirst.chaos.setting import Address, Moved, Setting, Value
from pytest_storagefirst.chaos.settings.settling import settled
from pytest_storagefirst.target.target import Target

_SERVED, _UNDER_WAY = ("COMPLETE", "BAKING"), ("DEPLOYING", "VALIDATING", "ROLLING_BACK")


def _served(target: Target, address: Address) -> Value:
    """Version and content that are deployed, and the drill's own versions, where there are any."""
    client = target.session().client("appconfig")
    deployed = settled(
        lambda: next(_deployments(client, address), None),
        lambda newest: newest is None or newest["State"] not in _UNDER_WAY,
    )
    if deployed is None:
        return None
    version = str(deployed["ConfigurationVersion"])  # an emulator may answer with a number
    content = client.get_hosted_configuration_version(
        **_profile(address), VersionNumber=int(version)
    )["Content"].read()
    found = {"version": version, "content": content.decode()}
    own = _own(client, address)
    return found | ({"own": own} if own else {})


def _profile(address: Address) -> dict[str, str]:
    return {
        "ApplicationId": address["application"],
        "ConfigurationProfileId": address["profile"],
    }


def _environment(address: Address) -> dict[str, str]:
    return {"ApplicationId": address["application"], "EnvironmentId": address["environment"]}


def _deployments(client: Any, address: Address) -> Iterator[dict[str, Any]]:
    """The profile's that serve or are about to, the newest first."""
    found = _items(client, "list_deployments", **_environment(address))
    for one in sorted(found, key=lambda one: -int(one["DeploymentNumber"])):
        if one["State"] not in (*_SERVED, *_UNDER_WAY):
            continue
        told = client.get_deployment(
            **_environment(address), DeploymentNumber=one["DeploymentNumber"]
        )
        if told["ConfigurationProfileId"] == address["profile"]:
            yield told


def _own(client: Any, address: Address) -> dict[str, list[Any]]:
    """What the drill itself has made, by its label: versions and ways to deploy them."""
    label = address["label"]
    versions = [
        one["VersionNumber"]
        for one in _items(client, "list_hosted_configuration_versions", **_profile(address))
        if one.get("VersionLabel") == label
    ]
    strategies = [
        one["Id"]
        for one in _items(client, "list_deployment_strategies")
        if one.get("Name") == label
    ]
    found = {"versions": versions, "strategies": strategies}
    return {name: ids for name, ids in found.items() if ids}


def _items(client: Any, operation: str, **asked: str) -> Iterator[dict[str, Any]]:
    for page in client.get_paginator(operation).paginate(**asked):
        yield from page["Items"]


def _deploy(target: Target, address: Address, value: Value, current: Value) -> None:
    client = target.session().client("appconfig")
    if "version" in value:
        _bring_back(client, address, value, current)
        return
    made = client.create_hosted_configuration_version(
        **_profile(address),
        VersionLabel=address["label"],
        Content=value["content"].encode(),
        ContentType=address["type"],
    )
    _start(client, address, str(made["VersionNumber"]), current)


def _bring_back(client: Any, address: Address, value: Value, current: Value) -> None:
    own = current.get("own", {})
    if current["version"] != value["version"]:
        _start(client, address, value["version"], current)
        settled(
            lambda: next(_deployments(client, address)),
            lambda newest: newest["State"] not in _UNDER_WAY,
        )
    for version in own.get("versions", ()):
        client.delete_hosted_configuration_version(**_profile(address), VersionNumber=version)
    for strategy in _own(client, address).get("strategies", ()):
        client.delete_deployment_strategy(DeploymentStrategyId=strategy)


def _start(client: Any, address: Address, version: str, current: Value) -> None:
    """Deploy to all at once and without watching for alarms afterwards, which would block undo."""
    [strategy, *_] = current.get("own", {}).get("strategies", ()) or [
        client.create_deployment_strategy(
            Name=address["label"],
            DeploymentDurationInMinutes=0,
            FinalBakeTimeInMinutes=0,
            GrowthFactor=100,
            ReplicateTo="NONE",
        )["Id"]
    ]
    client.start_deployment(
        **_environment(address),
        ConfigurationProfileId=address["profile"],
        ConfigurationVersion=version,
        DeploymentStrategyId=strategy,
        Description=address["label"],
    )


def _is_served(target: Target, address: Address, value: Value) -> bool:
    found = _served(target, address)
    return found is not None and found["content"] == value["content"]


def _as_before(address: Address, current: Value, before: Value, value: Value) -> Value:
    """The version before, where it or the drill's own is served."""
    if current is not None and current["version"] in (
        before["version"],
        *map(str, current.get("own", {}).get("versions", ())),
    ):
        return before
    raise Moved(current)


CONFIGURATION = Setting(
    "configuration",
    "configuration",
    _served,
    _deploy,
    shows=_is_served,
    undone=_as_before,
)

SETTINGS = (CONFIGURATION,)
