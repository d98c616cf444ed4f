"""Errors that say where, what was found, what was expected and what to do.

Every error a user can cause is a `StorageFirstError`; the plugin prints its text, no traceback.
"""

from __future__ import annotations


class StorageFirstError(Exception):
    """Something the user can mend.

    `where` names the file and line, the logical id or the option; `found` and `expected` say what
    stood there and what should; `remedy` is what to write or do. It pickles, so that it crosses
    xdist's process border whole.
    """

    def __init__(
        self,
        problem: str,
        *,
        where: str = "",
        found: str = "",
        expected: str = "",
        remedy: str = "",
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.where = where
        self.found = found
        self.expected = expected
        self.remedy = remedy

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.problem}" if self.where else self.problem]
        if self.found:
            lines.append(f"  found:    {self.found}")
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.remedy:
            lines.append(f"  do:       {self.remedy}")
        return "\n".join(lines)

    @property
    def line(self) -> str:
        """All of it on one line."""
        said = [f"{self.where}: {self.problem}" if self.where else self.problem]
        said += [f"found {self.found}"] if self.found else []
        said += [f"expected {self.expected}"] if self.expected else []
        said += [self.remedy] if self.remedy else []
        return " ".join("; ".join(said).split())

    def __reduce__(self) -> tuple[object, ...]:
        return (
            _rebuild,
            (type(self), self.problem, self.where, self.found, self.expected, self.remedy),
        )


def _rebuild(
    kind: type[StorageFirstError], problem: str, where: str, found: str, expected: str, remedy: str
) -> StorageFirstError:
    return kind(problem, where=where, found=found, expected=expected, remedy=remedy)


class TemplateError(StorageFirstError):
    """The template can't be read, resolved or stood up."""


class SettingsError(StorageFirstError):
    """An option, an ini value or storagefirst.toml holds something unknown or wrong."""


class HandlerError(StorageFirstError):
    """A function's code can't be run here: missing, no Python, fails at import, no such handler."""


class EntryError(StorageFirstError):
    """The stack has no way in, or several and none is chosen."""


class FaultError(StorageFirstError):
    """A fault's text can't be read, or names a site or fault that doesn't exist."""


class ReplayError(StorageFirstError):
    """A replay file is unreadable, foreign, or from another version."""


class SimulationError(StorageFirstError):
    """The simulation can't go on honestly: a handler does what it can't follow."""


class ReportError(StorageFirstError):
    """A report.json is unreadable, foreign or damaged, or does not go with the others."""


class TargetError(StorageFirstError):
    """There is no such target, it isn't allowed, or what it is made of can't be used."""


class LoadError(StorageFirstError):
    """A load run can't be set up: no such profile, a wrong objective, a journal without room."""


class DrillError(StorageFirstError):
    """A drill that can't be read, does not fit the stack, or is not permitted on it."""


class JournalError(StorageFirstError):
    """A drill's undo journal is damaged, from another version, or can't be written."""
