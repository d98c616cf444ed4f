"""A run's breaker watched: who read its state, who changed it, who called the downstream.

Watched is where a breaker keeps its state: an item of a table, a parameter, or the event source
mapping that it switches off. What is found goes into the observation; a change of state into the
history, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_storagefirst.faults.catalogue import is_read_only
from pytest_storagefirst.ledger import circuit
from pytest_storagefirst.ledger.circuit import CLOSED, Circuit, Step
from pytest_storagefirst.simulation.mappings_api import poller_of
from pytest_storagefirst.stack.breaker import Breaker

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation

# Whose calls read and change what a breaker keeps.
_SERVICES = {"table": "dynamodb", "parameter": "ssm", "mapping": "lambda"}


class CircuitWatch:
    """What a run does with one breaker, step by step."""

    def __init__(self, simulation: Simulation, breaker: Breaker) -> None:
        self._simulation = simulation
        self._breaker = breaker
        self._steps: list[Step] = []
        self._numbers: dict[int, int] = {}  # of environments
        self._environments: list[Any] = []  # kept, so that no other gets the same id
        self._state, self._before = CLOSED, CLOSED
        self._kept = ""
        self._instead: tuple[str, ...] = ()  # the attributes of an item that never had a state
        self._has_state = breaker.kind != "table"

    def guards(self, url: str) -> bool:
        return self._breaker.guards(url)

    def begin(self) -> None:
        """The run begins: what stands there stood there before it."""
        self._kept, self._state = self._look()

    @property
    def is_closed(self) -> bool:
        return self._state == CLOSED

    def result(self) -> Circuit:
        breaker, steps = self._breaker, tuple(self._steps)
        unlike = ""
        if self._instead and not self._has_state:
            names = ", ".join(self._instead)
            unlike = f"; its item has {names}, and never had {breaker.attribute}"
        return Circuit(
            breaker.place,
            steps,
            breaker.threshold,
            breaker.recovery_ms,
            breaker.successes,
            unlike=unlike,
        )

    def crossed(
        self, invocation: Any, service: str, operation: str, body: Any, *, stale: bool = False
    ) -> None:
        """A call has been answered that may have read or changed the state."""
        if not self._names(service, operation, body):
            return
        if is_read_only(operation):
            state = self._before if stale else self._state
            self._step(circuit.READ, invocation, invocation.messages, state)
            if stale:  # also where the state is the same: another's claim may be missing in it
                self._step(circuit.UNREAD, invocation, invocation.messages, "")
            return
        self.look(invocation)

    def refused(self, invocation: Any, service: str, operation: str, body: Any) -> None:
        """A call has failed that would have read or written the state."""
        if self._names(service, operation, body):
            kind = circuit.UNREAD if is_read_only(operation) else circuit.UNWRITTEN
            self._step(kind, invocation, invocation.messages, "")

    def look(self, invocation: Any = None) -> None:
        """Something may have changed the state: look at it."""
        kept, state = self._look()
        if kept == self._kept:
            return
        self._kept, self._before = kept, self._state
        messages = invocation.messages if invocation is not None else ()
        self._step(circuit.WROTE, invocation, messages, state)
        if state != self._state:
            self._state = state
            detail = f"{self._before} to {state}"
            self._simulation.record("circuit", messages, self._breaker.place, detail)

    def lose(self) -> bool:
        """Take the state away, as an expiry or an operator may; False where no item keeps one."""
        if self._breaker.kind != "table":
            return False
        table = self._simulation.deployed.world.backend("dynamodb").tables.get(self._breaker.name)
        item = _item(table, self._breaker.key)
        if item is None:
            return False
        table.delete_item(item.hash_key, item.range_key)
        self.look()
        return True

    def called(self, invocation: Any, messages: tuple[str, ...]) -> None:
        """A handler calls the downstream for these messages."""
        if messages:
            self._step(circuit.CALLED, invocation, messages, self._state)

    def answered(
        self,
        invocation: Any,
        messages: tuple[str, ...],
        *,
        is_good: bool,
        began_ms: int | None = None,
    ) -> None:
        """A call is over; `began_ms` tells a slow one from others."""
        took_ms = 0 if began_ms is None else self._simulation.now_ms - began_ms
        is_slow = took_ms >= circuit.SLOW_MS
        step = (circuit.ANSWERED, invocation, messages, self._state)
        self._step(*step, is_good=is_good, is_slow=is_slow)

    def died(self, invocation: Any) -> None:
        """The environment of an invocation has ended amid its work."""
        self._step(circuit.DIED, invocation, invocation.messages, self._state)

    def _step(
        self,
        kind: str,
        invocation: Any,
        messages: tuple[str, ...],
        state: str,
        *,
        is_good: bool = False,
        is_slow: bool = False,
    ) -> None:
        place, environment, number = "", 0, 0
        if invocation is not None:
            place, number = invocation.function.logical_id, invocation.number
            first = invocation  # what that knows, those whom it calls know
            while not first.is_execution and first.caller is not None:
                first = first.caller
            environment = 0 if first.is_execution else self._number(first.environment)
        self._steps.append(
            Step(
                self._simulation.now_ms,
                kind,
                place,
                environment,
                number,
                messages,
                state,
                is_good,
                is_slow,
            )
        )

    def _number(self, environment: Any) -> int:
        found = self._numbers.get(id(environment))
        if found is None:
            self._environments.append(environment)
            found = self._numbers[id(environment)] = len(self._environments)
        return found

    def is_kept_by(self, service: str, body: Any) -> bool:
        """Whether a call writes the state alone: no effect of a message."""
        return self._breaker.kind == "parameter" and self._names(service, "", body)

    def is_its_own(self, service: str, operation: str, body: Any) -> bool:
        """Whether a call writes what the breaker keeps, and names no message."""
        if not self._names(service, operation, body):
            return False
        text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
        return not self._simulation.identities.messages_in(text)

    def _names(self, service: str, operation: str, body: Any) -> bool:
        """Whether a call is about where the state is kept."""
        if service != _SERVICES[self._breaker.kind]:
            return False
        if self._breaker.kind == "mapping":
            return "EventSourceMapping" in operation  # which one stands in the path
        text = body if isinstance(body, bytes) else str(body).encode()
        return self._breaker.name.encode() in text

    def _look(self) -> tuple[str, str]:
        """All that is kept, as a text to compare, and the state in it."""
        breaker, world = self._breaker, self._simulation.deployed.world
        if breaker.kind == "mapping":
            mapping = poller_of(self._simulation, breaker.name)
            enabled = mapping is None or mapping.enabled
            return str(enabled), CLOSED if enabled else circuit.OPEN
        if breaker.kind == "parameter":
            kept = world.backend("ssm")._parameters.get(breaker.name)
            value = kept[-1].value if kept else None
            return repr(value), breaker.state_of(value)
        table = world.backend("dynamodb").tables.get(breaker.name)
        item = _item(table, breaker.key)
        if item is None:
            return "", CLOSED
        kept = {name: value.to_regular_json() for name, value in item.attrs.items()}
        word = breaker.word_in({name: value.cast_value for name, value in item.attrs.items()})
        if word is None:
            self._instead = tuple(sorted(kept))
        else:
            self._has_state = True
        return json.dumps(kept, sort_keys=True, default=str), breaker.state_of(word)


def _item(table: Any, key: Mapping[str, Any]) -> Any:
    """The item of this key, or the only one where no key is given; None for none."""
    if table is None:
        return None
    items = list(table.all_items())
    for item in items:
        if all(
            name in item.attrs and item.attrs[name].cast_value == wanted
            for name, wanted in key.items()
        ):
            return item
    return None
