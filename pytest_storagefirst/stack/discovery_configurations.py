"""What AppConfig has deployed of a stack, asked of AppConfig.

API reference: API_ListDeployments, API_GetDeployment, API_GetHostedConfigurationVersion.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .topology import Configuration


def configurations(
    client: Any, applications: Sequence[str], logical_ids: dict[str, str], where: str
) -> Iterator[Configuration]:
    """The configurations that each environment of the applications serves, by their ids.

    `where` is "region:account". A configuration that AppConfig does not host is left out.
    """
    for application in applications:
        name = client.get_application(ApplicationId=application)["Name"]
        for environment in _items(client.list_environments, ApplicationId=application):
            asked = {"ApplicationId": application, "EnvironmentId": environment["Id"]}
            for profile, version in _served(client, asked).items():
                described = client.get_configuration_profile(
                    ApplicationId=application, ConfigurationProfileId=profile
                )
                if described.get("LocationUri") != "hosted":
                    continue
                hosted = client.get_hosted_configuration_version(
                    ApplicationId=application,
                    ConfigurationProfileId=profile,
                    VersionNumber=int(version),
                )
                yield Configuration(
                    logical_id=logical_ids.get(profile, described["Name"]),
                    arn=f"arn:aws:appconfig:{where}:application/{application}"
                    f"/environment/{environment['Id']}/configuration/{profile}",
                    application=(application, name),
                    environment=(environment["Id"], environment["Name"]),
                    profile=(profile, described["Name"]),
                    has_feature_flags=described.get("Type") == "AWS.AppConfig.FeatureFlags",
                    content=hosted["Content"].read().decode(),
                    content_type=hosted.get("ContentType") or "application/octet-stream",
                    version_label=hosted.get("VersionLabel") or "",
                )


def _served(client: Any, asked: dict[str, str]) -> dict[str, str]:
    """Each profile that is deployed to an environment, with the version of its last deployment."""
    served: dict[str, str] = {}
    for one in _items(client.list_deployments, **asked):
        if one["State"] == "COMPLETE":
            number = one["DeploymentNumber"]
            done = client.get_deployment(**asked, DeploymentNumber=number)
            served.setdefault(done["ConfigurationProfileId"], done["ConfigurationVersion"])
    return served


def _items(operation: Any, **asked: Any) -> Iterator[dict[str, Any]]:
    page = operation(**asked)
    yield from page["Items"]
    while page.get("NextToken"):
        page = operation(**asked, NextToken=page["NextToken"])
        yield from page["Items"]
