"""Whether an object whose key has awkward characters is processed as one with a plain key is.

Event notifications tell a key URL-encoded, a space as "+"; EventBridge tells it as it is:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
"""

from __future__ import annotations

import re
from collections import Counter
from urllib.parse import unquote, unquote_plus

from pytest_storagefirst.explore.content import PROPERTY, acknowledged, failure_of
from pytest_storagefirst.explore.judge import Judge, Judged
from pytest_storagefirst.ledger.effects import Effect, Observation
from pytest_storagefirst.ledger.verdict import OK, UNKNOWN, VIOLATED, Verdict
from pytest_storagefirst.simulation.deployed import Entry
from pytest_storagefirst.simulation.playing import Played
from pytest_storagefirst.simulation.producers import object_key
from pytest_storagefirst.simulation.routing import buses
from pytest_storagefirst.simulation.routing.buckets import TELLS_ENCODED, encoded
from pytest_storagefirst.simulation.schedule import UNIQUE, Schedule, Send, render

REDRIVE = "redrive-completes"

# What stands behind the message's id in a key. All together first; then which of them it is.
AWKWARD = " a+é"
_EACH = (" a", "+a", "é")

# https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
_IN_JSONATA = "decode it once, in JSONata: $decodeUrlComponent($replace(key, '+', ' '))"

_GIVEN_UP = frozenset({"dead-lettered", "dropped", "skipped", "expired"})
_HOST = re.compile(r".*?://[^/?#]+")


def may_be_awkward(entry: Entry) -> bool:
    """Whether producers may name objects as they like: where the user wrote no key, and
    notifications are about more than one."""
    return entry.kind == "bucket" and not entry.key and UNIQUE in object_key(entry)


def judge_keys(judge: Judge, entry: Entry) -> Judged | None:
    """A run of an object with an awkward key, judged by what one with a plain key leaves; that with
    the plainest key that goes wrong. None when there is nothing to compare.
    """
    found = play_for_keys(judge, _schedule(entry, AWKWARD))
    if not found.verdicts:
        return None
    if found.verdicts == {PROPERTY: Verdict(OK)}:
        return found
    for text in _EACH:
        plainer = play_for_keys(judge, _schedule(entry, text))
        if any(verdict.value != OK for verdict in plainer.verdicts.values()):
            return plainer
    return found


def _schedule(entry: Entry, text: str) -> Schedule:
    before, unique, after = object_key(entry).rpartition(UNIQUE)
    return Schedule((Send("m1", entry.name, entry.body, f"{before}{unique}{text}{after}"),))


def play_for_keys(judge: Judge, schedule: Schedule) -> Judged:
    """Play a schedule of one object and judge it by what it leaves with a plain key.

    Without a verdict where that says nothing: the plain one is not processed either, or leaves
    something else each time, or a filter lets only it through.
    """
    send = schedule.workload[0]
    entry = judge.deployed.entry(send.entry)
    plain = judge.alone(Send(send.message, send.entry, send.body))[:2]
    played = judge.play(schedule)
    observed = played.observation
    if not acknowledged(played):
        verdict = Verdict(UNKNOWN, "no object was acknowledged, so none could be lost")
        return Judged(schedule, played, None, {PROPERTY: verdict})
    expected, other = (_left(one, entry, object_key(entry)) for one in plain)
    if (
        not may_be_awkward(entry)
        or expected != other
        or not all(one.quiet for one in (*plain, observed))
        or any(map(_went_wrong, plain))
        or _is_left_out(observed)
    ):
        return Judged(schedule, played, None, {})
    missing = list((expected - _left(observed, entry, send.key)).elements())
    if not missing and (expected or not _went_wrong(observed)):
        return Judged(schedule, played, None, {PROPERTY: Verdict(OK)})
    name, value = PROPERTY, VIOLATED
    if any(held.message == send.message for held in observed.held):
        redriven = any(event.kind == "redriven" for event in observed.history)
        shown = redriven and REDRIVE in judge.names
        name, value = (REDRIVE, VIOLATED) if shown else (PROPERTY, UNKNOWN)
    machines = frozenset(one.logical_id for one in judge.deployed.topology.state_machines)
    verdict = Verdict(value, _why(played, entry, send, missing, machines), (send.message,))
    return Judged(schedule, played, None, {name: verdict})


def _left(observed: Observation, entry: Entry, key: str) -> Counter[tuple[str, str]]:
    """How many effects a message leaves at each place, but for the object that was sent."""
    own = key.replace(UNIQUE, _token(observed))
    return Counter(
        (effect.kind, _place(effect))
        for effect in observed.effects
        if (effect.kind, effect.place, effect.key) != ("object", entry.store.logical_id, own)
    )


def _place(effect: Effect) -> str:
    """A third party by its host: its path may have the key in it."""
    host = _HOST.match(effect.place)
    return host.group() if host else effect.place


def _token(observed: Observation) -> str:
    return next(raw for raw, name in observed.names.items() if name == "<m1>")


def _went_wrong(observed: Observation) -> bool:
    return any(event.kind in _GIVEN_UP for event in observed.history)


def _is_left_out(observed: Observation) -> bool:
    return any(
        event.kind == "filtered" or event.detail.startswith(buses.MATCHES_NO_RULE)
        for event in observed.history
    )


# --- what to say -----------------------------------------------------------------------------


def _why(
    played: Played,
    entry: Entry,
    send: Send,
    missing: list[tuple[str, str]],
    machines: frozenset[str],
) -> str:
    key = render(send.key, send.message)
    tells_encoded = any(
        event.kind == "noted" and event.detail.startswith(TELLS_ENCODED)
        for event in played.observation.history
    )
    told = f"which its notification tells URL-encoded, as {encoded(key)!r}"
    if not tells_encoded:
        told = "which EventBridge tells as it is"
    left = f"left no {missing[0][0]} in {missing[0][1]}" if missing else "was not processed"
    plain = object_key(entry)
    return (
        f"{send.message} was acknowledged and {left}, as an object with a plain key does. "
        f"Its key is {key!r}, {told}{failure_of(played)}. "
        f"{_cause(played, send, tells_encoded, machines)} "
        f'(or, if no key ever has such characters, write key = "{plain}" in its [[entry]])'
    )


def _cause(played: Played, send: Send, tells_encoded: bool, machines: frozenset[str]) -> str:
    """What to mend, by the key that S3 was asked for."""
    key = send.key.replace(UNIQUE, _token(played.observation))
    told = encoded(key) if tells_encoded else key
    again = unquote_plus(key)
    once = "decode it once, with urllib.parse.unquote_plus(key)"
    for (place, call), request in played.requests.items():
        asked = unquote(str(request["url_path"])) if call.startswith("s3.") else key
        if key in asked:
            continue
        if told in asked:
            remedy = _IN_JSONATA if place in machines else once
            return f"{place} asks S3 for the key as it was told: {remedy}"
        if again in asked:
            remedy = once if tells_encoded else "use it as it is told"
            return f"{place} decodes it once too often: {remedy}"
    if tells_encoded:
        return f"Where a function uses the key, {once}"
    return "What a function does with the key has to take it as it is"
