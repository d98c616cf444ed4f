"""The smallest schedule in which a finding's configuration loses or doubles a message.

Only what the remedy cures is the configuration's: the same schedule is played on the template with
the remedy applied, and a loss that stays there is something else's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from pytest_storagefirst.audit.catalogue.trials import LOSS, TWICE
from pytest_storagefirst.audit.findings import Finding
from pytest_storagefirst.audit.ground import Ground, mended
from pytest_storagefirst.audit.rule import Trial
from pytest_storagefirst.errors import StorageFirstError
from pytest_storagefirst.explore.content import judge_content, play_for_content
from pytest_storagefirst.explore.judge import Judge, Judged
from pytest_storagefirst.explore.stages import FOR_EVER_MS, is_refused
from pytest_storagefirst.explore.sweep import faults_lasting, faults_once
from pytest_storagefirst.explore.witness import named, told_in_steps, witness_document
from pytest_storagefirst.explore.workload import bad_bodies, plain
from pytest_storagefirst.faults.catalogue import is_read_only
from pytest_storagefirst.faults.plan import Fault
from pytest_storagefirst.ledger.events import Event
from pytest_storagefirst.ledger.history import History
from pytest_storagefirst.ledger.verdict import VIOLATED
from pytest_storagefirst.report.narrative import Step, in_lines
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.simulation.deployed import Entry
from pytest_storagefirst.simulation.schedule import Schedule, Send
from pytest_storagefirst.stack.template import Template

MOST_TRIES = 40  # schedules of one finding
MOST_BAD = 4  # bodies that are refused, of one entry

# What is seen may be a neighbour's, so that neither says what becomes of the configuration itself.
STAYS = (
    "the harm that was seen stays with this remedy: it has another cause; none was seen from here"
)
NOT_REACHED = "nothing that was sent reached {} in the trial"
NOTHING_TO_TRY = "no message that was sent here was seen to get to where this could do harm"

_ASTRAY = ("dead-lettered", "skipped", "expired", "dropped")
_GONE = ("deleted", "passed")

# What a handler does with the message itself is no effect of it.
_OF_MESSAGES = (
    "sqs.ChangeMessageVisibility",
    "sqs.ChangeMessageVisibilityBatch",
    "sqs.DeleteMessage",
    "sqs.DeleteMessageBatch",
)


@dataclass(frozen=True)
class Shown:
    """A run in which the configuration does its harm, and the remedy mends it.

    `document` is what a replay file holds. `lost` are the messages that the verdict is about.
    `steps` are those of the story, for whoever draws it. `cure` is which of the finding's changes
    mends it.
    """

    property_name: str
    why: str
    story: tuple[str, ...]
    lost: tuple[str, ...]
    document: dict[str, Any]
    runs: int
    faults: int
    steps: tuple[Step, ...] = ()
    cure: int = 0


@dataclass(frozen=True)
class NotShown:
    """Why a finding is advice."""

    why: str
    runs: int = 0


@dataclass(frozen=True)
class _Attempt:
    schedule: Schedule
    bad: frozenset[str] = frozenset()
    content_of: Entry | None = None


def witness(
    finding: Finding, known: Ground, template: Template, settings: Settings
) -> Shown | NotShown:
    """Look for a run that shows a finding's harm. Raises nothing that a user could mend."""
    rule, looked = finding.rule, finding.looked
    if not rule.trials:
        return NotShown("no run can show it")
    if not looked.changes:
        return NotShown("no remedy can be tried that leaves the rest as it is")
    if known.stand_ins and rule.needs_code:
        return NotShown(f"it hangs on code that can't be run here: {', '.join(known.stand_ins)}")
    before = known.judge.runs
    stays = ""
    tried = 0
    cures: dict[int, Judge | None] = {}
    for trial in rule.trials:
        for attempt in islice(_attempts(trial, finding, known), MOST_TRIES - tried):
            tried += 1
            found = _violation(known.judge, attempt, trial)
            if found is None:
                continue
            judged, kept = found
            if looked.batch_of and not _fails_as_batch(trial, judged, attempt.bad, looked.batch_of):
                stays = f"what goes wrong does not go wrong with a batch of {looked.batch_of}"
                continue
            if rule.needs_code and _needs_no_fault(known, trial, judged, attempt):
                stays = "the same is seen without what is tried here: it has another cause"
                continue
            cure = _cure(finding, known, template, settings, cures, trial, judged, attempt, kept)
            if cure is not None:
                runs = known.judge.runs - before
                return _shown(trial, judged, attempt, kept, template, known, runs, cure)
            stays = STAYS
    if looked.target and not known.is_reached(looked.target):
        return NotShown(NOT_REACHED.format(looked.target), known.judge.runs - before)
    runs = known.judge.runs - before
    if not tried:
        return NotShown(NOTHING_TO_TRY, runs)
    return NotShown(stays or "no schedule that was tried shows it on this stack", runs)


def _attempts(trial: Trial, finding: Finding, known: Ground) -> Iterator[_Attempt]:
    """From the smallest on."""
    sites = finding.looked.sites
    entries = known.entries
    if trial.point == "request":
        entries = tuple(entry for entry in entries if entry.name in sites)
    for entry in entries:
        if trial.content:
            yield _Attempt(Schedule(plain((entry,), 1)), content_of=entry)
        elif trial.bad:
            yield from _with_bad(trial, entry, sites, known)
        elif not trial.point:
            yield _Attempt(Schedule(plain((entry,), trial.messages)))
        else:
            for fault in _faults(trial, entry, sites, known):
                yield _Attempt(Schedule(plain((entry,), trial.messages), plan=(fault,)))


def _faults(trial: Trial, entry: Entry, sites: tuple[str, ...], known: Ground) -> Iterator[Fault]:
    deployed = known.judge.deployed
    for (place, point), count in sorted(known.counts(entry, trial.messages).items()):
        if place not in sites or not _is_at(trial.point, point):
            continue
        if trial.lasting:
            options = faults_lasting(deployed, place, point, 1)
        else:
            options = (
                fault
                for number in range(1, count + 1)
                for fault in faults_once(deployed, place, point, number)
            )
        for fault in options:
            if fault.kind == trial.kind and trial.variant in ("", fault.variant):
                yield fault


def _is_at(wanted: str, point: str) -> bool:
    if wanted == "writes":
        return (
            "." in point
            and point not in _OF_MESSAGES
            and not is_read_only(point.rpartition(".")[2])
        )
    return point == wanted


def _with_bad(
    trial: Trial, entry: Entry, sites: tuple[str, ...], known: Ground
) -> Iterator[_Attempt]:
    """A message that is refused for good, first or between good ones; or one whose writes are.

    The latter where the finding is, as bodies may be refused at another function; or anywhere,
    where no body is refused at all.
    """
    found = 0
    good = plain((entry,), trial.messages)
    first_or_between = ("m1", "m2") if trial.messages > 2 else ("m1",)
    for _, body in bad_bodies(entry.body, entry.kind):
        if found >= MOST_BAD:
            break
        try:
            refused = is_refused(known.judge, Schedule((Send("m1", entry.name, body),)))
        except StorageFirstError:
            continue
        if refused:
            found += 1
            for bad in first_or_between:
                sends = tuple(replace(s, body=body) if s.message == bad else s for s in good)
                yield _Attempt(Schedule(sends), frozenset({bad}))
    writes = [
        (place, point)
        for place, point in sorted(known.counts(entry, 1))
        if _is_at("writes", point) or point.startswith("http ")
    ]
    here = [site for site in writes if site[0] in sites] or ([] if found else writes)
    for place, point in here[:1]:
        variant = "connect-timeout" if point.startswith("http ") else "access-denied"
        for bad in first_or_between:
            fault = Fault(place, point, 1, "refused", variant, bad, for_ms=FOR_EVER_MS)
            yield _Attempt(Schedule(good, plan=(fault,)), frozenset({bad}))


def _violation(
    judge: Judge, attempt: _Attempt, trial: Trial
) -> tuple[Judged, dict[str, str]] | None:
    """The run, when it violates the property by all that it was to suffer."""
    try:
        if attempt.content_of is not None:
            found = judge_content(judge, attempt.content_of)
            if found is None or found[0].verdicts[trial.property_name].value != VIOLATED:
                return None
            return found
        judged = judge.judge(attempt.schedule, attempt.bad)
    except StorageFirstError:
        return None
    violated = judged.verdicts[trial.property_name].value == VIOLATED
    return (judged, {}) if violated and _suffered(judged) else None


def _suffered(judged: Judged) -> bool:
    """Whether every fault of the schedule struck: what was spared shows nothing."""
    observation = judged.played.observation
    return set(observation.faults_required) <= set(observation.faults_fired)


def _fails_as_batch(trial: Trial, judged: Judged, bad: frozenset[str], function: str) -> bool:
    """Whether a good message comes to harm in an invocation of this function that had several.

    A remedy that thins out a batch here does so downstream too, and may cure what happens there.
    """
    history = judged.played.observation.told
    for message in judged.verdicts[trial.property_name].messages:
        if message in bad:
            continue
        if trial.property_name == TWICE:
            ended = [event for _, event in history.of(message, "failed")]
        else:
            ended = _last_before_harm(message, history)
        if any(event.where == function and len(event.messages) > 1 for event in ended):
            return True
    return False


def _last_before_harm(message: str, history: History) -> list[Event]:
    """The end of the last invocation that had a message before it went astray."""
    moves = list(history.of(message, *_ASTRAY)) or list(history.of(message, *_GONE))[-1:]
    until = moves[0][0] if moves else len(history.events)
    return [event for at, event in history.of(message, "failed", "succeeded") if at < until][-1:]


def _needs_no_fault(known: Ground, trial: Trial, judged: Judged, attempt: _Attempt) -> bool:
    """Whether good messages alone, without any fault, do the same harm: then a handler does it."""
    if not judged.schedule.plan and not attempt.bad:
        return False  # what is to be seen without
    bodies = {entry.name: entry.body for entry in known.entries}
    good = tuple(replace(send, body=bodies[send.entry]) for send in judged.schedule.workload)
    try:
        plain_run = known.judge.judge(replace(judged.schedule, workload=good, plan=()))
    except StorageFirstError:
        return True
    return any(
        plain_run.verdicts[name].value == VIOLATED for name in {trial.property_name, LOSS, TWICE}
    )


def _cure(
    finding: Finding,
    known: Ground,
    template: Template,
    settings: Settings,
    cures: dict[int, Judge | None],
    trial: Trial,
    judged: Judged,
    attempt: _Attempt,
    kept: dict[str, str],
) -> int | None:
    """Which remedy, applied alone, keeps the same schedule from its harm; None if none does."""
    for number, changes in enumerate(finding.looked.changes):
        if number not in cures:
            cures[number] = _judge_with(known, template, settings, changes)
        judge = cures[number]
        if judge is None:
            continue
        try:
            if kept:
                again = play_for_content(judge, judged.schedule, kept)
            else:
                again = judge.judge(judged.schedule, attempt.bad)
        except StorageFirstError:
            continue
        crashed = again.account is None and not kept
        cured = again.verdicts[trial.property_name].value != VIOLATED
        if cured and not crashed and _suffered(again):
            return number
    return None


def _judge_with(
    known: Ground, template: Template, settings: Settings, changes: Any
) -> Judge | None:
    try:
        return mended(known, template, settings, changes)
    except StorageFirstError:
        return None


def _shown(
    trial: Trial,
    judged: Judged,
    attempt: _Attempt,
    kept: dict[str, str],
    template: Template,
    known: Ground,
    runs: int,
    cure: int,
) -> Shown:
    verdict = judged.verdicts[trial.property_name]
    steps = told_in_steps(judged, verdict, attempt.bad)
    story = in_lines(steps)
    document = witness_document(
        template.path, trial.property_name, judged, attempt.bad, story, kept
    )
    if known.stand_ins:
        document["stand_ins"] = list(known.stand_ins)
    return Shown(
        trial.property_name,
        named(verdict.why, judged),
        story,
        verdict.messages,
        document,
        runs,
        len(judged.schedule.plan),
        steps,
        cure,
    )
