"""Targets that a template names and does not have: misspelt, or another stack's.

A rule, subscription, notification, pipe or schedule may name what another stack holds. Where that
is a parameter or an import, the template says so. Where a name is written out, nothing tells it
from one that is misspelt, to which AWS can't deliver.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pytest_storagefirst.ledger.effects import Effect
from pytest_storagefirst.simulation.deployed import Deployed
from pytest_storagefirst.simulation.routing.targets import named, place_outside
from pytest_storagefirst.stack.template import Template
from pytest_storagefirst.stack.topology import Edge

_FOLLOWED = frozenset({"events", "kinesis", "lambda", "sns", "sqs", "states"})
_FEWEST_LETTERS = 2  # of a parameter that makes a name


def absent_targets(deployed: Deployed) -> tuple[Edge, ...]:
    """What hands on to whom, where the target is of this account and not of this stack."""
    return tuple(
        edge
        for edge in dict.fromkeys(deployed.topology.edges)
        if _is_of_this_account(deployed, edge.target) and not _stands(deployed, edge.target)
    )


def notes_on_absent(
    deployed: Deployed, absent: Iterable[Edge], template: Template
) -> Iterator[str]:
    """What is told of them; nothing of what is wholly a parameter's or an import's."""
    names = deployed.topology.logical_ids
    for edge in absent:
        if not _is_taken_over(edge.target, template):
            yield (
                f"{named(names, edge.source)}: its target {edge.target} is not in this template, "
                "so whether anything takes what is sent there is not known; a parameter or an "
                "import would say that it is another stack's"
            )


def places_of(deployed: Deployed, absent: Iterable[Edge], template: Template) -> tuple[str, ...]:
    """Where what only these get has its effect: of those whose names are written out.

    A store that hands on to nothing else is on the way there.
    """
    names = deployed.topology.logical_ids
    written = {one.target for one in absent if _is_written_out(one.target, template)}
    places = [place_outside(names, one.target) for one in absent if one.target in written]
    for source in dict.fromkeys(one.source for one in absent):
        targets = {edge.target for edge in deployed.topology.edges if edge.source == source}
        places += [named(names, source)] if targets <= written else []
    return tuple(dict.fromkeys(places))


def why_nowhere(deployed: Deployed, effects: Iterable[Effect]) -> str:
    """Why effects of a message alone show nothing: all are at what nothing shows to be there."""
    places = [effect.place for effect in effects]
    outside = [place.rpartition(":")[2] for place in places if " " in place]
    if not outside or not set(places) <= set(deployed.absent):
        return ""
    where = ", ".join(dict.fromkeys(outside))
    return f"what is sent goes to {where} alone, which is not in this template"


def _is_of_this_account(deployed: Deployed, arn: str) -> bool:
    parts = arn.split(":")
    topology = deployed.topology
    return (
        len(parts) >= 6
        and parts[2] in _FOLLOWED
        and parts[3:5] == [topology.region, topology.account]
        and (parts[2] != "events" or parts[5].startswith("event-bus/"))
    )


def _stands(deployed: Deployed, arn: str) -> bool:
    names = deployed.topology.logical_ids
    if arn in names or ":".join(arn.split(":")[:7]) in names:
        return True
    if ":event-bus/" in arn:
        return arn.rpartition("/")[2] in deployed.world.backend("events").event_buses
    return deployed.function_by_arn(arn) is not None or (
        ":sqs:" in arn and deployed.queue_by_arn(arn) is not None
    )


def _is_taken_over(arn: str, template: Template) -> bool:
    known = {*template.given, *template.external}
    return "invented-" in arn or arn in known or _name(arn) in known


def _is_written_out(arn: str, template: Template) -> bool:
    """Whether no parameter has a part in a name."""
    if _is_taken_over(arn, template):
        return False
    name = _name(arn)
    return name in template.path.read_text(encoding="utf-8") or not any(
        len(value) >= _FEWEST_LETTERS and value in name
        for value in (*template.given, *template.external)
    )


def _name(arn: str) -> str:
    return arn.split(":", 5)[5].rpartition("/")[2].removeprefix("function:")
