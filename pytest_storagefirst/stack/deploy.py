"""Standing a template up in moto. moto has to be active."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest import mock

from ..errors import TemplateError
from .api_models import share_models, share_models_of_moto
from .template import DEFAULT_STACK_NAME, Template
from .topology import Topology


class _Session:
    """A boto3 session with credentials of nobody, whose clients are made once a process."""

    def __init__(self, region_name: str) -> None:
        import boto3

        self.region_name = region_name
        self._session = boto3.Session(
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            aws_session_token="testing",
            region_name=region_name,
        )
        share_models(self._session)
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        if service not in self._clients:
            from botocore.config import Config

            # moto knows AWS's own addresses; one from the environment would be called for real
            config = Config(ignore_configured_endpoint_urls=True)
            self._clients[service] = self._session.client(service, config=config)
        return self._clients[service]


@cache
def session(region_name: str) -> _Session:
    """Clients for calls that are no handler's: answered by moto, or by the simulation."""
    return _Session(region_name)


@contextmanager
def _bridges_told() -> Iterator[None]:
    """moto keeps a bucket's EventBridge configuration, and leaves it out of what it answers."""
    from moto.s3.responses import S3Response

    told = S3Response.get_bucket_notification
    end = "</NotificationConfiguration>"

    def whole(self: Any) -> Any:
        status, headers, body = told(self)
        configuration = self.backend.get_bucket_notification_configuration(self.bucket_name)
        if configuration is not None and configuration.event_bridge is not None:
            text = body.decode() if isinstance(body, bytes) else body
            text = text.replace("/>", f">{end}") if end not in text else text
            body = text.replace(end, f"<EventBridgeConfiguration/>{end}")
        return status, headers, body

    with mock.patch.object(S3Response, "get_bucket_notification", whole):
        yield


def deploy(template: Template, stack_name: str = DEFAULT_STACK_NAME) -> Topology:
    """Create the template's stack in moto and find its topology.

    Ids that moto makes are the same for the same stack name in every process. Raises
    `TemplateError` with the logical id when AWS, as moto plays it, would refuse a resource.
    """
    from moto.core.models import botocore_stubber
    from moto.moto_api._internal import mock_random

    from .cloudformation.engine import engine
    from .cloudformation.model import Making
    from .discovery import discover

    if not botocore_stubber.enabled:
        raise RuntimeError("deploy() runs in moto only: start moto's mock_aws first")
    clients = session(template.region)
    share_models_of_moto()

    def making(logical_id: str, kind: str) -> Making:
        return Making(
            logical_id=logical_id,
            kind=kind,
            stack_name=stack_name,
            account=template.account,
            region=template.region,
            where=template.where(logical_id),
            client=clients.client,
            external=frozenset(template.external),
        )

    mock_random.seed(zlib.crc32(stack_name.encode()))
    resources = template.body["Resources"]
    body = {"Resources": {name: {"Type": one["Type"]} for name, one in resources.items()}}
    properties = {name: one["Properties"] for name, one in resources.items()}
    with engine(making, properties) as running:
        try:
            clients.client("cloudformation").create_stack(
                StackName=stack_name,
                TemplateBody=json.dumps(body),
                Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            )
        except Exception as error:
            if running.failure is not None:
                raise running.failure from None
            raise TemplateError(
                "the stack can't be stood up in moto",
                where=str(template.path),
                found=f"{type(error).__name__}: {error}",
            ) from error
    try:
        with _bridges_told():
            return discover(stack_name, clients)
    except Exception as error:
        raise TemplateError(
            "the stack stands, but its topology can't be found",
            where=str(template.path),
            found=f"{type(error).__name__}: {error}",
        ) from error
