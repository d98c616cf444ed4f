"""From a template file and settings to a stack that stands: read, deploy, find entries and code."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import time_machine

from pytest_storagefirst.cloud_assembly import project_folder
from pytest_storagefirst.errors import HandlerError, SettingsError, TemplateError
from pytest_storagefirst.explore import flags
from pytest_storagefirst.explore.absent import absent_targets, notes_on_absent, places_of
from pytest_storagefirst.explore.entries import ways_in
from pytest_storagefirst.scripts import parse_script
from pytest_storagefirst.settings import Settings, nearest
from pytest_storagefirst.simulation.calls import lanes, seams
from pytest_storagefirst.simulation.deployed import Deployed, Downstream
from pytest_storagefirst.simulation.environment import Code
from pytest_storagefirst.simulation.scheduler import EPOCH_MS
from pytest_storagefirst.simulation.world.world import World
from pytest_storagefirst.stack.breaker import named_breaker
from pytest_storagefirst.stack.deploy import deploy
from pytest_storagefirst.stack.policies import Policies
from pytest_storagefirst.stack.read_ahead import read_template
from pytest_storagefirst.stack.template import Template
from pytest_storagefirst.stack.topology import Function, Topology


@dataclass(frozen=True)
class Prepared:
    """A stack ready to be played on, and what the report says of how it came to stand."""

    deployed: Deployed
    template: Template
    notes: tuple[str, ...]


class _NoRun:
    """Between runs: AWS calls of ours are answered by moto, and nobody's handler is at work."""

    current = None
    is_running = False

    @staticmethod
    def ask(method: str, url: str, headers: Any, body: Any) -> tuple[int, dict[str, str], bytes]:
        return lanes.answer(method, url, headers, body)


@contextmanager
def _moto_answers() -> Iterator[None]:
    seams.activate(_NoRun())
    try:
        yield
    finally:
        seams.activate(None)


def prepare(
    path: Path,
    settings: Settings,
    handlers: Mapping[str, Callable[..., Any] | str] | None = None,
    template: Template | None = None,
) -> Prepared:
    """Stand a template up in a moto of its own.

    `handlers` replace functions by logical id, as [functions.…] in storagefirst.toml does.
    `template` is what the file says, where it was read before. Raises StorageFirstError for
    whatever a user can mend.
    """
    with _uncollected():
        template = template or read_template(path, settings)
        world = World(template.region)
        # An ARN may tell when its resource was made: a table's stream has its time for a name.
        at_the_epoch = time_machine.travel(EPOCH_MS / 1000, tick=False)
        with _moto_answers(), _seeded_moto(), at_the_epoch, world.attached(by_moto=True):
            topology = deploy(template)
            world.mark()
    if not settings.permissions:
        topology = replace(topology, policies=Policies())
    overrides = {**settings.functions, **(handlers or {})}
    _check_functions(topology, overrides, settings)
    code = _code(topology, template, overrides, project_folder(path))
    entries = ways_in(topology, settings, template)
    breaker = named_breaker(settings, topology)
    known = flags.flags_of(settings, topology)
    deployed = Deployed(world, topology, code, entries, _downstreams(settings), breaker, known)
    deployed = replace(deployed, bookkeeping=_bookkeeping(settings, topology))
    absent = absent_targets(deployed)
    deployed = replace(deployed, absent=places_of(deployed, absent, template))
    _check_consumers(deployed, template, overrides)
    _read_machines(topology, template)
    notes = (
        *template.notes,
        *notes_on_absent(deployed, absent, template),
        *(
            f"{function.logical_id} never runs: its ReservedConcurrentExecutions are 0"
            for function in topology.functions
            if function.reserved_concurrency == 0
        ),
    )
    return Prepared(deployed, template, notes)


def _bookkeeping(settings: Settings, topology: Topology) -> frozenset[str]:
    """Raises SettingsError for what is no table of the stack's."""
    tables = {table.logical_id for table in topology.tables}
    for name in settings.bookkeeping:
        if name not in tables:
            raise SettingsError(
                "the stack has no such table",
                where=settings.where("bookkeeping"),
                found=name,
                expected=", ".join(sorted(tables)) or "none at all",
                remedy=nearest(name, tables),
            )
    return frozenset(settings.bookkeeping)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Hundreds of thousands of objects are made here, of modules and API models: no garbage."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def _seeded_moto() -> Iterator[None]:
    """Physical names that moto makes up are the same in every process."""
    from moto.moto_api._internal import mock_random

    state = mock_random.getstate()
    mock_random.seed(0)
    try:
        yield
    finally:
        mock_random.setstate(state)


def _check_functions(topology: Topology, overrides: Iterable[str], settings: Settings) -> None:
    """Raise SettingsError for a handler of a function that the template doesn't have."""
    known = sorted(function.logical_id for function in topology.functions)
    for unknown in sorted(set(overrides) - set(known)):
        raise SettingsError(
            "a handler is given for a function that the template doesn't have",
            where=settings.where(f"functions.{unknown}") or f"[functions.{unknown}]",
            found=unknown,
            expected=", ".join(known) or "a template with functions",
            remedy=nearest(unknown, known),
        )


def _code(
    topology: Topology,
    template: Template,
    overrides: Mapping[str, Callable[..., Any] | str],
    folder: Path,
) -> dict[str, Code]:
    return {
        function.logical_id: _code_of(
            function, template, overrides.get(function.logical_id), folder
        )
        for function in topology.functions
    }


def _code_of(
    function: Function, template: Template, override: Callable[..., Any] | str | None, folder: Path
) -> Code:
    if override is not None and not callable(override):
        _check_reference(function.logical_id, override)
    if callable(override):
        return Code(function.logical_id, function.handler, override=override)
    if isinstance(override, str):
        module, _, name = override.partition(":")
        return Code(function.logical_id, f"{module}.{name}", search=(folder.resolve(),))
    found = template.code.get(function.logical_id)
    if found is None or (found.root is None and found.inline is None):
        return Code(function.logical_id, function.handler)
    root = found.root.resolve() if found.root is not None else None
    search = tuple(entry.resolve() for entry in ([root] if root else []) + list(found.layers))
    return Code(function.logical_id, function.handler, search=search, inline=found.inline)


def _check_reference(function: str, override: Any) -> None:
    if not isinstance(override, str) or not re.fullmatch(r"[\w.]+:\w+", override):
        raise SettingsError(
            "this can't stand in for a function",
            where=f"[functions.{function}]",
            found=repr(override),
            expected='something to call with (event, context), or "module:function"',
            remedy='for instance "tests.doubles:worker"',
        )


def _check_consumers(deployed: Deployed, template: Template, replaced: Container[str]) -> None:
    """Every function that the stack feeds must be Python that lies here, or be replaced."""
    fed = [deployed.function_by_arn(edge.target) for edge in deployed.topology.edges]
    for function in deployed.topology.functions:
        if not any(function is one for one in fed):
            continue
        code = deployed.code[function.logical_id]
        where = template.where(function.logical_id)
        remedy = (
            f"write [functions.{function.logical_id}] and below it "
            'handler = "module:function" in storagefirst.toml'
        )
        if function.logical_id in replaced:
            continue
        if not function.runtime.startswith("python"):
            raise HandlerError(
                f"{function.logical_id} is no Python function",
                where=where,
                found=function.runtime or "a container image",
                expected="Runtime: python3.x",
                remedy=remedy,
            )
        if not code.search and code.inline is None:
            raise HandlerError(
                f"the code of {function.logical_id} is not on this machine",
                where=where,
                found=next(
                    (n for n in template.notes if function.logical_id in n), "no local CodeUri"
                ),
                expected="a CodeUri that is a local folder, or InlineCode",
                remedy=remedy,
            )


def _read_machines(topology: Topology, template: Template) -> None:
    """Read every state machine's definition, once for all runs."""
    for machine in topology.state_machines:
        from pytest_storagefirst.simulation.machines.interpreter import program

        try:
            program(machine)
        except TemplateError as error:
            error.where = template.where(machine.logical_id)
            raise


def _downstreams(settings: Settings) -> tuple[Downstream, ...]:
    made = []
    for given in settings.downstreams:
        reply = given.reply
        if reply.text is not None:
            body, kind = reply.text.encode(), "text/plain"
        else:
            body, kind = (
                json.dumps({} if reply.json is None else reply.json).encode(),
                "application/json",
            )
        made.append(
            Downstream(
                url=given.url,
                method="" if given.method == "ANY" else given.method.upper(),
                status=reply.status,
                headers={"Content-Type": kind, **reply.headers},
                body=body,
                idempotency=given.idempotency or "",
                script=parse_script(given.script),
                per_second=given.per_second,
                at_once=given.at_once,
                answer_seconds=given.answer_seconds,
            )
        )
    return tuple(made)
