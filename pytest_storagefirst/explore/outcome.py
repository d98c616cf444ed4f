"""What became of one template in one run: a result, a refusal, or a defect of ours."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_storagefirst.errors import StorageFirstError
from pytest_storagefirst.explore.crew import Alone, Crew
from pytest_storagefirst.explore.interrupt import BetweenRuns, Progress, silence
from pytest_storagefirst.explore.result import PropertyResult, ReplayResult, StackResult
from pytest_storagefirst.ledger.verdict import UNKNOWN
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings


class Refused(Exception):
    """The user can mend it: its text says where and how. Nothing was judged."""


class InternalError(Exception):
    """A defect of this plugin: no verdict on anybody's stack."""


Refused.__module__ = InternalError.__module__ = "builtins"  # see explore/result.py


@dataclass(frozen=True)
class Outcome:
    """One of `result`, `replayed`, `refusal` or `defect` is set; `audits` may stand beside each.

    `replays` maps a property to the replay file of its witness. `trace` is the whole traceback
    behind a defect, for --full-trace.
    """

    result: StackResult | None = None
    replayed: ReplayResult | None = None
    refusal: str = ""
    defect: str = ""
    trace: str = ""
    replays: Mapping[str, str] = field(default_factory=dict)
    audits: tuple[PropertyResult, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "result": self.result.to_json() if self.result else None,
            "replayed": asdict(self.replayed) if self.replayed else None,
            "refusal": self.refusal,
            "defect": self.defect,
            "trace": self.trace,
            "replays": dict(self.replays),
            "audits": StackResult("", self.audits).to_json()["properties"],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Outcome:
        result, replayed = value["result"], value["replayed"]
        return cls(
            **{
                **value,
                "result": StackResult.from_json(result) if result else None,
                "replayed": (
                    ReplayResult(**{**replayed, "story": tuple(replayed["story"])})
                    if replayed
                    else None
                ),
                "audits": tuple(map(PropertyResult.from_json, value["audits"])),
            }
        )

    def of(self, name: str) -> PropertyResult:
        """The result of one property.

        Raises `Refused` or `InternalError` when there is no result at all. A property that the
        exploration is silent about is unknown: missing evidence is no evidence.
        """
        for one in self.audits:
            if one.name == name:
                return one
        if self.refusal:
            raise Refused(self.refusal)
        if self.defect:
            raise InternalError(self.defect)
        for one in self.result.properties if self.result else ():
            if one.name == name:
                return one
        return _silent(name)

    def judged(self, expected: Sequence[str]) -> tuple[PropertyResult, ...]:
        """All verdicts, with an unknown for each expected property that has none."""
        known = self.result.properties if self.result is not None else ()
        found = {one.name for one in (*known, *self.audits)}
        missing = [name for name in expected if name not in found]
        if self.result is None:
            reason = (self.refusal or self.defect or "nothing was judged").partition("\n")[0]
            told = tuple(PropertyResult(name, UNKNOWN, reason) for name in missing)
        else:
            told = tuple(map(_silent, missing))
        return known + told + self.audits


def _silent(name: str) -> PropertyResult:
    return PropertyResult(name, UNKNOWN, "the exploration gave no verdict on it")


class Stopped(KeyboardInterrupt):
    """The user ended an exploration. `outcome` is to be kept before this goes on its way."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


def explore_template(
    template: Path,
    name: str,
    base: Settings,
    replays: Path,
    progress: Progress = silence,
    crew: Callable[[], Crew] = Alone,
) -> Outcome:
    """Explore one template and write the replay files of what was violated.

    `name` is what reports call the template. `progress` is called after each run, with the number
    of runs done, how many there are to be (None: nobody knows) and what is being tried. `crew` is
    called when the work begins, for who shares it. Raises `Stopped`, with what was found by then,
    when the user interrupts; and nothing else.
    """
    try:
        from pytest_storagefirst.explore.exploration import explore

        with BetweenRuns(progress) as between_runs:
            found = explore(template, load_settings(template, base), between_runs, crew)
        result = replace(found, template=name)
        json.dumps(result.to_json())
        outcome = Outcome(result=result, replays=write_replays(result, replays))
    except (Exception, SystemExit) as error:
        return failed(error)
    except KeyboardInterrupt:
        raise Stopped(
            Outcome(defect="not explored: interrupted before it came to anything")
        ) from None
    if found.interrupted or between_runs.asked:
        raise Stopped(outcome)
    return outcome


def replay_schedule(file: Path, base: Settings) -> Outcome:
    """Run a replay file's schedule once more; never raises."""
    try:
        from pytest_storagefirst.explore.replay import replay

        return Outcome(replayed=replay(file, base))
    except (Exception, SystemExit) as error:
        return failed(error)


def failed(error: BaseException) -> Outcome:
    """What became of a template that raised this: a refusal, or a defect of ours."""
    if isinstance(error, StorageFirstError):
        return Outcome(refusal=str(error))
    frame = traceback.extract_tb(error.__traceback__)[-1]
    file = frame.filename.rpartition("pytest_storagefirst")
    place = f"{file[1]}{file[2]}" if file[1] else frame.filename
    return Outcome(
        defect=(
            f"internal error: {type(error).__name__}: {error}\n"
            f"  at {place}:{frame.lineno} in {frame.name}\n"
            "This is a defect of pytest-storagefirst and no verdict on the stack. Please report it "
            "with the template and this text; --full-trace shows where it comes from."
        ),
        trace="".join(traceback.format_exception(error)),
    )


def write_replays(result: StackResult, directory: Path) -> dict[str, str]:
    """Write the witness of each property into `directory`; by property, where it was written."""
    written = {}
    for one in result.properties:
        if one.witness is not None:
            name = f"{slug_of(result.template)}-{one.name.replace(':', '-')}"
            written[one.name] = str(write_replay(directory / f"{name}.json", one.witness))
    return written


def slug_of(template: str) -> str:
    """A template's name as part of a file's name."""
    return template.replace("\\", "/").strip("/").replace("/", "__")


def write_replay(file: Path, document: Mapping[str, Any]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    kept = file.parent.parent
    if kept.name == ".storagefirst":
        # As pytest does with its cache: nobody commits it by accident.
        (kept / ".gitignore").write_text("*\n", encoding="utf-8")
    return file
