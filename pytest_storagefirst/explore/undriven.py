"""Ways into a stack by which nothing is sent, and why: no verdict is about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_storagefirst.explore.entries import WRITING_METHODS, not_simulated, sources, stores_in
from pytest_storagefirst.ledger.effects import Observation
from pytest_storagefirst.simulation.deployed import Deployed, Entry
from pytest_storagefirst.stack.topology import Route, Topology

NOTHING = "no message starts there"


def notes_on_the_undriven(
    deployed: Deployed, given: Sequence[Entry], observed: Observation
) -> Iterator[str]:
    """Of each route that takes requests, and each store that others write to, where no message was
    seen in a run without faults. Entries that are `given` have notes of their own, if left out.
    Of what is not simulated nothing is seen either.
    """
    for told in not_simulated(deployed.topology):
        yield f"{told}: no verdict is about that"
    # By what they are: a user may write a queue's physical name, or a path with a slash behind it.
    routes = [entry.route for entry in given if entry.route is not None]
    stores = {entry.store.logical_id for entry in given if entry.route is None}
    named = any(entry.chosen for entry in given)
    others = "storagefirst.toml names other entries" if named else ""
    for route in deployed.topology.routes:
        if route not in routes and route.method in WRITING_METHODS:
            why = others if stores_in(route) else _why_no_entry(deployed.topology, route)
            yield f"{route.name}: {why or 'another is tried'}, so {NOTHING}"
    for entry in sources(deployed.topology):
        if entry.name not in stores and not _is_reached(entry.name, observed):
            yield (
                f"{entry.name}: {others or 'messages come by routes'}, so {NOTHING}; to send to "
                f'it, write [[entry]] and below it {entry.kind} = "{entry.name}"'
            )


def _why_no_entry(topology: Topology, route: Route) -> str:
    for function in topology.functions:
        if f"{function.arn}/" in f"{route.integration.uri}/":
            return f"runs {function.logical_id} before anything is stored"
    return "stores nothing"


def _is_reached(name: str, observed: Observation) -> bool:
    """Whether something was written there, by whatever, or read from there."""
    return any(effect.place == name for effect in observed.effects) or any(
        event.where == name or event.detail.endswith(f" from {name}") for event in observed.history
    )
