"""moto's CloudFormation without the services that nobody asks for.

moto imports the models of some thirty services there, EC2's with a region list and instance types
that take half a second to read, only so that `CloudFormationModel.__subclasses__` lists them. Our
resources are made without that list. So these imports are put off until somebody needs one: a
parameter that is read from SSM, or a stack that the user's own test makes in moto.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

_PARSING = "moto.cloudformation.parsing"


class _PutOff:
    """What a module will hold, for reading from, indexing and `isinstance`."""

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name

    def _made(self) -> Any:
        return getattr(importlib.import_module(self._module), self._name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._made(), name)

    def __getitem__(self, key: str) -> Any:
        return self._made()[key]

    def __instancecheck__(self, instance: object) -> bool:
        # There is no instance of a class whose module nobody has imported.
        return self._module in sys.modules and isinstance(instance, self._made())


@cache
def parsing() -> Any:
    """moto's `moto.cloudformation.parsing`, its imports of other services put off where possible.

    It stays as it is where it has been imported before, or builds its list as it is imported.
    """
    if _PARSING in sys.modules or not _lists_on_demand():
        return importlib.import_module(_PARSING)
    listed: list[str] = []
    real = builtins.__import__

    def importing(
        name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
    ) -> Any:
        if globals is not None and globals.get("__name__") == _PARSING:
            what = tuple(fromlist or ())
            if what == ("models",):
                listed.append(f"{name}.models")
            if what == ("models",) or name.startswith(("moto.ec2.", "moto.ssm")):
                return SimpleNamespace(**{one: _PutOff(name, one) for one in what})
        return real(name, globals, locals, fromlist, level)

    with mock.patch.object(builtins, "__import__", importing):
        module: Any = importlib.import_module(_PARSING)
    own = module.get_model_list

    def get_model_list() -> Any:
        for name in listed:
            importlib.import_module(name)
        return own()

    module.get_model_list = get_model_list
    return module


def _lists_on_demand() -> bool:
    """Whether this moto looks for the models when they are asked for, as 5.2.5 does."""
    package = importlib.util.find_spec("moto")
    assert package is not None
    assert package.submodule_search_locations is not None
    source = Path(package.submodule_search_locations[0], "cloudformation", "parsing.py")
    return "def get_model_list" in source.read_text(encoding="utf-8")
