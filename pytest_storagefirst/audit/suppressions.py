"""Findings that the user has looked at and keeps, each with a reason, in the template's Metadata.

Metadata: { StorageFirst: { suppress: [{ rule: no-dlq, reason: "…" }] } }
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
    """What is suppressed.

    Raises TemplateError for what says no such thing: with its line, or of several a line for each.
    """
    found: dict[tuple[str, str], str] = {}
    errors: list[TemplateError] = []
    for resource, metadata in origins.metadata().items():
        if not isinstance(metadata, Mapping) or KEY not in metadata:
            continue
        steps: Steps = ("Resources", resource, "Metadata", KEY)
        given = metadata[KEY]
        for one in _suppressed(Refusing(path, positions), steps, given):
            if isinstance(one, TemplateError):
                errors.append(one)
            else:
                rule, reason = one
                found[resource, rule] = reason
    if len(errors) > 1:
        raise TemplateError(
            f"{len(errors)} suppressions can't be taken",
            where=str(path),
            found="\n            ".join(error.line for error in errors),
            expected=_SHAPE,
        )
    if errors:
        raise errors[0]
    return found


@dataclass(frozen=True)
class Refusing:
    """Makes the error of what stands at a place in the template."""

    path: Path
    positions: Positions

    def __call__(
        self, problem: str, at: Steps, value: Any, expected: str, remedy: str = ""
    ) -> TemplateError:
        line, _ = self.positions.of(at)
        where = f"{self.path}:{line} ({at[1]})"
        return TemplateError(
            problem, where=where, found=repr(value)[:100], expected=expected, remedy=remedy
        )


def _suppressed(
    refuse: Refusing, steps: Steps, given: Any
) -> Iterator[tuple[str, str] | TemplateError]:
    """(rule, reason) of each suppression of one resource, or what is wrong with it."""
    if not isinstance(given, Mapping) or set(given) != {"suppress"}:
        yield refuse("Metadata.StorageFirst says nothing that is known", steps, given, _SHAPE)
        return
    steps = (*steps, "suppress")
    if not isinstance(given["suppress"], list):
        yield refuse("suppress is no list", steps, given["suppress"], _SHAPE)
        return
    for index, one in enumerate(given["suppress"]):
        at = (*steps, index)
        if not isinstance(one, Mapping) or not set(one) <= {"rule", "reason"}:
            yield refuse("this suppresses nothing", at, one, '{ rule: …, reason: "…" }')
            continue
        rule = str(one.get("rule", "")).removeprefix(PREFIX)
        reason = one.get("reason")
        if rule not in rules():
            known = tuple(rules())
            expected = "one of " + ", ".join(known)
            near = nearest(rule, known)
            yield refuse("no such rule", (*at, "rule"), one.get("rule"), expected, near)
        elif not isinstance(reason, str) or not reason.strip():
            yield refuse(
                f"{rule} is suppressed without a reason",
                at,
                one,
                'reason: "why this is as it should be"',
                f'write {{ rule: {rule}, reason: "…" }}',
            )
        else:
            yield rule, " ".join(reason.split())
