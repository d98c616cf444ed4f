"""Parts of one exploration become one: chunks of its work, and the shards of several machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytest_storagefirst.explore.coverage import OUTCOMES, Cell, Coverage
from pytest_storagefirst.explore.result import PropertyResult, StackResult, busiest
from pytest_storagefirst.explore.tally import rank
from pytest_storagefirst.ledger.verdict import NOT_APPLICABLE, OK, UNKNOWN, VIOLATED
from pytest_storagefirst.simulation.schedule import Schedule


def merge_results(shards: Sequence[StackResult]) -> StackResult:
    """The shards of one stack as one result, in whatever order they are given.

    A violation in one is a violation of the whole; else an unknown is, then ok; one that shows
    nothing of a property says nothing. Runs and faults add up, as each was counted in one shard
    alone. What held becomes `unknown` where a shard is missing or was interrupted. Raises
    ValueError without any, and for shards of different wholes.
    """
    if not shards:
        raise ValueError("there is nothing to merge")
    wholes = sorted({shard.shard[1] for shard in shards})
    if len(wholes) > 1:
        raise ValueError(f"shards of {' and of '.join(map(str, wholes))} make no whole")
    present = {shard.shard[0] for shard in shards}
    missing = [str(part) for part in range(1, wholes[0] + 1) if part not in present]
    told = {shard_note(shard.shard) for shard in shards}
    merged = combine(shards)
    properties = merged.properties
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        why = f"shard {', '.join(missing)} of {wholes[0]} {verb} missing"
        properties = tuple(_doubted(one, why) for one in properties)
    return replace(
        merged,
        properties=properties,
        notes=tuple(note for note in merged.notes if note not in told),
        shard=(1, 1),
    )


def combine(parts: Sequence[StackResult]) -> StackResult:
    """Parts of the same shard as one, whatever their order. Raises ValueError without any."""
    if not parts:
        raise ValueError("there is nothing to combine")
    names = dict.fromkeys(one.name for part in parts for one in part.properties)
    properties = tuple(
        _combined([one for part in parts for one in part.properties if one.name == name])
        for name in names
    )
    interrupted = any(part.interrupted for part in parts)
    if interrupted:
        properties = tuple(map(unfinished, properties))
    return StackResult(
        template=parts[0].template,
        properties=properties,
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        inert=tuple(dict.fromkeys(name for part in parts for name in part.inert)),
        seconds=round(sum(part.seconds for part in parts), 3),
        coverage=combine_coverage([part.coverage for part in parts]),
        shard=parts[0].shard,
        interrupted=interrupted,
        graph=next((part.graph for part in parts if part.graph is not None), None),
    )


def unfinished(one: PropertyResult) -> PropertyResult:
    """What held until the user ended the exploration was not shown to hold."""
    return _doubted(one, f"interrupted after {one.runs} runs, all of them ok")


def shard_note(shard: tuple[int, int]) -> str:
    """What the notes of one shard say of it."""
    return f"part {shard[0]} of {shard[1]} of the faults was tried"


def _doubted(one: PropertyResult, why: str) -> PropertyResult:
    return replace(one, verdict=UNKNOWN, why=why) if one.verdict == OK else one


def _combined(parts: Sequence[PropertyResult]) -> PropertyResult:
    chosen = min(parts, key=_weight)
    if chosen.verdict == OK:
        chosen = replace(chosen, calls=busiest(part.calls for part in parts))
    return replace(
        chosen,
        runs=sum(part.runs for part in parts),
        faults_tried=sum(part.faults_tried for part in parts),
    )


def _weight(one: PropertyResult) -> tuple[Any, ...]:
    """Less is worse, then easier to read, then the same whoever found it.

    A verdict without any run says no more than that there was none: it gives way to all others.
    """
    order = [VIOLATED, UNKNOWN, OK] if one.runs else ["", "", "", UNKNOWN, NOT_APPLICABLE]
    weight = order.index(one.verdict) if one.verdict in order else len(order)
    return (weight, not one.why if not one.runs else False, _rank(one.witness), one.why, one.story)


def _rank(witness: Mapping[str, Any] | None) -> tuple[Any, ...]:
    """By the size of the witness; one whose replay file did not come along is the last choice."""
    if witness is None:
        return (1,)
    try:
        return (0, rank(Schedule.from_json(witness["schedule"])))
    except Exception:
        return (1,)


def combine_coverage(parts: Sequence[Coverage]) -> Coverage:
    """The ground covered together. A cell is what the part that tried it says of it."""
    cells: dict[tuple[str, str], Cell] = {}
    sometimes = Counter[str]()
    for part in parts:
        sometimes.update(part.sometimes)
        for cell in part.cells:
            known = cells.setdefault((cell.site, cell.fault), cell)
            if OUTCOMES.index(cell.outcome) > OUTCOMES.index(known.outcome):
                cells[cell.site, cell.fault] = cell
    return Coverage(
        cells=tuple(cells.values()),
        pairs_tried=sum(part.pairs_tried for part in parts),
        pairs_skipped=sum(part.pairs_skipped for part in parts),
        pairs_left=sum(part.pairs_left for part in parts),
        orders_tried=sum(part.orders_tried for part in parts),
        orders_left=sum(part.orders_left for part in parts),
        drawn=sum(part.drawn for part in parts),
        sometimes=dict(sometimes),
    )
