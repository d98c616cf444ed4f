"""A function that fails with every message, though nothing is broken: nothing is shown of it."""

from __future__ import annotations

from pytest_storagefirst.ledger.effects import Observation
from pytest_storagefirst.ledger.poison import SET_ASIDE

_GIVEN_UP = ("dropped", "expired")


def why_unserved(alone: Observation) -> str:
    """Why nothing is shown of what one function should do, by a run of a message alone and without
    faults; "" where none fails with it for good, or another one takes it over from there.
    """
    failed: dict[str, str] = {}
    ended = ""
    for event in alone.history:
        if event.kind == "failed":
            failed.setdefault(event.where, event.detail)
        elif event.kind == "succeeded":
            failed.pop(event.where, None)
        elif event.kind in _GIVEN_UP:
            ended = f"is given up by {event.where}"
    for held in alone.held:
        if held.state in SET_ASIDE:
            ended = f"ends in {held.where}"
    if not failed or not ended or alone.told.denials:
        return ""
    place, detail = next(iter(failed.items()))
    return (
        f"{place} fails ({detail}) with a message that comes alone and without any fault, which "
        f"{ended}: of what {place} is for nothing is shown"
    )
