"""What the fixture `storagefirst` hands out: stacks to play with, and schedules to judge."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_storagefirst.errors import TemplateError
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings

MOST_CHARACTERS = 150  # of a test that a file is named after

if TYPE_CHECKING:
    from pytest_storagefirst.explore.result import PropertyResult
    from pytest_storagefirst.explore.stack import Stack


class StorageFirst:
    """Stands stacks up for tests. It holds no stack itself, so that one serves a whole session."""

    def __init__(
        self,
        roots: tuple[Path, ...],
        settings: Settings,
        replays: Path | None = None,
        shown: Callable[[Path], str] = str,
    ) -> None:
        self._roots = roots
        self._settings = settings
        self._replays = replays
        self._shown = shown

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

        Without names, all that apply are judged. What is violated is written to a replay file,
        named after the test: Hypothesis runs its smallest example last, so that one stays.
        """
        __tracebackhide__ = True
        from pytest_storagefirst.explore.result import require
        from pytest_storagefirst.explore.verifying import judge

        for result in judge(schedule, properties, self._settings):
            require(result, hint=self._written(result))

    def _written(self, result: PropertyResult) -> str:
        """How to replay it; "" where there is nothing to replay, or nowhere to write it."""
        if self._replays is None or result.witness is None:
            return ""
        from pytest_storagefirst.explore.outcome import write_replays
        from pytest_storagefirst.explore.result import StackResult

        try:
            written = write_replays(StackResult(_running_test(), (result,)), self._replays)
        except OSError:
            return ""
        file = self._shown(Path(written[result.name]))
        return f"again: pytest -p storagefirst --storagefirst-replay={file}"

    def _find(self, template: Path) -> Path:
        for root in self._roots:
            if (root / template).is_file():
                return root / template
        raise TemplateError(
            "no such template",
            where=str(template),
            expected="a file in " + " or ".join(str(root) for root in self._roots),
        )


def _running_test() -> str:
    """The test that runs, as part of a file's name.

    https://docs.pytest.org/en/stable/example/simple.html#pytest-current-test-environment-variable
    """
    node, _, _ = os.environ.get("PYTEST_CURRENT_TEST", "schedule").rpartition(" (")
    return re.sub(r"[^\w./-]+", "-", node).strip("-")[:MOST_CHARACTERS] or "schedule"
