"""Stacks that stand in this process, ready for runs: made once, used again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from pytest_storagefirst.errors import EntryError, StorageFirstError
from pytest_storagefirst.explore.bodies import describe_entries
from pytest_storagefirst.explore.ground import Crossings, Ground
from pytest_storagefirst.explore.guessed import guessed_in_vain
from pytest_storagefirst.explore.judge import Judge
from pytest_storagefirst.explore.prepare import Prepared, prepare
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings
from pytest_storagefirst.simulation.schedule import Schedule, Send
from pytest_storagefirst.stack.locating import template_path

MOST_LEARNT_FROM = 60  # single faults whose runs show what else can go wrong then


class Standing:
    """A stack that stands in this process, ready for runs.

    A test may send bodies of its own, so that an entry without one is no error before it is needed.
    """

    def __init__(self, make: Callable[[], Prepared]) -> None:
        self._make = make
        self.prepared = make()
        self.judge = Judge(self.prepared.deployed)
        self.refusal: EntryError | None = None
        try:
            entries = describe_entries(self.judge, self.prepared.deployed.entries)
            self.judge.deployed = replace(self.prepared.deployed, entries=entries)
        except EntryError as error:
            self.refusal = error
        self.in_use = False
        self._in_vain: frozenset[str] | None = None
        self._counts: dict[tuple[Send, ...], Crossings] = {}
        self._grounds: dict[tuple[Send, ...], Ground] = {}

    def free(self) -> Standing:
        """Itself, or while a test holds it another one like it."""
        return Standing(self._make) if self.in_use else self

    def described(self) -> Standing:
        """Itself; raises EntryError when some entry has no body that the stack takes."""
        __tracebackhide__ = True
        if self.refusal is not None:
            raise self.refusal
        return self

    def guessed_in(self, sends: Iterable[Send]) -> frozenset[str]:
        """The entries of these messages whose own body was guessed and leaves no effect."""
        if self._in_vain is None:
            given, described = self.prepared.deployed.entries, self.judge.deployed.entries
            self._in_vain = guessed_in_vain(self.judge, given, described)
        return self._in_vain & {send.entry for send in sends}

    def baseline_counts(self, sends: tuple[Send, ...]) -> Crossings:
        if sends not in self._counts:
            self._counts[sends] = self.judge.play(Schedule(sends)).counts
        return self._counts[sends]

    def ground(self, sends: tuple[Send, ...]) -> Ground:
        """What can go wrong while these messages are handled, also when one thing has."""
        if sends not in self._grounds:
            ground = Ground.of(self.judge.deployed, sends, self.baseline_counts(sends))
            self._grounds[sends] = ground
            step = -(-len(ground.faults) // MOST_LEARNT_FROM) or 1
            for fault in ground.faults[::step]:
                with suppress(StorageFirstError):  # a run that can't be followed
                    ground.learn(self.judge.play(Schedule(sends, plan=(fault,))))
        return self._grounds[sends]


_standing: dict[str, Standing] = {}


def standing(template: str | Path, settings: Settings | None = None) -> Standing:
    """The stack of a template, stood up once per process.

    A relative path is looked for from the current folder. Raises StorageFirstError.
    """
    __tracebackhide__ = True
    path = template_path(template)
    own = settings if settings is not None else load_settings(path)
    stood_by = (own.parameters, own.imports, own.entries, own.downstreams, own.functions)
    key = repr((str(path.resolve()), stood_by, own.permissions))
    if key not in _standing:
        _standing[key] = Standing(lambda: prepare(path, own))
    return _standing[key]
