"""One drill at a time on a stack: a parameter of Systems Manager, which outlives the process."""

from __future__ import annotations

import getpass
import json
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_storagefirst.chaos.drill import Drill
from pytest_storagefirst.chaos.journal import stories_of
from pytest_storagefirst.errors import DrillError
from pytest_storagefirst.target.target import Target

FOLDER = "/storagefirst/drills/"
CHANGES = "changes"  # in the lock: how many changes its drill has announced so far
UNREADABLE = "unreadable"  # the id of who holds a lock that says nothing


def lock_name(stack_name: str) -> str:
    return f"{FOLDER}{stack_name}"


def holder(target: Target) -> Mapping[str, Any] | None:
    """Who holds the stack's lock: id, drill, who, host, began, journal. None: nobody."""
    found, _ = _read(target)
    return found


def _read(target: Target) -> tuple[Mapping[str, Any] | None, int]:
    """Who holds the lock, and the version of its parameter."""
    client = target.session().client("ssm")
    try:
        parameter = client.get_parameter(Name=lock_name(target.stack_name))["Parameter"]
    except client.exceptions.ParameterNotFound:
        return None, 0
    try:
        found = json.loads(parameter["Value"])
    except ValueError:
        found = None
    if isinstance(found, dict) and isinstance(found.get("id"), str):
        return found, parameter["Version"]
    said = ("drill", "who", "host", "began", "journal")
    nobody = {"id": UNREADABLE, **dict.fromkeys(said, "(the lock can't be read)")}
    return nobody, parameter["Version"]


def announced(found: Mapping[str, Any]) -> int:
    """How many changes the drill that holds a lock has announced."""
    changes = found.get(CHANGES, 0)
    return changes if isinstance(changes, int) else 0


def take(target: Target, mine: Mapping[str, Any]) -> None:
    """Take the lock: SSM refuses a parameter that is there already. Raises DrillError."""
    client = target.session().client("ssm")
    name = lock_name(target.stack_name)
    try:
        client.put_parameter(Name=name, Value=json.dumps(mine), Type="String")
    except client.exceptions.ParameterAlreadyExists:
        found = holder(target) or {}
        if found.get("id") == mine["id"]:  # our own call, sent again by botocore
            return
        raise held(name, found) from None


def renew(target: Target, mine: Mapping[str, Any]) -> bool:
    """Write the lock anew, as a sign of life; False where it is not held any more.

    SSM has no conditional write. That somebody took the lock between our look and our write is seen
    by its version, which is not the next one then (API_PutParameter), unless botocore sent our own
    write twice.
    """
    found, version = _read(target)
    if found is None or found.get("id") != mine["id"]:
        return False
    alive = datetime.now(UTC).isoformat(timespec="seconds")
    answer = (
        target.session()
        .client("ssm")
        .put_parameter(
            Name=lock_name(target.stack_name),
            Value=json.dumps({**mine, "alive": alive}),
            Type="String",
            Overwrite=True,
        )
    )
    is_next: bool = answer["Version"] == version + 1
    return is_next or answer["ResponseMetadata"].get("RetryAttempts", 0) > 0


def held(name: str, found: Mapping[str, Any]) -> DrillError:
    """What is told of a stack that another drill holds."""
    return DrillError(
        "another drill is under way on this stack, or was never undone",
        where=name,
        found=f"{found.get('drill')} by {found.get('who')} on {found.get('host')} since "
        f"{found.get('began')}, its journal is {found.get('journal')}",
        remedy="wait until it ends; if its process is gone, run storagefirst recover there",
    )


def release(target: Target, name: str) -> bool:
    """Let go of the lock that the drill `name` holds; False where it does not hold it."""
    found = holder(target)
    if found is None or found.get("id") != name:
        return False
    target.session().client("ssm").delete_parameter(Name=lock_name(target.stack_name))
    return True


def refuse_open_journals(target: Target, folder: Path) -> None:
    """Raises DrillError where an earlier drill of this stack was never undone, JournalError where
    that can't be known.
    """
    for story in stories_of(folder, target.account, target.region, target.stack_name):
        if not story.is_closed:
            raise DrillError(
                "an earlier drill on this stack is under way, or was never undone",
                where=str(story.path),
                found=f"{story.begin.get('drill')}, begun {story.begin.get('began')}",
                remedy=f"storagefirst recover --target {target.name}",
            )


def signature(
    drill: Drill, name: str, target: Target, path: Path, copies: tuple[str, ...]
) -> dict[str, Any]:
    """Who does what, and where its journal is: the journal's first line, and the lock."""
    try:
        who = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        who = "unknown"
    return {
        "id": name,
        "drill": drill.name,
        "account": target.account,
        "region": target.region,
        "stack": target.stack_name,
        "target": target.name,
        "who": who,
        "host": socket.gethostname(),
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "journal": " and ".join((str(path.resolve()), *copies)),
        "path": str(path.resolve()),
        "copies": list(copies),
    }
