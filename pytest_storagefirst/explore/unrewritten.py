"""Import this package as it was compiled.

pytest rewrites the assertions of every module of an installed plugin: it reads, changes and
compiles each, past the byte code that the installation made, in every process that can't write its
own. That is an eighth of the way to a first verdict, and our assertions need no rewriting.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder

PACKAGE = __name__.partition(".")[0]


class Unrewritten:
    """A finder that stands before pytest's, for what has not been imported yet."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: object = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(name, path) if name.startswith(f"{PACKAGE}.") else None


def install() -> None:
    """Once a process."""
    if Unrewritten not in sys.meta_path:
        sys.meta_path.insert(0, Unrewritten)
