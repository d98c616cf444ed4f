"""What runs can't show: what filters and patterns leave out, and consumers that leave no trace.

Rules from the Lambda developer guide (invocation-eventfiltering), the SNS developer guide
(sns-message-filtering) and the EventBridge user guide (eb-event-patterns,
eb-pipes-event-filtering).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from pytest_storagefirst.ledger.effects import Observation
from pytest_storagefirst.ledger.events import Event
from pytest_storagefirst.simulation.deployed import Deployed
from pytest_storagefirst.simulation.routing import buses, topics
from pytest_storagefirst.stack.topology import EventSourceMapping


def why_left_out(deployed: Deployed, history: Iterable[Event], *, guessed: bool) -> str:
    """Why nobody got a message that came alone and left no effect, if that is for its body.

    What a bus or a topic drops of a body that somebody gave is lost, and no body's fault.
    """
    dropped = [event for event in history if event.kind == "dropped"]
    for event in dropped:
        if guessed and _asks_for_more(deployed, event):
            return f"{event.where} dropped it: {event.detail}"
    by = next((event.detail for event in history if event.kind == "filtered"), "")
    if dropped or not by:
        return ""
    return f"the filter criteria of {by} don't match it, so it was deleted undelivered"


def _asks_for_more(deployed: Deployed, event: Event) -> bool:
    """Whether what a guess lacks may be why a bus or a topic dropped it."""
    if event.detail.startswith(topics.MATCHES_NO_FILTER):
        return True
    found = [bus for bus in deployed.topology.buses if bus.logical_id == event.where]
    patterns = [json.loads(text) for bus in found for text in bus.patterns]
    return event.detail.startswith(buses.MATCHES_NO_RULE) and any(
        "detail" in one for one in patterns
    )


def notes_on_filters(deployed: Deployed, history: Iterable[Event]) -> Iterator[str]:
    """Of each filter that let nothing through in a run to those behind it."""
    reached = _reached(history)
    for where, by in _filters(history):
        behind = _reader(deployed, by)
        if behind not in reached:
            yield (
                f"{where}: the filter of {by} let nothing through of what was sent, so nothing was "
                "shown of what is behind it: give an [[entry]] a body that it wants"
            )


def notes_on_the_traceless(deployed: Deployed, observed: Observation) -> Iterator[str]:
    """Of each consumer that leaves nothing while others do: no verdict is about its work.

    Where nothing at all is left, messages are judged by acknowledgement, and that is said there.
    """
    if not observed.effects:
        return
    topology = deployed.topology
    fed = {one.function_arn for one in topology.mappings} | {one.target for one in topology.edges}
    got = {event.where for event in observed.history if event.kind == "delivered"}
    left = {event.where for event in observed.history if event.kind == "effected"}
    for function in topology.functions:
        if function.arn in fed and function.logical_id in got - left:
            yield (
                f"{function.logical_id} gets messages and leaves nothing that can be seen: no "
                "verdict says whether it does its work"
            )


def why_unseen(deployed: Deployed, history: Iterable[Event]) -> str:
    """Why a run without faults shows nothing: all that reached a queue or stream was filtered out.

    Where a message was delivered to something before, or others of that source were, a filter does
    what it is for.
    """
    reached = _reached(history)
    delivered = {one for event in history if event.kind == "delivered" for one in event.messages}
    for event in history:
        if event.kind != "filtered" or delivered.issuperset(event.messages):
            continue
        readers = [_reader(deployed, one.logical_id) for one in _mappings(deployed, event.where)]
        if readers and reached.isdisjoint(readers):
            return f"the filter of {_by(event)} drops all that was sent to {event.where}"
    return ""


def _reached(history: Iterable[Event]) -> frozenset[str]:
    kinds = ("delivered", "stored", "effected")
    return frozenset(event.where for event in history if event.kind in kinds)


def _filters(history: Iterable[Event]) -> dict[tuple[str, str], None]:
    filtered = (event for event in history if event.kind == "filtered")
    return dict.fromkeys((event.where, _by(event)) for event in filtered)


def _by(event: Event) -> str:
    """Whose filter it was, without why."""
    return event.detail.partition(" (")[0]


def _mappings(deployed: Deployed, place: str) -> Iterator[EventSourceMapping]:
    """Those that read a queue or a stream."""
    for mapping in deployed.topology.mappings:
        queue = deployed.queue_by_arn(mapping.source_arn) if ":sqs:" in mapping.source_arn else None
        source = queue or deployed.stream_by_arn(mapping.source_arn)
        if source is not None and source.logical_id == place:
            yield mapping


def _reader(deployed: Deployed, by: str) -> str:
    """Whom a mapping or a subscription, as `filtered` events name it, delivers to."""
    for mapping in deployed.topology.mappings:
        if mapping.logical_id == by:
            function = deployed.function_by_arn(mapping.function_arn)
            return by if function is None else str(function.logical_id)
    return by.rpartition(" ")[2]
