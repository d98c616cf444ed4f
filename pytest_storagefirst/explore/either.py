"""The account of a run in which flags were flipped: each message may come to either outcome.

To that of the values that stood at first, or to that of the others; not to both, and, where the
first leaves an effect, not to none: a switch that drops what was acknowledged loses it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from pytest_storagefirst.ledger.accounting import Account
from pytest_storagefirst.ledger.attribution import take_account
from pytest_storagefirst.ledger.effects import Observation
from pytest_storagefirst.ledger.oracle import Oracle

Runs = tuple[Observation, ...]


def account_of_either(
    seen: Callable[[Oracle], Observation],
    oracles: Sequence[Oracle],
    alone: Sequence[Mapping[str, Runs]],
    allowed: Mapping[str, int],
) -> Account:
    """The account that accuses least, of all ways in which messages can have met their flags.

    `oracles` and `alone` are those of each set of values, the first being that at first; `seen` is
    the run as one of them has it. Raises LookupError where messages meet and none of the values
    alone explains what they left together.
    """

    def accounted(oracle: Oracle) -> Account:
        return take_account(seen(oracle), oracle, allowed=allowed)

    accounts = [accounted(oracle) for oracle in oracles]
    first = oracles[0]
    both = frozenset(
        message
        for other, account in zip(oracles[1:], accounts[1:], strict=True)
        for message in accounts[0].processed & account.processed
        if _differ(first, other, message)
    )
    legal = [
        account
        for oracle, account in zip(oracles, accounts, strict=True)
        if not oracle.silent - first.silent
    ]
    best = min(legal, key=_accusations)
    if not _accusations(best):
        return _doubled(best, both)
    if not all(oracle.separable for oracle in oracles):
        raise LookupError("messages that meet were handled under different values of a flag")
    chosen = dict(alone[0])
    best = accounts[0]
    for message in sorted(chosen):
        for other in alone[1:]:
            if chosen[message][0].effects and not other[message][0].effects:
                continue
            tried = {**chosen, message: other[message]}
            account = accounted(Oracle(tried))
            if _accusations(account) < _accusations(best):
                best, chosen = account, tried
    return _doubled(best, both)


def _differ(first: Oracle, other: Oracle, message: str) -> bool:
    """Whether each of two outcomes has something that the other lacks."""
    here, there = (Counter(slot.id for slot in one.alone[message]) for one in (first, other))
    return bool(here - there and there - here)


def _accusations(account: Account) -> int:
    accused = account.lost | account.partial | account.duplicated | account.phantom
    return len(accused) + len(account.unexpected) + len(account.corrupted)


def _doubled(account: Account, both: frozenset[str]) -> Account:
    if not both:
        return account
    return replace(
        account,
        duplicated=account.duplicated | both,
        copies={**account.copies, **dict.fromkeys(both, 2)},
        doubled_in={
            **account.doubled_in,
            **dict.fromkeys(both, ("as its flag had it, and as it has it now",)),
        },
    )
