"""Three-valued verdicts and the result of a property."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

OK, VIOLATED, UNKNOWN, NOT_APPLICABLE = "ok", "violated", "unknown", "not-applicable"

# Composing keeps the worst; a violation that was shown outweighs what was not.
_SEVERITY = {NOT_APPLICABLE: 0, OK: 1, UNKNOWN: 2, VIOLATED: 3}


@dataclass(frozen=True)
class Verdict:
    """What one property says of one run (or, composed, of many).

    `why` is one line a user reads. `messages` are the ids it is about (the lost ones, the doubled
    ones, …). `notes` maps message id -> why it is lost, for the end of the story.
    """

    value: str
    why: str = ""
    messages: tuple[str, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst verdict, first among equals; `unknown` when there is none: that shows nothing."""
    found = sorted(verdicts, key=lambda verdict: -_SEVERITY[verdict.value])
    return found[0] if found else Verdict(UNKNOWN, "nothing was judged")
