"""Which file is meant: a template's path, or a blueprint by its name."""

from __future__ import annotations

import difflib
from pathlib import Path

from ..errors import TemplateError

BLUEPRINTS = Path(__file__).parent / "blueprints"
BLUEPRINT = "blueprint:"


def blueprint_names() -> list[str]:
    return sorted(folder.parent.name for folder in BLUEPRINTS.glob("*/template.yaml"))


def template_path(template: str | Path) -> Path:
    """The file of a template's path or of "blueprint:NAME". Raises TemplateError."""
    __tracebackhide__ = True
    text = str(template)
    if not text.startswith(BLUEPRINT):
        path = Path(text)
        if not path.is_file():
            raise TemplateError(
                "no such template",
                where=text,
                expected=f"a file, seen from {Path.cwd()}",
                remedy="write the path from the folder that pytest is started in",
            )
        return path
    name = text.removeprefix(BLUEPRINT)
    path = BLUEPRINTS / name / "template.yaml"
    if not path.is_file():
        names = blueprint_names()
        near = difflib.get_close_matches(name, names, n=1)
        raise TemplateError(
            f"no blueprint {name!r}",
            where=text,
            expected="one of " + ", ".join(names),
            remedy=f'write "blueprint:{(near or names)[0]}"',
        )
    return path
