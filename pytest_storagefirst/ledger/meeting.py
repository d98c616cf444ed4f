"""Where messages meet (a total, a list, the last writer): which of them were at work there."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterator, Sequence, Set

from pytest_storagefirst.ledger.effects import Canonical
from pytest_storagefirst.ledger.history import History
from pytest_storagefirst.ledger.masks import leaves
from pytest_storagefirst.ledger.matching import Expected
from pytest_storagefirst.ledger.oracle import Oracle

_MOST_EXPLANATIONS = 120
_MOST_DEVIATING = 3  # messages that did not fare as their history suggests
# Of more messages than that, not every way of processing them can be tried.
MOST_EXPLAINED = 40
# Events of the runs that one explanation is looked for in: some seconds where handlers are slow.
MOST_EVENTS = 50_000


class Undecided(Exception):
    """What stands where messages meet is not explained by as many runs as may be looked at."""


def explanation(
    shared: Sequence[Canonical],
    members: Sequence[str],
    oracle: Oracle,
    history: History,
    *,
    held: Collection[str] = (),
    with_own_effect: Collection[str] = (),
) -> Counter[str] | None:
    """How often each message must have been processed to leave this state; None: none explains it.

    The likeliest explanation by the history is tried first: several can leave one state.
    A state in which all is right but for effects that stand too often (an emission repeated) is
    explained by those whose effects they are; one that holds only more than it should, by traces
    of messages that were begun and not finished.
    Raises Undecided where that takes more than `MOST_EVENTS`.
    """
    hint = [m for event in history.events if event.kind == "effected" for m in event.messages]
    likelihoods = [
        _likelihoods(
            message, history, oracle.steps[message], message in held, message in with_own_effect
        )
        for message in members
    ]
    explanations = list(_explanations(members, likelihoods))
    unsettled = frozenset(held) | (frozenset(members) - history.acknowledged)
    # States are runs of the simulation: none is asked for before it is needed.
    looked_at: dict[tuple[str, ...], int] = {}
    for fits in (_is_exact, _is_surplus, _is_unfinished):
        for copies in explanations:
            for order in oracle.orders(copies.elements(), hint):
                if sum(looked_at.values()) > MOST_EVENTS:
                    raise Undecided
                state = oracle.shared_state(order)
                looked_at[order] = oracle.cost(order)
                left_out = frozenset(members) - copies.keys()
                begun = left_out if left_out <= unsettled else frozenset[str]()
                if fits(state, shared, begun):
                    return copies if fits is _is_exact else _surplus(copies, state, shared, history)
    return None


def _is_exact(state: Expected, shared: Sequence[Canonical], _begun: Set[str]) -> bool:
    return state.equals(shared)


def _is_surplus(state: Expected, shared: Sequence[Canonical], _begun: Set[str]) -> bool:
    return state.covers(shared)


def _is_unfinished(state: Expected, shared: Sequence[Canonical], begun: Set[str]) -> bool:
    """Whether all stands that should, untouched, and what was added is another's beginning."""
    if not begun:
        return False
    effects = list(shared)
    for slot in state.slots:
        at_home = [effect for effect in effects if slot.home_of(effect) == slot.home]
        kept = [e for e in at_home if leaves(slot.tree) <= leaves(slot.mask.apply(e.tree))]
        if not kept or not kept[0].named - slot.named <= begun:
            return False
        effects.remove(kept[0])
    return all(effect.named <= begun for effect in effects)


def _surplus(
    copies: Counter[str], state: Expected, shared: Sequence[Canonical], history: History
) -> Counter[str]:
    matched = state.match(shared)
    surplus = Counter(copies)
    for slot in state.slots:
        if matched.counts[slot.id] > state.need[slot.id]:
            whose = slot.named & copies.keys() or history.redelivered & copies.keys()
            for message in whose or copies.keys():
                surplus[message] = max(surplus[message], matched.counts[slot.id])
    return surplus


def _explanations(
    members: Sequence[str], likelihoods: Sequence[list[tuple[int, int]]]
) -> Iterator[Counter[str]]:
    ranked: list[tuple[int, tuple[int, ...]]] = []
    most = _MOST_DEVIATING if len(members) <= MOST_EXPLAINED else 0
    for deviating in range(min(most, len(members)) + 1):
        for which in itertools.combinations(range(len(members)), deviating):
            choices = [
                options[1:] if at in which else options[:1]
                for at, options in enumerate(likelihoods)
            ]
            for chosen in itertools.product(*choices):
                cost = sum(cost for cost, _ in chosen)
                ranked.append((cost, tuple(times for _, times in chosen)))
    ranked.sort(key=lambda entry: entry[0])
    for _, times in ranked[:_MOST_EXPLANATIONS]:
        yield Counter({m: n for m, n in zip(members, times, strict=True) if n})


def _likelihoods(
    message: str, history: History, steps: int, is_held: bool, has_own_effect: bool
) -> list[tuple[int, int]]:
    """(cost, times processed), the likeliest first; a higher cost is less likely."""
    effected = history.count("effected", message)
    took_effect = has_own_effect or effected > 0
    accepted = message in history.acknowledged or (message in history.indeterminate and took_effect)
    if accepted and not is_held:
        never, once = (3 if took_effect else 1), 0
    elif accepted and took_effect:
        never, once = 1, 0
    else:
        never, once = 0, (2 if history.deliveries(message) else 4)
    signs_of_more = history.deliveries(message) > 1 or effected > steps
    again = once + (1 if signs_of_more else 4)
    return sorted([(never, 0), (once, 1), (again, 2), (again + 2, 3)])
