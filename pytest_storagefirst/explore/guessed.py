"""Bodies that nobody gave: where such a one leaves no effect, a run with it shows nothing."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_storagefirst.explore.judge import Judge
from pytest_storagefirst.simulation.deployed import Entry
from pytest_storagefirst.simulation.schedule import Send

SHOWS_NOTHING = (
    "the body was guessed and leaves no effect, so nothing was shown: write one that the stack "
    "acts on, [[entry]] body = … in storagefirst.toml (where no message leaves an effect, any "
    "body that is written there says so)"
)


def guessed_in_vain(
    judge: Judge, given: Iterable[Entry], described: Iterable[Entry]
) -> frozenset[str]:
    """The entries whose body was guessed and leaves no effect when it comes alone.

    `given` are the entries as the settings have them, `described` the same with bodies. A message
    without any effect is judged by acknowledgement only where someone said that it is a message.
    """
    guessed = {entry.name for entry in given if entry.body is None}
    return frozenset(
        entry.name
        for entry in described
        if entry.name in guessed and not judge.alone(Send("m1", entry.name, entry.body))[0].effects
    )
