"""report.json read back, checked field by field: it may come from anywhere."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pytest_storagefirst.errors import ReportError
from pytest_storagefirst.explore.coverage import (
    BROKE,
    HELD,
    NEVER_FIRED,
    NOT_TRIED,
    Cell,
    Coverage,
)
from pytest_storagefirst.explore.outcome import Outcome
from pytest_storagefirst.explore.result import PropertyResult, StackResult
from pytest_storagefirst.ledger.verdict import NOT_APPLICABLE, OK, UNKNOWN, VIOLATED
from pytest_storagefirst.report.json import VERSION

_VERDICTS = (OK, VIOLATED, UNKNOWN, NOT_APPLICABLE)
_OUTCOMES = (HELD, BROKE, NEVER_FIRED, NOT_TRIED)
_WRITES_ONE = "pytest -p storagefirst template.yaml --storagefirst-report=DIR"
_AGAIN = f"run it again; it writes the file anew: {_WRITES_ONE}"


@dataclass(frozen=True)
class ReadStack:
    """One stack of a report. `outcome.replays` are paths from here; `plugin` is a version."""

    file: Path
    template: str
    plugin: str
    shard: tuple[int, int]
    properties: tuple[str, ...]
    outcome: Outcome


def read_report(file: Path) -> tuple[ReadStack, ...]:
    """The stacks of a report.json.

    Raises ReportError for a file that is missing, unreadable, foreign, damaged, from a newer
    version, or without any stack.
    """
    document = _document(file)
    if not isinstance(document, dict) or not {"version", "stacks"} <= document.keys():
        named = ", ".join(map(str, document)) if isinstance(document, dict) else ""
        raise ReportError(
            "this is no report of pytest-storagefirst",
            where=str(file),
            found=(named or type(document).__name__)[:100],
            expected='a report.json, {"version": 1, "stacks": […]}',
            remedy=_WRITES_ONE,
        )
    if document["version"] != VERSION or isinstance(document["version"], bool):
        raise ReportError(
            "the report is from another version",
            where=str(file),
            found=f"version {document['version']!r}"[:100],
            expected=f"version {VERSION}",
            remedy="use the version of pytest-storagefirst that wrote it, or run it again",
        )
    try:
        stacks = tuple(_stack(stack, file) for stack in _list(document["stacks"]))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        told = f"no {error}" if isinstance(error, LookupError) else str(error)
        raise ReportError(
            "the report is damaged",
            where=str(file),
            found=told[:200],
            expected="a whole report.json, as a run wrote it",
            remedy=_AGAIN,
        ) from None
    if not stacks:
        raise ReportError(
            "the report holds no stack: its run judged nothing",
            where=str(file),
            found='"stacks": []',
            expected="a stack or more",
            remedy=f"name a template in that run: {_WRITES_ONE}",
        )
    return stacks


def _document(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        found = "a folder" if file.is_dir() else error.strerror or str(error)
        remedy = f"write {file / 'report.json'}" if (file / "report.json").is_file() else ""
        raise ReportError(
            "the report can't be read",
            where=str(file),
            found=found,
            expected="a report.json",
            remedy=remedy or f"{_WRITES_ONE} writes one",
        ) from None
    except (ValueError, RecursionError) as error:
        raise ReportError(
            "the report is no JSON",
            where=str(file),
            found=str(error)[:200],
            expected="a report.json",
            remedy=_AGAIN,
        ) from None


def _stack(value: Any, file: Path) -> ReadStack:
    stack = _mapping(value)
    properties = tuple(_property(one, file) for one in _list(stack["properties"]))
    if not properties:
        raise ValueError("a stack without properties")
    template, refused = _text(stack["template"]), stack.get("refused")
    shard = _shard(stack.get("shard", [1, 1]))
    if refused is not None:
        outcome = Outcome(refusal=_text(refused))
    else:
        seconds = stack.get("seconds", 0.0)
        if not isinstance(seconds, int | float) or not math.isfinite(seconds):
            raise ValueError(f"seconds {seconds!r}")
        result = StackResult(
            template=template,
            properties=properties,
            notes=_texts(stack.get("notes", [])),
            inert=_texts(stack.get("inert", [])),
            seconds=float(seconds),
            coverage=_coverage(_mapping(stack.get("coverage") or {})),
            shard=shard,
            interrupted=stack.get("interrupted", False) is True,
        )
        outcome = Outcome(result=result, replays=_replays(stack["properties"], file))
    names = tuple(one.name for one in properties)
    return ReadStack(file, template, _text(stack.get("plugin", "")), shard, names, outcome)


def _property(value: Any, file: Path) -> PropertyResult:
    one = _mapping(value)
    verdict = _text(one["verdict"])
    if verdict not in _VERDICTS:
        raise ValueError(f"the verdict {verdict!r}; there are {', '.join(_VERDICTS)}")
    witness = one.get("witness")
    return PropertyResult(
        name=_text(one["name"]),
        verdict=verdict,
        why=_text(one.get("why", "")),
        runs=_count(one["runs"]),
        faults_tried=_count(one["faults_tried"]),
        lost=_texts(one["lost"]),
        story=_texts(one["story"]),
        witness=None if witness is None else _witness(file.parent / _text(witness)),
        transitions=tuple(
            (float(change["at"]), _text(change["from"]), _text(change["to"]))
            for change in map(_mapping, one.get("transitions", []))
        ),
        calls=tuple(
            (_text(call["downstream"]), _count(call["second"]), _count(call["calls"]))
            for call in map(_mapping, one.get("calls", []))
        ),
    )


def _witness(file: Path) -> dict[str, Any] | None:
    """The replay document, where the file came along with the report."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _replays(properties: Any, file: Path) -> dict[str, str]:
    return {
        _text(one["name"]): str(file.parent / _text(one["witness"]))
        for one in properties
        if one.get("witness") is not None
    }


def _coverage(value: Mapping[str, Any]) -> Coverage:
    """What is a field of `Coverage`; what the report adds is worked out again when it's written."""
    known = {field.name for field in fields(Coverage)} - {"cells", "sometimes"}
    cells = [_mapping(cell) for cell in _list(value.get("cells", []))]
    return Coverage(
        cells=tuple(
            Cell(_text(cell["site"]), _text(cell["fault"]), _outcome(cell["outcome"]))
            for cell in cells
        ),
        sometimes={
            _text(fact): _count(runs) for fact, runs in _mapping(value.get("sometimes", {})).items()
        },
        **{name: _count(value[name]) for name in known & value.keys()},
    )


def _outcome(value: Any) -> str:
    if value not in _OUTCOMES:
        raise ValueError(f"the outcome {_shown(value)}; there are {', '.join(_OUTCOMES)}")
    return str(value)


def _shard(value: Any) -> tuple[int, int]:
    part, parts = map(_count, _list(value))
    if not 1 <= part <= parts:
        raise ValueError(f"shard {part}/{parts}")
    return part, parts


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{_shown(value)} in place of a list")
    return value


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{_shown(value)} in place of an object")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{_shown(value)} in place of a text")
    value.encode()  # a lone surrogate is a UnicodeEncodeError, a ValueError
    return value


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(_text, _list(value)))


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"{_shown(value)} in place of a count")
    return value


def _shown(value: Any) -> str:
    return repr(value)[:60]
