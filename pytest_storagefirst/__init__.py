"""Finds out whether a storage-first serverless system can lose an acknowledged message.

The public names are loaded when they are first used: `-p storagefirst` imports this package in
every pytest run, and a run that judges no stack must not pay for what judging needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_storagefirst.errors import StorageFirstError
    from pytest_storagefirst.explore.machine import stateful
    from pytest_storagefirst.explore.strategies import schedules
    from pytest_storagefirst.factory import StorageFirst

    __version__: str

__all__ = ["StorageFirst", "StorageFirstError", "__version__", "schedules", "stateful"]

_HOMES = {
    "StorageFirst": "pytest_storagefirst.factory",
    "StorageFirstError": "pytest_storagefirst.errors",
    "schedules": "pytest_storagefirst.explore.strategies",
    "stateful": "pytest_storagefirst.explore.machine",
}


if not TYPE_CHECKING:  # to a type checker it would be a promise of any name

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version

            return version("pytest-storagefirst")
        if name in _HOMES:
            from importlib import import_module

            return getattr(import_module(_HOMES[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
