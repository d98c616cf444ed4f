"""`storagefirst drill` and `storagefirst recover`."""

from __future__ import annotations

import contextlib
import json
import math
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pytest_storagefirst.chaos.breaking import Aim
from pytest_storagefirst.chaos.canaries import Canaries
from pytest_storagefirst.chaos.copies import copies_of
from pytest_storagefirst.chaos.counterparts import written_replay
from pytest_storagefirst.chaos.drill import Drill, find_drill
from pytest_storagefirst.chaos.front_door import FrontDoor, front_doors
from pytest_storagefirst.chaos.guards import Guards, guards_of
from pytest_storagefirst.chaos.interruptions import Interruptions
from pytest_storagefirst.chaos.outcome import Drilling, say_if_heard
from pytest_storagefirst.chaos.plan import make_plan, plan_lines
from pytest_storagefirst.chaos.recover import recover
from pytest_storagefirst.chaos.run import new_id, run
from pytest_storagefirst.chaos.salvage import salvage
from pytest_storagefirst.chaos.verdict import document
from pytest_storagefirst.errors import DrillError
from pytest_storagefirst.ledger.verdict import VIOLATED
from pytest_storagefirst.report.junit import write_junit
from pytest_storagefirst.report.load_html import write_html
from pytest_storagefirst.report.markdown import summarized
from pytest_storagefirst.target.observe import Observer
from pytest_storagefirst.target.target import LOCAL, Target, find_target

INCONCLUSIVE = 4


@dataclass(frozen=True)
class Asked:
    """What the command line says."""

    name: str
    target: str
    live: str | None = None
    report: Path | None = None
    alarms: tuple[str, ...] = ()
    journals: tuple[str, ...] = ()
    seconds: float | None = None
    faults_only: bool = False


def drill(asked: Asked, folder: Path, say: Callable[[str], None]) -> int:
    """Print a drill's plan, or run it; the exit code. Raises StorageFirstError before it acts."""
    wanted = shortened(find_drill(asked.name, folder), asked.seconds)
    target = find_target(asked.target, folder)
    guards = guards_of(target, asked.alarms)
    guards.check_duration(wanted)
    copies_of(asked.journals, target)
    if asked.live is None:
        planned = make_plan(wanted, Aim(target, new_id(), guards.alarms))
        command = f"storagefirst drill {shlex.quote(asked.name)} --target {asked.target}"
        for line in plan_lines(planned, target, guards, command):
            say(line)
        return 0
    with Interruptions():  # until the verdict is told: signals that come late end nothing
        return _act(wanted, target, guards, asked.live, asked, folder, say)


def _act(
    wanted: Drill,
    target: Target,
    guards: Guards,
    live: str,
    asked: Asked,
    folder: Path,
    say: Callable[[str], None],
) -> int:
    judging: list[Canaries] = []
    doors: tuple[FrontDoor, ...] = ()
    if wanted.steady_state is not None and not asked.faults_only:
        doors = front_doors(target)

    say = partial(say_if_heard, say)

    def watcher(name: str, interruptions: Interruptions) -> Canaries:
        observer = Observer(target, name)
        judging.append(Canaries(wanted, doors, observer, name, say, interruptions.wait))
        return judging[0]

    how = Drilling(
        target,
        guards,
        folder,
        live,
        asked.journals,
        say,
        watcher if doors else None,
    )
    outcome = run(wanted, how)
    told = document(outcome, judging[0] if judging else None, target)
    if problem := summarized(told):
        say(problem)
    if asked.report is not None:
        _write(told, asked.report, say)
        violated = [one["name"] for one in told["properties"] if one["verdict"] == VIOLATED]
        if violated and doors:
            template = template_of(target, folder)
            say(written_replay(wanted, doors, template, violated[0], asked.report))
    if not outcome.is_undone:
        say(f"not everything is undone: storagefirst recover --target {target.name}")
    say(f"{told['verdict']}: {wanted.name} on {target.name}")
    for line in told["why"]:
        say(f"  {line}")
    for key in ("not tried", "left behind"):
        for line in told[key.replace(" ", "_")]:
            if not any(line in why for why in told["why"]):
                say(f"  {key}: {line}")
    exit_code: int = told["exit"]
    return exit_code


def recovery(
    target_text: str,
    folder: Path,
    journals: tuple[str, ...],
    keep_changes: bool,
    say: Callable[[str], None],
    damaged: str | None = None,
) -> int:
    """Undo what is open; 0 when nothing is left, 4 when something is, or may be: then `damaged` is
    the drill whose journal is to be salvaged first. Raises StorageFirstError.
    """
    target = find_target(target_text, folder)
    doubts = salvage(target, folder, damaged, journals, tell=say) if damaged else []
    for line in doubts:
        say(f"not known: {line}")
    found = recover(target, folder, journals, keep_changes=keep_changes, tell=say)
    if not found.found:
        say(f"nothing to undo: no drill is open on {_named(target)}")
        return INCONCLUSIVE if doubts else 0
    for line in found.kept:
        say(f"kept: {line}")
    for line in found.left:
        say(f"left: {line}")
    if found.left:
        say(f"run storagefirst recover --target {target.name} again; the journal is kept")
        return INCONCLUSIVE
    if doubts:
        say("what is known is undone, and the stack is let go; look at the rest by hand")
        return INCONCLUSIVE
    say("all else is undone, and the drill is closed" if found.kept else "all is undone")
    return 0


def shortened(wanted: Drill, seconds: float | None) -> Drill:
    """The drill in so many seconds, all of its faults alike."""
    from dataclasses import replace

    if seconds is None:
        return wanted
    if not (math.isfinite(seconds) and seconds > 0):
        raise DrillError(
            "--duration is a number of seconds", found=f"{seconds:g}", expected="more than 0"
        )
    if not wanted.seconds:
        raise DrillError("--duration has nothing to stretch: no fault of the drill lasts")
    factor = seconds / wanted.seconds
    faults = tuple(
        replace(one, at_s=one.at_s * factor, for_s=one.for_s * factor) for one in wanted.faults
    )
    return replace(wanted, faults=faults)


def template_of(target: Target, folder: Path) -> Path | None:
    """The template of a target's stack, where it is here."""
    if target.name == LOCAL:
        state = folder / ".storagefirst" / "local.json"
        with contextlib.suppress(OSError, ValueError, KeyError):
            return Path(json.loads(state.read_text(encoding="utf-8"))["template"])
    names = ("template.yaml", "template.yml", "template.json")
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _write(told: dict[str, object], folder: Path, say: Callable[[str], None]) -> None:
    file = folder / "report.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(told, indent=2, ensure_ascii=False, default=str)
        file.write_text(text + "\n", encoding="utf-8")
        write_junit(told, folder / "junit.xml")
        write_html(told, folder)
    except OSError as error:
        say(f"--report: {folder} can't be written: {error.strerror or error}")
    else:
        say(f"report: {file}")


def _named(target: Target) -> str:
    return f"{target.name} ({target.account}:{target.region}:{target.stack_name})"
