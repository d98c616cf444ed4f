"""What a user's Hypothesis test is told of a run, so that it looks near the eventful ones."""

from __future__ import annotations

import contextlib

from pytest_storagefirst.explore.judge import Judged

LABEL = "deliveries beyond effects"
MOST_TOLD = 12  # runs with more take ever longer, and show more of the same


def deliveries_beyond_effects(judged: Judged) -> int:
    """How many deliveries led to no effect of their own: the more, the more went wrong on the way.

    Each message counts at each delivery, at every hop.
    """
    delivered = sum(
        len(event.messages)
        for event in judged.played.observation.history
        if event.kind == "delivered"
    )
    return delivered - (len(judged.account.processed) if judged.account else 0)


def guide(judged: Judged) -> None:
    """Give Hypothesis the run as a target; nothing outside of its tests."""
    import hypothesis
    from hypothesis.errors import InvalidArgument

    if hypothesis.currently_in_test_context():
        with contextlib.suppress(InvalidArgument):  # it was given when other properties were judged
            told = min(deliveries_beyond_effects(judged), MOST_TOLD)
            hypothesis.target(told, label=LABEL)
