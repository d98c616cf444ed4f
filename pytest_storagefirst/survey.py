"""`storagefirst survey DIR`: every template in a folder, each explored in a process of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_storagefirst.apart import NoAnswer, apart, for_each
from pytest_storagefirst.cloud_assembly import ASSEMBLY_SUFFIX, is_cloud_assembly
from pytest_storagefirst.errors import StorageFirstError, TemplateError
from pytest_storagefirst.settings import Settings

SUFFIXES = (".yaml", ".yml", ".json", ".template")
# A template says what it is: one of these words stands in it.
MARKS = ("AWSTemplateFormatVersion", "AWS::")
AUDIT_SECONDS = 10.0  # at least, of each template
_SKIPPED = frozenset({"node_modules", "__pycache__", "cdk.out", ".aws-sam"})

Finding = dict[str, Any]


def templates_in(folder: Path) -> list[Path]:
    """The files in a folder and below that look like SAM or CloudFormation templates, sorted.

    Of a cloud assembly only what it calls its templates: the rest are copies of an app's files.
    """
    found: list[Path] = []
    for root, folders, files in os.walk(folder):
        written = is_cloud_assembly(Path(root))
        folders[:] = sorted(f for f in folders if _is_entered(Path(root, f), written=written))
        suffixes = (ASSEMBLY_SUFFIX,) if written else SUFFIXES
        found += [Path(root, name) for name in files if name.endswith(suffixes)]
    return [path for path in sorted(found) if looks_like_template(path)]


def templates_asked_for(folder: Path) -> list[Path]:
    """`templates_in` a folder. Raises TemplateError where there is none: nothing would be judged,
    and a run that judges nothing must not look like one that found nothing."""
    found = templates_in(folder)
    if not found:
        raise TemplateError(
            "no template is in this folder or below it",
            where=str(folder),
            expected="a SAM or CloudFormation template, or what `cdk synth` wrote",
        )
    return found


def _is_entered(folder: Path, *, written: bool) -> bool:
    if is_cloud_assembly(folder):
        return True
    return not written and folder.name not in _SKIPPED and not folder.name.startswith(".")


def looks_like_template(path: Path) -> bool:
    """Whether a file says of itself that it is a SAM or CloudFormation template."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return False
    return "Resources" in text and any(mark in text for mark in MARKS)


def survey(
    folder: Path, *, budget_seconds: float, report: Path | None = None, processes: int = 0
) -> Iterator[Finding]:
    """What each template of a folder comes to, in their order. Raises TemplateError if it has none.

    A finding is a stack of report.json with "stands_up" and "findings" beside: `refused` is the
    reason why nothing was judged, else None; `findings` are those of the audit, each with a
    `witness`, which is what a replay file holds, or with `advice`. What a parameter lacks is
    invented, and noted. Replay files are written into `report`, if given.
    """
    yield from for_each(
        templates_asked_for(folder),
        lambda path: _surveyed(path, folder, budget_seconds, report),
        processes,
    )


def _surveyed(path: Path, folder: Path, budget_seconds: float, report: Path | None) -> Finding:
    name = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
    into = report.resolve() if report is not None else None
    try:
        finding = apart(
            explored, path.resolve(), name, budget_seconds, into, budget_seconds=budget_seconds
        )
    except NoAnswer as why:
        finding = _nothing(str(why))
    return {"template": name, **finding}


def _nothing(refused: str, *, stands_up: bool = False, **more: Any) -> Finding:
    return {
        "stands_up": stands_up,
        "refused": refused,
        "notes": [],
        "properties": [],
        "findings": [],
        **more,
    }


def explored(path: Path, name: str, budget_seconds: float, report: Path | None) -> Finding:
    """What one template comes to, in this process."""
    from dataclasses import replace

    from pytest_storagefirst.explore.exploration import explore
    from pytest_storagefirst.explore.outcome import Outcome, write_replays
    from pytest_storagefirst.explore.prepare import prepare
    from pytest_storagefirst.report.json import stack_as_json
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
        found = _audited(path, name, budget_seconds, report)
        return _nothing(str(error), stands_up=stands_up, findings=found)
    except Exception as error:
        return _nothing(f"internal error: {type(error).__name__}: {error}", stands_up=stands_up)
    notes = [f"parameter {name} has no value: '{text}' is used" for name, text in invented.items()]
    properties = tuple(
        replace(one, witness={**one.witness, "parameters": invented})
        if one.witness is not None and invented
        else one
        for one in result.properties
    )
    result = replace(result, template=name, notes=(*notes, *result.notes), properties=properties)
    replays = write_replays(result, report / "replays") if report is not None else {}
    outcome = Outcome(result=result, replays=replays)
    stack = stack_as_json(name, outcome, (), report or Path.cwd())
    return {"stands_up": True, **stack, "findings": _audited(path, name, budget_seconds, report)}


def _audited(path: Path, name: str, budget_seconds: float, report: Path | None) -> list[Finding]:
    """The findings of a template; none where it can't be read, which is said elsewhere."""
    from pytest_storagefirst.audit.run import audit_file
    from pytest_storagefirst.audit.told import with_witness
    from pytest_storagefirst.explore.outcome import slug_of, write_replay

    seconds = max(budget_seconds, AUDIT_SECONDS)
    audited = audit_file(path, path.name, Settings(), seconds)
    found = [with_witness(told, path.name) for told in audited.told]
    for number, one in enumerate(found, start=1):
        if report is not None and one["witness"]:
            file = f"{slug_of(name)}-{one['rule']}-{one['resource']}-{number}.json"
            write_replay(report / "replays" / file, one["witness"])
    return found
