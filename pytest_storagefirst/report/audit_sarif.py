"""Findings as SARIF 2.1.0, for code scanning.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

from pytest_storagefirst.audit.catalogue import rules
from pytest_storagefirst.audit.rule import Rule
from pytest_storagefirst.audit.told import Audited, Told
from pytest_storagefirst.audit.witness import Shown
from pytest_storagefirst.report.audit_json import Replays

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
FINGERPRINT = "storagefirst/v1"


def audit_sarif(audited: Sequence[Audited], replays: Replays) -> str:
    """One run of the tool. What no run shows has the level "note", whatever its severity."""
    index = {name: number for number, name in enumerate(rules())}
    seen: Counter[str] = Counter()
    results = []
    for one in audited:
        for told in one.told:
            key = f"{one.name}|{told.finding.rule.id}|{told.finding.resource}"
            seen[key] += 1
            print_of = hashlib.sha256(f"{key}|{seen[key]}".encode()).hexdigest()
            results.append(_result(one.name, told, index, print_of, replays))
    refused = [one for one in audited if one.refused]
    value = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "pytest-storagefirst",
                        "semanticVersion": _semantic(version("pytest-storagefirst")),
                        "rules": [_rule(rule) for rule in rules().values()],
                    }
                },
                "invocations": [
                    {
                        "executionSuccessful": not refused,
                        "toolExecutionNotifications": [
                            {
                                "level": "error",
                                "message": {"text": one.refused},
                                "locations": [_location(one.name, 1, 1)],
                            }
                            for one in refused
                        ],
                    }
                ],
                "results": results,
            }
        ],
    }
    return json.dumps(value, indent=2, ensure_ascii=False)


def _semantic(told: str) -> str:
    """A version of Python's as one of semver: 0.1.0.dev0 is 0.1.0-dev0."""
    parts = told.split(".")
    return ".".join(parts[:3]) + (f"-{'.'.join(parts[3:])}" if parts[3:] else "")


def _rule(rule: Rule) -> dict[str, Any]:
    remedy = "\n".join(rule.remedy)
    return {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in rule.id.split("-")),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": f"{rule.title}: {rule.harm}. Looked for: {rule.looks_for}."},
        "help": {"text": remedy, "markdown": f"```yaml\n{remedy}\n```"},
        "helpUri": rule.page,
        "defaultConfiguration": {"level": rule.severity},
    }


def _result(
    name: str, told: Told, index: dict[str, int], fingerprint: str, replays: Replays
) -> dict[str, Any]:
    finding, shown = told.finding, told.shown
    said = finding.message
    if isinstance(shown, Shown):
        said += "\n" + "\n".join((f"{shown.property_name}: {shown.why}", *shown.story))
        level = finding.rule.severity
    else:
        said += f"\nAdvice: {finding.rule.harm}; not shown by a run: {shown.why}"
        level = "note"
    result: dict[str, Any] = {
        "ruleId": finding.rule.id,
        "ruleIndex": index[finding.rule.id],
        "level": level,
        "message": {"text": said},
        "locations": [_location(name, finding.line, finding.column, finding.resource)],
        "partialFingerprints": {FINGERPRINT: fingerprint},
    }
    if id(told) in replays:
        result["properties"] = {"witness": replays[id(told)]}
    if finding.suppressed:
        result["suppressions"] = [
            {"kind": "inSource", "status": "accepted", "justification": finding.suppressed}
        ]
    return result


def _location(name: str, line: int, column: int, resource: str = "") -> dict[str, Any]:
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(name.replace("\\", "/"))},
            "region": {"startLine": line, "startColumn": column},
        }
    }
    if resource:
        location["logicalLocations"] = [{"name": resource, "kind": "resource"}]
    return location
