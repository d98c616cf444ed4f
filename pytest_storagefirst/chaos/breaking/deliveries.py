"""Faults of messages: bad ones, some that come twice, many dead letters at once."""

from __future__ import annotations

from pytest_storagefirst.chaos.breaking.kind import Aim, Kind, chosen, mappings_of, unfit
from pytest_storagefirst.chaos.drill import Fault
from pytest_storagefirst.chaos.front_door import front_door
from pytest_storagefirst.chaos.setting import Change
from pytest_storagefirst.stack.topology import EventSourceMapping, Queue


def _messages(aim: Aim, fault: Fault, word: str, default: int) -> list[str]:
    count = fault.options.get("messages", default)
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 100:
        raise unfit(fault, f"messages = {count!r}", expected="a whole number, 1 to 100")
    return sorted(f"{aim.drill}-{word}-{number}" for number in range(1, count + 1))


def _poison(aim: Aim, fault: Fault) -> list[Change]:
    door = front_door(aim.target)
    ids = _messages(aim, fault, "poison", 2)
    reach = "the stack's own retries, until its dead-letter queue; the drill deletes them there"
    return [Change("bad-messages", door.way.name, {"messages": ids}, None, ids, reach)]


def _polled(aim: Aim, fault: Fault) -> tuple[EventSourceMapping, Queue]:
    """The mapping by which a queue is read, and the queue."""
    queues = {one.arn: one for one in aim.topology.queues}
    reading = [one for one in mappings_of(aim.topology) if one.source_arn in queues]
    mapping = chosen(fault, "event source mapping of a queue", reading)[0]
    return mapping, queues[mapping.source_arn]


def _switched_off(aim: Aim, mapping: EventSourceMapping) -> Change:
    address, reach = {"uuid": mapping.uuid}, "nothing is read from the queue meanwhile"
    return aim.change("mapping-enabled", mapping.logical_id, address, False, reach)


def _duplicate(aim: Aim, fault: Fault) -> list[Change]:
    mapping, queue = _polled(aim, fault)
    ids = _messages(aim, fault, "twice", 3)
    name = next(
        (one.name for one in aim.topology.functions if one.arn == mapping.function_arn), None
    )
    if name is None:
        raise unfit(fault, "the function that reads the queue is not the stack's own")
    front_door(aim.target)
    address = {"queue": queue.url, "function": name, "messages": ids, "run": aim.drill}
    reach = "these messages alone; each costs a receive"
    return [
        _switched_off(aim, mapping),
        Change("delivered", queue.logical_id, address, None, ids, reach),
    ]


def _redrive(aim: Aim, fault: Fault) -> list[Change]:
    mapping, queue = _polled(aim, fault)
    letters = next((one for one in aim.topology.queues if one.arn == queue.dead_letter_arn), None)
    if letters is None:
        raise unfit(fault, f"{queue.logical_id} has no dead-letter queue of the stack's own")
    front_door(aim.target)
    ids = _messages(aim, fault, "letter", 20)
    address = {"queue": queue.url, "letters": letters.url, "messages": ids}
    reach = "these messages alone; they come to the consumer all at once"
    return [
        _switched_off(aim, mapping),
        Change("dead-letters", letters.logical_id, address, None, ids, reach),
    ]


KINDS = (
    Kind("poison", _poison, ("messages",)),
    Kind("duplicate", _duplicate, ("messages",)),
    Kind("redrive", _redrive, ("messages",)),
)
