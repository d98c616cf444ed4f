"""Whether a service may deliver to a target, as a delivery is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_storagefirst.simulation.permissions import permissions
from pytest_storagefirst.simulation.routing.targets import Refused

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation


def may_deliver(
    simulation: Simulation,
    principal: str,
    source_arn: str,
    target_arn: str,
    role_arn: str = "",
    action: str = "",
) -> Refused | None:
    """Why not; None when it may. A missing permission does not heal by itself."""
    refused = permissions.may_deliver(
        simulation, principal, source_arn, target_arn, role_arn or None, action
    )
    return None if refused is None else Refused(refused.reading, heals=False, denied=True)
