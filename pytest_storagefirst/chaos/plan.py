"""What a drill would change, resource by resource, before anything is touched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from pytest_storagefirst.chaos.breaking import KINDS, Aim
from pytest_storagefirst.chaos.drill import Drill, Fault
from pytest_storagefirst.chaos.guards import Guards, live_name
from pytest_storagefirst.chaos.needs import check_needs
from pytest_storagefirst.chaos.patience import patience_with
from pytest_storagefirst.chaos.setting import Change
from pytest_storagefirst.chaos.settings import SETTINGS
from pytest_storagefirst.chaos.undo import shown, told_error
from pytest_storagefirst.errors import DrillError, StorageFirstError
from pytest_storagefirst.target.target import Target


@dataclass(frozen=True)
class Planned:
    """A drill, and what each of its faults would change in a stack as it is now."""

    drill: Drill
    changes: tuple[tuple[Fault, tuple[Change, ...]], ...]

    def of(self, fault: Fault) -> tuple[Change, ...]:
        return next(changes for planned, changes in self.changes if planned is fault)


def make_plan(drill: Drill, aim: Aim) -> Planned:
    """What the drill would change. Only reads.

    Raises DrillError for a drill that does not fit the stack, whose fault is there already, or two
    of whose faults would change one setting at a time.
    """
    try:
        check_needs(drill, aim)
    except StorageFirstError:
        raise
    except Exception as error:
        raise DrillError("the stack can't be looked at", found=told_error(error)) from None
    planned = Planned(drill, tuple((fault, changes_of(fault, aim)) for fault in drill.faults))
    for (one, first), (other, second) in combinations(planned.changes, 2):
        if one.end_s <= other.at_s or other.end_s <= one.at_s:
            continue
        for change in second:
            if _which(change) in map(_which, first):
                raise DrillError(
                    "two faults change the same setting at the same time",
                    found=f"{one.kind} and {other.kind}: {change.place}",
                    remedy='let one begin after the other: at = "…"',
                )
    return planned


def changes_of(fault: Fault, aim: Aim) -> tuple[Change, ...]:
    """What a fault changes in the stack as it is now. Raises DrillError."""
    try:
        changes = KINDS[fault.kind].plan(aim, fault)
    except StorageFirstError:
        raise
    except Exception as error:
        raise DrillError(
            f"what {fault.kind} would change can't be read", found=told_error(error)
        ) from None
    for one in changes:
        if one.before == one.value:
            raise DrillError(
                f"{fault.kind} is there already: nothing can be shown by it",
                found=f"{one.place}: {SETTINGS[one.setting].told} {shown(one.before)}",
                remedy="mend the stack first; storagefirst recover undoes what a drill left",
            )
    return tuple(changes)


def plan_lines(planned: Planned, target: Target, guards: Guards, command: str) -> Iterator[str]:
    """The plan for people."""
    drill = planned.drill
    yield f"drill {drill.name} on {target.name} ({live_name(target)}): a plan, nothing is changed"
    yield f"  {drill.summary}"
    yield "what would change"
    for fault, changes in planned.changes:
        begins = f"after {fault.at_s:g} s, " if fault.at_s else ""
        yield f"  {fault.kind}: {begins}for {fault.for_s:g} s"
        for one in changes:
            told = SETTINGS[one.setting].told
            yield f"    {one.place}: {told} {shown(one.before)} -> {shown(one.value)}"
            yield f"      reach: {one.reach or 'this setting alone'}"
        for line in dict.fromkeys(line for one in changes for line in one.not_tried):
            yield f"    not tried: {line}"
    for unmatched in drill.unmatched:
        yield f"  no counterpart: {unmatched}"
    yield "steady state"
    if drill.steady_state is None:
        yield "  none: no message is sent, and the verdict will be unknown"
    else:
        state = drill.steady_state
        yield f"  {state.canaries} canary messages through the front door are processed within"
        yield f"  {state.within_s:g} s, before and after; their effects stay where messages end"
        patience = patience_with(drill, target.topology())
        yield f"  expected: {', '.join(drill.expected.properties)}; all is well again"
        yield f"  within {patience.within_s:g} s after the undo"
        if patience.hidden_s:
            yield f"  {patience.told_hidden}"
        if not patience.sees_bad_set_aside and any(one.kind == "poison" for one in drill.faults):
            yield f"  {patience.told_tried}, which the drill does not wait for: what becomes of"
            yield "  the bad messages will be unknown"
    yield "guards"
    yield from (f"  {line}" for line in guards.lines(target, drill))
    yield "undo"
    yield "  each value is put back, the last first, where what the drill set still stands;"
    yield "  each change is in .storagefirst/drills/ before it is made: whatever ends the drill,"
    yield f"  storagefirst recover --target {target.name} finishes"
    yield f"to act: {command} --live {live_name(target)}"


def _which(change: Change) -> tuple[str, str]:
    return change.setting, json.dumps(dict(change.address), sort_keys=True)
