"""The stack's queues as a run sees them: whose message is where, and what happens to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_storagefirst.ledger.effects import Held
from pytest_storagefirst.simulation.behalf import on_behalf_of, whose
from pytest_storagefirst.simulation.queues import moves
from pytest_storagefirst.stack.topology import Queue

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation

_STATES = {"waiting": "visible", "in flight": "in flight", "delayed": "delayed"}


class Storage:
    """Names every message by the test's id, writes history, and tells pollers of changes."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._backend: Any = None
        self._message_of: dict[str, tuple[str, ...]] = {}  # SQS message id -> ids of the test
        self._given_up: set[str] = set()  # SQS message ids of what a service could not deliver
        self._holds_until_ms: dict[str, int] = {}  # SQS message id -> when what it tells of ends
        self._places: dict[str, str] = {}  # logical ids by the queues' names
        self.stored_texts: dict[str, list[str]] = {}
        self.groups: dict[tuple[str, str], list[str]] = {}

    def open(self) -> None:
        """Take hold of the queues. The world must be attached."""
        self._backend = self._simulation.deployed.world.backend("sqs")
        self.watch()

    def watch(self) -> None:
        """Take hold of the queues once more, wherever the world is."""
        from pytest_storagefirst.simulation.queues.seams import seams

        seams.now_ms = lambda: self._simulation.scheduler.wall_ms
        seams.observer = self._observe

    def close(self) -> None:
        from pytest_storagefirst.simulation.queues.seams import Seams, seams

        seams.now_ms = Seams().now_ms
        seams.observer = None

    def reseed(self, seed: int) -> None:
        self._backend.reseed(seed)

    def store(self, queue: Queue) -> Any:
        return self._backend.queues[queue.name]

    def receive(self, store: Any, most: int, visibility_timeout_seconds: int | None) -> list[Any]:
        received: list[Any] = self._backend.receive(store, most, visibility_timeout_seconds)
        self.touch(store, "receive", received)
        return received

    def record_of(self, message: Any, queue: Queue) -> dict[str, Any]:
        record: dict[str, Any] = message.event_record(self.store(queue))
        for message_id in self.ids_of([message]):
            self._simulation.identities.name(
                message_id, record["receiptHandle"], f"<{message_id}.receipt>"
            )
        return record

    def acknowledge(self, store: Any, message: Any) -> None:
        """Delete as a mapping does after success; a receipt that is too old deletes nothing."""
        from moto.sqs.exceptions import SQSException

        self.touch(store, "delete", (message,))
        try:
            store.delete_message(message.receipt_handle)
        except SQSException:
            self._simulation.record(
                "noted", self.ids_of([message]), self._place(store.name), "the receipt had expired"
            )

    def postpone(self, store: Any, messages: Sequence[Any], until_wall_ms: int) -> None:
        """Take a delivery back as if it had not been: these become visible at `until_wall_ms`."""
        self.touch(store, "receive", messages)
        for message in messages:
            store.postpone(message.id, until_wall_ms)

    def touch(self, store: Any, operation: str, messages: Sequence[Any]) -> None:
        ids = [message.id for message in messages]
        self._simulation.scheduler.touch("queue", operation, (store.name, ids))

    def redrive(self) -> bool:
        """Start a move task for every DLQ that holds something; False when none does."""
        moved = False
        for arn in sorted(self._simulation.deployed.dead_letter_arns):
            queue = self._simulation.deployed.queue_by_arn(arn)
            if queue is None or not self.store(queue).stored_messages:
                continue
            if self._simulation.deployed.mappings_of(queue):
                continue  # its own consumer takes care of it
            moves.start(self._backend, arn)
            moved = True
        return moved

    def send(
        self,
        queue: Queue,
        text: str,
        messages: tuple[str, ...],
        *,
        until_ms: int | None = None,
        given_up: bool = False,
        **more: Any,
    ) -> None:
        """Put a message of a service's own into a queue, on behalf of the test's messages.

        From `until_ms` on it holds nothing of them: what it tells of is gone. With `given_up` it is
        there because it could not be delivered elsewhere. `more` are moto's
        words for what a message has beside its text. Raises moto's SQSException.
        """
        with on_behalf_of(self._simulation, messages):
            sent = self._backend.send_message(queue.name, text, **more)
        if until_ms is not None:
            self._holds_until_ms[sent.id] = until_ms
        if given_up:
            self._given_up.add(sent.id)

    def is_given_up(self, message: Any) -> bool:
        """Whether a service put a message there that it could not deliver: it is held, not done."""
        return message.id in self._given_up

    def ask(self, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        """What SQS answers to a SendMessage in this region; None where moto must answer."""
        from pytest_storagefirst.simulation.queues.calls import send_message

        return send_message(self._backend, parameters)

    def ids_of(self, messages: Iterable[Any]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for message in messages:
            for message_id in self._message_of.get(message.id, ()):
                found[message_id] = None
        return tuple(found)

    def held(self) -> tuple[Held, ...]:
        """What the stack's queues still hold at the end."""
        held = []
        epoch_ms = self._simulation.scheduler.epoch_ms
        dead_letter_arns = self._simulation.deployed.dead_letter_arns
        for queue in self._simulation.deployed.topology.queues:
            for message in self.store(queue).stored_messages:
                state = _STATES.get(message.state, "visible")
                if queue.arn in dead_letter_arns:
                    state = "dead-lettered"
                elif not self._simulation.deployed.mappings_of(queue):
                    state = "set aside"  # nothing in the stack reads there
                until_ms = message.sent_timestamp + queue.retention_seconds * 1000 - epoch_ms
                until_ms = min(until_ms, self._holds_until_ms.get(message.id, until_ms))
                if until_ms <= self._simulation.now_ms:
                    continue
                for message_id in self.ids_of([message]) or ("",):
                    held.append(Held(message_id, queue.logical_id, state, until_ms, message.body))
        return tuple(held)

    def _place(self, queue_name: str) -> str:
        place = self._places.get(queue_name)
        if place is None:
            queue = self._simulation.deployed.queue_by_name(queue_name)
            place = queue.logical_id if queue is not None else queue_name
            self._places[queue_name] = place
        return place

    def _observe(self, kind: str, store: Any, message: Any, detail: str) -> None:
        if kind == "received":
            return
        simulation = self._simulation
        place = self._place(store.name)
        if kind == "stored":
            self._attribute(message)
            ids = self.ids_of([message])
            for message_id in ids:
                self.stored_texts.setdefault(message_id, []).append(message.body)
                if message.group_id is not None and store.fifo_queue:
                    self.groups.setdefault((place, message.group_id), []).append(message_id)
            simulation.record("stored", ids, place)
            simulation.wake(store.name)
        elif kind == "redriven":
            ids = self._message_of.get(message.previous_id or message.origin_id, ())
            self._adopt(message, ids)
            simulation.record("redriven", ids, place, self._place(detail))
            simulation.wake(detail)
        elif kind == "dead-lettered":
            simulation.record("dead-lettered", self.ids_of([message]), place, self._place(detail))
            simulation.wake(store.name)
        elif kind in ("deleted", "expired", "deduplicated"):
            simulation.record(kind, self.ids_of([message]), place)
        elif kind == "released":
            simulation.wake(store.name)

    def _attribute(self, message: Any) -> None:
        self._adopt(message, whose(self._simulation, message.body))

    def _adopt(self, message: Any, ids: tuple[str, ...]) -> None:
        self._message_of[message.id] = ids
        if len(ids) == 1:
            self._simulation.identities.name(ids[0], message.id, f"<{ids[0]}.messageId>")
