"""The verdict on a load run, and the document of it that reports are made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from pytest_storagefirst.ledger.accounting import Account, balance
from pytest_storagefirst.ledger.verdict import OK, UNKNOWN, VIOLATED
from pytest_storagefirst.load import outcomes
from pytest_storagefirst.load.arrivals import POISON
from pytest_storagefirst.load.drain import DEADLINE, LEFT_OUT
from pytest_storagefirst.load.objectives import OF_THE_GENERATOR, Judged, judge, parse_objective
from pytest_storagefirst.load.plan import Plan
from pytest_storagefirst.load.seconds import Second, quantile
from pytest_storagefirst.load.standing import Standing
from pytest_storagefirst.load.values import Facts, bounds, calls_while_open, values
from pytest_storagefirst.report.covered import counted
from pytest_storagefirst.report.load_story import measured, was

PASSED, MISSED, INCONCLUSIVE, SET_UP = 0, 3, 4, 5
_EXITS = {OK: PASSED, VIOLATED: MISSED, UNKNOWN: INCONCLUSIVE}
SHOWN = 10  # ids in a line for people
_KNOWN = {
    outcomes.ACCEPTED: "accepted",
    outcomes.REJECTED: "rejected",
    outcomes.UNKNOWN: "unknown",
    outcomes.NOT_SENT: "not_sent",
    outcomes.DROPPED: "dropped",
}


@dataclass(frozen=True)
class Sent:
    """The messages of a run by what their senders know, and the bad ones among them."""

    by_outcome: Mapping[str, frozenset[str]]
    poison: frozenset[str]
    due_s: Mapping[str, float]

    def __getitem__(self, outcome: str) -> frozenset[str]:
        return self.by_outcome.get(outcome, frozenset())


def sent(standing: Standing) -> Sent:
    found: dict[str, set[str]] = {}
    poison: set[str] = set()
    due_s: dict[str, float] = {}
    for message, outcome, arrival in standing.messages():
        found.setdefault(_KNOWN[outcome], set()).add(message)
        due_s[message] = arrival.at_s
        if arrival.kind == POISON:
            poison.add(message)
    return Sent({name: frozenset(ids) for name, ids in found.items()}, frozenset(poison), due_s)


def account_of(sent: Sent, effects: Mapping[str, int], held: Mapping[str, str]) -> Account:
    """The ledger's sets. What was not sent is as surely refused as what was rejected."""
    asked = ("accepted", "rejected", "unknown", "not_sent")
    return balance(
        attempted=frozenset().union(*(sent[name] for name in asked)),
        acknowledged=sent["accepted"],
        rejected=sent["rejected"] | sent["not_sent"],
        effective=effects.keys(),
        held=held.keys(),
        duplicated={message for message, count in effects.items() if count > 1},
    )


def verdict(
    facts: Facts, judged: Sequence[Judged], doubts: Sequence[str]
) -> tuple[str, tuple[str, ...]]:
    """OK, VIOLATED or UNKNOWN, and why, the most telling first.

    What is known to be lost is a violation whatever is in doubt; else a doubt shows nothing.
    """
    account = facts.account
    against, unclear = [], list(doubts)
    if facts.drain.is_left_out:
        unclear.append(LEFT_OUT)
    elif facts.drain.how == DEADLINE:
        if facts.drain.amiss:
            unclear.append(
                f"{counted(facts.drain.amiss, 'accepted message')} "
                f"{was(facts.drain.amiss)} still amiss when time was up: "
                "raise drain_seconds"
            )
        else:
            unclear.append("the stack had not come to rest when time was up")
    elif facts.nothing_was_found:
        unclear.append(
            f"none of {counted(len(account.acknowledged), 'accepted message')} was found "
            "anywhere: all are lost, or what they leave does not carry their id"
        )
    elif facts.lost:
        against.append(_some("lost", facts.lost))
    elif account.lost:
        unclear.append(_some("not found where all could be read", account.lost))
    if account.phantom:
        against.append(_some("rejected and processed all the same", account.phantom))
    for one in judged:
        told = f"{one.objective.text}: {measured(one.value, one.objective.unit)}"
        if one.met is None:
            unclear.append(f"{one.objective.text} can't be told: {one.why}")
        elif not one.met and one.objective.metric in OF_THE_GENERATOR:
            unclear.append(told)
        elif not one.met:
            against.append(f"objective missed: {told}" + (f" ({one.why})" if one.why else ""))
    if not account.acknowledged:
        unclear.append("no message was accepted")
    unclear = list(dict.fromkeys(unclear))
    if against:
        return VIOLATED, (*against, *unclear)
    return (UNKNOWN, tuple(unclear)) if unclear else (OK, ())


def _some(what: str, messages: frozenset[str]) -> str:
    shown = ", ".join(in_order(messages)[:SHOWN])
    more = f" and {len(messages) - SHOWN} more" if len(messages) > SHOWN else ""
    return f"{len(messages)} {what}: {shown}{more}"


def in_order(messages: frozenset[str]) -> list[str]:
    """By worker and number: the ids of a run, as they were sent."""

    def key(message: str) -> tuple[str, int]:
        worker, _, number = message.rpartition("-")
        return worker, int(number)

    return sorted(messages, key=key)


def document(
    plan: Plan,
    facts: Facts,
    doubts: Sequence[str],
    *,
    target: str,
    stack: str,
    began_at: float,
    seconds: float,
    reasons: Counter[str],
) -> dict[str, Any]:
    """The report document, with verdict and exit code."""
    profile = plan.profile
    objectives = map(parse_objective, profile.objectives)
    judged = judge(objectives, values(facts), bounds(facts), facts.trouble, facts.in_the_way)
    found, why = verdict(facts, judged, doubts)
    if found != OK and facts.found_before:
        why = (*why, facts.found_before)
    account = facts.account
    return {
        "version": 1,
        "kind": "load",
        "run": plan.run,
        "profile": profile.name,
        "actions": [asdict(one) for one in profile.actions],
        "target": target,
        "stack": stack,
        "started": datetime.fromtimestamp(began_at, UTC).isoformat(timespec="seconds")[:-6] + "Z",
        "seconds": round(seconds, 1),
        "verdict": found,
        "exit": _EXITS[found],
        "why": list(why),
        "ledger": {
            "attempted": len(account.attempted),
            "accepted": len(account.acknowledged),
            "rejected": facts.counts.get("rejected", 0),
            "unknown": len(account.indeterminate),
            "not_sent": facts.counts.get("not_sent", 0),
            "processed": len(account.processed),
            "stranded": len(account.stranded),
            "recovered": len(account.recovered),
            "dead": len(facts.dead),
            "lost": in_order(facts.lost),
            "duplicated": in_order(account.duplicated),
            "phantom": in_order(account.phantom),
        },
        "objectives": [one.document() for one in judged],
        "phases": _phases(facts, seconds),
        "timeline": _timeline(facts),
        "circuit": {
            "transitions": [one.document() for one in facts.transitions],
            "calls_while_open": calls_while_open(facts),
        },
        "caps": {"downstream_per_s": profile.downstream_per_s},
        "answers": [[text, count] for text, count in reasons.most_common(20)],
    }


def doubt(document: dict[str, Any], why: str) -> None:
    """Something is amiss after all: what passed until then shows nothing."""
    document["why"].append(why)
    if document["verdict"] == OK:
        document["verdict"], document["exit"] = UNKNOWN, INCONCLUSIVE


def _phases(facts: Facts, seconds: float) -> list[dict[str, Any]]:
    found, at_s = [], 0.0
    for phase in facts.profile.phases:
        found.append(
            {"name": phase.name, "from_s": round(at_s, 3), "to_s": round(at_s + phase.seconds, 3)}
        )
        at_s += phase.seconds
    found.append({"name": "drain", "from_s": round(at_s, 3), "to_s": round(max(at_s, seconds), 1)})
    return found


def _timeline(facts: Facts) -> list[dict[str, Any]]:
    samples = {int(at_s): one for at_s, one in facts.samples}
    last = max((*facts.rows, *samples), default=-1)
    return [_moment(at, facts.rows.get(at, Second()), samples.get(at)) for at in range(last + 1)]


def _moment(at: int, row: Second, sample: Any) -> dict[str, Any]:
    seen = ("visible", "in_flight", "dead", "oldest_age_s", "downstream", "circuit", "mapping")
    return {
        "at_s": at,
        "offered": row.offered,
        **{name: row.outcomes[name] for name in ("accepted", "rejected", "unknown", "not_sent")},
        "dropped": row.outcomes["dropped"],
        "service_p99_ms": quantile(row.service, 0.99),
        "latency_p99_ms": quantile(row.latency, 0.99),
        **{name: getattr(sample, name, None) for name in (*seen, "processed")},
    }
