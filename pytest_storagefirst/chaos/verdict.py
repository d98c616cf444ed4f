"""What a drill showed: by the same sets and for the same properties as in tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from pytest_storagefirst.chaos.breaking import KINDS
from pytest_storagefirst.chaos.canaries import BAD, SENDS, Canaries
from pytest_storagefirst.chaos.outcome import Outcome
from pytest_storagefirst.ledger.accounting import Account
from pytest_storagefirst.ledger.verdict import OK, UNKNOWN, VIOLATED
from pytest_storagefirst.load.outcomes import ACCEPTED, NOT_SENT, REJECTED
from pytest_storagefirst.load.outcomes import UNKNOWN as UNKNOWN_OUTCOME
from pytest_storagefirst.report.covered import counted
from pytest_storagefirst.target.target import LOCAL, Target

EXITS = {OK: 0, VIOLATED: 3, UNKNOWN: 4}
NOT_JUDGED = "no message was sent: nothing was judged"
SHOWN = 10

_STREAMS = ("kinesis", "dynamodb")

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
        account = canaries.account(outcome.changes)
        if not account.acknowledged:
            doubts.append("no message was accepted")
        doubts += canaries.observer.doubts()
        stopping = [one.kind for one in outcome.drill.faults if KINDS[one.kind].stops(one)]
        if stopping and canaries.unfelt() and not canaries.has_recovered_by_itself():
            doubts.append(
                f"{stopping[0]} was set and not felt: every message was processed all the same"
            )
        for name in outcome.drill.expected.properties:
            verdict, why = _PROPERTIES.get(name, _not_here)(account, canaries, outcome)
            settings = _OF_EACH_PLACE.get(name)
            others = outcome.not_tried(*settings) if settings else ()
            if others:
                verdict = UNKNOWN if verdict == OK else verdict
                why += f"; not tried: {'; '.join(others)}"
            properties.append({"name": name, "verdict": verdict, "why": why})
    against = [f"{one['name']}: {one['why']}" for one in properties if one["verdict"] == VIOLATED]
    if canaries.steady_after is False and outcome.is_undone:
        against.append("the steady state did not come back after the undo")
    unclear = [f"{one['name']}: {one['why']}" for one in properties if one["verdict"] == UNKNOWN]
    emulated = _emulated_otherwise(canaries.doors[0].target) if against else []
    doubts += emulated
    if against and not emulated and not canaries.observer.doubts():
        return VIOLATED, [*against, *doubts, *unclear], properties
    if doubts or unclear or against:
        return UNKNOWN, [*doubts, *unclear, *against], properties
    return OK, [], properties


def _emulated_otherwise(target: Target) -> list[str]:
    """What the local emulator does in a way that can look like the stack's own fault.

    ministack 1.5.33 takes a stream's batch for processed whatever failures its function reports,
    and knows neither its retries nor its destination (services/lambda_svc.py).
    """
    if target.name != LOCAL:
        return []
    return [
        f"{one.logical_id} reports the failures within a stream's batch, which the local emulator "
        "takes for processed: whether AWS would try them again is not shown here; play the "
        "replay file"
        for one in target.topology().mappings
        if one.reports_batch_item_failures and one.source_arn.split(":")[2] in _STREAMS
    ]


def _no_loss(account: Account, canaries: Canaries, outcome: Outcome) -> Judged:
    if account.phantom:
        return VIOLATED, f"rejected and processed all the same: {_some(account.phantom)}"
    if not account.lost:
        return OK, f"{len(account.acknowledged)} accepted, none lost"
    lost = account.lost & canaries.given_up
    if lost:
        return VIOLATED, f"{len(lost)} lost: {_some(lost)}"
    why = f" ({canaries.patience.told_hidden})" if canaries.patience.hidden_s else ""
    return UNKNOWN, f"not found yet, and the stack is not at rest{why}: {_some(account.lost)}"


def _no_duplicates(account: Account, canaries: Canaries, outcome: Outcome) -> Judged:
    if account.duplicated:
        return VIOLATED, f"their effect stands more than once: {_some(account.duplicated)}"
    return OK, "every effect stands once"


def _drains(account: Account, canaries: Canaries, outcome: Outcome) -> Judged:
    within = f"{canaries.patience.within_s:g} s"
    if canaries.recovered_after_s is None and outcome.stopped:
        return UNKNOWN, "it was ended before all was processed"
    if canaries.recovered_after_s is None and not outcome.is_undone:
        return UNKNOWN, "not everything is undone: whether it would drain is not known"
    # The steady state is looked at once the time is up.
    if canaries.recovered_after_s is None and canaries.steady_after is None:
        return UNKNOWN, f"the stack could not be watched for {within} after the undo"
    if canaries.recovered_after_s is None and canaries.is_quiet:
        return OK, "the stack came to rest"
    if canaries.recovered_after_s is None:
        return VIOLATED, f"messages still waited {within} after the undo"
    return OK, f"all was processed or set aside {canaries.recovered_after_s:g} s after the undo"


def _isolated(account: Account, canaries: Canaries, outcome: Outcome) -> Judged:
    dragged = account.stranded & canaries.dead
    if dragged:
        return VIOLATED, f"good messages were set aside with the bad ones: {_some(dragged)}"
    if not canaries.bad:
        return UNKNOWN, "no bad message was sent"
    entries = sorted({canaries.sent_through.get(one, "") for one in canaries.bad})
    judged = [_set_aside(entry, canaries, outcome) for entry in entries]
    if outcome.not_tried(BAD):
        judged.append((UNKNOWN, "not every entry leads to where bad messages are set aside"))
    verdict = next((one for one in (VIOLATED, UNKNOWN) if one in dict(judged)), OK)
    return verdict, "; ".join(dict.fromkeys(why for one, why in judged if one == verdict))


def _set_aside(entry: str, canaries: Canaries, outcome: Outcome) -> Judged:
    """What became of the bad messages that were sent through one entry."""
    sent = frozenset(one for one in canaries.bad if canaries.sent_through.get(one, "") == entry)
    left = sent - canaries.dead - set(canaries.effects)
    through = f"{entry}: " if entry else ""
    if not left:
        were = "was" if len(sent) == 1 else "were"
        return OK, f"{through}{counted(len(sent), 'bad message')} {were} set aside"
    if left <= canaries.given_up and not left & set(canaries.held):
        return VIOLATED, f"{through}bad messages are nowhere, without a trace: {_some(left)}"
    patience, why = canaries.patience, f"{through}bad messages are still being tried"
    endless = {one: place for one, place in canaries.given_for_good.items() if one in left}
    if endless and canaries.recovered_after_s is None and not outcome.stopped:
        places = ", ".join(sorted(set(endless.values())))
        why += f" {patience.within_s:g} s after the undo, and {places} has no dead-letter queue to"
        why += f" set them aside in: {_some(frozenset(endless))}"
        return VIOLATED, why
    if not patience.sees_bad_set_aside:
        enough = f'recovers_within = "{patience.tried_s + 60} s"'
        why += f": {patience.told_tried}; a drill of your own with {enough} waits as long"
    return UNKNOWN, why


def _not_here(account: Account, canaries: Canaries, outcome: Outcome) -> Judged:
    return UNKNOWN, "is judged in tests, and not by drills"


_PROPERTIES: dict[str, Callable[[Account, Canaries, Outcome], Judged]] = {
    "no-message-loss": _no_loss,
    "no-duplicate-effects": _no_duplicates,
    "drains": _drains,
    "poison-isolated": _isolated,
}
# What holds of one queue says nothing of another; the settings that try a queue each.
_OF_EACH_PLACE = {"poison-isolated": (BAD,), "no-duplicate-effects": SENDS[1:]}


def left_behind(outcome: Outcome, canaries: Canaries | None) -> list[str]:
    """The bad messages that the drill has sent and neither deleted nor seen processed: a line for
    each place that they are in.
    """
    sent = {one for change in outcome.changes if change.setting == BAD for one in change.value}
    left = sent - set(outcome.taken_away)
    held = canaries.held if canaries is not None else {}
    if canaries is not None:
        left -= set(canaries.effects)
        left = left & set(held) if canaries.is_quiet else left
    for_good = set(canaries.given_for_good) if canaries is not None else set()
    places: dict[str, set[str]] = {}
    for one in left:
        where = held.get(one, "the stack, where is not known")
        end = ": it has no dead-letter queue, and keeps them until its retention ends"
        places.setdefault(where + (end if one in for_good else ""), set()).add(one)
    return [f"{_some(frozenset(those))} in {place}" for place, those in sorted(places.items())]


def _phases(outcome: Outcome, canaries: Canaries | None) -> Iterator[dict[str, Any]]:
    """Before, broken and mended, in seconds since the observer began to look."""
    if canaries is None or "began" not in outcome.times:
        return
    marks = [0.0, *(outcome.times[one] - canaries.began_at for one in ("began", "undone"))]
    marks.append(max(marks[-1], *(one.at_s for one in canaries.samples)))
    for name, from_s, to_s in zip(("steady", "broken", "mended"), marks, marks[1:], strict=False):
        yield {"name": name, "from_s": round(from_s, 1), "to_s": round(to_s, 1)}


def _timeline(canaries: Canaries) -> Iterator[dict[str, Any]]:
    """A row for each second that was looked at, as in a load run's report."""
    samples = {int(one.at_s): one for one in canaries.samples}
    sent: dict[int, list[bytes]] = {}
    for message, at in canaries.sent_at.items():
        sent.setdefault(int(at - canaries.began_at), []).append(canaries.outcomes[message])
    words = {"accepted": ACCEPTED, "rejected": REJECTED, "unknown": UNKNOWN_OUTCOME}
    seen = ("visible", "in_flight", "dead", "oldest_age_s", "downstream", "circuit", "mapping")
    for second in range(max((*samples, *sent), default=-1) + 1):
        outcomes = sent.get(second, [])
        yield {
            "at_s": second,
            "offered": len(outcomes),
            **{word: outcomes.count(outcome) for word, outcome in words.items()},
            "not_sent": outcomes.count(NOT_SENT),
            "service_p99_ms": None,
            "latency_p99_ms": None,
            **{name: getattr(samples.get(second), name, None) for name in (*seen, "processed")},
        }


def _some(messages: frozenset[str]) -> str:
    shown = ", ".join(sorted(messages)[:SHOWN])
    return f"{shown} and {len(messages) - SHOWN} more" if len(messages) > SHOWN else shown


def document(outcome: Outcome, canaries: Canaries | None, target: Any) -> dict[str, Any]:
    """The report document, of the same form as a load run's."""
    verdict, why, properties = conclude(outcome, canaries)
    started = outcome.times.get("started")
    seconds = outcome.times.get("ended", 0.0) - started if started else 0.0
    account = canaries.account(outcome.changes) if canaries is not None else Account()
    return {
        "version": 1,
        "kind": "drill",
        "run": outcome.name,
        "profile": outcome.drill.name,
        "target": target.name,
        "stack": target.stack_name,
        "started": None
        if started is None
        else datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds")[:-6] + "Z",
        "seconds": round(max(0.0, seconds), 1),
        "verdict": verdict,
        "exit": EXITS[verdict],
        "why": why,
        "properties": properties,
        "objectives": [
            {
                "expression": one["name"],
                "value": None,
                "unit": "",
                "met": {OK: True, VIOLATED: False}.get(one["verdict"]),
                "why": one["why"],
            }
            for one in properties
        ],
        "phases": list(_phases(outcome, canaries)),
        "timeline": list(_timeline(canaries)) if canaries else [],
        "caps": {"downstream_per_s": None},
        "ledger": {
            "attempted": len(account.attempted),
            "accepted": len(account.acknowledged),
            "rejected": len(account.rejected),
            "unknown": len(account.indeterminate),
            "not_sent": 0,
            "processed": len(account.processed),
            "stranded": len(account.stranded),
            "recovered": len(account.recovered),
            "dead": len(account.stranded & canaries.dead) if canaries else 0,
            "lost": sorted(account.lost),
            "duplicated": sorted(account.duplicated),
            "phantom": sorted(account.phantom),
        },
        "changes": [vars(one) for one in outcome.changes],
        "undone": [vars(one) for one in outcome.undone],
        "taken_away": outcome.taken_away,
        "left_behind": left_behind(outcome, canaries),
        "not_tried": list(outcome.not_tried()),
        "shown": outcome.shown,
        "recovered_after_s": canaries.recovered_after_s if canaries else None,
        "circuit": {
            "transitions": [
                {"at_s": round(at_s - canaries.began_at, 1), "from": one, "to": other}
                for at_s, one, other in canaries.observer.circuit_changes
            ]
            if canaries
            else []
        },
        "journal": str(outcome.journal) if outcome.journal else None,
    }
