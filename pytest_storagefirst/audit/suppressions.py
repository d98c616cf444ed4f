"""Findings that the user has looked at and keeps, each with a reason, in the template's Metadata.

Metadata: { StorageFirst: { suppress: [{ rule: no-dlq, reason: "…" }] } }
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_storagefirst.audit.catalogue import rules
from pytest_storagefirst.audit.origins import Origins
from pytest_storagefirst.audit.positions import Positions, Steps
from pytest_storagefirst.audit.rule import PREFIX
from pytest_storagefirst.errors import TemplateError
from pytest_storagefirst.settings import nearest

KEY = "StorageFirst"
_SHAPE = 'suppress: [{ rule: no-dlq, reason: "…" }]'

Suppressions = Mapping[tuple[str, str], str]  # (resource, rule) -> reason


def suppressions(path: Path, origins: Origins, positions: Positions) -> Suppressions:
    """What is suppressed. Raises TemplateError, with file and line, for what says no such thing."""
    found: dict[tuple[str, str], str] = {}
    for resource, metadata in origins.metadata().items():
        if not isinstance(metadata, Mapping) or KEY not in metadata:
            continue
        steps: Steps = ("Resources", resource, "Metadata", KEY)

        def refuse(
            problem: str, at: Steps, value: Any, expected: str, remedy: str = ""
        ) -> TemplateError:
            line, _ = positions.of(at)
            where = f"{path}:{line} ({at[1]})"
            shown = repr(value)[:100]
            return TemplateError(
                problem, where=where, found=shown, expected=expected, remedy=remedy
            )

        given = metadata[KEY]
        if not isinstance(given, Mapping) or set(given) != {"suppress"}:
            raise refuse("Metadata.StorageFirst says nothing that is known", steps, given, _SHAPE)
        steps = (*steps, "suppress")
        if not isinstance(given["suppress"], list):
            raise refuse("suppress is no list", steps, given["suppress"], _SHAPE)
        for index, one in enumerate(given["suppress"]):
            at = (*steps, index)
            if not isinstance(one, Mapping) or not set(one) <= {"rule", "reason"}:
                raise refuse("this suppresses nothing", at, one, '{ rule: …, reason: "…" }')
            rule = str(one.get("rule", "")).removeprefix(PREFIX)
            if rule not in rules():
                raise refuse(
                    "no such rule",
                    (*at, "rule"),
                    one.get("rule"),
                    "one of " + ", ".join(rules()),
                    nearest(rule, tuple(rules())),
                )
            reason = one.get("reason")
            if not isinstance(reason, str) or not reason.strip():
                raise refuse(
                    f"{rule} is suppressed without a reason",
                    at,
                    one,
                    'reason: "why this is as it should be"',
                    f'write {{ rule: {rule}, reason: "…" }}',
                )
            found[resource, rule] = " ".join(reason.split())
    return found
