"""The places of a stack that a fault may name, each with its sort."""

from __future__ import annotations

from typing import Any

from pytest_storagefirst.faults import catalogue
from pytest_storagefirst.faults.plan import Fault
from pytest_storagefirst.simulation.deployed import Deployed


def places(deployed: Deployed, fault: Fault) -> dict[str, str]:
    """Name -> sort, for `check_place`.

    A store that is written to without a front door is an entry, too, by the same name: to a request
    it is the entry, to any other point what it is by itself.
    """
    topology = deployed.topology
    sorts: dict[str, tuple[Any, ...]] = {
        "function": topology.functions,
        "state machine": topology.state_machines,
        "queue": (*topology.queues, *deployed.streams),
        "source": (
            *topology.topics,
            *topology.buses,
            *topology.buckets,
            *topology.topic_rules,
            *topology.pipes,
        ),
    }
    own = {one.logical_id: sort for sort, stores in sorts.items() for one in stores}
    entries = {entry.name: "entry" for entry in deployed.entries}
    return {**own, **entries} if fault.point == catalogue.REQUEST else {**entries, **own}
