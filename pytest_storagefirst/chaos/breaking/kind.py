"""A kind of fault that a drill can make, and what it is aimed at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from pytest_storagefirst.chaos.drill import Fault
from pytest_storagefirst.chaos.setting import Address, Change, Value
from pytest_storagefirst.chaos.settings import SETTINGS
from pytest_storagefirst.errors import DrillError
from pytest_storagefirst.settings import nearest
from pytest_storagefirst.stack.topology import EventSourceMapping, Function, Queue, Topology
from pytest_storagefirst.target.target import Target


@dataclass(frozen=True)
class Aim:
    """The target, the id of the drill, by which what it makes is named, and the alarms that end it,
    by name.
    """

    target: Target
    drill: str
    alarms: tuple[str, ...] = ()

    @property
    def topology(self) -> Topology:
        return self.target.topology()

    def change(
        self, setting: str, place: str, address: Address, value: Value, reach: str = ""
    ) -> Change:
        """A change of what stands there now; `value` may be a function of that."""
        before = SETTINGS[setting].read(self.target, address)
        wanted = value(before) if callable(value) else value
        return Change(setting, place, address, before, wanted, reach)


@dataclass(frozen=True)
class Kind:
    """`plan` says what a fault would change, and changes nothing; it raises DrillError for a stack
    that the fault does not fit. `options` are keys that a fault of this kind may have. `stops` says
    whether a fault keeps every message from being processed as long as it lasts.
    """

    name: str
    plan: Callable[[Aim, Fault], list[Change]]
    options: tuple[str, ...] = ()
    stops: Callable[[Fault], bool] = lambda _: False


def always(fault: Fault) -> bool:
    return True


class Named(Protocol):
    @property
    def logical_id(self) -> str: ...


Resource = TypeVar("Resource", bound=Named)


def chosen(fault: Fault, what: str, fitting: Iterable[Resource]) -> list[Resource]:
    """The resources that a fault is about: those it names, or all that fit.

    Raises DrillError where the stack has none, or not the one that is named.
    """
    known = {one.logical_id: one for one in fitting}
    if not known:
        raise unfit(fault, f"the stack has no {what}")
    for name in fault.where:
        if name not in known:
            raise unfit(
                fault,
                f"the stack has no {what} {name!r}",
                expected=", ".join(known),
                remedy=nearest(name, known),
            )
    return [known[name] for name in fault.where] or list(known.values())


def unfit(fault: Fault, why: str, *, expected: str = "", remedy: str = "") -> DrillError:
    """The fault does not fit the stack."""
    return DrillError(
        f"the fault {fault.kind} does not fit this stack: {why}", expected=expected, remedy=remedy
    )


# --- what is what in a stack ------------------------------------------------------------------


def mappings_of(topology: Topology) -> list[EventSourceMapping]:
    """Lambda's own event source mappings; a pipe is not switched like one."""
    return [one for one in topology.mappings if not one.uuid.startswith("arn:")]


def consumers_of(topology: Topology) -> list[Function]:
    """The functions that a mapping feeds; in a stack without any, all of them."""
    fed = {one.function_arn for one in topology.mappings}
    fed |= {edge.target for edge in topology.edges}
    return [one for one in topology.functions if one.arn in fed] or list(topology.functions)


def work_queues(topology: Topology) -> list[Queue]:
    """The queues whose messages somebody is to process: no dead-letter queues."""
    from pytest_storagefirst.target.queues import queues_of

    return list(queues_of(topology).work)
