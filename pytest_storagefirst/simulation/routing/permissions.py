"""Whether a service may deliver to a target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_storagefirst.simulation.routing.deliveries import Refused

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation


def may_deliver(
    simulation: Simulation, principal: str, source_arn: str, target_arn: str, role_arn: str = ""
) -> Refused | None:
    return None
