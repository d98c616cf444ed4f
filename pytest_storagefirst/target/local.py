"""The local target: an emulator and scripted third parties, each a process on loopback."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib import metadata, util
from pathlib import Path
from typing import Any

from pytest_storagefirst.errors import TargetError
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings
from pytest_storagefirst.stack.locating import BLUEPRINT, blueprint_names, template_path
from pytest_storagefirst.stack.resource_types import plays_a_part
from pytest_storagefirst.stack.template import Template, load_template
from pytest_storagefirst.target.deployment import deploy
from pytest_storagefirst.target.processes import Process, start
from pytest_storagefirst.target.target import LOCAL, Clients, Target

FOLDER = ".storagefirst"
STATE = "local.json"
LOG = "local.log"
VERSION = 1
ACCOUNT = "000000000000"  # ministack's own
REGION = "us-east-1"
STARTS_WITHIN_S = 30.0
TRIES = 3  # to start on a free port: somebody else may have taken it meanwhile
EMULATOR, DOWNSTREAM = "emulator", "third parties"
DEFAULT = f"{BLUEPRINT}breaker-in-handler"
_TEMPLATES = ("template.yaml", "template.yml", "template.json")
_OLDEST = (1, 5, 33)  # older ones know no SQS integration
_INSTALL = "pip install 'pytest-storagefirst[local]'"
_POLL_S = 0.05


@dataclass(frozen=True)
class State:
    """What `storagefirst up` leaves for other commands; `stack` is "" until it stands."""

    template: str
    stack: str
    region: str
    endpoint_url: str
    downstream_url: str
    processes: tuple[Process, ...]
    parameters: Mapping[str, str]
    version: int = VERSION


@dataclass(frozen=True)
class Up:
    """What was started: the target, what was there before, and what a user should know."""

    target: Target
    template: Path
    replaced: bool
    notes: tuple[str, ...]


def up(wanted: str | None, parameters: Mapping[str, str], folder: Path) -> Up:
    """Start the emulator and deploy a template or blueprint there, in place of what runs already.

    `wanted` None is the folder's own template, or else a blueprint. Raises StorageFirstError; then
    nothing is left running, unless what ran before was not touched yet.
    """
    path = which(wanted, folder)
    settings = load_settings(path)
    given = {**settings.parameters, **parameters}
    template = load_template(
        path,
        given,
        settings.imports,
        sources={
            **settings.sources,
            **{f"parameters.{name}": "--parameter" for name in parameters},
        },
        account=ACCOUNT,
        region=_region(),
        stack_name=stack_name_of(path),
    )
    _check_emulator()
    replaced = down(folder)
    place = folder / FOLDER
    place.mkdir(parents=True, exist_ok=True)
    (place / LOG).write_bytes(b"")
    state = State(str(path.resolve()), "", template.region, "", "", (), dict(parameters))
    try:
        state = _start(state, template, settings, place)
        clients = _clients(state)
        third_parties = state.downstream_url.rpartition("/")[0]
        built = place / "packages"
        notes = deploy(template, clients, settings.downstreams, third_parties, built)
        state = _written(place, replace(state, stack=template.stack_name))
        notes += _runtimes(template)
    except BaseException:
        down(folder)
        raise
    return Up(_target(state, settings), path, replaced, tuple(dict.fromkeys(notes)))


def _parameters(names: Iterable[str]) -> list[str]:
    return [f"parameters.{name}" for name in names]


def down(folder: Path) -> bool:
    """End what `up` started in this folder; False when nothing ran. Raises TargetError."""
    place = folder / FOLDER
    state = _read(place)
    if state is None:
        return False
    ended = [process.end() for process in state.processes]
    (place / STATE).unlink(missing_ok=True)
    shutil.rmtree(place / "temporary", ignore_errors=True)
    return any(ended)


def local_target(folder: Path) -> Target:
    """What `storagefirst up` deployed. Raises TargetError when it isn't there any more."""
    place = folder / FOLDER
    state = _read(place)
    if state is None:
        raise TargetError(
            "no local target is up",
            where=str(place / STATE),
            found="nothing was started here",
            remedy="storagefirst up",
        )
    gone = [process.what for process in state.processes if not process.is_alive()]
    if gone or not state.stack or not _answers(state.endpoint_url, "/_ministack/health"):
        raise TargetError(
            "the local target has ended",
            where=str(place / STATE),
            found=f"the process of the {gone[0]} is gone" if gone else "it does not answer",
            remedy=f"storagefirst up starts it anew; {place / LOG} may say why it ended",
        )
    return _target(state, load_settings(Path(state.template)))


def which(wanted: str | None, folder: Path) -> Path:
    """The template that is meant. Raises TemplateError."""
    if wanted is None:
        own = [folder / name for name in _TEMPLATES if (folder / name).is_file()]
        return own[0] if own else template_path(DEFAULT)
    if not (folder / wanted).exists() and wanted in blueprint_names():
        return template_path(f"{BLUEPRINT}{wanted}")
    return template_path(wanted if wanted.startswith(BLUEPRINT) else folder / wanted)


def stack_name_of(path: Path) -> str:
    """CloudFormation takes letters, digits and hyphens, the first one a letter."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", path.resolve().parent.name).strip("-").lower()
    return (name if name[:1].isalpha() else f"stack-{name}").strip("-")[:60]


def _region() -> str:
    return os.environ.get("AWS_DEFAULT_REGION") or REGION


def _target(state: State, settings: Settings) -> Target:
    return Target(
        name=LOCAL,
        stack_name=state.stack,
        region=state.region,
        account=ACCOUNT,
        endpoint_url=state.endpoint_url,
        settings=settings,
        downstream_url=state.downstream_url,
        clients=_clients(state),
    )


def _clients(state: State) -> Clients:
    import boto3

    session = boto3.Session(
        aws_access_key_id=ACCOUNT,  # ministack takes twelve digits for the account
        aws_secret_access_key="local",
        region_name=state.region,
    )
    return Clients(session, state.endpoint_url)


# --- processes ----------------------------------------------------------------------------------


def _check_emulator() -> None:
    """Raises TargetError where ministack isn't installed beside this package, or is too old."""
    found = metadata.version("ministack") if util.find_spec("ministack") else ""
    if tuple(int(part) for part in found.split(".")[:3] if part.isdigit()) < _OLDEST:
        raise TargetError(
            "the local target needs ministack",
            found=f"ministack {found}" if found else "not installed",
            expected="ministack >= " + ".".join(map(str, _OLDEST)),
            remedy=_INSTALL,
        )


def _start(state: State, template: Template, settings: Settings, place: Path) -> State:
    """Each process is written down as soon as it runs, so that `down` finds it whatever happens."""
    described = place / "downstream.json"
    described.write_text(
        json.dumps([{**asdict(one)} for one in settings.downstreams]), encoding="utf-8"
    )
    process, port = _start_third_parties(described, place)
    origin = f"http://127.0.0.1:{port}"
    state = _written(
        place,
        replace(state, processes=(process,), downstream_url=f"{origin}/_storagefirst"),
    )
    inert = {one["Type"] for one in template.body["Resources"].values()}
    for _ in range(TRIES):
        port = _free_port()
        environment = _environment(port, origin, place, template.region, inert)
        emulator, running = _start_process(EMULATOR, ".emulator", (), environment, place)
        endpoint_url = f"http://127.0.0.1:{port}"
        state = _written(
            place,
            replace(state, processes=(process, emulator), endpoint_url=endpoint_url),
        )
        until = time.monotonic() + STARTS_WITHIN_S
        while running.poll() is None and time.monotonic() < until:
            if _answers(endpoint_url, "/_ministack/health"):
                return state
            time.sleep(_POLL_S)
        emulator.end()
    raise TargetError(
        "the emulator does not start",
        where=str(place / LOG),
        found=_last_line(place / LOG),
        expected=f"an answer within {STARTS_WITHIN_S:.0f} s",
    )


def _start_third_parties(described: Path, place: Path) -> tuple[Process, int]:
    process, running = _start_process(
        DOWNSTREAM,
        ".downstream",
        (str(described.resolve()),),
        dict(os.environ),
        place,
        subprocess.PIPE,
    )
    assert running.stdout is not None
    with running.stdout as said:
        line = said.readline().strip()
    if not line.isdigit():
        raise TargetError(
            "the third parties' server does not start",
            where=str(place / LOG),
            found=_last_line(place / LOG),
        )
    return process, int(line)


def _start_process(
    what: str,
    module: str,
    arguments: tuple[str, ...],
    environment: Mapping[str, str],
    place: Path,
    output: int | None = None,
) -> tuple[Process, subprocess.Popen[bytes]]:
    package = __name__.rpartition(".")[0]
    command = [sys.executable, "-m", f"{package}{module}", *arguments]
    return start(what, command, environment, place, place / LOG, output)


def _environment(
    port: int, proxy: str, place: Path, region: str, types: set[str]
) -> dict[str, str]:
    """ministack's environment, which its handlers inherit: all that they call stays here."""
    temporary = (place / "temporary").resolve()
    temporary.mkdir(parents=True, exist_ok=True)
    kept = {
        name: os.environ[name]
        for name in ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "VIRTUAL_ENV", "SYSTEMROOT")
        if name in os.environ
    }
    proxies = {"http_proxy": proxy, "https_proxy": proxy, "no_proxy": "127.0.0.1,localhost"}
    return {
        **kept,
        **proxies,
        **{name.upper(): value for name, value in proxies.items()},
        "HOME": str(temporary),
        "TMPDIR": str(temporary),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": region,
        "LOG_LEVEL": "WARNING",
        "PYTHONUNBUFFERED": "1",
        "STORAGEFIRST_INERT": ",".join(sorted(one for one in types if not plays_a_part(one))),
    }


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _answers(url: str, path: str) -> bool:
    """Whether something there answers 200."""
    if not url:
        return False
    connection = http.client.HTTPConnection(url.partition("//")[2], timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _last_line(log: Path) -> str:
    with contextlib.suppress(OSError):
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "it said nothing"
    return "it left no log"


def _runtimes(template: Template) -> list[str]:
    """What differs from AWS in how handlers are run."""
    here = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    named = {
        str(one["Properties"].get("Runtime"))
        for one in template.body["Resources"].values()
        if one["Type"] == "AWS::Lambda::Function"
    }
    other = sorted(one for one in named if one.startswith("python") and one != here)
    return [f"handlers of {', '.join(other)} run on {here} here"] if other else []


# --- what other commands find -------------------------------------------------------------------


def _written(place: Path, state: State) -> State:
    text = json.dumps(asdict(state), indent=2) + "\n"
    beside = place / f"{STATE}.new"
    beside.write_text(text, encoding="utf-8")
    beside.replace(place / STATE)  # a reader sees the old one or the new one, whole
    return state


def _read(place: Path) -> State | None:
    try:
        told: Any = json.loads((place / STATE).read_text(encoding="utf-8"))
        if told["version"] != VERSION:
            raise ValueError(f"version {told['version']}")
        return State(**{**told, "processes": tuple(Process(**one) for one in told["processes"])})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TargetError(
            "can't be read",
            where=str(place / STATE),
            found=f"{type(error).__name__}: {error}",
            expected=f"what storagefirst up wrote, version {VERSION}",
            remedy="end the processes that it names by hand, and delete it",
        ) from None
