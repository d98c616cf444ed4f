"""AWS::AppConfig types, and of AppConfig's API what moto lacks: environments and deployments."""

from __future__ import annotations

import json
from typing import Any

from .model import Making, Properties, Resource, text_of

_installed = False


def application(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-appconfig-application.html"""
    making.require(properties, "Name")
    made = making.call("appconfig", "create_application", properties)
    return Resource(made["Id"], {"ApplicationId": made["Id"]})


def environment(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-appconfig-environment.html"""
    install()
    for name in ("ApplicationId", "Name"):
        making.require(properties, name)
    asked = {name: part for name, part in properties.items() if name != "Monitors"}
    made = making.call("appconfig", "create_environment", asked)
    return Resource(made["Id"], {"EnvironmentId": made["Id"]})


def profile(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-appconfig-configurationprofile.html"""
    for name in ("ApplicationId", "LocationUri", "Name"):
        making.require(properties, name)
    asked = {name: part for name, part in properties.items() if name != "Validators"}
    made = making.call("appconfig", "create_configuration_profile", asked)
    return Resource(made["Id"], {"ConfigurationProfileId": made["Id"]})


def hosted_version(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-appconfig-hostedconfigurationversion.html"""
    for name in ("ApplicationId", "ConfigurationProfileId", "ContentType"):
        making.require(properties, name)
    content = text_of(making.require(properties, "Content")).encode()
    known = ("ApplicationId", "ConfigurationProfileId", "ContentType", "VersionLabel")
    asked = {name: properties[name] for name in known if properties.get(name)}
    answer = making.call(
        "appconfig", "create_hosted_configuration_version", {**asked, "Content": content}
    )
    version = str(answer["VersionNumber"])
    return Resource(version, {"VersionNumber": version})


def strategy(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-appconfig-deploymentstrategy.html"""
    install()
    making.require(properties, "Name")
    made = making.call("appconfig", "create_deployment_strategy", properties)
    return Resource(made["Id"], {"Id": made["Id"]})


def deployment(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-appconfig-deployment.html"""
    install()
    for name in ("ApplicationId", "ConfigurationProfileId", "ConfigurationVersion"):
        making.require(properties, name)
    for name in ("DeploymentStrategyId", "EnvironmentId"):
        making.require(properties, name)
    number = str(making.call("appconfig", "start_deployment", properties)["DeploymentNumber"])
    return Resource(number, {"DeploymentNumber": number, "State": "COMPLETE"})


def install() -> None:
    """Let moto make environments, strategies and deployments, and list them again.

    A deployment is complete at once: what a strategy does in between no run is there to see.
    """
    global _installed
    if _installed:
        return
    _installed = True
    from moto.appconfig.responses import AppConfigResponse
    from moto.appconfig.urls import url_paths
    from moto.moto_api._internal import mock_random

    environments = "{0}/applications/(?P<app_id>[^/]+)/environments"
    deployments = environments + "/(?P<environment_id>[^/]+)/deployments"
    for path in (environments, deployments, deployments + "/(?P<number>[^/]+)"):
        url_paths[path + "$"] = AppConfigResponse.dispatch
    url_paths["{0}/deploymentstrategies$"] = AppConfigResponse.dispatch

    def of(self: Any) -> dict[str, Any]:
        """The environments of the application that is asked about, each with its deployments."""
        made = self.appconfig_backend.get_application(self._get_param("ApplicationId"))
        kept: dict[str, Any] = made.__dict__.setdefault("environments", {})
        return kept

    def create_environment(self: Any) -> str:
        made = {
            "ApplicationId": self._get_param("ApplicationId"),
            "Id": mock_random.get_random_hex(7),
            "Name": self._get_param("Name"),
            "State": "ReadyForDeployment",
        }
        of(self)[made["Id"]] = {**made, "deployments": []}
        return json.dumps(made)

    def list_environments(self: Any) -> str:
        found = [
            {name: part for name, part in one.items() if name != "deployments"}
            for one in of(self).values()
        ]
        return json.dumps({"Items": found})

    def create_deployment_strategy(self: Any) -> str:
        made = {"Id": mock_random.get_random_hex(7), "Name": self._get_param("Name")}
        return json.dumps(made)

    def start_deployment(self: Any) -> str:
        done = of(self)[self._get_param("EnvironmentId")]["deployments"]
        made = {
            name: self._get_param(name)
            for name in (
                "ApplicationId",
                "EnvironmentId",
                "DeploymentStrategyId",
                "ConfigurationProfileId",
                "ConfigurationVersion",
            )
        }
        done.append({**made, "DeploymentNumber": len(done) + 1, "State": "COMPLETE"})
        return json.dumps(done[-1])

    def list_deployments(self: Any) -> str:
        """The newest comes first, as in AWS."""
        done = of(self)[self._get_param("EnvironmentId")]["deployments"]
        said = [{n: one[n] for n in ("DeploymentNumber", "State")} for one in reversed(done)]
        return json.dumps({"Items": said})

    def get_deployment(self: Any) -> str:
        done = of(self)[self._get_param("EnvironmentId")]["deployments"]
        return json.dumps(done[int(self._get_param("DeploymentNumber")) - 1])

    for operation in (
        create_environment,
        list_environments,
        create_deployment_strategy,
        start_deployment,
        list_deployments,
        get_deployment,
    ):
        setattr(AppConfigResponse, operation.__name__, operation)


HANDLERS = {
    "AWS::AppConfig::Application": application,
    "AWS::AppConfig::ConfigurationProfile": profile,
    "AWS::AppConfig::Deployment": deployment,
    "AWS::AppConfig::DeploymentStrategy": strategy,
    "AWS::AppConfig::Environment": environment,
    "AWS::AppConfig::HostedConfigurationVersion": hosted_version,
}
