"""Which runs show the same: what a handler can't tell apart need not be tried apart.

After Filibuster's dynamic reduction (Meiklejohn et al., Service-Level Fault Injection Testing,
SoCC 2021): a run is left out when the outcomes that it combines were all seen together before. Here
two faults show the same when their runs alone have equal signatures.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from pytest_storagefirst.explore.judge import Judged
from pytest_storagefirst.faults.plan import Fault
from pytest_storagefirst.ledger.effects import canonical
from pytest_storagefirst.ledger.events import Event

# What is known of two faults that can be tried for each other: (place, point, kind, variant).
Kind = tuple[str, str, str, str]

# What a handler's environment does not survive; its module state is gone for the next invocation.
_ENDS_ENVIRONMENT = frozenset({"crash", "timeout", "init failed", "Runtime.ExitError"})

# The moments at which something can be struck, overtaken or found expired. Other times differ with
# every attempt, and with nothing that a later fault could meet.
_TIMED = frozenset({"stored", "delivered", "throttled", "dead-lettered", "expired", "redriven"})
_MOMENT_MS = 1000

_WAITS_LONG = frozenset({"slow", "timeout"})  # until the function's timeout: others go on meanwhile


def signature(judged: Judged) -> str:
    """What a run showed, without what its faults are called: equal for runs that showed the same.

    Every invocation's messages, calls, results and end; every move of a message; what stands and
    what is held at the end. A fault that is not spent stands for itself: what it may yet do can't
    be seen in a run.
    """
    observation = judged.played.observation
    events = [shown for event in observation.history if (shown := _shown(event))]
    effects = sorted(
        json.dumps([effect.kind, effect.place, effect.tree], sort_keys=True, default=str)
        for effect in canonical(observation)
    )
    held = sorted([one.message, one.where, one.state] for one in observation.held)
    fired = set(observation.faults_fired)
    unspent = sorted(
        str(fault) for fault in judged.schedule.plan if fault.lasts or str(fault) not in fired
    )
    whole = [events, effects, held, unspent, observation.quiet, observation.why_not_quiet]
    return sha256(json.dumps(whole).encode()).hexdigest()[:16]


def _shown(event: Event) -> list[Any]:
    """An event as a signature holds it; nothing for what leaves no trace in the stack."""
    detail = event.detail
    if event.kind == "healed" or (event.kind == "called" and ", attempt " in detail):
        return []
    if event.kind == "faulted":
        # Nothing else in a history tells that module state is gone.
        return ["faulted", event.where] if detail.endswith(": recycled") else []
    if event.kind == "errored":
        detail = detail.partition(": ")[0]
    if event.kind == "failed" and not detail.startswith(("reported", "its response")):
        detail = "environment ended" if detail in _ENDS_ENVIRONMENT else "raised"
    moment = event.at_ms // _MOMENT_MS if event.kind in _TIMED else 0
    return [event.kind, *event.messages, event.where, detail, moment]


def representatives(signatures: Mapping[Fault, str], fault_free: str) -> list[Fault]:
    """One fault for each signature, of those that cost least the first; none for `fault_free`."""
    first: dict[str, Fault] = {}
    for fault in sorted(signatures, key=_waits_long):
        if signatures[fault] != fault_free:
            first.setdefault(signatures[fault], fault)
    return list(first.values())


def same_kinds(signatures: Mapping[Fault, str], fault_free: str) -> dict[Kind, Kind]:
    """Of kinds that showed the same at every crossing of a point: each -> the one tried for all.

    A kind that showed nothing at some crossing stands for none but itself: it may show something
    where another fault has struck before.
    """
    shown: dict[Kind, dict[int, str]] = defaultdict(dict)
    for fault, found in signatures.items():
        if not fault.lasts and not fault.message:
            shown[kind_of(fault)][fault.number] = found
    first: dict[tuple[Any, ...], Kind] = {}
    same = {}
    for kind, at in sorted(shown.items(), key=lambda one: one[0][2] in _WAITS_LONG):
        if fault_free in at.values():
            same[kind] = kind
            continue
        same[kind] = first.setdefault((kind[:2], *sorted(at.items())), kind)
    return same


def _waits_long(fault: Fault) -> bool:
    return fault.kind in _WAITS_LONG


def kind_of(fault: Fault) -> Kind:
    return fault.place, fault.point, fault.kind, fault.variant


def told_apart(faults: Iterable[Fault], same: Mapping[Kind, Kind]) -> list[Fault]:
    """The faults without those for which another of the same crossing is tried."""
    return [
        fault
        for fault in faults
        if fault.lasts or same.get(kind_of(fault), kind_of(fault)) == kind_of(fault)
    ]
