"""The deployed stack that a load run or a drill is aimed at."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pytest_storagefirst.errors import TargetError
from pytest_storagefirst.settings import Settings, nearest
from pytest_storagefirst.stack.discovery import discover
from pytest_storagefirst.stack.topology import Route, Topology

LOCAL = "local"
STACK = "stack:"
EXPECTED = f'"{LOCAL}", or "{STACK}NAME" of a CloudFormation stack in AWS'


@dataclass(frozen=True)
class Clients:
    """boto3's clients of one target, each made once; `endpoint_url` None is AWS's own.

    Those of a target on loopback all have its endpoint, whatever boto3 is configured to take.
    """

    boto3_session: Any
    endpoint_url: str | None
    _made: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def region_name(self) -> str:
        return str(self.boto3_session.region_name)

    def client(self, service: str) -> Any:
        if service not in self._made:
            made = self.boto3_session.client(
                service, endpoint_url=self.endpoint_url, config=_patience()
            )
            self._made[service] = made
        return self._made[service]


@dataclass(frozen=True)
class Target:
    """One deployed stack, and how it is reached.

    `name` is as the user gave it. `endpoint_url` is that of an emulator on loopback, None AWS's
    own. `settings` are those of the deployed template ("local") or of the current folder
    ("stack:NAME"). `downstream_url` is where the local scripted third party is told what to do.
    """

    name: str
    stack_name: str
    region: str
    account: str
    endpoint_url: str | None
    settings: Settings
    downstream_url: str | None
    clients: Clients = field(repr=False)

    def session(self) -> Clients:
        """All calls to the target go through its `client(service)`."""
        return self.clients

    def topology(self) -> Topology:
        """Found once, through AWS APIs alone. Raises TargetError where the stack refuses."""
        return self._topology

    @cached_property
    def _topology(self) -> Topology:
        try:
            return discover(self.stack_name, self.clients)
        except Exception as error:  # botocore's, and what an answer that is not AWS's leads to
            raise TargetError(
                "the stack's topology can't be found",
                where=f"{self.name} ({self.stack_name})",
                found=f"{type(error).__name__}: {error}",
                expected="leave to read what CloudFormation and the stack's services hold",
            ) from error

    def url_of(self, route: str) -> str:
        """Where requests of a route ("POST /messages") go; a {variable} of its path stays.

        Raises TargetError for a route that the stack hasn't.
        """
        routes = {one.name: one for one in self.topology().routes}
        if route not in routes:
            raise TargetError(
                f"the stack has no route {route!r}",
                where=f"{self.name} ({self.stack_name})",
                found=", ".join(routes) or "no route at all",
                remedy=nearest(route, routes),
            )
        return self._url(routes[route])

    def _url(self, route: Route) -> str:
        stage, path = route.stage, route.path
        if self.endpoint_url:
            base = self.endpoint_url.rstrip("/")
            if route.protocol == "REST":
                return f"{base}/restapis/{route.api_id}/{stage}/_user_request_{path}"
            return f"{base}/_aws/execute-api/{route.api_id}/{stage}{path}"
        # "https://cloudformation.eu-west-1.amazonaws.com", in each partition with its own ending
        host = urlsplit(self.clients.client("cloudformation").meta.endpoint_url).hostname or ""
        domain = host.partition(".")[2]
        below = "" if stage == "$default" else f"/{stage}"
        return f"https://{route.api_id}.execute-api.{domain}{below}{path}"


def find_target(text: str, folder: Path) -> Target:
    """The target of a name; `folder` is where .storagefirst/ and storagefirst.toml are looked for.

    Raises TargetError: an unknown name, nothing deployed, no such stack, one that is not allowed,
    credentials or an endpoint that don't serve.
    """
    if text == LOCAL:
        from pytest_storagefirst.target.local import local_target

        return local_target(folder)
    if text.startswith(STACK) and text != STACK:
        from pytest_storagefirst.target.named import named_target

        return named_target(text.removeprefix(STACK), folder)
    raise TargetError("no such target", found=repr(text), expected=EXPECTED)


def _patience() -> Any:
    from botocore.config import Config

    retries = {"mode": "standard", "total_max_attempts": 3}
    return Config(connect_timeout=5, read_timeout=30, retries=retries, max_pool_connections=50)


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine's own address, as text says it: nothing is looked up."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
