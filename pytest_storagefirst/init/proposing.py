"""What a template's storagefirst.toml can say: seen by playing messages on it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_storagefirst.errors import EntryError, HandlerError, StorageFirstError
from pytest_storagefirst.explore import breakers, workload
from pytest_storagefirst.explore.bodies import describe_entries
from pytest_storagefirst.explore.judge import Judge
from pytest_storagefirst.explore.prepare import Prepared, prepare
from pytest_storagefirst.explore.stages import MESSAGES
from pytest_storagefirst.faults.catalogue import is_read_only
from pytest_storagefirst.init import identifying
from pytest_storagefirst.init.samples import Sample, fitting, samples_beside
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.simulation.configurations import is_extension
from pytest_storagefirst.simulation.deployed import Entry
from pytest_storagefirst.simulation.playing import many
from pytest_storagefirst.simulation.schedule import Schedule
from pytest_storagefirst.stack.breaker import Breaker
from pytest_storagefirst.stack.document import read_document
from pytest_storagefirst.stack.parameters import invented_parameters
from pytest_storagefirst.stack.template import load_template

MOST_SAMPLES = 5  # tried for one entry
ONE_NAME = "two APIs have a route of one name, which an [[entry]] can't tell apart"
GUESSED = "guessed from what the front door maps and the handler asks for: edit it"


@dataclass(frozen=True)
class Way:
    """A way in. `body` is None where none was found that the stack takes; `origin` says where it
    is from, `doubt` why the body should not stand in the file as it is, and `off` why the entry
    should not; "" for neither."""

    kind: str
    name: str
    body: Any = None
    origin: str = ""
    doubt: str = ""
    off: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)  # made up for filter policies


@dataclass(frozen=True)
class Proposal:
    """All that can be written for one template.

    `stand_ins` are functions that can't be run here, with the reason; `calls` the third parties as
    (method, URL); `site` a call of a handler that a test can break, "Worker: dynamodb.PutItem #1".
    """

    template: Path
    parameters: Mapping[str, str]
    ways: tuple[Way, ...]
    stand_ins: Mapping[str, str] = field(default_factory=dict)
    calls: tuple[tuple[str, str], ...] = ()
    breaker: Breaker | None = None
    site: str = ""
    notes: tuple[str, ...] = ()


def propose(template: Path) -> Proposal:
    """Look at a template and the samples beside it.

    Raises StorageFirstError where nothing can be proposed: it does not stand up, has no way in.
    """
    parameters = invented_parameters(read_document(template), {})
    prepared, stand_ins = _stood_up(template, Settings(parameters=parameters))
    judge = Judge(prepared.deployed)
    told = Proposal(template, parameters, (), stand_ins)
    samples = samples_beside(template)
    ways, entries, notes, refused_whole = [], [], [], False
    with many(prepared.deployed):
        for entry in prepared.deployed.entries:
            try:
                way, refused = _way(judge, entry, samples, runs=not stand_ins)
                notes += refused
            except StorageFirstError as error:
                way = Way(entry.kind, entry.name, off=error.problem)
                notes += [str(error)] if str(error) not in notes else []
                # Left out by a run, too; anything else ends a run, and no entry may hide it.
                refused_whole |= not isinstance(error, EntryError)
            ways.append(way)
            if way.body is not None:
                entries.append(replace(entry, body=way.body))
        if refused_whole:
            ways = [replace(way, off=way.off or "no run gets this far") for way in ways]
        elif max(Counter((way.kind, way.name) for way in ways).values()) > 1:
            ways = [replace(way, off=way.off or ONE_NAME) for way in ways]
        told = replace(told, ways=tuple(ways), notes=tuple(notes))
        if stand_ins or not entries:
            return told
        judge.deployed = replace(prepared.deployed, entries=tuple(entries))
        with suppress(StorageFirstError):  # what can't be followed is told by the first run
            return _with_what_runs_show(told, judge)
    return told


def _stood_up(template: Path, settings: Settings) -> tuple[Prepared, dict[str, str]]:
    """The stack, with something in place of each function that can't be run here, and why."""
    try:
        return prepare(template, settings), {}
    except HandlerError:
        stand_ins = dict(_not_runnable(template, settings))
        if not stand_ins:
            raise
        handlers = dict.fromkeys(stand_ins, lambda event, context: None)
        return prepare(template, settings, handlers), stand_ins


def _not_runnable(template: Path, settings: Settings) -> Iterator[tuple[str, str]]:
    loaded = load_template(template, dict(settings.parameters))
    for name, resource in loaded.body["Resources"].items():
        if resource["Type"] != "AWS::Lambda::Function":
            continue
        runtime = str(resource["Properties"].get("Runtime") or "a container image")
        code = loaded.code.get(name)
        if not runtime.startswith("python"):
            yield name, f"{runtime}, no Python"
        elif code is None or (code.root is None and code.inline is None):
            yield name, "its code is not on this machine"


def _way(judge: Judge, entry: Entry, samples: list[Sample], *, runs: bool) -> tuple[Way, list[str]]:
    """What is written of an entry, and why samples were not taken.

    Raises StorageFirstError where no body is found that the stack takes.
    """
    made_up = entry.store.attributes if entry.kind == "topic" else {}
    way = Way(entry.kind, entry.name, attributes=made_up)
    refused: list[str] = []
    for sample in fitting(entry, samples)[:MOST_SAMPLES]:
        try:
            body = identifying.with_unique(judge, entry, sample.body)
            return replace(way, body=body, origin=f"from {sample.file}"), []
        except EntryError as error:
            refused.append(f"{sample.file} is not used for {entry.name}: {error.problem}")
    (described,) = describe_entries(judge, (replace(entry, chosen=True),))
    doubt = "" if runs else "guessed while no function ran"
    if runs and not identifying.effects_of(judge, described):
        doubt = "a guess that leaves no effect shows nothing"
    return replace(way, body=described.body, origin=GUESSED, doubt=doubt), refused


def _with_what_runs_show(told: Proposal, judge: Judge) -> Proposal:
    """The third parties that are called, a call to break, and the breaker that an outage shows."""
    entries = judge.deployed.entries
    messages = workload.plain(entries, max(MESSAGES, len(entries)))
    counts = dict(judge.play(Schedule(messages)).counts)
    calls = {
        (point.split()[1], point.split()[2])
        for _, point in counts
        if point.startswith("http ") and len(point.split()) == 3
    }
    first = next((way.name for way in told.ways if way.body is not None), "")
    way_in = [entry for entry in entries if entry.name == first]
    on_its_way = judge.play(Schedule(workload.plain(way_in, 1))).counts if way_in else {}
    told = replace(
        told,
        calls=tuple(sorted(call for call in calls if not is_extension(call[1]))),
        site=_site(dict(on_its_way)),
    )
    found = breakers.find(judge, messages, counts)
    if found is not None:
        judge.learn_anew(replace(judge.deployed, breaker=found))
        found = breakers.guarding(judge, found, messages, counts)
    return replace(told, breaker=found)


def _site(counts: Mapping[tuple[str, str], int]) -> str:
    """The last write of the first function: what a lost answer most often does twice."""
    for place, point in reversed(list(counts)):
        operation = point.rpartition(".")[2]
        if re.fullmatch(r"[a-z0-9-]+\.[A-Z]\w+", point) and not is_read_only(operation):
            return f"{place}: {point} #1"
    return ""
