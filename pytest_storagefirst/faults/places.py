"""Whether a fault's place is one that a stack has, and of the right sort."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from pytest_storagefirst.errors import FaultError
from pytest_storagefirst.faults import catalogue
from pytest_storagefirst.faults.plan import Fault

_SORTS_OF_PLACE = {
    catalogue.CALL: ("function", "state machine"),
    catalogue.HTTP: ("function",),
    catalogue.INVOCATION: ("function",),
    catalogue.DELIVERY: ("queue", "source", "state machine"),
    catalogue.REQUEST: ("entry",),
}


def check_place(fault: Fault, places: Mapping[str, str]) -> None:
    """Raise FaultError unless the stack has the fault's place. `places`: name -> its sort."""
    sorts = _SORTS_OF_PLACE[catalogue.sort_of_point(fault.point)]
    if fault.kind in catalogue.QUEUES_ONLY:
        sorts = ("queue",)
    elif fault.kind in catalogue.NEVER_A_QUEUES:
        sorts = ("source",)
    fitting = [
        name
        for name, sort in places.items()
        if sort in sorts and (sort != "state machine" or catalogue.strikes_machines(fault.kind))
    ]
    if fault.place in fitting:
        return
    wanted = sorts[0]
    near = difflib.get_close_matches(fault.place, fitting, n=1)
    raise FaultError(
        f"the stack has no {wanted} {fault.place!r}",
        found=str(fault),
        expected=", ".join(fitting) or f"a stack with a {wanted}",
        remedy=f"write {near[0]!r}" if near else "",
    )
