"""Environments that are made, asked and thrown away, by uv."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

VERSIONS = ("3.11", "3.12", "3.13")
UV = Path(sys.executable).with_name("uv")
MOST_SECONDS = 1800


@dataclass(frozen=True)
class Environment:
    """A virtual environment in a folder of its own."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def install(self, *arguments: str) -> None:
        run(UV, "pip", "install", "--quiet", "--python", self.python, *arguments)

    def check(self) -> None:
        """Raises SystemExit where what is installed does not go together."""
        run(UV, "pip", "check", "--quiet", "--python", self.python)

    def distributions(self) -> int:
        listed = run(UV, "pip", "list", "--python", self.python, "--format", "freeze")
        return len(listed.splitlines())

    def megabytes(self) -> float:
        """What its site-packages weigh, without what Python compiles by itself."""
        files = (path for path in self.folder.rglob("*") if path.is_file())
        size = sum(path.stat().st_size for path in files if path.suffix != ".pyc")
        return size / 1_000_000


def made(folder: Path, python: str | Path = sys.executable) -> Environment:
    run(UV, "venv", "--quiet", "--clear", "--python", str(python), folder)
    return Environment(folder)


def interpreters() -> dict[str, Path]:
    """The Pythons of the supported versions that are on this machine, by version: as uv finds them,
    and pyenv's, which stand on no path."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    found = {}
    for version in VERSIONS:
        asked = subprocess.run(
            [UV, "python", "find", "--no-project", "--offline", version],
            capture_output=True,
            text=True,
            check=False,
        )
        own = [Path(asked.stdout.strip())] if asked.returncode == 0 else []
        own += sorted(pyenv.glob(f"{version}.*/bin/python"))
        if own:
            found[version] = own[0]
    return found


def run(
    *command: str | Path,
    cwd: Path | None = None,
    fine: tuple[int, ...] = (0,),
    variables: Mapping[str, str] | None = None,
) -> str:
    """What a command prints. Ends this process with the command and its words where it fails."""
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    environment |= variables or {}
    ended = subprocess.run(
        [str(one) for one in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=MOST_SECONDS,
    )
    if ended.returncode not in fine:
        said = "\n".join((ended.stdout + ended.stderr).splitlines()[-60:])
        raise SystemExit(f"{' '.join(map(str, command))}: exit code {ended.returncode}\n{said}")
    return ended.stdout


def emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
