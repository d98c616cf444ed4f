"""What operators change while messages are in flight: a flag, a mapping, the code."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_storagefirst.faults.plan import OUTAGE_MS, Fault, Plan
from pytest_storagefirst.simulation import flags, mappings_api
from pytest_storagefirst.simulation.flags import Flag
from pytest_storagefirst.simulation.mappings_api import switch

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation

FLIP = "flag-flipped"
KINDS = frozenset({FLIP, "circuit-lost", "mapping-disabled", "redeployed"})
_AGAIN_MS = 1_000  # until a mapping that is changing is tried again


def strike(
    simulation: Simulation,
    place: str,
    point: str,
    messages: tuple[str, ...],
    numbers: Mapping[str, int] | None = None,
) -> None:
    """Make the change that the plan has for this crossing, just before it, if any."""
    found = simulation.due(place, point, messages, KINDS, numbers)
    if found is None or (found.fault.for_ms and found.began_ms is not None):
        return
    fault = found.fault
    if fault.kind == "redeployed":
        simulation.strike(found, messages)
        simulation.functions.redeploy(place)
    elif fault.kind == "circuit-lost":
        if simulation.circuit is not None and simulation.circuit.lose():
            simulation.strike(found, messages)
    elif fault.kind == "mapping-disabled":
        pollers = [one for one in _pollers(simulation, place) if one.enabled and not one.changing]
        if pollers:
            simulation.strike(found, messages)
            _disable(simulation, pollers, fault)
    elif meant := flags_of(simulation.deployed.flags, fault):
        simulation.strike(found, messages)
        _flip(simulation, meant, fault)


def flags_of(known: tuple[Flag, ...], fault: Fault) -> tuple[Flag, ...]:
    """The flags that a flip is about: the one that it names, or all there are."""
    return tuple(flag for flag in known if fault.variant in ("", flag.name))


def flipped_by(known: tuple[Flag, ...], plan: Plan) -> list[frozenset[str]]:
    """Which flags a plan may leave at their other value: each alone, and all of them."""
    names = sorted(
        {one.name for fault in plan if fault.kind == FLIP for one in flags_of(known, fault)}
    )
    each = [frozenset({name}) for name in names]
    return [*each, frozenset(names)] if len(names) > 1 else each


def _flip(simulation: Simulation, meant: tuple[Flag, ...], fault: Fault) -> None:
    for flag in meant:
        flags.flip(simulation, flag)
        if fault.for_ms:
            back = partial(flags.flip, simulation, flag)
            simulation.scheduler.at(simulation.now_ms + fault.for_ms, back)


def _pollers(simulation: Simulation, place: str) -> list[Any]:
    """What polls for a function, in the order of the template."""
    return [
        poller
        for poller in mappings_api.pollers(simulation)
        if (fed := simulation.deployed.function_by_arn(poller.mapping.function_arn)) is not None
        and fed.logical_id == place
    ]


def _disable(simulation: Simulation, pollers: list[Any], fault: Fault) -> None:
    for poller in pollers:
        switch(simulation, poller, enabled=False)
        ends_ms = simulation.now_ms + (fault.for_ms or OUTAGE_MS)
        simulation.scheduler.at(ends_ms, partial(_enable, simulation, poller))


def _enable(simulation: Simulation, poller: Any) -> None:
    if poller.changing:
        later = simulation.now_ms + _AGAIN_MS
        simulation.scheduler.at(later, partial(_enable, simulation, poller))
    elif not poller.enabled:
        switch(simulation, poller, enabled=True)
