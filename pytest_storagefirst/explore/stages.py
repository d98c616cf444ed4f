"""What an exploration tries, as units of work in an order that is the same on every machine."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from pytest_storagefirst.explore import breakers, bursts, changes, content, keys, workload
from pytest_storagefirst.explore.coverage import BROKE, HELD, NEVER_FIRED
from pytest_storagefirst.explore.interleavings import Base, base_schedules, held_back, races
from pytest_storagefirst.explore.judge import Judge
from pytest_storagefirst.explore.pairs import (
    AFTER,
    DURING,
    First,
    Pair,
    first_of,
    first_with_redrive,
)
from pytest_storagefirst.explore.redrives import until_set_aside
from pytest_storagefirst.explore.sweep import single_faults
from pytest_storagefirst.explore.tally import POISON
from pytest_storagefirst.faults.catalogue import is_read_only
from pytest_storagefirst.faults.plan import Fault
from pytest_storagefirst.ledger.events import Event
from pytest_storagefirst.ledger.verdict import VIOLATED
from pytest_storagefirst.simulation.deployed import Entry
from pytest_storagefirst.simulation.routing import buses
from pytest_storagefirst.simulation.schedule import Schedule, Send

if TYPE_CHECKING:
    from pytest_storagefirst.explore.exploration import Exploration

MESSAGES = 3  # in a workload: enough to be first, in the middle and last of a batch
FOR_EVER_MS = 30 * 86_400_000  # longer than any queue keeps a message
MOST_ORDERS = 60  # of one schedule
CIRCUIT_ORDERS = 40  # of one way to a breaker's opening, that are tried whatever the budget
MOST_KINDS_OF_BAD = 4  # of bad bodies that are tried in company


@dataclass(frozen=True)
class Unit:
    """A piece of work that stands for itself; `name` says what it is."""

    name: str
    run: Callable[[], object]


def first_units(
    exploration: Exploration, messages: tuple[Send, ...], entries: tuple[Entry, ...]
) -> Iterator[Unit]:
    """What is always tried: runs without faults, awkward characters, bad messages."""
    plain = Schedule(messages)
    for name, schedule in (
        ("without faults", plain),
        ("one by one", replace(plain, one_by_one=True)),
        ("batches of one", replace(plain, batch_limit=1)),
        ("batches of one at once", replace(plain, batch_limit=1, concurrency=MESSAGES)),
        ("several at once", replace(plain, concurrency=MESSAGES)),
    ):
        yield Unit(name, partial(exploration.try_out, schedule))
    if content.PROPERTY in exploration.judge.names:
        for entry in entries:
            yield Unit(
                f"content of {entry.name}",
                partial(_content, exploration, entry),
            )
            if keys.may_be_awkward(entry):
                yield Unit(f"keys of {entry.name}", partial(_keys, exploration, entry))
    if POISON in exploration.judge.names and exploration.judge.facts().consumed:
        yield Unit("bad messages", lambda: _bad_messages(exploration, entries))


def single_units(
    exploration: Exploration, messages: tuple[Send, ...], counts: Mapping[tuple[str, str], int]
) -> Iterator[Unit]:
    for fault in (
        *single_faults(exploration.judge.deployed, counts),
        *changes.flips(exploration.judge, messages, counts),
    ):
        yield Unit(
            str(fault),
            partial(_single, exploration, messages, fault),
        )
    for schedule in changes.schedules(exploration.judge, messages, counts):
        yield Unit(str(schedule.plan[-1]), partial(_change, exploration, schedule))


# Runs that a breaker fails: of one that never closes each takes thousands of receives.
MOST_BROKEN = 3


def circuit_units(
    exploration: Exploration, messages: tuple[Send, ...], counts: Mapping[tuple[str, str], int]
) -> Iterator[Unit]:
    """What a breaker is for, and what may go wrong with it meanwhile."""
    broken = 0

    def tried(schedule: Schedule) -> None:
        nonlocal broken
        if broken < MOST_BROKEN:
            broken += breakers.is_violated(exploration.try_out(schedule))

    def stopping(base: Base) -> None:
        nonlocal broken
        for judged in held_back(exploration.judge, base):
            exploration.take(judged)
            broken += breakers.is_violated(judged)
            if broken >= MOST_BROKEN:
                break

    for name, schedule in breakers.schedules(exploration.judge, messages, counts):
        yield Unit(name, partial(tried, schedule))
    for base in breakers.together(exploration.judge, messages, counts):
        if not base.schedule.ahead:
            orders = partial(_orders, exploration, messages, base, math.inf, CIRCUIT_ORDERS)
            yield Unit(base.name, orders)
        yield Unit(f"{base.name}, one held back", partial(stopping, base))


def burst_units(exploration: Exploration, messages: tuple[Send, ...]) -> Iterator[Unit]:
    """Whether a burst reaches what is capped no faster than the cap allows."""

    def tried(schedule: Schedule) -> None:
        exploration.take(bursts.said_of(exploration.judge.judge(schedule)))

    if bursts.PROPERTY in exploration.judge.names:
        for name, schedule in bursts.schedules(exploration.judge.deployed, messages):
            yield Unit(name, partial(tried, schedule))


def _change(exploration: Exploration, schedule: Schedule) -> None:
    judged = exploration.try_out(schedule)
    broke = any(verdict.value == VIOLATED for verdict in judged.verdicts.values())
    change = schedule.plan[-1]
    fired = str(change) in judged.played.observation.faults_fired
    exploration.note_tried(change, NEVER_FIRED if not fired else BROKE if broke else HELD)


def order_units(
    exploration: Exploration, messages: tuple[Send, ...], ends: float
) -> Iterator[Unit]:
    """Each schedule whose orders of crossings are tried; `ends` is a moment of the wall clock."""
    for base in base_schedules(exploration.judge, messages):
        yield Unit(
            base.name,
            partial(_orders, exploration, messages, base, ends),
        )


def _orders(
    exploration: Exploration,
    messages: tuple[Send, ...],
    base: Base,
    ends: float,
    most: int = MOST_ORDERS,
) -> None:
    found = races(exploration.judge, messages, bases=[base], most=most)
    try:
        for judged in found:
            exploration.take(judged)
            if time.time() > ends:
                break
    finally:
        exploration.orders_left += found.left


def pair_unit(exploration: Exploration, messages: tuple[Send, ...], pair: Pair) -> Unit:
    schedule = Schedule(messages, plan=(pair.first, pair.second), redrives=pair.redrives)
    return Unit(str(pair), lambda: exploration.try_out(schedule))


def site_of(fault: str) -> tuple[str, str]:
    """The site of a fault's text and what it does there, as a `Cell` names them."""
    site, _, kind = fault.rpartition(": ")
    return site, kind


def _single(exploration: Exploration, messages: tuple[Send, ...], fault: Fault) -> None:
    judged = exploration.try_out(Schedule(messages, plan=(fault,)))
    if not judged.played.observation.faults_fired:
        exploration.note_tried(fault, NEVER_FIRED)
        return
    tried = [judged]
    alone = first_of(judged)
    firsts: list[First | None] = [alone]
    if fault.lasts and exploration.judge.facts().redrivable:
        schedule = Schedule(messages, plan=(fault,))
        during = exploration.try_out(replace(schedule, redrives=DURING))
        tried += [during, exploration.try_out(replace(schedule, redrives=(*AFTER, *AFTER)))]
        ended = until_set_aside(judged)
        if ended is not None:
            schedule = Schedule(messages, plan=(ended,), redrives=DURING)
            during = exploration.try_out(schedule, known=True)
            tried.append(during)
        firsts.append(first_with_redrive(during, alone))
    exploration.firsts += [first for first in firsts if first is not None]
    broke = any(verdict.value == VIOLATED for one in tried for verdict in one.verdicts.values())
    exploration.note_tried(fault, BROKE if broke else HELD)


def _content(exploration: Exploration, entry: Entry) -> None:
    """Whether awkward characters are found again in what was stored."""
    found = content.judge_content(exploration.judge, entry)
    if found is not None:
        judged, kept = found
        exploration.take_of_its_own(judged, kept)


def _keys(exploration: Exploration, entry: Entry) -> None:
    """Whether an object whose key has awkward characters is processed as any other."""
    judged = keys.judge_keys(exploration.judge, entry)
    if judged is not None:
        exploration.take_of_its_own(judged)


def _bad_messages(exploration: Exploration, entries: tuple[Entry, ...]) -> None:
    found = tried = 0
    for entry in entries:
        for _, body in workload.bad_bodies(entry.body, entry.kind):
            if found >= MOST_KINDS_OF_BAD:
                break
            tried += 1
            alone = Schedule((Send("m1", entry.name, body),))
            if not is_refused(exploration.judge, alone):
                continue
            found += 1
            exploration.try_out(alone, bad=frozenset({"m1"}))
            good = Send("m1", entry.name, entry.body), Send("m3", entry.name, entry.body)
            bad = Send("m2", entry.name, body)
            exploration.try_out(Schedule((good[0], bad, good[1])), bad=frozenset({"m2"}))
            exploration.try_out(Schedule((bad, *good)), bad=frozenset({"m2"}))
    if not found:
        _unprocessable(exploration, entries, tried)


def _unprocessable(exploration: Exploration, entries: tuple[Entry, ...], tried: int) -> None:
    """The stack takes every body: one whose every write is refused stands for a bad one."""
    took = f"the stack took or rejected each of {tried} bodies derived from the entry's own"
    exploration.note(
        f"{POISON}: {took}; a message whose writes are all refused stands for a bad one"
    )
    exploration.tallies[
        POISON
    ].why = f"{took}, and makes no write that could be refused: there is no bad message"
    for entry in entries:
        send = Send("m1", entry.name, entry.body)
        # When faults have ended it is bad no more: without effect nothing tells that from a loss.
        leaves_effects = bool(exploration.judge.alone(send)[0].effects)
        alone = Schedule((send,), redrives=AFTER if leaves_effects else ())
        writes = [
            (place, point)
            for (place, point), _ in sorted(exploration.judge.play(alone).counts.items())
            if "." in point and not is_read_only(point.rpartition(".")[2])
        ]
        for place, point in writes[:1]:
            variant = "connect-timeout" if point.startswith("http ") else "access-denied"
            fault = Fault(place, point, 1, "refused", variant, for_ms=FOR_EVER_MS)
            exploration.try_out(replace(alone, plan=(fault,)), bad=frozenset({"m1"}))
            if exploration.judge.deployed.breaker is None:
                in_company = replace(
                    alone,
                    workload=workload.plain((entry,), MESSAGES),
                    plan=(replace(fault, message="m2"),),
                )
                exploration.try_out(in_company, bad=frozenset({"m2"}))


def _is_for_nobody(history: Iterable[Event]) -> bool:
    """Whether filters and patterns chose to leave a message out, so that no handler refused it."""
    left_out = [
        e for e in history if e.kind == "filtered" or e.detail.startswith(buses.MATCHES_NO_RULE)
    ]
    return bool(left_out) and not any(event.kind == "delivered" for event in history)


def is_refused(judge: Judge, schedule: Schedule) -> bool:
    """Whether a message that comes alone and without faults is acknowledged and never handled.

    Where a good message leaves no effect either, a failure has to say it. One that is set aside may
    have left its effect before that: where it was stored first, or at another subscriber's.
    """
    send = schedule.workload[0]
    observed = judge.play(schedule).observation
    kinds = {event.kind for event in observed.history}
    if "acknowledged" not in kinds:
        return False
    if "dead-lettered" in kinds:
        return True
    if observed.effects or _is_for_nobody(observed.history):
        return False
    good = replace(send, body=judge.deployed.entry(send.entry).body)
    leaves_effects = bool(judge.alone(good)[0].effects)
    return leaves_effects or "failed" in kinds
