"""What the fixture `storagefirst` hands out: stacks to play with, and schedules to judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_storagefirst.errors import TemplateError
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings

if TYPE_CHECKING:
    from pytest_storagefirst.explore.stack import Stack


class StorageFirst:
    """Stands stacks up for tests. It holds no stack itself, so that one serves a whole session."""

    def __init__(self, roots: tuple[Path, ...], settings: Settings) -> None:
        self._roots = roots
        self._settings = settings

    def __call__(
        self,
        template: str | Path,
        *,
        handlers: Mapping[str, str | Callable[..., Any]] | None = None,
    ) -> AbstractContextManager[Stack]:
        """A context manager that gives the template's `Stack`.

        `template` is a path, from rootdir or from where pytest was started, or "blueprint:NAME".
        `handlers` maps logical ids of functions to what runs in their place. Raises
        `StorageFirstError` for what the user can mend.
        """
        from pytest_storagefirst.explore.stack import open_stack

        if str(template).startswith("blueprint:"):
            return open_stack(str(template), self._settings, handlers=handlers)
        path = self._find(Path(template))
        return open_stack(path, load_settings(path, self._settings), handlers=handlers)

    def verify(self, schedule: Any, *properties: str) -> None:
        """Run a schedule once; raise a `PropertyFailure` unless each named property holds.

        Without names, all that apply are judged.
        """
        __tracebackhide__ = True
        from pytest_storagefirst.explore.result import require
        from pytest_storagefirst.explore.stack import judge

        for result in judge(schedule, properties, self._settings):
            require(result)

    def _find(self, template: Path) -> Path:
        for root in self._roots:
            if (root / template).is_file():
                return root / template
        raise TemplateError(
            "no such template",
            where=str(template),
            expected="a file in " + " or ".join(str(root) for root in self._roots),
        )
