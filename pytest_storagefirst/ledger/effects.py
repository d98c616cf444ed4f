"""What messages leave at the system of record, in a form in which two runs can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_storagefirst.ledger.events import Event


@dataclass(frozen=True)
class Effect:
    """One thing found at the final read, or one call that left the stack.

    `place` names the table, bucket, queue or callee by logical id ("Orders", "http POST https://…",
    "ses.SendEmail"). `key` and `value` are JSON values. `kind` is "item", "object", "message" (in a
    queue that nothing in the stack reads) or "emission". An emission with an `idempotency_key` counts
    once however often it is sent.
    """

    kind: str
    place: str
    key: Any
    value: Any
    idempotency_key: str | None = None


@dataclass(frozen=True)
class Held:
    """A message that storage still holds when the run is over."""

    message: str  # id in the history's names ("m1"); "" when no attempt explains it
    where: str  # logical id of the queue or DLQ
    state: str  # "visible" | "in flight" | "delayed" | "dead-lettered"
    until_ms: int  # virtual time at which its retention ends


@dataclass(frozen=True)
class Observation:
    """All that judging looks at: one run's history, the final read, and what storage still holds.

    `names` maps every id that the system or the test gave (the token in a body, SQS message ids,
    receipt handles, …) to its name ("<m1>", "<m1.messageId>"). `quiet` is False when the run was
    ended by its bound on virtual time instead of by quiescence; `why_not_quiet` then says by what.
    """

    messages: tuple[str, ...]
    history: tuple[Event, ...]
    effects: tuple[Effect, ...]
    held: tuple[Held, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    quiet: bool = True
    why_not_quiet: str = ""
    faults_required: tuple[str, ...] = ()  # texts of the plan's faults
    faults_fired: tuple[str, ...] = ()
