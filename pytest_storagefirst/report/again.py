"""The command that plays a witness again."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def replay_command(file: str) -> str:
    """What a shell runs."""
    return f"pytest -p storagefirst --storagefirst-replay={shlex.quote(file)}"


def command_from_here(file: str) -> str:
    """What replays the file from the current folder, from which the template is found as well."""
    path, here = Path(os.path.abspath(file)), Path.cwd()
    return replay_command(
        (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()
    )


def told_again(one: Mapping[str, Any]) -> tuple[str, str]:
    """(what to know, the command) of a property of report.json that has a witness."""
    if one.get("again"):
        return "Again, from the folder that it ran in:", str(one["again"])
    where = "Again, from the folder that it ran in, with this report's folder before the path:"
    return where, replay_command(str(one["witness"]))
