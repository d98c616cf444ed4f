"""How faults of drills break a stack: which settings of which resources take which value."""

from __future__ import annotations

from pytest_storagefirst.chaos.breaking import (
    access,
    circuits,
    consumers,
    deliveries,
    flags,
    functions,
    outside,
)
from pytest_storagefirst.chaos.breaking.kind import Aim, Kind

KINDS: dict[str, Kind] = {
    kind.name: kind
    for module in (consumers, functions, access, outside, circuits, flags, deliveries)
    for kind in module.KINDS
}

__all__ = ["KINDS", "Aim", "Kind"]
