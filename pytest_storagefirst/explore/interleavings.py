"""Two or more execution environments at work at once: which orders are tried, and their verdicts.

Every order of two invocations' steps is tried as far as it differs (`orders.py`), for one message
that is at work twice and for up to three that are at work together; what is left beyond a number of
runs is told. Only what the stack allows is at work at once: reserved concurrency, a mapping's
maximum and FIFO groups hold here as everywhere.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from pytest_storagefirst.explore.footprints import footprints
from pytest_storagefirst.explore.judge import Judge, Judged
from pytest_storagefirst.explore.orders import Orders
from pytest_storagefirst.explore.sweep import outage_ms
from pytest_storagefirst.faults.catalogue import HTTP, is_read_only, sort_of_point
from pytest_storagefirst.faults.plan import Fault
from pytest_storagefirst.simulation.calls.boundary import STATE_SERVICES, TELEMETRY
from pytest_storagefirst.simulation.choosing import Holding, Names, Recording
from pytest_storagefirst.simulation.playing import play
from pytest_storagefirst.simulation.schedule import Schedule, Send

STATE_KEEPERS = frozenset({"dynamodb", "ssm", "mappings"})
MOST_ORDERS = 200  # runs of one stack, unless the caller goes on
AT_ONCE = 3  # messages at work together
FAILURES = (3, 6)  # of a third party before it is well again: few, and more than most tolerate


@dataclass(frozen=True)
class Base:
    """A schedule whose orders are tried. `name` is the same on every machine, for shards."""

    name: str
    schedule: Schedule
    pauses: bool = False  # whether time passes amid the work, too


def base_schedules(judge: Judge, messages: tuple[Send, ...]) -> tuple[Base, ...]:
    """The schedules whose orders are worth trying, the likeliest to show a race first."""
    firsts: dict[str, Send] = {}
    for send in messages:
        firsts.setdefault(send.entry, send)
    simple: list[Base] = []
    three: list[Base] = []
    after_failures: list[Base] = []
    for entry, send in firsts.items():
        sends = tuple(replace(send, message=f"m{number + 1}") for number in range(AT_ONCE))
        counts = judge.play(Schedule(sends[:1])).counts
        queues = {queue.logical_id for queue in judge.deployed.topology.queues}
        simple += _doubled(entry, sends, (one for one in counts if one[0] in queues))
        simple.append(Base(f"{entry}: two at once", _together(sends[:2]), pauses=True))
        three.append(Base(f"{entry}: three at once", _together(sends)))
        three += _resent(entry, sends)
        after_failures += _after_failures(judge, entry, sends, counts)
    if len(firsts) > 1:
        simple.append(Base("one through each entry", _together(tuple(firsts.values())[:AT_ONCE])))
    return (*simple, *three, *after_failures)


def _together(sends: tuple[Send, ...], *plan: Fault, concurrency: int = 0) -> Schedule:
    at_once = concurrency or max(2, len(sends))
    return Schedule(sends, plan, batch_limit=1, concurrency=at_once)


def _doubled(
    entry: str, sends: tuple[Send, ...], counts: Iterable[tuple[str, str]]
) -> Iterator[Base]:
    """A queue delivers a message while its first delivery is at work."""
    for place, point in sorted(counts):
        if point == "delivery":
            fault = Fault(place, point, 1, "visibility-expired")
            name = f"{entry}: the same twice at once from {place}"
            yield Base(name, _together(sends[:1], fault), pauses=True)
            name = f"{entry}: two at once, one of them twice from {place}"
            yield Base(name, _together(sends[:2], fault, concurrency=AT_ONCE))


def _resent(entry: str, sends: tuple[Send, ...]) -> Iterator[Base]:
    fault = Fault(entry, "request", 1, "sender-resends")
    yield Base(f"{entry}: sent again", _together(sends[:1], fault))


def _after_failures(
    judge: Judge, entry: str, sends: tuple[Send, ...], counts: Iterable[tuple[str, str]]
) -> Iterator[Base]:
    """A third party has failed and is well again, and several try it at once."""
    for place, point in sorted(counts):
        kind = _failure_of(point)
        if not kind:
            continue
        for times in FAILURES:
            fault = Fault(place, point, 1, kind, times=times)
            name = f"{entry}: {point} has failed {times} times"
            yield Base(name, _together(sends, fault))
        fault = Fault(place, point, 1, kind, for_ms=outage_ms(judge.deployed, kind, place))
        yield Base(f"{entry}: {point} was out", _together(sends, fault))


def _failure_of(point: str) -> str:
    """How a point fails that lies outside of the stack; "" for one that doesn't."""
    if sort_of_point(point) == HTTP:
        return "http-500"
    service, _, operation = point.partition(".")
    if not operation or service in STATE_SERVICES | TELEMETRY or is_read_only(operation):
        return ""
    return "refused"


class Races(Iterator[Judged]):
    """Judged runs, one for each order. It may be left at any time, and gone on with.

    It ends after `most` runs; raise that to go on. `tried` and `left` count orders; those left are
    the ones known of by now, of which each may lead to more.
    """

    def __init__(self, judge: Judge, bases: Iterable[Base], most: int = MOST_ORDERS) -> None:
        self.most = most
        self.tried = 0
        key_names = {table.name: table.key_names for table in judge.deployed.topology.tables}
        self._orders: list[Orders[Judged]] = []
        self._runs: list[Iterator[Judged]] = []
        self._next: list[tuple[int, int, int]] = []  # races turned, runs so far, base
        for number, base in enumerate(bases):
            orders = Orders(
                _player(judge, base.schedule),
                lambda step: footprints(step.touched, key_names),
                pauses=base.pauses,
            )
            self._orders.append(orders)
            self._runs.append(iter(orders))
            self._next.append((0, 0, number))

    @property
    def left(self) -> int:
        return sum(orders.left for orders in self._orders)

    def __next__(self) -> Judged:
        if self.tried >= self.most or not self._next:
            raise StopIteration
        *_, number = heapq.heappop(self._next)
        judged = next(self._runs[number])
        self.tried += 1
        orders = self._orders[number]
        turned = orders.next_turned
        if turned is not None:
            heapq.heappush(self._next, (turned, orders.tried, number))
        return judged


def races(
    judge: Judge,
    messages: tuple[Send, ...],
    *,
    bases: Iterable[Base] | None = None,
    most: int = MOST_ORDERS,
) -> Races:
    """Play and judge the orders of these messages' work, in an order that is always the same.

    `bases` are some of `base_schedules(judge, messages)`, where the work is divided.
    """
    return Races(judge, base_schedules(judge, messages) if bases is None else bases, most)


def held_back(judge: Judge, base: Base) -> Iterator[Judged]:
    """Orders in which one stops between a look at what others change and its next step.

    Most races show with one such stop (Musuvathi and Qadeer, "Iterative context bounding", 2007).
    """
    played, names = _player(judge, base.schedule), Names()
    first = Recording(names)
    yield played(first)
    made = Counter[int]()
    for step in first.steps:
        made[step.process] += 1
        if any(service in STATE_KEEPERS for service, _, _ in step.touched):
            yield played(Holding(names, step.process, made[step.process]))


def _player(judge: Judge, schedule: Schedule) -> Callable[[Recording], Judged]:
    def played(recording: Recording) -> Judged:
        judge.runs += 1
        to_expiry = judge.outlasts_retention(schedule)
        run = play(judge.deployed, schedule, to_expiry=to_expiry, recording=recording)
        return judge.judge_played(replace(schedule, choices=recording.choices), run)

    return played
