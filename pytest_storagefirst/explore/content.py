"""Whether what was sent is found again in what was stored, with awkward characters too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_storagefirst.explore import workload
from pytest_storagefirst.explore.judge import Judge, Judged
from pytest_storagefirst.ledger.content import content_kept
from pytest_storagefirst.ledger.verdict import OK, UNKNOWN, VIOLATED, Verdict
from pytest_storagefirst.simulation.deployed import Entry
from pytest_storagefirst.simulation.playing import Played
from pytest_storagefirst.simulation.schedule import Schedule, Send

PROPERTY = "no-message-loss"


def judge_content(judge: Judge, entry: Entry) -> tuple[Judged, dict[str, str]] | None:
    """A run of a message with awkward characters, judged, and the fields that must be found again.

    None when there is nothing to compare: fields that are not found again even when they are plain
    are none of the stack's promises.
    """
    plain = workload.with_text(entry.body, workload.PLAIN, entry.kind)
    awkward = workload.with_text(entry.body, workload.AWKWARD, entry.kind)
    if plain is None or awkward is None:
        return None
    before = judge.play(Schedule((Send("m1", entry.name, plain.body),)))
    lost = content_kept(plain.fields, _stored(before))
    kept = {name: value for name, value in awkward.fields.items() if name not in lost}
    if not kept or not acknowledged(before):
        return None
    schedule = Schedule((Send("m1", entry.name, awkward.body),))
    return play_for_content(judge, schedule, kept), kept


def play_for_content(judge: Judge, schedule: Schedule, kept: Mapping[str, str]) -> Judged:
    """Play a schedule of one message and judge it by whether these fields are found again."""
    played = judge.play(schedule)
    stored = _stored(played)
    damaged = content_kept(kept, stored)
    if not acknowledged(played):
        verdict = Verdict(UNKNOWN, "no message was acknowledged, so none could be changed")
    elif damaged and not stored:
        why = (
            f"m1 was acknowledged and left no effect in which what was sent of {damaged[0]} "
            f"({kept[damaged[0]]!r}) could be found again{failure_of(played)}"
        )
        verdict = Verdict(VIOLATED, why, ("m1",))
    elif damaged:
        why = (
            f"m1 was acknowledged and what was stored of {', '.join(damaged)} is not what was "
            f"sent: sent {kept[damaged[0]]!r}, stored {_excerpt(stored)}"
        )
        verdict = Verdict(VIOLATED, why, ("m1",))
    else:
        verdict = Verdict(OK)
    return Judged(schedule, played, None, {PROPERTY: verdict})


def acknowledged(played: Played) -> bool:
    return any(event.kind == "acknowledged" for event in played.observation.history)


def _stored(played: Played) -> list[str]:
    """The texts that storage took in: queue bodies, or items and objects written directly."""
    texts = [text for stored in played.stored_texts.values() for text in stored]
    if texts:
        return texts
    return [str(value) for effect in played.observation.effects for value in _strings(effect.value)]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
    elif isinstance(value, str):
        yield value


def failure_of(played: Played) -> str:
    """What first went wrong with it, where something did: "; Worker failed with it: KeyError"."""
    for event in played.observation.history:
        if event.kind == "failed" and "m1" in event.messages:
            return f"; {event.where} failed with it: {event.detail}"
    return ""


def _excerpt(texts: list[str]) -> str:
    text = texts[0]
    return repr(text if len(text) <= 160 else text[:160] + "…")
