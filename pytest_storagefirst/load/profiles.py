"""Profiles: what is offered to a stack over time, what happens meanwhile, what must hold. Data.

The built-in ones stand in load/profiles.toml; `[profiles.NAME]` in storagefirst.toml changes one of
them, key by key, or adds one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_storagefirst.errors import LoadError, StorageFirstError
from pytest_storagefirst.load.objectives import parse_objective
from pytest_storagefirst.scripts import read_script
from pytest_storagefirst.settings import nearest
from pytest_storagefirst.settings_reader import Document, Reader

WARM_UP = "warm-up"


@dataclass(frozen=True)
class Phase:
    """So many seconds of arrivals at a rate per second that goes from one value to another.

    Arrivals are evenly spaced, or a Poisson process.
    """

    name: str
    seconds: float
    from_per_s: float
    to_per_s: float
    poisson: bool = False

    @property
    def expected(self) -> float:
        return self.seconds * (self.from_per_s + self.to_per_s) / 2

    @property
    def is_warm_up(self) -> bool:
        return self.name == WARM_UP


@dataclass(frozen=True)
class Action:
    """What is done at a moment, in seconds after the warm-up.

    `kind` is "downstream" (`script` says what the local third party does from then on) or "redrive"
    (everything in dead-letter queues is sent back).
    """

    at_s: float
    kind: str
    script: tuple[str, ...] = ()


@dataclass(frozen=True)
class Profile:
    """One load shape with its objectives.

    `poison` and `duplicates` are the shares of messages that are bad or sent twice. `poison_body`
    is the text of a bad one, {unique} being its id. `downstream_per_s` is what the third party may
    be asked in one second, the `cap` of objectives; None is what the stack's settings say.
    `settle_seconds` is how long a quiet stack is given for messages that are amiss to turn up; None
    is what its way asks for. The last four are hard: requests and seconds of a run, requests under
    way at once in one process, and how long an answer is waited for.
    """

    name: str
    about: str
    phases: tuple[Phase, ...]
    objectives: tuple[str, ...]
    actions: tuple[Action, ...] = ()
    poison: float = 0.0
    poison_body: str = "this is no JSON: {unique}"
    duplicates: float = 0.0
    downstream_per_s: float | None = None
    drain_seconds: float = 120.0
    settle_seconds: float | None = None
    max_requests: int = 100_000
    max_seconds: float = 3600.0
    at_once: int = 1000
    timeout_seconds: float = 10.0

    @property
    def warm_up_s(self) -> float:
        """When the warm-up is over."""
        return sum(phase.seconds for phase in self.phases if phase.is_warm_up)

    @property
    def seconds(self) -> float:
        """How long messages are offered; the drain comes after."""
        return sum(phase.seconds for phase in self.phases)

    @property
    def expected_requests(self) -> float:
        return sum(phase.expected for phase in self.phases) * (1 + self.duplicates)


def read_profiles(files: Iterable[tuple[Path, tuple[str, ...]]]) -> dict[str, Profile]:
    """The profiles of TOML files, each with where in it their table stands; later files win.

    Raises LoadError or SettingsError that names file and line.
    """
    tables: dict[str, dict[str, Any]] = {}
    readers: dict[str, Reader] = {}
    for path, prefix in files:
        document, found = _tables(path, prefix)
        for name, table in found.items():
            readers[name] = Reader(document)
            given = readers[name].table((name,), table, _KEYS)
            tables[name] = tables.get(name, {}) | given
    return {name: _profile(readers[name], name, table) for name, table in tables.items()}


def chosen(profiles: Mapping[str, Profile], name: str) -> Profile:
    """The profile of that name. Raises LoadError that knows the nearest."""
    if name not in profiles:
        raise LoadError(
            f"no profile {name!r}",
            expected="one of " + ", ".join(profiles),
            remedy=nearest(name, profiles),
        )
    return profiles[name]


def for_run(
    profile: Profile, *, objectives: Iterable[str] = (), seconds: float | None = None
) -> Profile:
    """The profile with objectives of the command line in place of those about the same value.

    `seconds` stretches or shortens what comes after the warm-up to that length. Raises LoadError
    for what breaks a hard cap, before anything is sent.
    """
    given = tuple(objectives)
    measured = {parse_objective(text).metric for text in given}
    kept = tuple(t for t in profile.objectives if parse_objective(t).metric not in measured)
    changed = replace(profile, objectives=kept + given)
    acting = changed.seconds - changed.warm_up_s
    if seconds is not None and acting:
        factor = seconds / acting
        changed = replace(
            changed,
            phases=tuple(
                phase if phase.is_warm_up else replace(phase, seconds=phase.seconds * factor)
                for phase in changed.phases
            ),
            actions=tuple(replace(one, at_s=one.at_s * factor) for one in changed.actions),
        )
    _within_caps(changed)
    return changed


def _within_caps(profile: Profile) -> None:
    longest = profile.seconds + profile.drain_seconds
    for what, planned, cap, key in (
        ("requests", profile.expected_requests, profile.max_requests, "max_requests"),
        ("seconds with its drain", longest, profile.max_seconds, "max_seconds"),
    ):
        if planned > cap:
            raise LoadError(
                f"the profile {profile.name} plans more than its hard cap",
                found=f"{planned:,.0f} {what}",
                expected=f"at most {cap:,.0f}",
                remedy=f"lower it, or set {key} in [profiles.{profile.name}] of storagefirst.toml",
            )


# --- reading ----------------------------------------------------------------------------------

_NUMBERS = ("downstream_per_s", "max_seconds", "timeout_seconds")
_WAITS = ("drain_seconds", "settle_seconds")
_COUNTS = ("max_requests", "at_once")
_SHARES = ("poison", "duplicates")
_TEXTS = ("about", "poison_body")
_KEYS = ("phases", "actions", "objectives", *_TEXTS, *_SHARES, *_NUMBERS, *_WAITS, *_COUNTS)


def _tables(path: Path, prefix: tuple[str, ...]) -> tuple[Document, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        table: Any = tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise LoadError("the profiles can't be read", where=str(path), found=str(error)) from None
    document = Document(str(path), text, prefix)
    for key in prefix:
        table = table.get(key, {})
    return document, Reader(document).table((), table)


def _profile(read: Reader, name: str, table: dict[str, Any]) -> Profile:
    here = read.document.where(name)
    if "phases" not in table:
        raise LoadError(
            f"the profile {name} has no phases",
            where=here,
            expected='phases = [{ name = "act", seconds = 10, rate = 20 }]',
        )
    values: dict[str, Any] = {}
    for key in set(table) & {*_NUMBERS, *_WAITS, *_COUNTS}:
        values[key] = _number(read, (name, key), table[key], least=0 if key in _WAITS else 1)
    for key in _COUNTS:
        if key in values:
            values[key] = int(values[key])
    for key in set(table) & {*_SHARES}:
        values[key] = _number(read, (name, key), table[key], most=1)
    for key in set(table) & {*_TEXTS}:
        values[key] = read.text((name, key), table[key])
    if "{unique}" not in values.get("poison_body", "{unique}"):
        raise read.wrong((name, "poison_body"), table["poison_body"], "a text with {unique} in it")
    phases = tuple(
        _phase(read, (name, "phases", at), one)
        for at, one in enumerate(read.tables((name, "phases"), table["phases"]))
    )
    if not any(phase.expected for phase in phases):
        raise read.wrong((name, "phases"), table["phases"], "a phase in which messages arrive")
    return Profile(
        name=name,
        phases=phases,
        objectives=_objectives(
            read, (name, "objectives"), table.get("objectives", ["lost==0", "accepted>=99%"])
        ),
        actions=tuple(
            _action(read, (name, "actions", at), one)
            for at, one in enumerate(read.tables((name, "actions"), table.get("actions", [])))
        ),
        **{"about": "", **values},
    )


def _number(
    read: Reader, path: tuple[str | int, ...], value: Any, least: float = 0, most: float = 1e9
) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise read.wrong(path, value, f"a number, {least:g} to {most:g}")
    return float(value)


def _phase(read: Reader, path: tuple[str | int, ...], value: Any) -> Phase:
    table = read.table(path, value, ("name", "seconds", "rate", "arrivals"))
    for key in ("name", "seconds", "rate"):
        if key not in table:
            raise read.wrong(path, value, '{ name = "act", seconds = 10, rate = 20 }')
    rate = table["rate"] if isinstance(table["rate"], list) else [table["rate"]] * 2
    if len(rate) != 2:
        raise read.wrong((*path, "rate"), rate, "messages per second, or [at first, at last]")
    arrivals = table.get("arrivals", "even")
    if arrivals not in ("even", "poisson"):
        raise read.wrong((*path, "arrivals"), arrivals, '"even" or "poisson"')
    return Phase(
        name=read.text((*path, "name"), table["name"]),
        seconds=_number(read, (*path, "seconds"), table["seconds"], most=86_400),
        from_per_s=_number(read, (*path, "rate"), rate[0], most=100_000),
        to_per_s=_number(read, (*path, "rate"), rate[1], most=100_000),
        poisson=arrivals == "poisson",
    )


def _action(read: Reader, path: tuple[str | int, ...], value: Any) -> Action:
    table = read.table(path, value, ("at", "downstream", "redrive"))
    kinds = [key for key in ("downstream", "redrive") if table.get(key)]
    if "at" not in table or len(kinds) != 1:
        raise read.wrong(
            path, value, '{ at = 10, downstream = ["outage 30 s"] } or { at = 60, redrive = true }'
        )
    script: tuple[str, ...] = ()
    if kinds == ["downstream"]:
        try:
            script = read_script(table["downstream"])
        except StorageFirstError as error:
            raise LoadError(**vars(error) | {"where": read.document.where(*path)}) from None
    return Action(_number(read, (*path, "at"), table["at"], most=86_400), kinds[0], script)


def _objectives(read: Reader, path: tuple[str | int, ...], value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise read.wrong(path, value, 'a list of objectives, as in ["lost==0", "drain<60s"]')
    for text in value:
        try:
            parse_objective(text)
        except LoadError as error:
            raise LoadError(**vars(error) | {"where": read.document.where(*path)}) from None
    return tuple(value)
