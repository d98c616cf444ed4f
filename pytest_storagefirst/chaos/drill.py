"""Drills as data: one TOML file each, in chaos/, or a user's own."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_storagefirst.chaos.options import option
from pytest_storagefirst.errors import DrillError, SettingsError
from pytest_storagefirst.ledger.properties import registered
from pytest_storagefirst.settings import nearest
from pytest_storagefirst.settings_reader import Document, Reader

ENDING = ".toml"
SHIPPED = Path(__file__).parent / "drills"  # in the wheel
CHECKOUT = Path(__file__).parent.parent.parent / "chaos"
LONGEST_S = 3600.0
LONGEST_RECOVERY_S = 12 * 3600.0  # which is SQS's longest visibility timeout
_DURATION = re.compile(r"(\d+(?:\.\d+)?) ?(s|min)")


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong: its kind, where (logical ids; none: all that fit), and when.

    `at_s` counts from the start of the drill's clock. `options` are the kind's own. `told_at` is
    where a file says so: "my.toml:5".
    """

    kind: str
    where: tuple[str, ...] = ()
    at_s: float = 0.0
    for_s: float = 60.0
    options: Mapping[str, Any] = field(default_factory=dict)
    told_at: str = field(default="", compare=False)

    @property
    def end_s(self) -> float:
        return self.at_s + self.for_s


@dataclass(frozen=True)
class SteadyState:
    """All is well when `canaries` messages, sent one after the other, are processed in time."""

    canaries: int = 3
    within_s: float = 60.0


@dataclass(frozen=True)
class Expected:
    """What the drill is to show: these properties hold, and all is well again in time; None: as
    long as the stack's queues may take.
    """

    properties: tuple[str, ...] = ("no-message-loss",)
    recovers_within_s: float | None = None


@dataclass(frozen=True)
class Drill:
    """A named plan. `steady_state` None: no message is sent, and nothing can be judged.

    `unmatched` are the faults of a replay file that have no counterpart here, and why.
    """

    name: str
    summary: str
    faults: tuple[Fault, ...]
    needs: tuple[str, ...] = ()
    steady_state: SteadyState | None = SteadyState()
    expected: Expected = Expected()
    unmatched: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """How long its clock runs."""
        return max(fault.end_s for fault in self.faults)


def drills_folder() -> Path:
    """Where the drills of this installation are: in a checkout those that its user edits."""
    return SHIPPED if SHIPPED.is_dir() else CHECKOUT


def drill_names() -> list[str]:
    return sorted(path.stem for path in drills_folder().glob(f"*{ENDING}"))


def find_drill(name: str, folder: Path) -> Drill:
    """The drill of that name, or of that file in `folder`.

    Raises DrillError and SettingsError, which name file and line, and the nearest name.
    """
    shipped = drills_folder() / f"{name}{ENDING}"
    if name in drill_names():
        return read_drill(shipped)
    path = folder / name
    if path.is_file() and path.suffix == ".json":
        from pytest_storagefirst.chaos.counterparts import drill_of_replay

        return drill_of_replay(path)
    if path.is_file():
        return read_drill(path)
    raise DrillError(
        f"no drill {name!r}",
        expected=f"a file, or one of {', '.join(drill_names())}",
        remedy=nearest(name, drill_names()),
    )


def read_drill(path: Path) -> Drill:
    """A drill's file. Raises DrillError and SettingsError."""
    try:
        text = path.read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise DrillError("the drill can't be read", where=str(path), found=str(error)) from None
    except tomllib.TOMLDecodeError as error:
        raise DrillError("the drill is no valid TOML", where=str(path), found=str(error)) from None
    return _drill(Reader(Document(str(path), text)), path.stem, table)


def _drill(read: Reader, name: str, given: Any) -> Drill:
    table = read.table((), given, ("summary", "needs", "steady_state", "faults", "expected"))
    wanted = {"summary": 'summary = "…"', "faults": "[[faults]]"}
    if missing := [key for key in wanted if not table.get(key)]:
        raise SettingsError(
            "a drill needs a summary and at least one fault",
            where=read.document.where(),
            found="no " + " and no ".join(missing),
            expected=" and ".join(wanted[key] for key in missing),
        )
    from pytest_storagefirst.chaos.breaking import KINDS
    from pytest_storagefirst.chaos.needs import NEEDS

    needs = table.get("needs", [])
    if not isinstance(needs, list) or not all(str(one) in NEEDS for one in needs):
        raise read.wrong(("needs",), needs, "a list of some of " + ", ".join(NEEDS))
    faults = []
    for number, one in enumerate(read.tables(("faults",), table["faults"])):
        path = ("faults", number)
        kind = read.text((*path, "kind"), read.table(path, one).get("kind"))
        if kind not in KINDS:
            raise SettingsError(
                f"no fault of a drill is {kind!r}",
                where=read.document.where(*path, "kind"),
                expected="one of " + ", ".join(KINDS),
                remedy=nearest(kind, KINDS),
            )
        faults.append(_fault(read, path, kind, one, KINDS[kind].options))
    return Drill(
        name=name,
        summary=read.text(("summary",), table["summary"]),
        faults=tuple(faults),
        needs=tuple(needs),
        steady_state=_steady_state(read, table.get("steady_state")),
        expected=_expected(read, table.get("expected", {})),
    )


def _fault(
    read: Reader, path: tuple[str | int, ...], kind: str, given: Any, options: tuple[str, ...]
) -> Fault:
    table = read.table(path, given, ("kind", "where", "at", "for", *options))
    where = table.get("where", [])
    if not isinstance(where, list) or not all(isinstance(one, str) for one in where):
        raise read.wrong((*path, "where"), where, "a list of logical ids")
    return Fault(
        kind=kind,
        where=tuple(where),
        at_s=_seconds(read, (*path, "at"), table.get("at", "0 s")),
        for_s=_seconds(read, (*path, "for"), table.get("for", "60 s")),
        options={key: option(read, path, key, table[key]) for key in options if key in table},
        told_at=read.document.where(*path),
    )


def _steady_state(read: Reader, given: Any) -> SteadyState | None:
    if given is None:
        return None
    path = ("steady_state",)
    table = read.table(path, given, ("canaries", "within"))
    default = SteadyState()
    return SteadyState(
        read.count((*path, "canaries"), table.get("canaries", default.canaries)),
        _seconds(read, (*path, "within"), table.get("within", f"{default.within_s:g} s")),
    )


def _expected(read: Reader, given: Any) -> Expected:
    path = ("expected",)
    table = read.table(path, given, ("properties", "recovers_within"))
    default = Expected()
    properties = table.get("properties", list(default.properties))
    if not isinstance(properties, list) or not all(str(one) in registered() for one in properties):
        raise read.wrong((*path, "properties"), properties, f"some of {', '.join(registered())}")
    within_s = None
    if "recovers_within" in table:
        within = (*path, "recovers_within")
        within_s = _seconds(read, within, table["recovers_within"], LONGEST_RECOVERY_S)
    return Expected(tuple(properties), within_s)


def _seconds(
    read: Reader, path: tuple[str | int, ...], value: Any, most_s: float = LONGEST_S
) -> float:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    seconds = float(found[1]) * (60 if found[2] == "min" else 1) if found else -1.0
    if not 0 <= seconds <= most_s:
        wanted = f'a duration up to {most_s / 60:g} min, as in "60 s" or "5 min"'
        raise read.wrong(path, value, wanted)
    return seconds
