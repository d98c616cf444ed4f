"""The property `load-levelled`: does a burst reach what is behind no faster than it can take it?"""

from __future__ import annotations

from collections.abc import Iterator

from pytest_storagefirst.ledger.accounting import Account
from pytest_storagefirst.ledger.effects import Observation
from pytest_storagefirst.ledger.history import seconds
from pytest_storagefirst.ledger.load import (
    CALLS,
    FAILED,
    INVOCATIONS,
    THROTTLED,
    Cap,
    Load,
    Peak,
    Span,
    peak_at_once,
    peak_rate,
)
from pytest_storagefirst.ledger.properties import Context, not_applicable, unless_in_doubt
from pytest_storagefirst.ledger.verdict import VIOLATED, Verdict

# What a third party does to its callers by itself. Other faults end environments and waits, and
# what comes faster for that is their doing.
_ITS_OWN = frozenset({"http-500", "http-429", "brownout", "flapping"})


NOT_MEASURED = "nothing is capped in this run"


def judge_load(account: Account, observation: Observation, context: Context) -> Verdict:
    """No more invocations at once, and no higher rate downstream, than the stack's own cap.

    And the backlog comes to an end, without good messages being set aside only because too many
    came at a time.
    """
    load = observation.load
    if load is None or not load.caps:
        return not_applicable(NOT_MEASURED)
    if any(_kind(text) not in _ITS_OWN for text in observation.faults_fired):
        return not_applicable("faults end work and waits in this run: no cap is judged by it")
    peaks = [(cap, _peak(cap, load, observation)) for cap in load.caps]
    found = [(_over(cap, peak), peak.messages) for cap, peak in peaks if peak.most > cap.most]
    if not observation.faults_fired:
        found += _burnt(load, observation, context)
        found += _undrained(observation)
    if found:
        notes = {message: what for what, messages in reversed(found) for message in messages}
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        return Verdict(VIOLATED, found[0][0] + more, tuple(notes), notes)
    if not observation.quiet:
        return not_applicable("the backlog was still being worked off when the run was ended")
    return unless_in_doubt(account)


def _kind(fault: str) -> str:
    """The kind in a fault's text: "Worker: http POST https://… #1: http-500 3 times"."""
    return fault.rpartition(": ")[2].partition(" ")[0].partition("(")[0]


def _over(cap: Cap, peak: Peak) -> str:
    return (
        f"{cap.place}: {peak.most} {cap.of} at {seconds(peak.at_ms)}, "
        f"where {cap.told} allows {cap.most}"
    )


def _peak(cap: Cap, load: Load, observation: Observation) -> Peak:
    if cap.of == INVOCATIONS:
        return peak_at_once(_invocations(cap, observation))
    calls = load.to(cap.place)
    if cap.of == CALLS:
        return peak_at_once(Span(call.began_ms, call.ended_ms, call.messages) for call in calls)
    return peak_rate(calls)


def _invocations(cap: Cap, observation: Observation) -> Iterator[Span]:
    began: dict[int, tuple[int, tuple[str, ...]]] = {}
    for event in observation.history:
        if event.where != cap.place or not event.invocation:
            continue
        if event.kind == "delivered":
            if not cap.source or f" from {cap.source}" in event.detail:
                began[event.invocation] = event.at_ms, event.messages
        elif event.kind in ("succeeded", "failed") and event.invocation in began:
            at_ms, messages = began.pop(event.invocation)
            yield Span(at_ms, event.at_ms, messages)


def _burnt(
    load: Load, observation: Observation, context: Context
) -> list[tuple[str, tuple[str, ...]]]:
    """Good messages set aside without a fault: they were refused for the load alone.

    Such a one was turned away by a third party's cap or for lack of concurrency, and no call of its
    found the third party out of order.
    """
    history = observation.told
    out_of_order = {m for call in load.calls if call.answer == FAILED for m in call.messages}
    turned_away = {m for call in load.calls if call.answer == THROTTLED for m in call.messages}
    turned_away |= history.ids("throttled")
    burnt = sorted(
        history.ids("dead-lettered") & turned_away - out_of_order - context.bad,
        key=observation.messages.index,
    )
    if not burnt:
        return []
    _, event = history.last(burnt[0], "dead-lettered") or (0, None)
    assert event is not None
    more = f" and {len(burnt) - 1} more" if len(burnt) > 1 else ""
    what = (
        f"at {seconds(event.at_ms)} {burnt[0]}{more} went to {event.where} though nothing failed: "
        "it was refused for the load as often as it may be received"
    )
    return [(what, tuple(burnt))]


def _undrained(observation: Observation) -> list[tuple[str, tuple[str, ...]]]:
    """A run that was ended while nothing more came of it."""
    if observation.quiet or not observation.history:
        return []
    effected = [event.at_ms for event in observation.history if event.kind == "effected"]
    last_ms = observation.history[-1].at_ms
    if effected and effected[-1] > last_ms * 3 // 4:
        return []
    waiting = tuple(sorted({held.message for held in observation.held if held.message}))
    since = f" after {seconds(effected[-1])}" if effected else ""
    return [(f"the backlog does not drain: nothing more took effect{since}", waiting)]
