"""The flags that AppConfig serves, asked for once a batch.

A call costs a little, and says nothing where nothing has changed. Page of the AppConfig user guide:
appconfig-retrieving-the-configuration.
"""

from __future__ import annotations

import json
import os

import boto3

client = boto3.client("appconfigdata")
token: str | None = None
values: dict[str, dict[str, object]] = {}


def enabled() -> frozenset[str]:
    """The names of the flags that are on. Raises botocore's errors: nothing is known then."""
    global token, values
    if token is None:
        token = client.start_configuration_session(
            ApplicationIdentifier=os.environ["FLAGS_APPLICATION"],
            EnvironmentIdentifier=os.environ["FLAGS_ENVIRONMENT"],
            ConfigurationProfileIdentifier=os.environ["FLAGS_PROFILE"],
        )["InitialConfigurationToken"]
    asked_with, token = token, None  # it is for one call, and expires: after a failure, another
    answer = client.get_latest_configuration(ConfigurationToken=asked_with)
    content = answer["Configuration"].read()
    if content:  # else what is known is the latest
        values = json.loads(content)
    token = answer["NextPollConfigurationToken"]
    return frozenset(name for name, flag in values.items() if flag["enabled"])
