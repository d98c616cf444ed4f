"""What a drill showed: by the same sets and for the same properties as in tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pytest_storagefirst.chaos.canaries import Canaries
from pytest_storagefirst.chaos.run import Outcome
from pytest_storagefirst.ledger.accounting import Account
from pytest_storagefirst.ledger.verdict import OK, UNKNOWN, VIOLATED

EXITS = {OK: 0, VIOLATED: 3, UNKNOWN: 4}
NOT_JUDGED = "no message was sent: nothing was judged"
SHOWN = 10

Judged = tuple[str, str]  # verdict, why


def conclude(outcome: Outcome, canaries: Canaries | None) -> tuple[str, list[str], list[Any]]:
    """The verdict, why, and each property's own.

    What is known to be violated is, whatever is in doubt. Else all that was not shown is a doubt.
    """
    doubts = list(outcome.problems)
    if not outcome.shown and not doubts:
        doubts.append("the fault was never shown to be in effect")
    doubts += outcome.undo_problems
    doubts += [one.told for one in outcome.undone if not one.is_done]
    doubts += [f"no counterpart for {one}" for one in outcome.drill.unmatched]
    if canaries is None:
        return UNKNOWN, [*doubts, NOT_JUDGED], []
    properties: list[dict[str, str]] = []
    if outcome.shown:
        account = canaries.account()
        if not account.acknowledged:
            doubts.append("no message was accepted")
        doubts += canaries.observer.doubts()
        for name in outcome.drill.expected.properties:
            verdict, why = _PROPERTIES.get(name, _not_here)(account, canaries, outcome)
            properties.append({"name": name, "verdict": verdict, "why": why})
    against = [f"{one['name']}: {one['why']}" for one in properties if one["verdict"] == VIOLATED]
    if canaries.steady_after is False:
        against.append("the steady state did not come back after the undo")
    unclear = [f"{one['name']}: {one['why']}" for one in properties if one["verdict"] == UNKNOWN]
    if against and not canaries.observer.doubts():
        return VIOLATED, [*against, *doubts, *unclear], properties
    if doubts or unclear or against:
        return UNKNOWN, [*doubts, *unclear, *against], properties
    return OK, [], properties


def _no_loss(account: Account, canaries: Canaries, outcome: Outcome) -> Judged:
    if account.phantom:
        return VIOLATED, f"rejected and processed all the same: {_some(account.phantom)}"
    if not account.lost:
        return OK, f"{len(account.acknowledged)} accepted, none lost"
    if not canaries.is_quiet:
        return UNKNOWN, f"not found yet, and the stack is not at rest: {_some(account.lost)}"
    return VIOLATED, f"{len(account.lost)} lost: {_some(account.lost)}"


def _no_duplicates(account: Account, canaries: Canaries, outcome: Outcome) -> Judged:
    if account.duplicated:
        return VIOLATED, f"their effect stands more than once: {_some(account.duplicated)}"
    return OK, "every effect stands once"


def _drains(account: Account, canaries: Canaries, outcome: Outcome) -> Judged:
    within = f"{outcome.drill.expected.recovers_within_s:g} s"
    if canaries.recovered_after_s is None:
        return VIOLATED, f"messages still waited {within} after the undo"
    return OK, f"all was processed or set aside {canaries.recovered_after_s:g} s after the undo"


def _isolated(account: Account, canaries: Canaries, outcome: Outcome) -> Judged:
    dragged = account.stranded
    if dragged:
        return VIOLATED, f"good messages were set aside with the bad ones: {_some(dragged)}"
    dropped = canaries.bad - set(canaries.held) - set(canaries.effects)
    if not canaries.bad:
        return UNKNOWN, "no bad message was sent"
    if dropped and canaries.is_quiet:
        return VIOLATED, f"bad messages are nowhere, without a trace: {_some(frozenset(dropped))}"
    if dropped:
        return UNKNOWN, "bad messages are still being tried"
    return OK, f"{len(canaries.bad)} bad messages were set aside"


def _not_here(account: Account, canaries: Canaries, outcome: Outcome) -> Judged:
    return UNKNOWN, "is judged in tests, and not by drills"


_PROPERTIES: dict[str, Callable[[Account, Canaries, Outcome], Judged]] = {
    "no-message-loss": _no_loss,
    "no-duplicate-effects": _no_duplicates,
    "drains": _drains,
    "poison-isolated": _isolated,
}


def _some(messages: frozenset[str]) -> str:
    shown = ", ".join(sorted(messages)[:SHOWN])
    return f"{shown} and {len(messages) - SHOWN} more" if len(messages) > SHOWN else shown


def document(outcome: Outcome, canaries: Canaries | None, target: Any) -> dict[str, Any]:
    """The report document, of the same form as a load run's."""
    verdict, why, properties = conclude(outcome, canaries)
    began = outcome.times.get("began")
    account = canaries.account() if canaries is not None else Account()
    return {
        "version": 1,
        "kind": "drill",
        "run": outcome.name,
        "profile": outcome.drill.name,
        "target": target.name,
        "stack": target.stack_name,
        "started": None
        if began is None
        else datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds")[:-6] + "Z",
        "seconds": round(outcome.times.get("undone", 0) - began, 1) if began else 0.0,
        "verdict": verdict,
        "exit": EXITS[verdict],
        "why": why,
        "properties": properties,
        "ledger": {
            "attempted": len(account.attempted),
            "accepted": len(account.acknowledged),
            "rejected": len(account.rejected),
            "unknown": len(account.indeterminate),
            "not_sent": 0,
            "processed": len(account.processed),
            "stranded": len(account.stranded),
            "recovered": len(account.recovered),
            "dead": len(account.stranded),
            "lost": sorted(account.lost),
            "duplicated": sorted(account.duplicated),
            "phantom": sorted(account.phantom),
        },
        "changes": [vars(one) for one in outcome.changes],
        "undone": [vars(one) for one in outcome.undone],
        "shown": outcome.shown,
        "recovered_after_s": canaries.recovered_after_s if canaries else None,
        "circuit": {
            "transitions": [
                {"at_s": at_s, "from": one, "to": other}
                for at_s, one, other in (canaries.observer.circuit_changes if canaries else ())
            ]
        },
        "journal": str(outcome.journal) if outcome.journal else None,
    }
