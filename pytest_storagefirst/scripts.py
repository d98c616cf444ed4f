"""What a third party does and for how long, as the steps of a script.

healthy 10 s
outage 60 s
throttled 20 s, retry after 5 s
slow start 30 s
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_storagefirst.errors import FaultError

HEALTHY = "healthy"
# Each with the kind of fault that every call finds meanwhile.
STATES = {
    HEALTHY: "",
    "outage": "refused",
    "brownout": "brownout",
    "flapping": "flapping",
    "throttled": "http-429",
    "slow start": "slow-start",
    "response lost": "response-lost",
}
SHAPE = '"STATE SECONDS s", for instance "outage 60 s" or "throttled 20 s, retry after 5 s"'
RETRY_AFTER_SECONDS = 5  # of a 429 that does not say otherwise
_TEXT = re.compile(
    r"^(?P<state>[a-z]+(?: [a-z]+)?)(?: (?P<seconds>\d+(?:\.\d+)?) ?s)?"
    r"(?:, retry after (?P<after>\d+) ?s)?$"
)


@dataclass(frozen=True)
class Step:
    """One of STATES, for so many milliseconds of virtual time; 0 is for good."""

    state: str
    for_ms: int = 0
    retry_after_seconds: int = RETRY_AFTER_SECONDS

    @property
    def kind(self) -> str:
        """The kind of fault that it stands for; "" when all is well."""
        return STATES[self.state]


Script = tuple[Step, ...]


def parse_step(text: object) -> Step:
    """Read a step's text. Raises FaultError that says what is wrong with it."""
    found = _TEXT.match(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise FaultError("this is no step of a script", found=repr(text), expected=SHAPE)
    state = found["state"]
    if state not in STATES:
        near = difflib.get_close_matches(state, STATES, n=1)
        raise FaultError(
            f"no third party is {state!r}",
            found=repr(text),
            expected="one of " + ", ".join(STATES),
            remedy=f"write {near[0]!r}" if near else "choose one of these",
        )
    if found["after"] and state != "throttled":
        raise FaultError(
            "only one that is throttled says when to come again",
            found=repr(text),
            expected='"throttled 20 s, retry after 5 s"',
            remedy="leave out “retry after”",
        )
    for_ms = round(float(found["seconds"] or 0) * 1000)
    if state != HEALTHY and not for_ms:
        raise FaultError(
            "a step without an end",
            found=repr(text),
            expected="seconds of virtual time, at least 0.001; only the last step, and only "
            f"{HEALTHY!r}, is for good",
            remedy=f'write for example "{state} 60 s"',
        )
    after = int(found["after"]) if found["after"] else RETRY_AFTER_SECONDS
    return Step(state, for_ms, after)


def parse_script(texts: Sequence[object]) -> Script:
    """Read a script. Raises FaultError for what is no step, and for one behind the last."""
    steps = tuple(parse_step(text) for text in texts)
    for number, step in enumerate(steps[:-1], 1):
        if not step.for_ms:
            raise FaultError(
                "a step without an end, and others behind it",
                found=f"step {number} of {len(steps)}: {step.state}",
                expected="seconds of virtual time; only the last step is for good",
                remedy=f'write for example "{step.state} 10 s"',
            )
    return steps


def read_script(value: object) -> tuple[str, ...]:
    """The texts of a script, all of which can be read. Raises FaultError as `parse_script` does."""
    if not isinstance(value, list):
        raise FaultError(
            "a script is a list of steps",
            found=repr(value),
            expected='a list of steps, as in ["outage 60 s", "healthy"]',
        )
    parse_script(value)
    return tuple(value)


# --- what a call finds ------------------------------------------------------------------------

FLAPPING_MS = 10_000  # down for so long, then up for so long
SLOWEST_SECONDS = 8.0  # the first answer of a slow start


@dataclass(frozen=True)
class Trouble:
    """What a call finds: a kind of fault, "" for none, and how its answer is put off."""

    kind: str = ""
    retry_after_seconds: int = RETRY_AFTER_SECONDS
    delay_seconds: float = 0.0


NO_TROUBLE = Trouble()
# What it is answered with, where that is an answer at all.
TROUBLE_STATUS = {"http-429": 429, "brownout": 503, "flapping": 503}


def trouble(
    kind: str, number: int, since_ms: int, retry_after_seconds: int = RETRY_AFTER_SECONDS
) -> Trouble:
    """What the `number`th call finds, from 1, when something has been the matter for so long."""
    if kind == "brownout" and number % 2 == 0:
        return NO_TROUBLE
    if kind == "flapping" and since_ms // FLAPPING_MS % 2:
        return NO_TROUBLE
    delay_seconds = SLOWEST_SECONDS / 2 ** (number - 1) if kind == "slow-start" else 0.0
    return Trouble(kind, retry_after_seconds, delay_seconds)


def step_at(script: Script, since_ms: int) -> tuple[int, Step, int] | None:
    """The step that a script is in after so long: its place, itself, and its own time so far."""
    for at, step in enumerate(script):
        if not step.for_ms or since_ms < step.for_ms:
            return at, step, since_ms
        since_ms -= step.for_ms
    return None
