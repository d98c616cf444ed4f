"""Report documents of load runs that nobody ran, made as a stack would behave."""

from __future__ import annotations

import math
from typing import Any

RUN = "k7c2"


def outage() -> dict[str, Any]:
    """A burst during an outage of the third party: closed, open, half open, closed; all drained."""
    rows: list[dict[str, Any]] = []
    waiting, processed, in_flight = 0.0, 0.0, 0.0
    opened, probed, closed = 21.0, 66.2, 67.1
    for at in range(131):
        offered = 20 if at < 10 else 60 if at < 55 else 20 if at < 70 else 0
        jitter = round(3 * math.sin(at * 1.7)) if offered else 0
        offered += jitter
        is_out = 18 <= at < 62
        is_open = opened <= at < closed
        capacity = 0 if is_open or is_out else 95
        arrived = waiting + offered
        worked = min(arrived, capacity)
        waiting = arrived - worked
        processed += worked
        in_flight = min(30.0, waiting / 3) if not is_open else max(0.0, in_flight - 4)
        circuit = "OPEN" if is_open and at < probed else "HALF_OPEN" if is_open else "CLOSED"
        called = worked if not is_out else (9 if not is_open else 0)
        rows.append(
            {
                "at_s": at,
                "offered": offered,
                "accepted": offered,
                "rejected": 0,
                "unknown": 0,
                "not_sent": 0,
                "dropped": 0,
                "service_p99_ms": 18 + 6 * math.sin(at / 3) + offered / 8 if offered else None,
                "latency_p99_ms": 22 + 9 * math.sin(at / 3) + offered / 6 if offered else None,
                "visible": round(waiting - in_flight if waiting > in_flight else 0),
                "in_flight": round(min(in_flight, waiting)),
                "dead": 0,
                "oldest_age_s": max(0, at - 18)
                if waiting > 80 and at < 68
                else max(0, waiting / 60),
                "downstream": round(called),
                "circuit": circuit,
                "mapping": "Enabled",
                "processed": round(processed),
            }
        )
    accepted = sum(row["accepted"] for row in rows)
    return {
        **_head("outage", "ok", 0, 130.6),
        "ledger": _ledger(accepted=accepted, processed=accepted),
        "objectives": [
            _objective("lost==0", 0, "", True),
            _objective("ingest.p99<300ms", 41.0, "ms", True),
            _objective("drain<120s", 31.4, "s", True),
            _objective("circuit.opened_within<10s", 3.0, "s", True),
            _objective("circuit.calls_while_open<=probes", 1, "calls", True),
            _objective("downstream.rate.max1s<=cap*1.05", 95, "/s", True),
        ],
        "phases": [
            {"name": "warm-up", "from_s": 0, "to_s": 10},
            {"name": "outage", "from_s": 10, "to_s": 70},
            {"name": "drain", "from_s": 70, "to_s": 130.6},
        ],
        "timeline": rows,
        "circuit": {
            "transitions": [
                {"at_s": opened, "from": "CLOSED", "to": "OPEN"},
                {"at_s": probed, "from": "OPEN", "to": "HALF_OPEN"},
                {"at_s": closed, "from": "HALF_OPEN", "to": "CLOSED"},
            ],
            "calls_while_open": 1,
        },
        "caps": {"downstream_per_s": 100},
    }


def losses() -> dict[str, Any]:
    """A stack without a breaker that loses one message in a thousand; some are dead letters."""
    rows, waiting, processed = [], 0.0, 0.0
    for at in range(61):
        offered = 50 if at < 40 else 0
        worked = min(waiting + offered, 48)
        waiting += offered - worked
        processed += worked * 0.99
        rows.append(
            {
                **dict.fromkeys(("rejected", "unknown", "not_sent", "dropped"), 0),
                "at_s": at,
                "offered": offered,
                "accepted": offered - (at == 22),
                "unknown": int(at == 22),
                "service_p99_ms": 15.0 if offered else None,
                "latency_p99_ms": 19.0 if offered else None,
                "visible": round(waiting),
                "in_flight": min(10, round(waiting)),
                "dead": max(0, min(12, at - 30)),
                "oldest_age_s": waiting / 48,
                "downstream": None,
                "circuit": None,
                "mapping": "Enabled",
                "processed": round(processed),
            }
        )
    lost = [f"{RUN}-0-{number}" for number in (317, 1204)]
    return {
        **_head("steady", "violated", 3, 61.0),
        "why": [
            f"2 lost: {', '.join(lost)}",
            "objective missed: dlq==expected: 12",
        ],
        "ledger": {
            **_ledger(accepted=1999, processed=1986),
            "unknown": 1,
            "attempted": 2000,
            "recovered": 1,
            "stranded": 12,
            "dead": 12,
            "lost": lost,
            "duplicated": [f"{RUN}-0-88"],
        },
        "objectives": [
            _objective("lost==0", 2, "", False),
            _objective("dlq==expected", 12, "", False, "none was expected"),
            _objective("duplicates==0", 1, "", False),
            _objective("drain<120s", 6.0, "s", True),
        ],
        "phases": [
            {"name": "steady", "from_s": 0, "to_s": 40},
            {"name": "drain", "from_s": 40, "to_s": 61},
        ],
        "timeline": rows,
        "circuit": {"transitions": [], "calls_while_open": None},
        "caps": {"downstream_per_s": None},
    }


def with_gaps() -> dict[str, Any]:
    """An inconclusive run: the target was not to be seen for a while, and arrivals were dropped."""
    document = outage()
    seen = ("visible", "in_flight", "dead", "oldest_age_s", "downstream", "circuit", "processed")
    for row in document["timeline"]:
        if 30 <= row["at_s"] < 48 or row["at_s"] in (80, 82):
            row.update(dict.fromkeys(seen))
    document["timeline"] = document["timeline"][:96]
    accepted = sum(row["accepted"] for row in document["timeline"])
    return {
        **document,
        **_head("outage", "unknown", 4, 95.0),
        "why": [
            "25 accepted messages were still amiss when time was up: raise drain_seconds",
            "dropped_arrivals==0: 40",
        ],
        "ledger": {**_ledger(accepted=accepted, processed=accepted - 25), "not_sent": 3},
        "objectives": [
            _objective("lost==0", None, "", None, "time was up"),
            _objective("dropped_arrivals==0", 40, "", False),
            _objective("drain<120s", None, "s", None, "it had not drained"),
        ],
        "phases": [*document["phases"][:2], {"name": "drain", "from_s": 70, "to_s": 95}],
    }


def _head(profile: str, verdict: str, code: int, seconds: float) -> dict[str, Any]:
    return {
        "version": 1,
        "kind": "load",
        "run": RUN,
        "profile": profile,
        "target": "local",
        "stack": "breaker-in-handler",
        "started": "2026-11-20T09:30:00Z",
        "seconds": seconds,
        "verdict": verdict,
        "exit": code,
        "why": [],
    }


def _ledger(accepted: int, processed: int) -> dict[str, Any]:
    counts = ("rejected", "unknown", "not_sent", "stranded", "recovered", "dead")
    return {
        "attempted": accepted,
        "accepted": accepted,
        "processed": processed,
        **dict.fromkeys(counts, 0),
        "lost": [],
        "duplicated": [],
        "phantom": [],
    }


def _objective(
    expression: str, value: float | None, unit: str, met: bool | None, why: str = ""
) -> dict[str, Any]:
    return {"expression": expression, "value": value, "unit": unit, "met": met, "why": why}
