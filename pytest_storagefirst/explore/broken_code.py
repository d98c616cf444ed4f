"""Why a function's code works with no message at all, and what to mend: an import, a name, a
variable."""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_storagefirst.errors import EntryError, HandlerError
from pytest_storagefirst.explore import workload
from pytest_storagefirst.simulation.deployed import Deployed, Entry
from pytest_storagefirst.simulation.environment import Code
from pytest_storagefirst.simulation.identities import TOKEN
from pytest_storagefirst.simulation.playing import Played
from pytest_storagefirst.simulation.schedule import UNIQUE

NO_BODY_HELPS = "the code fails at a line that no message helps over"

# What packages are called where they are installed, if not as where they are imported.
_PACKAGES = {
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "Crypto": "pycryptodome",
    "google": "protobuf",
    "jose": "python-jose",
    "jwt": "PyJWT",
    "magic": "python-magic",
    "OpenSSL": "pyOpenSSL",
    "PIL": "pillow",
    "psycopg2": "psycopg2-binary",
    "sklearn": "scikit-learn",
    "slugify": "python-slugify",
    "yaml": "PyYAML",
}


def broken(deployed: Deployed, entry: Entry, played: Played, body: Any) -> EntryError | None:
    """The error for code that itself is wrong where the last handler failed; None where its message
    may be to blame."""
    if not played.errors:
        return None
    place, outer = played.errors[-1]
    code = deployed.code[place]
    sent = workload.as_sent(body)
    error = next((one for one in _gathered(outer) if _is_of_the_code(one, sent)), None)
    if error is None:
        return None
    at = own_line(error, code)
    remedy, expected = _remedy(error, code)
    return EntryError(
        NO_BODY_HELPS,
        where=f"{at} ({place})" if at else place,
        found=said(error),
        expected=expected or f"code that can run with what comes to {entry.name}",
        remedy=remedy or "mend that line",
    )


def _gathered(error: BaseException) -> Iterator[BaseException]:
    """An error, and what a batch processor gathered in it."""
    yield error
    for child in getattr(error, "child_exceptions", ()):
        if isinstance(child, tuple) and len(child) > 1 and isinstance(child[1], BaseException):
            yield child[1]


def _is_of_the_code(error: BaseException, sent: str) -> bool:
    """Whether an error has nothing to do with what a message says.

    A local variable without a value may be one that is set for other messages, a module one that
    the message names, and a text may be evaluated.
    """
    if isinstance(error, NameError):
        return not isinstance(error, UnboundLocalError) and not _is_of_a_text(error)
    if isinstance(error, ImportError):
        return not error.name or TOKEN.sub(UNIQUE, error.name) not in sent
    if isinstance(error, AttributeError):
        kind = type(error.obj)
        return kind is types.ModuleType or kind.__module__.partition(".")[0] in _CLIENTS
    return is_about_variables(error)


def _is_of_a_text(error: BaseException) -> bool:
    """Whether it comes from code that eval or exec was given as text."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_filename == "<string>"


_CLIENTS = ("boto3", "botocore")


def import_failure(code: Code, error: BaseException | None) -> HandlerError:
    if error is None:  # SystemExit is no error that a run keeps
        return HandlerError(
            f"the code of {code.function} ends the process while it is imported",
            where=code.function,
            found="sys.exit()",
            expected=f"a module that defines {code.handler}",
            remedy="take the call of sys.exit() out of what runs at import",
        )
    at = own_line(error, code)
    remedy, expected = _remedy(error, code)
    if not expected:
        remedy = "mend that line; at import the code sees the function's own environment variables"
        expected = f"a module that can be imported and defines {code.handler}"
    return HandlerError(
        f"the code of {code.function} can't be imported",
        where=f"{at} ({code.function})" if at else code.function,
        found=said(error),
        expected=expected,
        remedy=remedy,
    )


def _remedy(error: BaseException, code: Code) -> tuple[str, str]:
    """What to do about a package or a variable that is not there, and what it is; "" for others."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        requirements = [folder / "requirements.txt" for folder in code.search]
        found = [_shown(file) for file in requirements if file.is_file()]
        top = error.name.partition(".")[0]
        package = f"pip install {_PACKAGES.get(top, top.replace('_', '-'))}"
        remedy = f"{package}, or pip install -r {found[0]}" if found else package
        return remedy, "every package that the function imports, installed where pytest runs"
    if is_about_variables(error):
        name = error.args[0]
        remedy = f"set {name} under Environment: Variables: of {code.function} in the template"
        return remedy, f"the environment variable {name}"
    return "", ""


def is_about_variables(error: BaseException) -> bool:
    """Whether a KeyError comes from os.environ."""
    trace = error.__traceback__
    module = ""
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
    return isinstance(error, KeyError) and module == "os"


def own_line(error: BaseException, code: Code) -> str:
    """The last line of the function's own code that an error passed through, as file:line."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_shown(Path(error.filename))}:{error.lineno}"
    found = ""
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        inline = file.startswith(f"<{code.function}:")
        if inline or any(Path(file).is_relative_to(folder) for folder in code.search):
            found = f"{file if inline else _shown(Path(file))}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


def _shown(file: Path) -> str:
    here = Path.cwd()
    return file.relative_to(here).as_posix() if file.is_relative_to(here) else str(file)


def said(error: BaseException) -> str:
    """Its name, its first line and, where it speaks of others (a batch), its last."""
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    first, *more = [line.strip() for line in text.splitlines() if line.strip()] or [""]
    said = f"{type(error).__name__}: {first}" if first else type(error).__name__
    return f"{said} … {more[-1]}" if more else said
