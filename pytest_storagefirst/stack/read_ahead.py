"""A template as the user's settings have it, read once by who collects it and who stands it up."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

from pytest_storagefirst.settings import Settings
from pytest_storagefirst.stack.template import Template, load_template

_READ_AHEAD: dict[str, Template] = {}


def read_template(path: Path, settings: Settings, *, ahead: bool = False) -> Template:
    """The template with the user's parameters. Raises TemplateError.

    Read `ahead`, it is kept for whoever stands this version of it up next.
    """
    written = path.stat().st_mtime_ns if path.is_file() else 0
    key = repr((str(path.resolve()), written, settings.parameters, settings.imports))
    found = None if ahead else _READ_AHEAD.pop(key, None)
    if found is None:
        found = load_template(
            path, dict(settings.parameters), dict(settings.imports), sources=settings.sources
        )
    if ahead:
        # Deploying it may fill its properties in.
        _READ_AHEAD[key] = replace(found, body=copy.deepcopy(dict(found.body)))
    return found
