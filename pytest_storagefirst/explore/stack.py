"""The stack that a test holds: send, inject, run, look, verify."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from pytest_storagefirst.errors import EntryError, SimulationError, TemplateError
from pytest_storagefirst.explore.judge import Judged
from pytest_storagefirst.explore.places import places
from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.explore.result import require
from pytest_storagefirst.explore.standing import Standing, standing
from pytest_storagefirst.explore.verifying import result_of
from pytest_storagefirst.faults.plan import parse_fault
from pytest_storagefirst.ledger.effects import Effect
from pytest_storagefirst.ledger.events import Event
from pytest_storagefirst.ledger.properties import select
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings
from pytest_storagefirst.simulation.door import at_the_door
from pytest_storagefirst.simulation.downstreams import DownstreamByHand
from pytest_storagefirst.simulation.frontdoor import HttpReply
from pytest_storagefirst.simulation.garbage import rarely_collected
from pytest_storagefirst.simulation.playing import finish
from pytest_storagefirst.simulation.routing.schedules import run_with_schedules
from pytest_storagefirst.simulation.run import Simulation
from pytest_storagefirst.simulation.schedule import Schedule, Send, check_sendable
from pytest_storagefirst.stack.locating import template_path

MOST_BODIES_KEPT = 1000  # that tests send again and again


class Table:
    """A table's items as Python values."""

    def __init__(self, name: str, effects: tuple[Effect, ...]) -> None:
        self.name = name
        self._effects = effects

    @property
    def items(self) -> list[dict[str, Any]]:
        """All of them, with numbers as Decimal."""
        read = TypeDeserializer().deserialize
        return [
            {attribute: read(value) for attribute, value in effect.value.items()}
            for effect in self._effects
        ]

    def item(self, **key: Any) -> dict[str, Any] | None:
        """The item whose attributes have these values; None when there is none."""
        for item in self.items:
            if all(item.get(name) == value for name, value in key.items()):
                return item
        return None

    def __len__(self) -> int:
        return len(self._effects)


class Stack:
    """A template stood up in moto, with one run on it that a test drives.

    Between calls the process is as it always was; within one, time is virtual and nothing leaves.
    """

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._judge = standing.judge
        self._prepared = standing.prepared
        self._simulation = _Stepwise(standing.judge.deployed, Schedule(()))
        self._sends: list[Send] = []
        self._unwritten: list[Send] = []  # with the entry's own body
        self._bodies: dict[str, Any] = {}
        self._judged: Judged | None = None
        self._closed = False
        with self._simulation.running():
            self._simulation.begin()

    def close(self) -> None:
        """End what is still under way. The stack's `with` block does it."""
        if not self._closed:
            self._closed = True
            self._simulation.end()

    @property
    def entries(self) -> tuple[str, ...]:
        """The names of its ways in, in the order in which they are taken."""
        return tuple(entry.name for entry in self._judge.deployed.entries)

    @property
    def history(self) -> tuple[Event, ...]:
        """What has happened so far."""
        return tuple(self._simulation.history)

    def send(self, entry: str | None = None, body: Any = None) -> HttpReply:
        """Send one message through an entry and return what the sender is told.

        Without an entry, the stack's only one; without a body, the entry's own. `{unique}` in the
        body stands for the message's id. Raises EntryError when the stack has no such entry, or the
        body is no text and nothing that JSON can hold.
        """
        chosen = self._entry(entry)
        if body is None and chosen.body is None:
            self._standing.described()
        said = chosen.body if body is None else self._kept(_body_text(chosen.name, body), body)
        send = Send(f"m{len(self._sends) + 1}", chosen.name, said)
        self._sends.append(send)
        if body is None:
            self._unwritten.append(send)
        with self._going_on(lambda: at_the_door(self._simulation)):
            reply: HttpReply = self._simulation.send(send)
        return reply

    def _kept(self, text: str, body: Any) -> Any:
        """The body as it is now, whatever becomes of it; one object for those that are equal."""
        if isinstance(body, str):
            return body
        found = self._bodies.get(text)
        if found is None:
            found = json.loads(text)
            if len(self._bodies) < MOST_BODIES_KEPT:
                self._bodies[text] = found
        return found

    def inject(self, *faults: str) -> None:
        """Add faults, by their texts ("Worker: dynamodb.PutItem #1: response-lost").

        Crossings are counted from now on. Raises FaultError for a text that says no fault, a place
        that the stack doesn't have, or a call that boto3 doesn't have.
        """
        from pytest_storagefirst.faults.operations import check_operation
        from pytest_storagefirst.faults.places import check_place

        plan = tuple(parse_fault(text) for text in faults)
        for fault in plan:
            check_place(fault, places(self._judge.deployed, fault))
            check_operation(fault)
        with self._going_on():
            self._simulation.inject(plan)

    def downstream(self, url: str) -> DownstreamByHand:
        """The third parties below a URL, to script: `stack.downstream(URL).outage(seconds=60)`."""
        return DownstreamByHand(self._simulation, url)

    def run(self, seconds: float | None = None) -> bool:
        """Run until nothing is left to do, or for so long in virtual time; True when quiet.

        Without `seconds`, what recurs by the clock (scheduled rules, recurring schedules) comes
        three times, each time when all else is done, as it does in an exploration.
        """
        _check_seconds(seconds)
        with self._going_on():
            if seconds is not None:
                return self._simulation.settle(round(seconds * 1000))
            return run_with_schedules(self._simulation)

    def redrive(self) -> bool:
        """Move what lies in dead-letter queues back; False when nothing lies there."""
        with self._going_on():
            return self._simulation.redrive()

    def heal(self) -> None:
        """End all faults."""
        with self._going_on():
            self._simulation.heal()

    def table(self, name: str) -> Table:
        """A table by logical id or name, as it is now."""
        known = {table.logical_id for table in self._judge.deployed.topology.tables}
        logical = self._judge.deployed.topology.logical_ids.get(name, name)
        if logical not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            raise TemplateError(
                f"the stack has no table {name!r}",
                where=str(self._prepared.template.path),
                found=", ".join(sorted(known)) or "no table at all",
                expected="a table's logical id or name",
                remedy=f"write {near[0]!r}" if near else "write one of those found",
            )
        return Table(
            name, tuple(e for e in self._effects() if e.kind == "item" and e.place == logical)
        )

    def effects(self, place: str | None = None) -> tuple[Effect, ...]:
        """What stands at the system of record, and what has left the stack, as it is now."""
        return tuple(e for e in self._effects() if place is None or e.place == place)

    def verify(self, *properties: str) -> None:
        """Heal, drain, redrive, and judge: raise a PropertyFailure that tells the story.

        Without names, all that apply. This ends the run: what the stack holds can still be read,
        and verified by other properties, but nothing more can be sent.
        """
        __tracebackhide__ = True
        self._require(properties)

    def verify_what_struck(self, *properties: str) -> None:
        """Like `verify`, for faults that nobody chose.

        That one found nothing to strike, or that they kept every message out, says nothing against
        the stack.
        """
        __tracebackhide__ = True
        if self._judged is None:
            self._simulation.strikes.forget_the_idle()
        self._require(properties, drawn=True)

    def _require(self, properties: tuple[str, ...], *, drawn: bool = False) -> None:
        __tracebackhide__ = True
        entries = select(properties)
        judged = self._finish()
        in_vain = self._standing.guessed_in(self._unwritten)
        for entry in entries:
            require(result_of(entry.name, judged, in_vain, drawn=drawn))

    def _effects(self) -> tuple[Effect, ...]:
        if self._judged is not None:
            return self._judged.played.observation.effects
        with self._going_on():
            observed = self._simulation.observe()
        return observed.effects

    def _entry(self, name: str | None) -> Any:
        entries = self._judge.deployed.entries
        if name is None and len(entries) == 1:
            return entries[0]
        for entry in entries:
            if entry.name == name:
                return entry
        known = [entry.name for entry in entries]
        near = difflib.get_close_matches(str(name), known, n=1)
        raise EntryError(
            "the stack has several entries, and none is named"
            if name is None
            else f"the stack has no entry {name!r}",
            where=str(self._prepared.template.path),
            found=", ".join(known),
            expected="the name of one of these",
            remedy=f"write {near[0]!r}" if near else f"for instance stack.send({known[0]!r})",
        )

    @contextmanager
    def _going_on(
        self, process: Callable[[], AbstractContextManager[None]] | None = None
    ) -> Iterator[None]:
        if self._closed or self._judged is not None:
            raise SimulationError(
                "the run has ended "
                + ("with its `with` block" if self._closed else "with verify()"),
                where=str(self._prepared.template.path),
                expected="a stack that is open and not yet verified",
                remedy="open the stack once more for another run",
            )
        with (process or self._simulation.running)():
            yield
        if self._simulation.refusals:
            raise self._simulation.refusals[0]

    def _finish(self) -> Judged:
        if self._judged is None:
            with self._going_on():
                played = finish(self._simulation)
            schedule = replace(
                self._simulation.schedule,
                workload=tuple(self._sends),
                plan=self._simulation.strikes.plan,
            )
            with rarely_collected():
                self._judged = self._judge.judge_played(schedule, played)
        return self._judged


class _Stepwise(Simulation):
    """A run that a test drives: what is under way between two steps waits, and is not ended."""

    _ending = False

    def end(self) -> None:
        self._ending = True
        with self.running():
            pass

    def _close(self) -> None:
        if self._ending:
            super()._close()


def _body_text(entry: str, body: Any) -> str:
    try:
        check_sendable(body)
        return json.dumps(body)
    except (RecursionError, TypeError, ValueError) as error:
        raise EntryError(
            "this body can't be sent",
            where=entry,
            found=f"{type(body).__name__}: {error}",
            expected="a text, or what JSON can hold",
            remedy="for bytes or a format of your own, send the text that goes over the wire",
        ) from None


def _check_seconds(seconds: Any) -> None:
    if seconds is None or (isinstance(seconds, int | float) and 0 <= seconds < float("inf")):
        return
    raise SimulationError(
        "time can't run like this",
        where="stack.run(seconds)",
        found=repr(seconds),
        expected="seconds of virtual time, 0 or more; none to run until quiet",
        remedy="for instance stack.run(30)",
    )


@contextmanager
def open_stack(
    template: str | Path,
    settings: Settings,
    handlers: Mapping[str, str | Callable[..., Any]] | None = None,
) -> Iterator[Stack]:
    """A stack for one test. Raises StorageFirstError for what the user can mend."""
    path = template_path(template)
    own = load_settings(path, settings) if str(template).startswith("blueprint:") else settings
    if handlers:
        found = Standing(lambda: prepare(path, own, handlers))
    else:
        found = standing(path, own).free()
    found.in_use = True
    try:
        stack = Stack(found)
        try:
            yield stack
        finally:
            stack.close()
    finally:
        found.in_use = False
