"""The values of a run that objectives are about, each with the reason where it has none."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_storagefirst.ledger.accounting import Account
from pytest_storagefirst.ledger.circuit import CLOSED, OPEN
from pytest_storagefirst.load.drain import DEADLINE, LEFT_OUT, Drain
from pytest_storagefirst.load.objectives import PERCENTILES, Measured
from pytest_storagefirst.load.profiles import Action, Profile
from pytest_storagefirst.load.seconds import Second, quantile, rounded
from pytest_storagefirst.report.load_story import times
from pytest_storagefirst.scripts import HEALTHY, parse_script
from pytest_storagefirst.target.observe import Sample

Samples = Sequence[tuple[float, Sample]]
_SHARES = dict(zip(PERCENTILES, (0.5, 0.9, 0.95, 0.99, 1.0), strict=True))
LOOK_S = 0.25  # within which a change of the circuit's state is surely seen


@dataclass(frozen=True)
class Transition:
    at_s: float
    before: str
    after: str

    def document(self) -> dict[str, Any]:
        return {"at_s": round(self.at_s, 3), "from": self.before, "to": self.after}


@dataclass(frozen=True)
class Facts:
    """All that is known at the end of a run. Times are seconds into it.

    `end_to_end_s` are of the messages whose effect was seen, from their due moment. `calls` are the
    moments at which the third party was called. `dead` are messages in dead-letter queues,
    `expected_dead` those that had to end there.
    """

    profile: Profile
    account: Account
    rows: Mapping[int, Second]
    drain: Drain
    counts: Mapping[str, int] = field(default_factory=dict)
    end_to_end_s: Mapping[str, float] = field(default_factory=dict)
    samples: Samples = ()
    transitions: Sequence[Transition] = ()  # of the circuit
    acted: Sequence[tuple[float, Action]] = ()
    calls: Sequence[float] | None = None
    dead: frozenset[str] = frozenset()
    expected_dead: frozenset[str] = frozenset()
    recovery_s: float | None = None  # how long the breaker stays open, where [circuit] says so
    trouble: str = ""  # of the generator, by which values can have been moved
    found_before: str = ""  # what stood in the target already when the run began
    in_the_way: str = ""  # that of it by which messages can have come late, or failed
    doubled: str = ""  # why every message may be done more than once
    unread: Sequence[str] = ()  # why what was not found may be somewhere all the same

    @property
    def nothing_was_found(self) -> bool:
        """Whether all seems lost: then it may be that nothing that is left carries an id."""
        account = self.account
        return bool(account.lost) and not account.processed and not account.stranded

    @property
    def lost(self) -> frozenset[str]:
        """What is known to be lost: what was found nowhere, where all could be looked through."""
        unknown = self.unread or self.nothing_was_found or self.drain.how == DEADLINE
        return frozenset() if unknown else self.account.lost


def values(facts: Facts) -> dict[str, Measured]:
    """Every value that objectives can be about."""
    account = facts.account
    found = {
        "lost": Measured(len(facts.lost)),
        "phantom": Measured(len(account.phantom)),
        "duplicates": Measured(len(account.duplicated)),
        "stranded": Measured(len(account.stranded)),
        "dlq": Measured(len(facts.dead)),
        **{name: Measured(facts.counts.get(name, 0)) for name in ("rejected", "unknown")},
        "accepted": _accepted(facts),
        "not_sent": Measured(facts.counts.get("not_sent", 0)),
        "dropped_arrivals": Measured(facts.counts.get("dropped", 0)),
        "drain": Measured(
            round(facts.drain.ended_s, 1), "not drained yet", facts.drain.how == DEADLINE
        ),
    }
    if facts.drain.how == DEADLINE:
        why = LEFT_OUT if facts.drain.is_left_out else "the stack had not come to rest"
        for name in ("lost", "duplicates", "dlq", "stranded"):
            found[name] = Measured(None, why)
        return found | _of_the_course(facts)
    if facts.nothing_was_found:
        found["lost"] = Measured(None, "nothing was found anywhere")
    elif facts.unread:
        found["lost"] = Measured(None, facts.unread[0])
    if facts.doubled and not account.duplicated:
        found["duplicates"] = Measured(None, facts.doubled)
    return found | _of_the_course(facts)


def _of_the_course(facts: Facts) -> dict[str, Measured]:
    """What is measured while a run goes on, however it ends."""
    ages = [one.oldest_age_s for _, one in facts.samples if one.oldest_age_s is not None]
    return {
        "oldest_age.max": Measured(max(ages, default=None), "no age was seen"),
        **_latencies(facts),
        **_of_circuit(facts),
        **_of_downstream(facts),
    }


def bounds(facts: Facts) -> dict[str, Measured]:
    """The values of the names that objectives compare with."""
    cap = facts.profile.downstream_per_s
    return {
        "expected": Measured(len(facts.expected_dead)),
        "cap": Measured(cap, "no cap: set per_second of the [[downstream]]"),
        "probes": _probes(facts),
    }


def _accepted(facts: Facts) -> Measured:
    tried = len(facts.account.attempted)
    share = 100 * len(facts.account.acknowledged) / tried if tried else None
    return Measured(None if share is None else round(share, 3), "nothing was sent")


def _latencies(facts: Facts) -> dict[str, Measured]:
    """After the warm-up, of every send that was answered or given up."""
    from_s = facts.profile.warm_up_s
    service: Counter[int] = Counter()
    ingest: Counter[int] = Counter()
    for at, row in facts.rows.items():
        if at >= math.floor(from_s):
            service.update(row.service)
            ingest.update(row.latency)
    e2e = Counter(rounded(seconds * 1000) for seconds in facts.end_to_end_s.values())
    why = {"ingest": "nothing was sent", "service": "nothing was sent", "e2e": "no effect was seen"}
    return {
        f"{name}.{percentile}": Measured(quantile(counts, share), why[name])
        for name, counts in (("ingest", ingest), ("service", service), ("e2e", e2e))
        for percentile, share in _SHARES.items()
    }


def outage_s(acted: Iterable[tuple[float, Action]]) -> tuple[float, float] | None:
    """From when to when calls of the third party were to fail, first to last."""
    found: list[tuple[float, float]] = []
    for at_s, action in acted:
        for step in parse_script(action.script):
            ends_s = at_s + step.for_ms / 1000
            if step.state not in (HEALTHY, "slow start"):
                found.append((at_s, ends_s))
            at_s = ends_s
    return (min(found)[0], max(ends for _, ends in found)) if found else None


def _of_circuit(facts: Facts) -> dict[str, Measured]:
    names = ("circuit.opened_within", "circuit.closed_within", "circuit.calls_while_open")
    if not any(sample.circuit for _, sample in facts.samples):
        return dict.fromkeys(names, Measured(None, "no circuit was seen"))
    changes = facts.transitions
    outage = outage_s(facts.acted)
    if outage is None:
        within = dict.fromkeys(names[:2], Measured(None, "the third party was never out of order"))
    else:
        end_s = facts.samples[-1][0]
        opened = [one.at_s for one in changes if one.after == OPEN and one.at_s >= outage[0]]
        closed = [one.at_s for one in changes if one.after == CLOSED and one.at_s >= outage[1]]
        is_open = bool(changes) and changes[-1].after != CLOSED
        within = {
            names[0]: Measured(round(opened[0] - outage[0], 1))
            if opened
            else Measured(round(end_s - outage[0], 1), "it never opened", at_least=True),
            names[1]: Measured(round(end_s - outage[1], 1), "it has not closed", at_least=True)
            if is_open
            else Measured(round(closed[-1] - outage[1], 1) if closed else 0.0)
            if opened
            else Measured(None, "it never opened"),
        }
    if facts.calls is None:
        calls = Measured(None, "the third party's calls are not known")
    elif not any(one.after == OPEN for one in changes):
        calls = Measured(None, "it never opened")
    else:
        calls = Measured(calls_while_open(facts))
    return within | {names[2]: calls}


def calls_while_open(facts: Facts) -> int:
    """Calls that began while the circuit was seen open. Who just left is given LOOK_S for it."""
    spans = [(began, ended - LOOK_S) for began, ended in _open_spans(facts)]
    return sum(any(began <= at_s < ended for began, ended in spans) for at_s in facts.calls or ())


def _open_spans(facts: Facts) -> Iterator[tuple[float, float]]:
    ends_s = facts.samples[-1][0] if facts.samples else 0.0
    changes = facts.transitions
    for number, one in enumerate(changes):
        if one.after == OPEN:
            yield one.at_s, changes[number + 1].at_s if number + 1 < len(changes) else ends_s


def _probes(facts: Facts) -> Measured:
    """How many calls an open circuit may have let through to try: one each time it half opened.

    One that half opened and failed between two looks left its item rewritten, open as before. So
    does a call that should not have been made and whose failure is counted there. How long it stays
    open tells them apart, where [circuit] says so: so many at most. Else nothing does.
    """
    seen = sum(one.before == OPEN for one in facts.transitions)
    if facts.recovery_s:
        rests_s = facts.recovery_s - min(1.0, facts.recovery_s / 10)  # by a clock of whole seconds
        most = sum((ended - began) // rests_s for began, ended in _open_spans(facts))
        return Measured(float(max(seen, most)))
    rewritten = sum(sample.circuit_rewritten for _, sample in facts.samples)
    if seen < calls_while_open(facts) <= seen + rewritten:
        return Measured(
            None,
            f"it was rewritten {times(rewritten)} while open, by probes or by other calls' "
            "failures: recovery_seconds in [circuit] would tell them apart",
        )
    return Measured(float(seen + rewritten))


def _of_downstream(facts: Facts) -> dict[str, Measured]:
    rates = [one.downstream for _, one in facts.samples if one.downstream is not None]
    peak = max(rates, default=None)
    return {
        "downstream.rate.max1s": Measured(
            None if peak is None else float(peak), "the third party's calls are not known"
        )
    }
