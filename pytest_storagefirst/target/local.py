"""The local target: an emulator and scripted third parties, each a process on loopback."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pytest_storagefirst.cloud_assembly import of_cloud_assembly, plain_name
from pytest_storagefirst.errors import TargetError, TemplateError
from pytest_storagefirst.settings import Settings, nearest
from pytest_storagefirst.settings_file import load_settings
from pytest_storagefirst.stack.locating import BLUEPRINT, blueprint_names, template_path
from pytest_storagefirst.stack.template import Template, load_template
from pytest_storagefirst.target.deployment import deploy
from pytest_storagefirst.target.downstream import CONTROL
from pytest_storagefirst.target.processes import Process
from pytest_storagefirst.target.starting import (
    ACCOUNT,
    LOG,
    TEMPORARY,
    amiss_at,
    check_emulator,
    start_emulator,
    start_third_parties,
)
from pytest_storagefirst.target.target import LOCAL, Clients, Target

FOLDER = ".storagefirst"
STATE = "local.json"
VERSION = 1
REGION = "us-east-1"
DEFAULT = f"{BLUEPRINT}breaker-in-handler"
_TEMPLATES = ("template.yaml", "template.yml", "template.json")


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
    check_emulator()
    replaced = down(folder)
    place = folder / FOLDER
    state = State(str(path.resolve()), "", template.region, "", "", (), dict(parameters))
    try:
        place.mkdir(parents=True, exist_ok=True)
        (place / LOG).write_bytes(b"")
        state = _start(state, settings, place)
        notes = deploy(
            template,
            _clients(state),
            settings.downstreams,
            state.downstream_url.removesuffix(CONTROL),
            place / "packages",
        )
        state = _written(place, replace(state, stack=template.stack_name))
    except BaseException as error:
        down(folder)
        if isinstance(error, OSError):
            raise TargetError(
                "can't be written", where=str(place), found=str(error), expected="room and leave"
            ) from None
        raise
    notes += _runtimes(template)
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
    shutil.rmtree(place / TEMPORARY, ignore_errors=True)
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
    amiss = f"the process of the {gone[0]} is gone" if gone else amiss_at(state.endpoint_url)
    if amiss or not state.stack:
        raise TargetError(
            "the local target has ended",
            where=str(place / STATE),
            found=amiss or "no stack stands on it",
            remedy=f"storagefirst up starts it anew; {place / LOG} may say why it ended",
        )
    return _target(state, load_settings(Path(state.template)))


def which(wanted: str | None, folder: Path) -> Path:
    """The template that is meant. Raises TemplateError."""
    if wanted is None:
        own = [folder / name for name in _TEMPLATES if (folder / name).is_file()]
        return own[0] if own else template_path(DEFAULT)
    if wanted.startswith(BLUEPRINT):
        return template_path(wanted)
    if (folder / wanted).exists():
        return template_path(folder / wanted)
    names = blueprint_names()
    if wanted not in names:
        raise TemplateError(
            "no such template or blueprint",
            where=wanted,
            expected=f"a file in {folder}, or one of the blueprints {', '.join(names)}",
            remedy=nearest(wanted, names),
        )
    return template_path(f"{BLUEPRINT}{wanted}")


def stack_name_of(path: Path) -> str:
    """Its folder's name, of a CDK app its own. CloudFormation takes letters, digits and hyphens,
    the first one a letter."""
    plain = plain_name(path) if of_cloud_assembly(path) else path.resolve().parent.name
    name = re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-").lower()
    return (name if name[:1].isalpha() else f"stack-{name}").strip("-")[:60]


def _region() -> str:
    return os.environ.get("AWS_DEFAULT_REGION") or REGION


def _target(state: State, settings: Settings) -> Target:
    given = {**settings.parameters, **state.parameters}
    return Target(
        name=LOCAL,
        stack_name=state.stack,
        region=state.region,
        account=ACCOUNT,
        endpoint_url=state.endpoint_url,
        settings=replace(settings, parameters=given),
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


def _start(state: State, settings: Settings, place: Path) -> State:
    """Each process is written down as soon as it runs, so that `down` finds it whatever happens."""
    process, origin = start_third_parties(settings, place)
    state = _written(place, replace(state, processes=(process,), downstream_url=origin + CONTROL))

    def began(emulator: Process, url: str) -> None:
        nonlocal state
        state = replace(state, processes=(process, emulator), endpoint_url=url)
        _written(place, state)

    start_emulator(origin, state.region, place, began)
    return state


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
