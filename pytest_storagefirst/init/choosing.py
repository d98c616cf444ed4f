"""Which template `storagefirst init` is about where none is named."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_storagefirst.errors import TemplateError
from pytest_storagefirst.survey import SUFFIXES, looks_like_template

NAMES = ("template.yaml", "template.yml", "template.json")


def chosen_template(named: Path | None, folder: Path) -> Path:
    """The template that is named, or the one that the folder has.

    Raises TemplateError where there is none, or several of one kind.
    """
    if named is not None and not named.is_dir():
        if not named.is_file():
            raise TemplateError(
                "no such template", where=str(named), expected=f"a file, seen from {folder}"
            )
        return named
    folder = named or folder
    for found in map(list, _kinds(folder)):
        if len(found) == 1:
            return found[0]
        if found:
            shown = [_shown(path, folder) for path in found]
            raise TemplateError(
                "there are several templates",
                where=str(folder),
                found=", ".join(shown),
                expected="one, or the name of the one that is meant",
                remedy=f"storagefirst init {shown[0]}",
            )
    raise TemplateError(
        "there is no template here",
        where=str(folder),
        expected=f"{', '.join(NAMES)}, what samconfig.toml names, cdk.out/*.template.json, or "
        "another file that says AWSTemplateFormatVersion",
        remedy="storagefirst init PATH/TO/TEMPLATE, or run `cdk synth` first",
    )


def _kinds(folder: Path) -> Iterator[list[Path]]:
    """Candidates, from those that are surely meant to those that may be."""
    yield [folder / name for name in NAMES if (folder / name).is_file()]
    yield _of_sam(folder)
    yield sorted((folder / "cdk.out").glob("*.template.json"))
    others = sorted(folder.iterdir()) if folder.is_dir() else []
    yield [
        path
        for path in others
        if path.is_file() and path.name.endswith(SUFFIXES) and looks_like_template(path)
    ]


def _of_sam(folder: Path) -> list[Path]:
    """What SAM's own configuration file names.

    https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/serverless-sam-cli-config.html
    """
    try:
        told: Any = tomllib.loads((folder / "samconfig.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    found: dict[Path, None] = {}
    for environment in told.values():
        for command in environment.values() if isinstance(environment, dict) else ():
            parameters = command.get("parameters", {}) if isinstance(command, dict) else {}
            for key in ("template", "template_file"):
                name = parameters.get(key) if isinstance(parameters, dict) else None
                if isinstance(name, str) and (folder / name).is_file():
                    found[folder / name] = None
    return list(found)


def _shown(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
