"""Functions' code and layers as the archives that CloudFormation deploys."""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from pytest_storagefirst.errors import TargetError
from pytest_storagefirst.stack.template import Template

_LEFT_OUT = ("__pycache__", ".git", ".venv", ".mypy_cache", ".pytest_cache", ".ruff_cache")
_REQUIREMENTS = "requirements.txt"
_SAME_TIME = (1980, 1, 1, 0, 0, 0)  # so that the same files are the same archive


def archives(template: Template, built: Path, notes: list[str]) -> Iterator[tuple[str, bytes]]:
    """The archive of each function and layer whose code is here, by logical id.

    Packages of a requirements.txt that this environment lacks are installed below `built`. `notes`
    takes what a user should know. Raises TargetError where that fails.
    """
    for logical_id, code in template.code.items():
        if code.root is None:
            continue
        if code.root.is_file():
            if zipfile.is_zipfile(code.root):
                yield logical_id, code.root.read_bytes()
            else:
                yield logical_id, _zipped([(code.root.name, code.root)])
            continue
        files = list(_files(code.root))
        required = code.root / _REQUIREMENTS
        if required.is_file():
            packages = _packages(required, built, notes)
            files = [*(_files(packages) if packages else ()), *files]
        yield logical_id, _zipped(files)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and path.suffix != ".pyc" and not set(_LEFT_OUT) & set(name.parts):
            yield name.as_posix(), path


def _zipped(files: Iterable[tuple[str, Path]]) -> bytes:
    """An archive; of two files with one name the second is kept."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in dict(files).items():
            entry = zipfile.ZipInfo(name, _SAME_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if path.stat().st_mode & 0o111 else 0o644) << 16
            archive.writestr(entry, path.read_bytes())
    return held.getvalue()


def _packages(required: Path, built: Path, notes: list[str]) -> Path | None:
    """The folder that a requirements.txt is installed in; None where all of it is here already."""
    missing = [one for one in _requirements(required) if not _is_here(one)]
    if not missing:
        return None
    text = required.read_bytes()
    folder = built / hashlib.sha256(text + sys.version.encode()).hexdigest()[:16]
    if (folder / ".done").is_file():
        return folder
    notes.append(f"installed {', '.join(missing)} for {required}")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    told = subprocess.run(
        [*command, "--upgrade", "--target", str(folder), "-r", str(required)],
        check=False,
        capture_output=True,
        text=True,
    )
    if told.returncode:
        raise TargetError(
            "packages that a function needs can't be installed",
            where=str(required),
            found=(told.stderr.strip().splitlines() or [f"exit code {told.returncode}"])[-1],
            expected=", ".join(missing),
            remedy=f"install them beside storagefirst: pip install -r {required}",
        )
    (folder / ".done").touch()
    return folder


def _requirements(required: Path) -> Iterator[str]:
    for line in required.read_text(encoding="utf-8").splitlines():
        text = line.partition(" #")[0].strip()
        if text and not text.startswith("#"):
            yield text


def _is_here(text: str) -> bool:
    """Whether this environment has what a line asks for; False for one that is no plain name."""
    try:
        requirement = Requirement(text)
        if requirement.url or (requirement.marker and not requirement.marker.evaluate()):
            return not requirement.url
        return requirement.specifier.contains(
            importlib.metadata.version(requirement.name), prereleases=True
        )
    except (InvalidRequirement, importlib.metadata.PackageNotFoundError):
        return False
