"""A deployed stack, and runs of it, drawn as a graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pytest_storagefirst.explore.callees import callee_of, host_of
from pytest_storagefirst.explore.graph import (
    CALLS,
    HANDS_ON,
    NAMES,
    SETS_ASIDE,
    Graph,
    Link,
    Node,
)
from pytest_storagefirst.simulation.calls.boundary import TELEMETRY
from pytest_storagefirst.simulation.deployed import Deployed
from pytest_storagefirst.simulation.playing import Played
from pytest_storagefirst.stack.topology import Topology

DEAD_LETTERS, THIRD_PARTY, SERVICE, OUTSIDE = "dead letters", "third party", "service", "outside"
_STORES = frozenset({"stored", "delivered", "filtered", "dropped", "deduplicated"})


def graph_of(deployed: Deployed, played: Iterable[Played]) -> Graph:
    """What takes part: linked to something, or an entry. `played` are runs to learn calls from."""
    topology = deployed.topology
    kinds = _kinds(deployed)
    links = dict.fromkeys(_configured(topology, _by_arn(topology)))
    seen = [link for one in played for link in _seen(one, kinds)]
    links.update(dict.fromkeys(seen))
    called = {(link.source, link.target) for link in seen}
    links.update(
        dict.fromkeys(one for one in _named(topology) if (one.source, one.target) not in called)
    )
    stated = {(link.source, link.target) for link in links if link.kind == SETS_ASIDE}
    links = {
        link: None
        for link in links
        if link.kind != HANDS_ON or (link.source, link.target) not in stated
    }
    aside = {link.target for link in links if link.kind == SETS_ASIDE}
    linked = dict.fromkeys(id for link in links for id in (link.source, link.target))
    entries = tuple(entry.name for entry in deployed.entries)
    return Graph(
        nodes=tuple(
            Node(id, DEAD_LETTERS if id in aside and kinds.get(id) == "queue" else _kind(id, kinds))
            for id in dict.fromkeys((*entries, *linked))
        ),
        links=tuple(link for link in links if link.source != link.target),
        entries=entries,
    )


def _kinds(deployed: Deployed) -> dict[str, str]:
    topology = deployed.topology
    found = {entry.name: entry.kind for entry in deployed.entries}
    for kind, stores in (
        ("queue", topology.queues),
        ("function", topology.functions),
        ("table", topology.tables),
        ("bucket", topology.buckets),
        ("stream", topology.streams),
        ("topic", topology.topics),
        ("bus", topology.buses),
        ("rule", topology.topic_rules),
        ("pipe", topology.pipes),
        ("schedule", topology.schedules),
        ("state machine", topology.state_machines),
        ("parameter", topology.parameters),
    ):
        found.update((one.logical_id, kind) for one in stores)
    return found


def _kind(id: str, kinds: Mapping[str, str]) -> str:
    if id in kinds:
        return kinds[id]
    return THIRD_PARTY if "." in id or ":" in id else SERVICE if id.islower() else OUTSIDE


def _by_arn(topology: Topology) -> dict[str, str]:
    found = dict(topology.logical_ids)
    for stores in (
        *(topology.queues, topology.functions, topology.tables, topology.buckets),
        *(topology.streams, topology.topics, topology.buses, topology.topic_rules),
        *(topology.pipes, topology.schedules, topology.state_machines),
    ):
        for one in stores:
            found[one.arn] = one.logical_id
    found.update((one.stream_arn, one.logical_id) for one in topology.tables if one.stream_arn)
    return found


def _configured(topology: Topology, known: Mapping[str, str]) -> Iterator[Link]:
    def name(arn: str) -> str:
        if arn in known:
            return known[arn]
        return known.get(":".join(arn.split(":")[:7]), arn.rpartition(":")[2].rpartition("/")[2])

    for mapping in topology.mappings:
        yield Link(name(mapping.source_arn), name(mapping.function_arn), HANDS_ON)
        if mapping.on_failure_arn:
            yield Link(name(mapping.source_arn), name(mapping.on_failure_arn), SETS_ASIDE)
    letters = {queue.dead_letter_arn for queue in topology.queues}
    for edge in topology.edges:
        kind = SETS_ASIDE if edge.target in letters else HANDS_ON
        yield Link(name(edge.source), name(edge.target), kind)
    for pipe in topology.pipes:
        yield Link(name(pipe.source_arn), pipe.logical_id, HANDS_ON)
        yield Link(pipe.logical_id, name(pipe.target_arn), HANDS_ON)
    for queue in topology.queues:
        if queue.dead_letter_arn:
            yield Link(queue.logical_id, name(queue.dead_letter_arn), SETS_ASIDE)
    for function in topology.functions:
        for arn in (function.dead_letter_arn, function.on_failure_arn):
            if arn:
                yield Link(function.logical_id, name(arn), SETS_ASIDE)
        if function.on_success_arn:
            yield Link(function.logical_id, name(function.on_success_arn), HANDS_ON)


def _seen(played: Played, kinds: Mapping[str, str]) -> Iterator[Link]:
    """Which store an entry's messages come to first, and whom functions call."""
    entered: dict[str, str] = {}
    for event in played.observation.history:
        for message in event.messages:
            if event.kind == "attempted":
                entered[message] = event.where
            elif event.kind in _STORES and message in entered:
                yield Link(entered.pop(message), event.where, HANDS_ON)
    for (function, call), request in played.requests.items():
        service = call.partition(".")[0]
        target = callee_of(request, played.logical_ids)
        if target in kinds:
            yield Link(function, target, CALLS)
        elif service not in TELEMETRY:
            yield Link(function, service, CALLS)
    for place, point in played.counts:
        if point.startswith("http ") and host_of(point):
            yield Link(place, host_of(point), CALLS)


def _named(topology: Topology) -> Iterator[Link]:
    stores = (topology.tables, topology.queues, topology.buckets, topology.topics, topology.streams)
    known: dict[str, str] = {}
    for one in (one for kind in stores for one in kind):
        for id in (one.name, one.arn, getattr(one, "url", one.name)):
            known[id] = one.logical_id
    for function in topology.functions:
        for value in function.environment.values():
            if value in known:
                yield Link(function.logical_id, known[value], NAMES)
