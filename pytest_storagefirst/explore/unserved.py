"""A function that fails with every message, or does nothing with one alone: it shows nothing."""

from __future__ import annotations

from collections.abc import Callable

from pytest_storagefirst.ledger.effects import Observation
from pytest_storagefirst.ledger.poison import SET_ASIDE

_GIVEN_UP = ("dropped", "expired")


def why_unserved(alone: Observation, together: Callable[[], Observation]) -> str:
    """Why nothing is shown of what a function should do, by runs without faults: of a message
    alone, and of three of its kind together. "" where none fails with it for good, or another one
    takes it over from there, and where it leaves something alone or nothing in company either.
    What never runs fails with nothing, whoever takes its messages over.
    """
    if not alone.effects and not alone.held and together().effects:
        return (
            "a message alone leaves nothing, and several together do: what a handler keeps in "
            "memory until more come is lost with its environment, and what one message should "
            "leave can't be told"
        )
    ran = {event.where for event in alone.history if event.kind in ("delivered", "invoked")}
    for event in alone.history:
        if event.kind == "throttled" and event.where not in ran:
            return (
                f"{event.where} is throttled whenever it is asked, with one message alone and "
                f"without any fault, so it never runs: of what {event.where} is for nothing is "
                "shown"
            )
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
