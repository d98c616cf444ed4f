"""`storagefirst survey DIR`: every template in a folder, each explored in a process of its own.

So one that ends its process, or never ends, says nothing about the others. Run as a module it is
that process: the template's path as argument, the finding as JSON on standard output.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pytest_storagefirst.settings import Settings

SUFFIXES = (".yaml", ".yml", ".json", ".template")
# A template says what it is: one of these words stands in it.
MARKS = ("AWSTemplateFormatVersion", "AWS::")
PATIENCE_SECONDS = 240.0  # beyond the budget: standing up, single faults, orders
_SKIPPED = frozenset({"node_modules", "__pycache__", "cdk.out", ".aws-sam"})

Finding = dict[str, Any]


def templates_in(folder: Path) -> list[Path]:
    """The files in a folder and below that look like SAM or CloudFormation templates, sorted."""
    found = []
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if f not in _SKIPPED and not f.startswith("."))
        found += [Path(root, name) for name in files if name.endswith(SUFFIXES)]
    return [path for path in sorted(found) if looks_like_template(path)]


def looks_like_template(path: Path) -> bool:
    """Whether a file says of itself that it is a SAM or CloudFormation template."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return False
    return "Resources" in text and any(mark in text for mark in MARKS)


def survey(folder: Path, *, budget_seconds: float, processes: int = 0) -> Iterator[Finding]:
    """What each template of a folder comes to, in their order.

    A finding is {"template", "stands_up", "refused", "notes", "seconds", "properties"}: `refused`
    is the reason why nothing was judged, else None. What a parameter lacks is invented, and noted.
    """
    paths = templates_in(folder)
    with ThreadPoolExecutor(processes or len(os.sched_getaffinity(0))) as pool:
        yield from pool.map(lambda path: _surveyed(path, folder, budget_seconds), paths)


def _surveyed(path: Path, folder: Path, budget_seconds: float) -> Finding:
    name = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
    command = [sys.executable, "-m", __name__, str(path.resolve()), str(budget_seconds)]
    patience = budget_seconds + PATIENCE_SECONDS
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=patience
        )
        finding: Finding = json.loads(done.stdout.strip().rpartition("\n")[2])
    except subprocess.TimeoutExpired:
        finding = _nothing(f"it did not come to an end within {patience:g} s")
    except ValueError:
        last = done.stderr.strip().rpartition("\n")[2]
        finding = _nothing(f"its process ended with {done.returncode}: {last}")
    return {"template": name, **finding}


def _nothing(refused: str, *, stands_up: bool = False, **more: Any) -> Finding:
    return {"stands_up": stands_up, "refused": refused, "notes": [], "properties": [], **more}


def explored(path: Path, budget_seconds: float) -> Finding:
    """What one template comes to, in this process."""
    from dataclasses import replace

    from pytest_storagefirst.errors import StorageFirstError, TemplateError
    from pytest_storagefirst.explore.exploration import explore
    from pytest_storagefirst.explore.prepare import prepare
    from pytest_storagefirst.report.json import property_as_json
    from pytest_storagefirst.settings_file import load_settings
    from pytest_storagefirst.stack.document import read_document
    from pytest_storagefirst.stack.parameters import invented_parameters

    stands_up = False
    try:
        settings = load_settings(path, Settings(budget_seconds=budget_seconds))
        invented = invented_parameters(read_document(path), settings.parameters)
        settings = replace(settings, parameters={**settings.parameters, **invented})
        try:
            prepared = prepare(path, settings)
        except TemplateError:
            raise
        except StorageFirstError:
            stands_up = True
            raise
        stands_up = True
        result = explore(path, settings, prepared=prepared)
    except StorageFirstError as error:
        return _nothing(str(error), stands_up=stands_up)
    except Exception as error:
        return _nothing(f"internal error: {type(error).__name__}: {error}", stands_up=stands_up)
    notes = [f"parameter {name} has no value: '{text}' is used" for name, text in invented.items()]
    return {
        "stands_up": True,
        "refused": None,
        "notes": [*notes, *result.notes],
        "seconds": result.seconds,
        "properties": [property_as_json(one) for one in result.properties],
    }


if __name__ == "__main__":
    print(json.dumps(explored(Path(sys.argv[1]), float(sys.argv[2]))))
