"""What a survey and an audit came to, cut down to what the page tells: results.json."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from evidence.laying import listed

RESULTS = Path(__file__).parent / "results.json"
SHOWN = ("moto", "boto3", "hypothesis")  # what verdicts may hang on, beside ourselves


def taken(survey: Path, audit: Path, corpus: Path) -> dict[str, Any]:
    """The results for the listed templates, of `survey.json` and `audit.json`.

    Raises SystemExit where one of them was not surveyed.
    """
    surveyed = _by_name(_templates(survey), "template")
    audited = _by_name(_templates(audit), "template", below=corpus)
    names = [one.template for one in listed()]
    if missing := [name for name in names if name not in surveyed or name not in audited]:
        raise SystemExit(f"not surveyed: {', '.join(missing)}: lay the templates down anew")
    return {
        "with": {
            "python": ".".join(map(str, sys.version_info[:2])),
            **{name: version(name) for name in SHOWN},
        },
        "templates": {
            name: _cut(surveyed[name], audited[name]["examined"] or {}, corpus) for name in names
        },
    }


def _templates(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["templates"]
    return found


def _by_name(
    templates: Iterable[dict[str, Any]], key: str, below: Path | None = None
) -> dict[str, dict[str, Any]]:
    """By the place in the folder that was surveyed."""
    prefix = f"{below.as_posix()}/" if below is not None else ""
    return {one[key].removeprefix(prefix): one for one in templates}


def _cut(one: Mapping[str, Any], examined: Mapping[str, int], corpus: Path) -> dict[str, Any]:
    refused = one["refused"]
    return {
        "stands_up": one["stands_up"],
        "refused": refused.replace(f"{corpus.resolve().as_posix()}/", "") if refused else None,
        "properties": {
            each["name"]: {"verdict": each["verdict"], "why": each["why"]}
            for each in one["properties"]
            if ":" not in each["name"]  # an audit's: told as findings
        },
        "findings": [
            {
                "rule": each["rule"],
                "resource": each["resource"],
                "line": each["line"],
                "witness": bool(each["witness"]),
            }
            for each in one["findings"]
        ],
        "examined": {rule: count for rule, count in sorted(examined.items()) if count},
    }
