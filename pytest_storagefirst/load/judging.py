"""The end of a run: everything is read once more, and judged.

Imported in the Locust process alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from pytest_storagefirst.load import account
from pytest_storagefirst.load.drain import Drain
from pytest_storagefirst.load.plan import Plan
from pytest_storagefirst.load.preparing import FoundBefore
from pytest_storagefirst.load.standing import Standing
from pytest_storagefirst.load.values import Facts, Transition, outage_s
from pytest_storagefirst.load.watch import Watch
from pytest_storagefirst.report.covered import counted
from pytest_storagefirst.target.target import Target


@dataclass(frozen=True)
class Ended:
    """A run of which nothing more will come. `interrupted_s`: when someone ended it early."""

    plan: Plan
    target: Target
    standing: Standing
    watch: Watch
    drain: Drain
    found_before: FoundBefore
    interrupted_s: float | None


def judged(ended: Ended) -> dict[str, Any]:
    """The report document of a run, after a last look at its target."""
    watch, observer, standing = ended.watch, ended.watch.observer, ended.standing
    watch.stop()
    watch.attempt("looking at the target", watch.sample)
    effects = watch.attempt("reading the effects", observer.processed)
    held = watch.attempt("reading the queues", partial(observer.held, effects or {}))
    seen_at = watch.attempt("looking for effects", observer.processed_at) or {}
    doubled = watch.attempt("comparing the effects", observer.doubled) or ""
    calls = _calls(ended)
    seconds = watch.elapsed_s
    unread = list(watch.attempt("the observer", observer.doubts) or ())
    if effects is None or held is None:
        unread.append("what was processed could not be read")
    sent, profile = account.sent(standing), ended.plan.profile
    waiting = observer.waiting_places
    aside = {message for message, place in (held or {}).items() if place not in waiting}
    dead = frozenset(aside - (effects or {}).keys()) & sent.due_s.keys()
    facts = Facts(
        profile=profile,
        account=account.account_of(sent, effects or {}, held or {}),
        rows=standing.rows,
        drain=ended.drain,
        counts={name: len(ids) for name, ids in sent.by_outcome.items()},
        end_to_end_s={
            message: seen_at[message] - at
            for message, at in standing.accepted_at().items()
            if message in seen_at and sent.due_s[message] >= profile.warm_up_s
        },
        samples=tuple(watch.samples),
        transitions=tuple(
            Transition(at - watch.began_at, *states) for at, *states in observer.circuit_changes
        ),
        acted=tuple(watch.acted),
        calls=calls,
        dead=dead,
        expected_dead=sent.poison & (sent["accepted"] | (sent["unknown"] & dead)),
        recovery_s=ended.target.settings.circuit.get("recovery_seconds"),
        trouble=next(standing.troubles(), ""),
        found_before=ended.found_before.told,
        in_the_way=ended.found_before.in_the_way,
        doubled=doubled,
        unread=tuple(unread),
    )
    return account.document(
        ended.plan,
        facts,
        [*_doubts(ended, calls), *unread],
        target=ended.target.name,
        stack=ended.target.stack_name,
        began_at=watch.began_at,
        seconds=seconds,
        reasons=standing.reasons,
    )


def _calls(ended: Ended) -> list[float] | None:
    """When the third party was called, in seconds into the run; None: nobody knows."""
    watch = ended.watch
    told = watch.attempt("asking the third party", watch.observer.downstream_calls)
    if told is None or not ended.target.downstream_url:
        return None
    return [one["began_ms"] / 1000 - watch.began_at for one in told]


def _doubts(ended: Ended, calls: list[float] | None) -> Iterator[str]:
    """Why the run shows nothing about the target, but for what could not be read of it."""
    watch, standing = ended.watch, ended.standing
    if ended.interrupted_s is not None:
        yield from _left_out(ended, ended.interrupted_s)
    scripted = [at_s for at_s, action in watch.acted if action.kind == "downstream"]
    if scripted and not any(at_s >= scripted[0] for at_s in calls or ()):
        yield "no third party was called once it was out of order: nothing was tried"
    yield from standing.doubts()
    if ended.interrupted_s is None:
        yield from standing.unsent()
    for text, number in watch.problems.items():
        yield text if number == 1 else f"{text} ({number} times)"


def _left_out(ended: Ended, at_s: float) -> Iterator[str]:
    """What of its plan an interrupted run did not do; nothing where it was draining only."""
    when = f"interrupted {at_s:.0f} s into the run"
    planned = ended.standing.planned
    unsent = planned - sum(row.offered for row in ended.standing.rows.values())
    if unsent > 0:
        yield f"{when}: {unsent:,} of {counted(planned, 'message')} were not sent"
    if ended.watch.undone:
        yield f"{when}: {counted(len(ended.watch.undone), 'action')} of the profile not done"
    outage = outage_s(ended.watch.acted)
    if outage is not None and outage[1] > at_s:
        yield f"{when}: the third party was healed before its script did it"
