"""A way to write runs by hand, and a small world whose handlers are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from pytest_storagefirst.ledger.effects import Effect, Held, Observation
from pytest_storagefirst.ledger.events import KINDS, Event


@dataclass
class Story:
    """A history under construction; each step is 10 ms after the one before."""

    events: list[Event] = field(default_factory=list)
    now_ms: int = 0

    def tell(self, kind: str, messages: str = "", where: str = "", detail: str = "") -> Story:
        assert kind in KINDS
        self.events.append(Event(self.now_ms, kind, tuple(messages.split()), where, detail))
        self.now_ms += 10
        return self

    def accept(self, messages: str, queue: str = "OrdersQueue") -> Story:
        for message in messages.split():
            self.tell("attempted", message, "POST /orders", "1")
            self.tell("stored", message, queue, f"<{message}.messageId>")
            self.tell("acknowledged", message, "POST /orders", "200")
        return self

    def deliver(self, messages: str) -> Story:
        return self.tell("delivered", messages, "Worker", "receive 1, invocation 1")

    def handle(self, messages: str, effects: int = 1) -> Story:
        self.deliver(messages)
        for message in messages.split():
            for _ in range(effects):
                self.tell("effected", message, "Worker", "dynamodb.PutItem #1")
        self.tell("succeeded", messages, "Worker")
        return self.tell("deleted", messages, "OrdersQueue")

    def fail(self, messages: str, why: str = "ValueError") -> Story:
        return self.deliver(messages).tell("failed", messages, "Worker", why)

    def later(self, seconds: float) -> Story:
        self.now_ms += int(seconds * 1000)
        return self

    def observe(
        self, *effects: Effect, held: Sequence[Held] = (), tag: str = "t", **more: Any
    ) -> Observation:
        messages = tuple(dict.fromkeys(m for event in self.events for m in event.messages))
        names = {raw: name for m in messages for raw, name in names_of(m, tag).items()}
        return Observation(messages, tuple(self.events), effects, tuple(held), names, **more)


def names_of(message: str, tag: str = "t") -> dict[str, str]:
    return {f"{message}-{tag}": f"<{message}>", f"id-{message}-{tag}": f"<{message}.messageId>"}


def put(message: str, tag: str = "t", **fields: Any) -> Effect:
    """The item that a plain handler leaves."""
    token = f"{message}-{tag}"
    return Effect("item", "Orders", {"id": token}, {"id": token, "amount": 12, **fields})


def holds(message: str, state: str = "dead-lettered", where: str = "OrdersDLQ") -> Held:
    return Held(message, where, state, 1_209_600_000)


Handler = Callable[[Sequence[str], str], list[Effect]]


@dataclass
class World:
    """Fault-free runs of one handler, given as a function from messages to what they leave.

    It counts the runs, so that a test can say how many the oracle needed.
    """

    handler: Handler
    runs: Counter[tuple[tuple[str, ...], int]] = field(default_factory=Counter)

    def __call__(self, ids: tuple[str, ...], variant: int = 0) -> Observation:
        self.runs[ids, variant] += 1
        return self.leave(ids, f"v{variant}")

    def leave(self, ids: Sequence[str], tag: str = "t") -> Observation:
        story = Story()
        for message in dict.fromkeys(ids):
            story.accept(message)
        for message in ids:
            story.handle(message)
        return story.observe(*self.handler(ids, tag), tag=tag)

    def alone(self, *messages: str) -> dict[str, list[Observation]]:
        return {m: [self.leave([m], tag) for tag in ("a", "b", "c")] for m in messages}


@pytest.fixture(scope="session")
def story() -> type[Story]:
    return Story


@pytest.fixture(scope="session")
def world() -> type[World]:
    return World


@pytest.fixture(scope="session")
def item() -> Callable[..., Effect]:
    return put


@pytest.fixture(scope="session")
def held_message() -> Callable[..., Held]:
    return holds
