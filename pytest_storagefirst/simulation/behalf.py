"""What AWS's services do of themselves, and on whose behalf: calls, texts, moments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any


def whose(simulation: Any, text: str) -> tuple[str, ...]:
    """Which of the test's messages a text is about.

    The ids in it tell; else it is the sender's, or theirs on whose behalf a service acts, or those
    that the handler at work has.
    """
    identities = simulation.identities
    found: tuple[str, ...] = identities.messages_in(text)
    if not found and simulation.sender.sending:
        found = simulation.sender.sending
        identities.nameless.update(found)
    found = found or simulation.behalf
    if not found and simulation.current is not None:
        found = identities.nobody_named(simulation.current.messages)
    return found


@contextmanager
def on_behalf_of(simulation: Any, messages: tuple[str, ...]) -> Iterator[None]:
    """Within this block what names no message is about these."""
    outer, simulation.behalf = simulation.behalf, messages
    try:
        yield
    finally:
        simulation.behalf = outer


def aws(simulation: Any, service: str) -> Any:
    """A boto3 client with which one service calls another. Call it in the hub only."""
    from pytest_storagefirst.stack.deploy import session

    return session(simulation.deployed.topology.region).client(service)


def now_text(simulation: Any, *, milliseconds: bool = True) -> str:
    """Virtual time as AWS's documents have it: 2026-01-01T00:00:00.000Z."""
    moment = datetime.fromtimestamp(simulation.wall_ms / 1000, UTC)
    text = moment.isoformat(timespec="milliseconds" if milliseconds else "seconds")
    return text.replace("+00:00", "Z")
