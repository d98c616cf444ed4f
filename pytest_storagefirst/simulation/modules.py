"""Which modules belong to an execution environment, and which are shared by all of them.

What lies in a function's code and layers is imported anew for each environment, as Lambda does.
Packages that a build has installed there, and anything with compiled code, are imported once for
all environments of that code: most compiled modules can't be imported twice, and none of them holds
state of the function's own. The tester's site-packages are shared by everyone, but for what they
keep in their globals (`shared_state`).
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
import types
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_storagefirst.simulation import shared_state

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.environment import Environment

# The simulation stands in these, or needs them while a handler runs; a copy of them that a build
# put beside the handler must not replace them.
_NEVER_FROM_CODE = frozenset(
    {
        "_pytest",
        "airspeed",
        "boto3",
        "botocore",
        "coverage",
        "greenlet",
        "httpcore",
        "httpx",
        "hypothesis",
        "moto",
        "pluggy",
        "pytest",
        "pytest_storagefirst",
        "requests",
        "responses",
        "s3transfer",
        "time_machine",
        "urllib3",
        "werkzeug",
        "xdist",
        "xmltodict",
    }
)

# Of the standard library a sibling of the handler may take these names: neither Lambda's runtime
# nor anything here has imported them before the handler's module is. All others are imported.
_SHADOWABLE = frozenset(
    {
        "cgi",
        "chunk",
        "cmd",
        "code",
        "fractions",
        "graphlib",
        "mailbox",
        "profile",
        "sched",
        "secrets",
        "shelve",
        "statistics",
        "test",
        "this",
        "timeit",
        "tomllib",
        "trace",
        "turtle",
        "wave",
    }
)
_TAKEN = frozenset(sys.stdlib_module_names) - _SHADOWABLE | _NEVER_FROM_CODE

# Modules that all environments with the same search path share, and what names them.
_shared: dict[tuple[str, ...], dict[str, types.ModuleType]] = {}
_compiled_packages: dict[tuple[str, ...], set[str]] = {}


@lru_cache(maxsize=4096)
def _compiled(path: str, modified_ns: int) -> types.CodeType:
    source = Path(path).read_bytes()
    return compile(source, path, "exec", dont_inherit=True)


class Loader(importlib.machinery.SourceFileLoader):
    """Compiles a file once per process, however many environments import it.

    It also marks modules as an environment's.
    """

    def get_code(self, fullname: str) -> types.CodeType:
        path = self.get_filename(fullname)
        return _compiled(path, os.stat(path).st_mtime_ns)


@lru_cache(maxsize=1024)
def _found(name: str, search: tuple[str, ...]) -> importlib.machinery.ModuleSpec | None:
    return importlib.machinery.PathFinder.find_spec(name, list(search))


def called_by_handler() -> bool:
    """Whether code of some environment is on the stack: outside of a run, a late finalizer."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        if isinstance(frame.f_globals.get("__loader__"), Loader):
            return True
        frame = frame.f_back
    return False


@lru_cache(maxsize=1024)
def _own_entries(
    path: tuple[str, ...], search: tuple[str, ...], outer_path: frozenset[str], folder: str
) -> tuple[str, ...]:
    own = (
        os.path.join(folder, entry) for entry in path if entry in search or entry not in outer_path
    )
    return tuple(dict.fromkeys(os.path.normpath(entry) for entry in own))


class _Finder:
    """Finds the modules of the environment at work, and remembers which they are."""

    def __init__(self) -> None:
        self.environment: Environment | None = None
        self.outer_path: frozenset[str] = frozenset()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        environment = self.environment
        top = name.partition(".")[0]
        if environment is None or top in _TAKEN:
            return None
        if path is None:
            search = self._search(environment)
        elif top in environment.module_names:
            search = tuple(str(entry) for entry in path)
        else:
            return _shared_by_all(name, path)
        spec = _found(name, search)
        if spec is None:
            return _shared_by_all(name, path)
        environment.module_names.add(name)
        if isinstance(spec.loader, importlib.machinery.ExtensionFileLoader):
            _compiled_packages.setdefault(environment.search, set()).add(top)
        if isinstance(spec.loader, importlib.machinery.SourceFileLoader) and spec.origin:
            return importlib.util.spec_from_file_location(
                name,
                spec.origin,
                loader=Loader(name, spec.origin),
                submodule_search_locations=spec.submodule_search_locations,
            )
        # A namespace package's search path is bound to its spec: copy it for this environment.
        return importlib.machinery.PathFinder.find_spec(name, list(search))

    def _search(self, environment: Environment) -> tuple[str, ...]:
        """What of sys.path is the function's: its code, its layers, and what it added itself."""
        return _own_entries(tuple(sys.path), environment.search, self.outer_path, os.getcwd())


def _shared_by_all(name: str, path: Sequence[str] | None) -> importlib.machinery.ModuleSpec | None:
    """A module of site-packages, wherever those lie; None where the ordinary finders find it."""
    spec = importlib.machinery.PathFinder.find_spec(name, path)
    if spec is None or type(spec.loader) is not importlib.machinery.SourceFileLoader:
        return None
    spec.loader = shared_state.SharedLoader(name, spec.loader.path)
    return spec


finder = _Finder()


def imported(name: str) -> types.ModuleType | None:
    """A plain module of the environment at work, imported as `import` does, without its detours.

    None for what is imported already, lies in a package, or is not the function's own.
    """
    if "." in name or name in sys.modules:
        return None
    spec = finder.find_spec(name)
    if spec is None or not isinstance(spec.loader, Loader) or spec.submodule_search_locations:
        return None
    module = importlib.util.module_from_spec(spec)
    spec._initializing = True  # type: ignore[attr-defined]
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    finally:
        spec._initializing = False  # type: ignore[attr-defined]
    return sys.modules[name]


MOST_ADOPTED = 256  # codes of functions
_adopted: dict[int, tuple[Any, int]] = {}  # the code, which so keeps its id; modules there were


def adopt(environment: Environment) -> None:
    """Keep apart what the libraries hold that an environment, just made, has found imported.

    Once for each code, unless something has been imported since.
    """
    code = environment.code
    if _adopted.get(id(code), (None, 0)) == (code, len(sys.modules)):
        return
    if len(_adopted) >= MOST_ADOPTED:
        _adopted.clear()
    _adopted[id(code)] = code, len(sys.modules)
    own = [sys.modules[name] for name in environment.module_names if name in sys.modules]
    shared_state.adopt(own, _TAKEN)


def show(environment: Environment) -> dict[str, types.ModuleType]:
    """Put an environment's modules in force; returns those of others that it hides."""
    hidden: dict[str, types.ModuleType] = {}
    shared = _shared.get(environment.search)
    if shared:
        environment.module_names.update(shared)
        environment.modules.update(shared)
    for name in _top_level_names(environment.search):
        if name in sys.modules:
            prefix = name + "."
            for loaded in [name, *(other for other in sys.modules if other.startswith(prefix))]:
                hidden[loaded] = sys.modules.pop(loaded)
    sys.modules.update(environment.modules)
    environment.outer_state = shared_state.swap(environment.shared_state)
    return hidden


def take(environment: Environment, hidden: dict[str, types.ModuleType]) -> None:
    """Take an environment's modules out of force, and show again what they hid."""
    environment.shared_state = shared_state.swap(environment.outer_state)
    search = environment.search
    tops = _installed_names(search) | _compiled_packages.get(search, set())
    for name in environment.module_names:
        module = sys.modules.pop(name, None)
        if module is None:
            continue
        environment.modules[name] = module
        whole = not getattr(getattr(module, "__spec__", None), "_initializing", False)
        if whole and tops and name.partition(".")[0] in tops:
            _shared.setdefault(search, {})[name] = module
    sys.modules.update(hidden)


@lru_cache(maxsize=256)
def _top_level_names(search: tuple[str, ...]) -> frozenset[str]:
    names = set()
    for folder in search:
        for entry in _entries(folder):
            stem = entry.partition(".")[0]
            if stem.isidentifier() and (entry.endswith((".py", ".so")) or "." not in entry):
                names.add(stem)
    return frozenset(names - _TAKEN)


@lru_cache(maxsize=256)
def _installed_names(search: tuple[str, ...]) -> frozenset[str]:
    """What pip has put there, by the records that it leaves (PEP 376)."""
    names = set()
    for folder in search:
        for entry in _entries(folder):
            if not entry.endswith(".dist-info"):
                continue
            try:
                record = Path(folder, entry, "RECORD").read_text("utf-8", "replace")
            except OSError:
                continue
            for line in record.splitlines():
                top = line.partition(",")[0].partition("/")[0]
                names.add(top.partition(".")[0])
    return frozenset(names)


def _entries(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
