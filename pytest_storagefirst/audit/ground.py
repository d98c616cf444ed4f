"""The stack that a template's witnesses are run on, as it is and with a remedy applied."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from pytest_storagefirst.audit.positions import Steps
from pytest_storagefirst.errors import HandlerError
from pytest_storagefirst.explore.bodies import describe_entries
from pytest_storagefirst.explore.judge import Judge
from pytest_storagefirst.explore.prepare import Prepared, prepare
from pytest_storagefirst.explore.stand_in import stand_in
from pytest_storagefirst.explore.workload import plain
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.simulation.deployed import Entry
from pytest_storagefirst.simulation.schedule import Schedule
from pytest_storagefirst.stack.document import Document
from pytest_storagefirst.stack.references import in_dependency_order
from pytest_storagefirst.stack.template import Template

PROPERTIES = (
    "no-message-loss",
    "no-duplicate-effects",
    "poison-isolated",
    "redrive-completes",
    "drains",
)
Change = tuple[str, Steps, Any]  # logical id, path in its properties, value
Crossings = Mapping[tuple[str, str], int]


@dataclass
class Ground:
    """A stack that stands, and what its entries send. `stand_ins` are functions without code."""

    prepared: Prepared
    judge: Judge
    entries: tuple[Entry, ...]
    stand_ins: tuple[str, ...]

    def __post_init__(self) -> None:
        self._counts: dict[tuple[str, int], Crossings] = {}

    def counts(self, entry: Entry, messages: int) -> Crossings:
        """The crossings of a run without faults, of so many messages."""
        key = entry.name, messages
        if key not in self._counts:
            self._counts[key] = self.judge.play(Schedule(plain((entry,), messages))).counts
        return self._counts[key]

    def is_reached(self, place: str) -> bool:
        """Whether a message of some entry gets to a place without faults, or would if it may."""
        return any(
            event.kind != "filtered" and (event.where == place or place in event.detail)
            for entry in self.entries
            for event in self.judge.play(Schedule(plain((entry,), 1))).observation.history
        )


def ground(template: Template, settings: Settings) -> Ground:
    """Stand the template up. A function whose code can't be run here gets a stand-in.

    Raises StorageFirstError where it can't be stood up, or no body for its entries is known.
    """
    stand_ins: tuple[str, ...] = ()
    try:
        prepared = _prepared(template, settings, stand_ins)
    except HandlerError:
        stand_ins = _without_code(template, settings)
        prepared = _prepared(template, settings, stand_ins)
    judge = Judge(prepared.deployed, PROPERTIES)
    entries = describe_entries(judge, prepared.deployed.entries)
    judge.deployed = replace(prepared.deployed, entries=entries)
    return Ground(prepared, judge, entries, stand_ins)


def mended(
    known: Ground, template: Template, settings: Settings, changes: Iterable[Change]
) -> Judge:
    """The judge of the same stack with a remedy applied, which is sent the same.

    Raises StorageFirstError where the changed stack can't be stood up.
    """
    changed = replace(template, body=_changed(template, changes))
    prepared = _prepared(changed, settings, known.stand_ins)
    bodies = {entry.name: entry for entry in known.entries}
    entries = tuple(
        replace(one, body=bodies[one.name].body, attributes=bodies[one.name].attributes)
        for one in prepared.deployed.entries
        if one.name in bodies
    )
    return Judge(replace(prepared.deployed, entries=entries), PROPERTIES)


def _prepared(template: Template, settings: Settings, stand_ins: tuple[str, ...]) -> Prepared:
    """Of a copy: deploying a template may fill its properties in."""
    own = replace(template, body=copy.deepcopy(dict(template.body)))
    return prepare(template.path, settings, dict.fromkeys(stand_ins, stand_in), own)


def _without_code(template: Template, settings: Settings) -> tuple[str, ...]:
    found = []
    for logical_id, resource in template.body["Resources"].items():
        if resource["Type"] != "AWS::Lambda::Function" or logical_id in settings.functions:
            continue
        code = template.code.get(logical_id)
        runs = str(resource["Properties"].get("Runtime", "")).startswith("python")
        if not runs or code is None or (code.root is None and code.inline is None):
            found.append(logical_id)
    return tuple(found)


def _changed(template: Template, changes: Iterable[Change]) -> dict[str, Any]:
    body = copy.deepcopy(dict(template.body))
    resources = body["Resources"]
    for logical_id, path, value in changes:
        if not path:
            resources[logical_id] = copy.deepcopy(value)
            continue
        holder = resources[logical_id]["Properties"]
        for step, after in pairwise(path):
            if isinstance(holder, dict):
                holder = holder.setdefault(step, [] if isinstance(after, int) else {})
            else:
                holder = holder[step]
        if isinstance(holder, list) and path[-1] == len(holder):
            holder.append(copy.deepcopy(value))
        else:
            holder[path[-1]] = copy.deepcopy(value)
    document = Document(template.path, None, dict(template.lines))
    body["Resources"] = in_dependency_order(resources, set(), document)
    return body
