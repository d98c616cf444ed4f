"""A Lambda execution environment: environment variables, modules of its own, one handler.

A function's module is imported once per environment and its state lives as long as that environment
does. Two environments share nothing that their own code made; two functions that both call their
module `app` don't meet. What both import from site-packages is shared, as that is too dear to
import thousands of times a minute.

Rules from the Lambda developer guide: lambda-runtime-environment, configuration-envvars,
python-handler.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import io
import logging
import os
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from pytest_storagefirst.errors import HandlerError

# The boundary stands in these; a copy of them that a build put beside the handler must not replace them.
_NEVER_FROM_CODE = frozenset(
    {"boto3", "botocore", "s3transfer", "urllib3", "requests", "httpx", "httpcore", "greenlet"}
)

# Of the tester's own environment variables a function sees only what a process needs to run.
_KEPT_VARIABLES = ("PATH", "LANG", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "PYTHONHASHSEED")


@dataclass(frozen=True)
class Code:
    """Where a function's code lies and what is called in it.

    `root` is the folder that becomes /var/task, `search` what stands on sys.path before it ends
    (the root, then each layer), `inline` the text of an InlineCode or ZipFile function. `override`
    replaces all of it by a callable that the tester named.
    """

    function: str  # logical id, for errors
    handler: str
    search: tuple[Path, ...] = ()
    inline: str | None = None
    override: Callable[..., Any] | None = None

    @property
    def root(self) -> Path | None:
        return self.search[0] if self.search else None


@lru_cache(maxsize=4096)
def _compiled(path: str, modified_ns: int) -> types.CodeType:
    source = Path(path).read_bytes()
    return compile(source, path, "exec", dont_inherit=True)


class _Loader(importlib.machinery.SourceFileLoader):
    """Compiles a file once per process, however many environments import it."""

    def get_code(self, fullname: str) -> types.CodeType:
        path = self.get_filename(fullname)
        return _compiled(path, os.stat(path).st_mtime_ns)


@lru_cache(maxsize=1024)
def _found(name: str, search: tuple[str, ...]) -> importlib.machinery.ModuleSpec | None:
    return importlib.machinery.PathFinder.find_spec(name, list(search))


class _Finder:
    """Finds the modules of the environment at work, and remembers which they are."""

    def __init__(self) -> None:
        self.environment: Environment | None = None

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        environment = self.environment
        if environment is None or name.partition(".")[0] in _NEVER_FROM_CODE:
            return None
        if path is None:
            search = environment.search
        else:
            if not any(str(entry).startswith(environment.search) for entry in path):
                return None
            search = tuple(str(entry) for entry in path)
        spec = _found(name, search)
        if spec is None:
            return None
        environment.module_names.add(name)
        if isinstance(spec.loader, importlib.machinery.SourceFileLoader) and spec.origin:
            fresh = importlib.util.spec_from_file_location(
                name,
                spec.origin,
                loader=_Loader(name, spec.origin),
                submodule_search_locations=spec.submodule_search_locations,
            )
            return fresh
        # A namespace package's search path is bound to its spec: copy it for this environment.
        return importlib.machinery.PathFinder.find_spec(name, list(search))


_finder = _Finder()


@lru_cache(maxsize=256)
def _top_level_names(search: tuple[str, ...]) -> frozenset[str]:
    names = set()
    for folder in search:
        try:
            entries = os.listdir(folder)
        except OSError:
            continue
        for entry in entries:
            stem = entry.partition(".")[0]
            if stem.isidentifier() and (entry.endswith(".py") or "." not in entry):
                names.add(stem)
    return frozenset(names - _NEVER_FROM_CODE - sys.stdlib_module_names - {"pytest_storagefirst"})


@dataclass(eq=False)
class Environment:
    """One execution environment. `ordinal` counts a function's environments within a run."""

    code: Code
    variables: dict[bytes, bytes]  # as os.environ keeps them
    ordinal: int
    alive: bool = True
    busy: bool = False
    handler: Callable[..., Any] | None = None
    modules: dict[str, types.ModuleType] = field(default_factory=dict)
    module_names: set[str] = field(default_factory=set)
    sessions_made: int = 0
    clients_made: int = 0
    making_client: bool = False
    search: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.search = tuple(str(folder) for folder in self.code.search)

    def initialise(self) -> None:
        """Import the handler's module and look the handler up. Runs inside the environment.

        Raises HandlerError when module or function are not there; whatever the module's own code
        raises while being imported passes through.
        """
        if self.code.override is not None:
            self.handler = self.code.override
            return
        module_name, _, function_name = self.code.handler.rpartition(".")
        module_name = module_name.replace("/", ".")
        if self.code.inline is not None:
            module = types.ModuleType(module_name or "index")
            filename = f"<{self.code.function}: inline code>"
            exec(compile(self.code.inline, filename, "exec", dont_inherit=True), module.__dict__)
        else:
            module = self._import(module_name)
        try:
            self.handler = getattr(module, function_name)
        except AttributeError:
            callables = sorted(
                name
                for name, value in vars(module).items()
                if isinstance(value, types.FunctionType) and not name.startswith("_")
            )
            raise HandlerError(
                f"module {module_name!r} has no function {function_name!r}",
                where=self.code.function,
                found=", ".join(callables) or "no function at all",
                expected=f"Handler: {self.code.handler}",
                remedy="name one of the functions found in the template's Handler",
            ) from None

    def _import(self, module_name: str) -> types.ModuleType:
        try:
            return importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name and module_name.split(".")[0] == error.name.split(".")[0]:
                raise HandlerError(
                    f"the handler's module {module_name!r} is not there",
                    where=self.code.function,
                    found=f"no {module_name.replace('.', '/')}.py in {self.code.root}",
                    expected=f"Handler: {self.code.handler}",
                    remedy="check CodeUri and Handler in the template, or name another handler "
                    f"under [functions.{self.code.function}] in storagefirst.toml",
                ) from None
            raise


def variables_of(
    name: str,
    region: str,
    memory_megabytes: int,
    handler: str,
    root: Path | None,
    own: Mapping[str, str],
) -> dict[str, str]:
    """The environment variables that Lambda defines, and the function's own (configuration-envvars)."""
    kept = {key: os.environ[key] for key in _KEPT_VARIABLES if key in os.environ}
    return {
        **kept,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_megabytes),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]0",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info[0]}.{sys.version_info[1]}",
        "AWS_ACCESS_KEY_ID": "AKIASTOREFIRSTSIMUL",
        "AWS_SECRET_ACCESS_KEY": "simulated",
        "AWS_SESSION_TOKEN": "simulated",
        "AWS_EC2_METADATA_DISABLED": "true",
        "LAMBDA_TASK_ROOT": str(root or "/var/task"),
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "_HANDLER": handler,
        "TZ": ":UTC",
        **own,
    }


class _Sink(io.TextIOBase):
    """Takes what handlers print. Bounded, so that a thousand runs don't fill the memory."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, text: str) -> int:
        if len(self.lines) < 200:
            self.lines.append(text[:2000])
        return len(text)

    def writable(self) -> bool:
        return True


class Stage:
    """Puts one environment at a time in force in this process, and the tester's own back at the end."""

    def __init__(self) -> None:
        self.printed = _Sink()
        self._current: Environment | None = None
        self._outer: dict[str, Any] | None = None
        self._hidden: dict[str, types.ModuleType] = {}

    def enter(self, environment: Environment) -> None:
        if self._current is environment:
            return
        if self._outer is None:
            self._save()
        if self._current is not None:
            self._take_modules(self._current)
        self._current = environment
        _finder.environment = environment
        self._show_modules(environment)
        os.environ._data = environment.variables  # type: ignore[attr-defined]
        os.environb._data = environment.variables  # type: ignore[attr-defined]
        if self._outer is not None:
            sys.path[:] = [*environment.search, *self._outer["path"]]
        if environment.search:
            try:
                os.chdir(environment.search[0])
            except OSError:
                pass

    def leave(self) -> None:
        """Give the process back as it was."""
        if self._outer is None:
            return
        if self._current is not None:
            self._take_modules(self._current)
            self._current = None
        outer, self._outer = self._outer, None
        _finder.environment = None
        sys.meta_path.remove(_finder)  # type: ignore[arg-type]
        sys.modules.update(self._hidden)
        self._hidden = {}
        os.environ._data = outer["variables"]  # type: ignore[attr-defined]
        os.environb._data = outer["variables"]  # type: ignore[attr-defined]
        sys.path[:] = outer["path"]
        sys.stdout, sys.stderr = outer["stdout"], outer["stderr"]
        os.chdir(outer["folder"])
        root = logging.getLogger()
        root.handlers[:] = outer["log_handlers"]
        if root.level != outer["log_level"]:
            root.setLevel(outer["log_level"])
        sys.dont_write_bytecode = outer["no_bytecode"]

    def _save(self) -> None:
        root = logging.getLogger()
        self._outer = {
            "variables": os.environ._data,  # type: ignore[attr-defined]
            "path": list(sys.path),
            "stdout": sys.stdout,
            "stderr": sys.stderr,
            "folder": os.getcwd(),
            "log_handlers": list(root.handlers),
            "log_level": root.level,
            "no_bytecode": sys.dont_write_bytecode,
        }
        sys.meta_path.insert(0, _finder)  # type: ignore[arg-type]
        sys.stdout = sys.stderr = self.printed  # type: ignore[assignment]
        # Lambda's runtime has put a handler on the root logger before the module is imported.
        root.handlers[:] = [logging.NullHandler()]
        if root.level != logging.WARNING:
            root.setLevel(logging.WARNING)
        sys.dont_write_bytecode = True

    def _take_modules(self, environment: Environment) -> None:
        for name in environment.module_names:
            module = sys.modules.pop(name, None)
            if module is not None:
                environment.modules[name] = module

    def _show_modules(self, environment: Environment) -> None:
        own = _top_level_names(environment.search)
        hidden = [
            name for name in own if name in sys.modules and name not in environment.module_names
        ]
        for name in hidden:
            prefix = name + "."
            for loaded in [name, *(other for other in sys.modules if other.startswith(prefix))]:
                self._hidden[loaded] = sys.modules.pop(loaded)
        sys.modules.update(environment.modules)
