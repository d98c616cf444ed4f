"""AppConfig's data API and its Lambda extension: what a handler reads its feature flags from.

Pages: AppConfig data API reference, API_appconfigdata_StartConfigurationSession and
API_appconfigdata_GetLatestConfiguration; user guide, appconfig-integration-lambda-extensions.
A token is all that a session is: botocore's model knows a token that is corrupted, expired or
comes too early as errors, and none for one that is used again.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from pytest_storagefirst.simulation.flags import content_of
from pytest_storagefirst.stack.topology import Configuration, Topology

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation

EXTENSION = "http://localhost:2772"
DATA_API = "appconfigdata"
TOKEN_MS = 86_400_000  # "valid for up to 24 hours"
POLL_SECONDS = 60  # told to a client that named no interval of its own
READS = ("StartConfigurationSession", "GetLatestConfiguration")

_PATH = re.compile(r"^/applications/([^/]+)/environments/([^/]+)/configurations/([^/]+)/?$")

Answer = tuple[int, dict[str, str], bytes]


def answer_configurations(
    simulation: Simulation, method: str, url: str, body: Any
) -> Answer | None:
    """The answer to a raw request to the data API; None for any other request."""
    split = urlsplit(url)
    if not split.netloc.startswith(f"{DATA_API}."):
        return None
    simulation.scheduler.touch(DATA_API, method, url)
    if method == "POST" and split.path == "/configurationsessions":
        raw = body.read() if hasattr(body, "read") else body
        return _started(simulation, json.loads(raw or b"{}"))
    if method == "GET" and split.path == "/configuration":
        return _latest(simulation, parse_qs(split.query).get("configuration_token", [""])[0])
    return None


def _started(simulation: Simulation, asked: Mapping[str, Any]) -> Answer:
    found = configuration_named(
        simulation.deployed.topology.configurations,
        str(asked.get("ApplicationIdentifier")),
        str(asked.get("EnvironmentIdentifier")),
        str(asked.get("ConfigurationProfileIdentifier")),
    )
    if found is None:
        return _refused(404, "ResourceNotFoundException", {"ResourceType": "Configuration"})
    seconds = asked.get("RequiredMinimumPollIntervalInSeconds")
    token = _token(simulation, found.arn, "", seconds, simulation.now_ms)
    return 201, _JSON, json.dumps({"InitialConfigurationToken": token}).encode()


def _latest(simulation: Simulation, token: str) -> Answer:
    told = read_token(token)
    found = next(
        (one for one in simulation.deployed.topology.configurations if one.arn == told.get("arn")),
        None,
    )
    now_ms = simulation.now_ms
    problem = "Corrupted" if found is None else ""
    if found is not None and now_ms > told["until_ms"]:
        problem = "Expired"
    elif found is not None and now_ms < told["from_ms"]:
        problem = "PollIntervalNotSatisfied"
    if found is None or problem:
        parameters = {"ConfigurationToken": {"Problem": problem}}
        details = {"InvalidParameters": parameters}
        said = {"Reason": "InvalidParameters", "Details": details}
        return _refused(400, "BadRequestException", said)
    content = content_of(simulation, found)
    seen = sha256(content.encode()).hexdigest()[:16]
    seconds = told["seconds"]
    from_ms = now_ms + (seconds or 0) * 1000
    headers = {
        "Next-Poll-Configuration-Token": _token(simulation, found.arn, seen, seconds, from_ms),
        "Next-Poll-Interval-In-Seconds": str(seconds or POLL_SECONDS),
        "Content-Type": found.content_type,
    }
    if seen == told["seen"]:  # the client has it already
        return 200, headers, b""
    if found.version_label:
        headers["Version-Label"] = found.version_label
    return 200, headers, content.encode()


def extension_answer(simulation: Simulation, url: str) -> Answer | None:
    """What the extension answers to a handler's GET; None for a URL that is not its own.

    It asks with the function's own role. The freshest configuration is what it has: how long it
    goes on with an older one, a run does not show.
    """
    known = simulation.deployed.topology.configurations
    if not known or not is_extension(url):
        return None
    split = urlsplit(url)
    path = _PATH.match(split.path)
    found = configuration_named(known, *map(unquote, path.groups())) if path else None
    if found is None:
        return _refused(404, "ResourceNotFoundException", {"ResourceType": "Configuration"})
    caller: Any = simulation.current
    for operation in READS if caller is not None else ():
        asked, role = {"configuration": found.arn}, caller.function.role_arn
        refused = simulation.permissions.of_operation(role, DATA_API, operation, asked)
        if refused is not None:
            simulation.record("denied", (), caller.function.logical_id, refused.reading)
            return _refused(400, "BadRequestException", {"Message": refused.message})
    content = content_of(simulation, found)
    flags = parse_qs(split.query).get("flag", [])
    if flags:
        values = json.loads(content)
        if any(flag not in values for flag in flags):
            return _refused(404, "ResourceNotFoundException", {"Message": "no such flag"})
        chosen = {flag: values[flag] for flag in flags}
        content = json.dumps(chosen[flags[0]] if len(flags) == 1 else chosen)
    return 200, {"Content-Type": found.content_type}, content.encode()


def is_extension(url: str) -> bool:
    return url.startswith((f"{EXTENSION}/", "http://127.0.0.1:2772/"))


def configuration_named(
    known: tuple[Configuration, ...], application: str, environment: str, profile: str
) -> Configuration | None:
    return next((one for one in known if one.is_named(application, environment, profile)), None)


def configuration_asked(topology: Topology, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The ARN of the configuration that a call is about, as "configuration"; None if unknown."""
    told = read_token(str(parameters.get("configuration_token", "")))
    named = configuration_named(
        topology.configurations,
        str(parameters.get("ApplicationIdentifier")),
        str(parameters.get("EnvironmentIdentifier")),
        str(parameters.get("ConfigurationProfileIdentifier")),
    )
    return {"configuration": named.arn if named is not None else told.get("arn")}


_JSON = {"Content-Type": "application/json"}


def _token(simulation: Simulation, arn: str, seen: str, seconds: int | None, from_ms: int) -> str:
    told = {
        "arn": arn,
        "seen": seen,
        "seconds": seconds,
        "from_ms": from_ms,
        "until_ms": simulation.now_ms + TOKEN_MS,
    }
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode()


def read_token(token: str) -> dict[str, Any]:
    """What a token says; nothing when it is none of ours."""
    try:
        told = json.loads(base64.urlsafe_b64decode(token.encode()))
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _refused(status: int, code: str, said: Mapping[str, Any]) -> Answer:
    headers = {**_JSON, "x-amzn-ErrorType": code}
    return status, headers, json.dumps({"Message": code, **said}).encode()
