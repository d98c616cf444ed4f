"""The stack's circuit breaker: as [circuit] names it, or found by what an outage leaves behind."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_storagefirst.explore.interleavings import Base
from pytest_storagefirst.explore.sweep import faults_once
from pytest_storagefirst.faults.catalogue import HTTP, sort_of_point
from pytest_storagefirst.faults.plan import Fault
from pytest_storagefirst.ledger.circuit import CLOSED
from pytest_storagefirst.ledger.effects import Observation
from pytest_storagefirst.ledger.events import Event
from pytest_storagefirst.ledger.verdict import VIOLATED
from pytest_storagefirst.simulation.configurations import is_extension
from pytest_storagefirst.simulation.schedule import Schedule, Send
from pytest_storagefirst.simulation.third_parties import whole
from pytest_storagefirst.stack.breaker import Breaker, spelt
from pytest_storagefirst.stack.topology import Topology

if TYPE_CHECKING:
    from pytest_storagefirst.explore.judge import Judge, Judged

# Attributes that a breaker keeps its state under.
_ATTRIBUTE = re.compile(r"state|status|circuit", re.IGNORECASE)

# Long enough that any breaker opens, and short enough that none has to let a message go.
OUTAGE_MS = 300_000
OUTAGES_MS = (60_000, OUTAGE_MS, 840_000)
IN_TIME, LATE = 9, 6  # messages: enough to open a breaker, and to close it again
BURST_MS, TRICKLE_MS = 10, 20_000  # between two messages: the trickle goes on while it is open
# So that others come while a probe still waits for its answer, and its claim may have run out.
SLOW_MS = 2_000
AT_ONCE = 3
_KINDS = (
    ("http-500", ""),
    ("refused", "connect-timeout"),
    ("response-lost", ""),
    ("http-429", ""),
    ("brownout", ""),
)
CALLS_BEFORE, CALLS_AFTER = 2, 2  # of a change of state, that are each struck


def find(
    judge: Judge, messages: tuple[Send, ...], counts: Mapping[tuple[str, str], int]
) -> Breaker | None:
    """The breaker that shows when every third party is out; None where none shows."""
    outages = tuple(_outages(counts))
    if not outages:
        return None
    schedule = Schedule(_workload(messages), outages, gap_ms=1_000, late=LATE)
    observation, topology = judge.play(schedule).observation, judge.deployed.topology
    found = in_tables(observation, topology)
    # What is "open" when all is well is a shop, and no circuit.
    if found is not None and _is_open(found, judge.play(Schedule(messages)).observation):
        return None
    return found or _in_mappings(observation, topology)


def guarding(
    judge: Judge,
    breaker: Breaker,
    messages: tuple[Send, ...],
    counts: Mapping[tuple[str, str], int],
) -> Breaker:
    """The breaker with the third parties that open it, where others don't."""
    outages = _outages(counts)
    if breaker.urls or len(outages) < 2:
        return breaker
    opening = [outage for outage in outages if _opens(judge, messages, outage)]
    if not 0 < len(opening) < len(outages):
        return breaker
    return replace(breaker, urls=tuple(outage.point.split()[-1] for outage in opening))


def _opens(judge: Judge, messages: tuple[Send, ...], outage: Fault) -> bool:
    circuit = judge.play(_schedule(_workload(messages), (outage,), BURST_MS, 1)).observation.circuit
    return circuit is not None and circuit.was_open


def _is_open(breaker: Breaker, observation: Observation) -> bool:
    words = (
        effect.value.get(breaker.attribute, {}).get("S")
        for effect in observation.effects
        if effect.kind == "item" and effect.place == breaker.place
    )
    return any(spelt(word) not in (None, CLOSED) for word in words)


def schedules(
    judge: Judge, messages: tuple[Send, ...], counts: Mapping[tuple[str, str], int]
) -> Iterator[tuple[str, Schedule]]:
    """What a breaker is for: third parties fail for a while, messages come, then all is well.

    Then the same with one fault on the breaker's own way in the midst of an outage.
    """
    sends = _workload(messages)
    for outage in _outages(counts):
        out = _schedule(sends, (outage,), TRICKLE_MS, 1)
        judged = judge.judge(out)
        if _is_violated(judged):  # what breaks it alone needs nothing else
            yield f"circuit: {outage}, {TRICKLE_MS} ms apart", out
            continue
        for kind, variant in _KINDS:
            for for_ms in OUTAGES_MS if kind == "http-500" else (OUTAGE_MS,):
                fault = replace(outage, kind=kind, variant=variant, for_ms=for_ms)
                for gap_ms, at_once in ((BURST_MS, AT_ONCE), (TRICKLE_MS, 1)):
                    name = f"circuit: {fault}, {gap_ms} ms apart"
                    yield name, _schedule(sends, (fault,), gap_ms, at_once)
        kind, variant = "refused", "connect-timeout"
        hangs = replace(outage, kind=kind, variant=variant, for_ms=OUTAGES_MS[-1])
        yield f"circuit: {hangs}, {SLOW_MS} ms apart", _schedule(sends, (hangs,), SLOW_MS, AT_ONCE)
        late = replace(outage, number=AT_ONCE + 1)  # when all who look have seen it closed
        for gap_ms, at_once in ((BURST_MS, AT_ONCE), (TRICKLE_MS, 1)):
            yield f"circuit: {late}, {gap_ms} ms apart", _schedule(sends, (late,), gap_ms, at_once)
        for fault in _own_faults(judge, judged.played.observation.history):
            name = f"circuit: {outage} and {fault}"
            yield name, _schedule(sends, (outage, fault), TRICKLE_MS, AT_ONCE)


def together(
    judge: Judge, messages: tuple[Send, ...], counts: Mapping[tuple[str, str], int]
) -> Iterator[Base]:
    """Three messages at work at once while a third party is out: their orders are tried."""
    for outage in _outages(counts):
        schedule = Schedule(messages[:AT_ONCE], (outage,), concurrency=AT_ONCE, batch_limit=1)
        if not _is_violated(judge.judge(schedule)):
            yield Base(f"circuit: {outage}, three at once", schedule)


def _is_violated(judged: Judged) -> bool:
    verdict = judged.verdicts.get("circuit")
    return verdict is not None and verdict.value == VIOLATED


def _own_faults(judge: Judge, history: Sequence[Event]) -> Iterator[Fault]:
    """What may go wrong with the calls round each change of the breaker's state."""
    for where, label in _round_changes(history):
        point, _, number = label.rpartition(" #")
        yield from faults_once(judge.deployed, where, point, int(number))
    for where, label in _after_changes(history):
        point, _, number = label.rpartition(" #")
        for kind in ("circuit-lost", "redeployed"):
            yield Fault(where, point, int(number), kind)


def _round_changes(history: Sequence[Event]) -> dict[tuple[str, str], None]:
    """The calls by which, before which and after which the state changed, each once.

    Of changes from one state to the same other one the first is taken, and the last.
    """
    changes: dict[str, list[int]] = {}
    for at, event in enumerate(history):
        if event.kind == "circuit":
            changes.setdefault(event.detail, []).append(at)
    found: dict[tuple[str, str], None] = {}
    for moments in changes.values():
        for at in dict.fromkeys((moments[0], moments[-1])):
            before = [event for event in history[:at] if _is_call(event)][-CALLS_BEFORE:]
            after = [event for event in history[at:] if _is_call(event)][:CALLS_AFTER]
            found.update(((event.where, event.detail), None) for event in (*before, *after))
    return found


def _after_changes(history: Sequence[Event]) -> dict[tuple[str, str], None]:
    """The call that comes next after the first change of each sort."""
    found: dict[tuple[str, str], None] = {}
    seen: set[str] = set()
    for at, event in enumerate(history):
        if event.kind == "circuit" and event.detail not in seen:
            seen.add(event.detail)
            after = next((later for later in history[at:] if _is_call(later)), None)
            if after is not None:
                found[after.where, after.detail] = None
    return found


def _is_call(event: Event) -> bool:
    point, _, number = event.detail.rpartition(" #")
    return event.kind == "called" and bool(point) and number.isdigit()


def _schedule(
    sends: tuple[Send, ...], plan: tuple[Fault, ...], gap_ms: int, at_once: int
) -> Schedule:
    return Schedule(
        sends,
        plan,
        gap_ms=gap_ms,
        late=LATE,
        concurrency=at_once,
        batch_limit=1 if at_once > 1 else 0,
    )


def _outages(counts: Mapping[tuple[str, str], int]) -> list[Fault]:
    """An outage of each third party that is called, for all who call it, health checks too."""
    called = sorted({point.split()[-1] for _, point in counts if sort_of_point(point) == HTTP})
    places = dict.fromkeys(whole(url) for url in called if not is_extension(url))
    return [Fault(*place, 1, "http-500", for_ms=OUTAGE_MS) for place in places]


def _workload(messages: tuple[Send, ...]) -> tuple[Send, ...]:
    return tuple(
        replace(messages[number % len(messages)], message=f"m{number + 1}")
        for number in range(IN_TIME + LATE)
    )


def in_tables(observation: Observation, topology: Topology) -> Breaker | None:
    """The breaker whose state stands in the one item of a table."""
    by_place: dict[str, list[Any]] = {}
    for effect in observation.effects:
        if effect.kind == "item":
            by_place.setdefault(effect.place, []).append(effect)
    found = list(_states(by_place))
    if len(found) != 1:
        return None
    place, attribute, key = found[0]
    name = next((table.name for table in topology.tables if table.logical_id == place), place)
    return Breaker("table", place, name, key=key, attribute=attribute)


def _states(by_place: Mapping[str, list[Any]]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for place, items in by_place.items():
        if len(items) != 1:
            continue
        item = items[0]
        for attribute, value in item.value.items():
            ((kind, inner),) = value.items()
            if kind == "S" and _ATTRIBUTE.search(attribute) and spelt(inner) is not None:
                key = {name: next(iter(held.values())) for name, held in item.key.items()}
                yield place, attribute, key
                break


def _in_mappings(observation: Observation, topology: Topology) -> Breaker | None:
    """The breaker that switches an event source mapping off."""
    switched = {
        event.where
        for event in observation.history
        if event.kind == "noted" and event.detail == "disabled"
    }
    for mapping in topology.mappings:
        if mapping.logical_id in switched:
            return Breaker("mapping", mapping.logical_id, mapping.uuid)
    return None
