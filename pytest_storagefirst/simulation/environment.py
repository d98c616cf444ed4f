"""A Lambda execution environment: environment variables, modules of its own, one handler.

A function's module is imported once per environment and its state lives as long as that environment
does. Two environments share nothing that their own code made; two functions that both call their
module `app` don't meet. What both import from site-packages is shared, as that is too dear to
import thousands of times a minute; what it keeps in its globals is not (`shared_state`).

Rules from the Lambda developer guide: lambda-runtime-environment, configuration-envvars,
python-handler.
"""

from __future__ import annotations

import contextvars
import importlib
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from pytest_storagefirst.errors import HandlerError
from pytest_storagefirst.simulation import modules

_NOBODYS_HOME = "/nonexistent"  # Lambda's user has a home without a folder, too


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


@lru_cache(maxsize=256)
def _compiled_inline(text: str, filename: str) -> types.CodeType:
    return compile(text, filename, "exec", dont_inherit=True)


@dataclass(eq=False)
class Environment:
    """One execution environment. `ordinal` counts a function's environments within a run."""

    code: Code
    variables: dict[bytes, bytes]  # as os.environ keeps them
    ordinal: int
    alive: bool = True
    busy: bool = False
    retired: bool = False  # by a deployment: it ends with what it is at
    tenant: str = ""  # whom alone it serves, where its function isolates tenants
    handler: Callable[..., Any] | None = None
    modules: dict[str, types.ModuleType] = field(default_factory=dict)
    module_names: set[str] = field(default_factory=set)
    making_client: bool = False
    loans: list[Any] = field(default_factory=list)  # boto3 clients, see clients.py
    search: tuple[str, ...] = ()
    # What of the process is this environment's own while it is at work; see `stage`.
    path: list[str] | None = None
    folder: str = ""
    logging: list[Any] = field(default_factory=list)
    default_session: Any = None
    context: contextvars.Context = field(default_factory=contextvars.Context)
    shared_state: dict[int, Any] = field(default_factory=dict)  # in libraries that all share
    outer_state: dict[int, Any] = field(default_factory=dict)  # there, while this one is at work

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
        module_name = module_name or "index"
        if self.code.inline is not None:
            module = self._inline(module_name, self.code.inline)
        else:
            module = self._import(module_name)
        modules.adopt(self)
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

    def _inline(self, module_name: str, text: str) -> types.ModuleType:
        module = types.ModuleType(module_name)
        module.__file__ = filename = f"<{self.code.function}: inline code>"
        module.__loader__ = modules.Loader(module_name, filename)
        self.module_names.add(module_name)
        sys.modules[module_name] = module
        exec(_compiled_inline(text, filename), module.__dict__)
        return module

    def _import(self, module_name: str) -> types.ModuleType:
        try:
            return modules.imported(module_name) or importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name and f"{module_name}.".startswith(f"{error.name}."):
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
    """Lambda's environment variables and the function's own (configuration-envvars).

    None is the tester's, so that a run is the same on every machine; and botocore finds no
    configuration or credentials of theirs.
    """
    return {
        "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin",
        "LANG": "en_US.UTF-8",
        "HOME": _NOBODYS_HOME,
        "AWS_CONFIG_FILE": f"{_NOBODYS_HOME}/.aws/config",
        "AWS_SHARED_CREDENTIALS_FILE": f"{_NOBODYS_HOME}/.aws/credentials",
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
