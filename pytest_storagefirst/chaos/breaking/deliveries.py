"""Faults of messages: bad ones, some that come twice, many dead letters at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pytest_storagefirst.chaos.arriving import arriving
from pytest_storagefirst.chaos.breaking.kind import Aim, Kind, chosen, mappings_of, unfit
from pytest_storagefirst.chaos.drill import Fault
from pytest_storagefirst.chaos.front_door import front_doors
from pytest_storagefirst.chaos.setting import Change
from pytest_storagefirst.stack.topology import EventSourceMapping, Queue
from pytest_storagefirst.target.queues import queues_of
from pytest_storagefirst.target.streams import sources_of


def _messages(aim: Aim, fault: Fault, word: str, default: int, places: int = 1) -> list[str]:
    """Ids of messages: as many as the fault says for each place."""
    count = fault.options.get("messages", default)
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 100:
        raise unfit(fault, f"messages = {count!r}", expected="a whole number, 1 to 100")
    return sorted(f"{aim.drill}-{word}-{number}" for number in range(1, count * places + 1))


def _poison(aim: Aim, fault: Fault) -> list[Change]:
    """Through every entry: what one queue sets aside says nothing of another. Where nothing does,
    what is sent stays until retention ends, so that has to be asked for by `where`.
    """
    doors = front_doors(aim.target)
    names = list(dict.fromkeys(door.way.name for door in doors))
    for name in fault.where:
        if name not in names:
            raise unfit(fault, f"the stack has no entry {name!r}", expected=", ".join(names))
    for_good = _given_for_good(aim)
    not_tried = tuple(f"{name}: {for_good[name]}" for name in names if name in for_good)
    if fault.where:
        names, not_tried = list(dict.fromkeys(fault.where)), ()
    elif fitting := [name for name in names if name not in for_good]:
        names = fitting
    else:
        raise unfit(
            fault,
            "; ".join(not_tried),
            expected="a dead-letter queue, or a failure destination, of what an entry leads to",
            remedy="give it one; or name the entry by where = […] in a drill of your own, "
            "and what it gets will be left there",
        )
    ids = _messages(aim, fault, "poison", 2, len(names))
    changes = []
    for name, mine in zip(names, _shares(ids, len(names)), strict=True):
        reach = "the stack's own retries, until its dead-letter queue; the drill deletes them there"
        if name in for_good:
            reach = f"{for_good[name]}, and are left there: the drill can't take them away"
        address = {"messages": mine, "entry": name}
        changes.append(Change("bad-messages", name, address, None, mine, reach, not_tried))
    return changes


def _given_for_good(aim: Aim) -> dict[str, str]:
    """By entry, why a bad message that it lets in is not set aside where a drill sees it.

    Of where an entry leads it is not always known: then nothing is said of it.
    """
    topology = aim.topology
    own = {queue.arn for queue in topology.queues}
    again = "bad messages are given again and again until its retention ends"
    found: dict[str, str] = {}
    for queue in queues_of(topology).work:
        if not queue.dead_letter_arn:
            why = f"{queue.logical_id} has no dead-letter queue: {again}"
        elif queue.dead_letter_arn not in own:
            why = f"the dead-letter queue of {queue.logical_id} is not the stack's own: bad "
            why += "messages get there"
        else:
            continue
        found |= {one.entry: why for one in arriving(aim.target, queue)}
    streams = {one.arn: one.logical_id for one in sources_of(topology)}
    for mapping in mappings_of(topology):
        # -1 is Lambda's word for no bound (API_CreateEventSourceMapping).
        bounds = (mapping.maximum_retry_attempts, mapping.maximum_record_age_seconds)
        if mapping.source_arn in streams and all(one in (None, -1) for one in bounds):
            found[streams[mapping.source_arn]] = (
                f"{mapping.logical_id} has neither MaximumRetryAttempts nor a maximum record age: "
                "bad messages stop their shard until the stream's retention ends"
            )
    return found


@dataclass(frozen=True)
class _Polled:
    """A queue that mappings read, and the entry whose messages come to it."""

    queue: Queue
    mappings: tuple[EventSourceMapping, ...]
    entry: str


def _polled(
    aim: Aim, fault: Fault, lacks: Callable[[Queue], str]
) -> tuple[list[_Polled], tuple[str, ...]]:
    """The queues that the fault is for, and why it is not for the others of the stack.

    `lacks` says what a queue has to have beside, and has not. `where` names mappings or queues.
    Raises DrillError where none is left, or not one that is named.
    """
    reading: dict[str, list[EventSourceMapping]] = {}
    for one in mappings_of(aim.topology):
        reading.setdefault(one.source_arn, []).append(one)
    queues = [one for one in aim.topology.queues if one.arn in reading]
    named = []
    for name in fault.where:
        read = [q for q in queues if name in {one.logical_id for one in reading[q.arn]}]
        named += [one.logical_id for one in read] or [name]
    wanted = chosen(
        replace(fault, where=tuple(dict.fromkeys(named))), "queue that a mapping reads", queues
    )
    found, unfit_ones = [], []
    for queue in wanted:
        entries = arriving(aim.target, queue)
        why = lacks(queue) or ("" if entries else "of no entry is it known what comes to it")
        if why:
            unfit_ones.append(f"{queue.logical_id}: {why}")
        else:
            found.append(_Polled(queue, tuple(reading[queue.arn]), entries[0].entry))
    if not found or (named and unfit_ones):
        raise unfit(
            fault,
            "; ".join(unfit_ones),
            expected="an entry that is the queue itself, or a route that API Gateway hands to it",
            remedy='[[entry]] with queue = "…" and a body as it comes to the queue',
        )
    if not named:
        unfit_ones += [
            f"{one.logical_id}: no event source mapping reads it"
            for one in queues_of(aim.topology).work
            if one not in queues
        ]
    return found, tuple(unfit_ones)


def _switched_off(aim: Aim, polled: list[_Polled]) -> list[Change]:
    """Those of all queues first: nothing is to be read that is sent later."""
    reach = "nothing is read from {} meanwhile: what others send waits there"
    return [
        aim.change(
            "mapping-enabled",
            mapping.logical_id,
            {"uuid": mapping.uuid},
            False,
            reach.format(one.queue.logical_id),
        )
        for one in polled
        for mapping in one.mappings
    ]


def _shares(ids: list[str], queues: int) -> list[list[str]]:
    """For each queue messages of its own."""
    return [ids[number::queues] for number in range(queues)]


def _duplicate(aim: Aim, fault: Fault) -> list[Change]:
    names = {one.arn: one.name for one in aim.topology.functions}

    def lacks(queue: Queue) -> str:
        reading = [one for one in mappings_of(aim.topology) if one.source_arn == queue.arn]
        own = any(one.function_arn in names for one in reading)
        return "" if own else "the function that reads it is not the stack's own"

    polled, others = _polled(aim, fault, lacks)
    ids = _messages(aim, fault, "twice", 3, len(polled))
    changes = _switched_off(aim, polled)
    for one, mine in zip(polled, _shares(ids, len(polled)), strict=True):
        mapping = next(read for read in one.mappings if read.function_arn in names)
        name = names[mapping.function_arn]
        address = {
            "queue": one.queue.url,
            "entry": one.entry,
            "function": f"{name}:{mapping.qualifier}" if mapping.qualifier else name,
            "messages": mine,
            "run": aim.drill,
        }
        reach = (
            f"these messages alone: sent to the queue as {one.entry} lets them through, and "
            f"handed to the function as well; nothing is received"
        )
        place = one.queue.logical_id
        changes.append(Change("delivered", place, address, None, mine, reach, others))
    return changes


def _redrive(aim: Aim, fault: Fault) -> list[Change]:
    by_arn = {one.arn: one for one in aim.topology.queues}

    def lacks(queue: Queue) -> str:
        has = queue.dead_letter_arn in by_arn
        return "" if has else "it has no dead-letter queue of the stack's own"

    polled, others = _polled(aim, fault, lacks)
    ids = _messages(aim, fault, "letter", 20, len(polled))
    changes = _switched_off(aim, polled)
    for one, mine in zip(polled, _shares(ids, len(polled)), strict=True):
        letters = by_arn[str(one.queue.dead_letter_arn)]
        # Of one message group SQS lets ten be in flight: more could not be taken back at once.
        mine = mine[:10] if letters.fifo else mine
        address = {
            "queue": one.queue.url,
            "letters": letters.url,
            "entry": one.entry,
            "messages": mine,
        }
        reach = (
            f"these messages alone: put there as {one.entry} lets them through, and then sent to "
            f"{one.queue.logical_id} all at once; others' dead letters are looked at, and given "
            f"back{', at most ten of a FIFO queue' if letters.fifo else ''}"
        )
        place = letters.logical_id
        changes.append(Change("dead-letters", place, address, None, mine, reach, others))
    return changes


KINDS = (
    Kind("poison", _poison, ("messages",)),
    Kind("duplicate", _duplicate, ("messages",)),
    Kind("redrive", _redrive, ("messages",)),
)
