"""Each drill on moto's server and on ministack: plan, act, undo, and killed at every step."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.chaos import journal as journals
from pytest_storagefirst.chaos.breaking import Aim
from pytest_storagefirst.chaos.drill import Drill, drill_names, find_drill
from pytest_storagefirst.chaos.guards import Guards, guards_of, live_name
from pytest_storagefirst.chaos.lock import holder
from pytest_storagefirst.chaos.outcome import Drilling
from pytest_storagefirst.chaos.plan import make_plan, plan_lines
from pytest_storagefirst.chaos.recover import recover
from pytest_storagefirst.chaos.run import run
from pytest_storagefirst.target.target import Target
from tests.chaos import stage

# moto asks no policy, knows nothing of IAM's simulator, and runs no function without Docker.
NOT_SHOWN_BY_MOTO = {"table-denied", "queue-send-denied", "queue-delete-denied"}
NOT_SHOWN_BY_MOTO |= {"duplicate-delivery"}
every_drill = pytest.mark.parametrize("name", drill_names())


def quick(name: str, messages: int = 1) -> Drill:
    drill = find_drill(name, Path())
    faults = tuple(replace(one, at_s=one.at_s / 1000, for_s=0.005) for one in drill.faults)
    faults = tuple(
        replace(one, options={**one.options, "messages": messages})
        if "messages" in one.options
        else one
        for one in faults
    )
    return replace(drill, faults=faults)


def drilling(target: Target, folder: Path, said: list[str] | None = None) -> Drilling:
    tell: Callable[[str], None] = (lambda _: None) if said is None else said.append
    return Drilling(target, Guards(), folder, live_name(target), (), tell)


@every_drill
def test_a_plan_says_what_would_change_and_touches_nothing(name, shop, tmp_path):
    before = stage.configuration(shop)
    drill = find_drill(name, tmp_path)
    lines = "\n".join(plan_lines(make_plan(drill, Aim(shop, "x")), shop, guards_of(shop), "go"))

    assert stage.configuration(shop) == before
    assert drill.summary in lines
    assert f"--live {live_name(shop)}" in lines
    assert " -> " in lines
    assert not list(tmp_path.iterdir())


@every_drill
def test_what_a_drill_changed_is_as_before(name, shop, tmp_path):
    before = stage.configuration(shop)
    seen: list[Any] = []
    said: list[str] = []

    class Watching(stage.Watching):
        def made(self, change: Any) -> None:
            seen.append(stage.configuration(shop))

    watching = Watching(lambda: said.append("the clock began"))
    how = replace(drilling(shop, tmp_path, said), watcher=lambda *_: watching)
    outcome = run(quick(name, 11), how)

    assert stage.configuration(shop) == before
    assert outcome.is_undone
    assert holder(shop) is None
    assert seen
    assert name == "poison-message" or all(one != before for one in seen)
    assert outcome.shown == (name not in NOT_SHOWN_BY_MOTO), outcome.problems
    assert ("the clock began" in said) == outcome.shown


def killed_at(number: int, name: str, target: Target, folder: Path) -> bool:
    """Run a drill in a process of its own that is killed at a moment; whether it came so far.

    The moments are those before and after each line of the journal is written: what comes between
    two lines has been done when the later one is about to be.
    """

    def drill() -> None:
        moments = iter(range(10_000))
        plain = journals.Journal.write

        def write(self: Any, *given: Any, **named: Any) -> None:
            if next(moments) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            plain(self, *given, **named)
            if next(moments) == number:
                os.kill(os.getpid(), signal.SIGKILL)

        # in a child alone, which ends with it
        journals.Journal.write = write  # type: ignore[method-assign]
        run(quick(name), drilling(target, folder))

    return stage.in_a_process_of_its_own(drill)


@every_drill
def test_a_drill_killed_at_any_step_is_undone_by_recover(name, shop, tmp_path):
    before = stage.configuration(shop)
    shop.topology()
    steps = 0
    while True:
        stage.emptied(shop)
        folder = tmp_path / str(steps)
        if not killed_at(steps, name, shop, folder):
            break
        first = recover(shop, folder)
        assert stage.configuration(shop) == before, f"killed at moment {steps}"
        assert not first.left
        assert holder(shop) is None
        second: list[str] = []
        assert recover(shop, folder, tell=second.append).found == 0
        assert not second
        steps += 1

    assert steps >= 2 * 3  # begin, lock and closed at least
    assert stage.configuration(shop) == before


def changed_by(path: Path) -> list[Any]:
    lines = path.read_text().splitlines()
    return [step for step in map(json.loads, lines) if step["step"] == "change"]
