"""A body for each entry: the user's, or one found by watching what the handler asks for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from pytest_storagefirst.errors import EntryError
from pytest_storagefirst.explore import workload
from pytest_storagefirst.explore.asked import Asked, watched
from pytest_storagefirst.explore.broken_code import (
    NO_BODY_HELPS,
    broken,
    import_failure,
    is_about_variables,
    own_line,
    said,
)
from pytest_storagefirst.explore.first_guess import first_guess
from pytest_storagefirst.explore.guessed_keys import ONE_TO_THE_STACK, told_apart
from pytest_storagefirst.explore.judge import OTHER_EPOCH_MS, Judge
from pytest_storagefirst.explore.left_out import why_left_out
from pytest_storagefirst.explore.refused_bodies import refusal
from pytest_storagefirst.explore.telling_apart import all_alike, refuse_alike
from pytest_storagefirst.ledger.effects import Effect, Observation
from pytest_storagefirst.settings import nearest
from pytest_storagefirst.simulation.deployed import Downstream, Entry
from pytest_storagefirst.simulation.identities import TOKEN
from pytest_storagefirst.simulation.playing import Played
from pytest_storagefirst.simulation.schedule import UNIQUE, Schedule, Send
from pytest_storagefirst.simulation.scheduler import EPOCH_MS
from pytest_storagefirst.simulation.sender import REFUSED
from pytest_storagefirst.simulation.unfollowed import NOT_SIMULATED
from pytest_storagefirst.stack.states_language import read_paths

MOST_TRIES = 60  # plays while a body is looked for; each takes a few milliseconds


def describe_entries(judge: Judge, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Each entry with a body that the stack takes, found by asking the handler where none is given.

    Of several that nobody chose, those that refuse every body are left out.

    Raises EntryError when a body that the user gave, or every one that could be guessed, is refused
    even without faults; HandlerError when a function's code can't be imported.
    """
    given = judge.deployed
    described, refusals = [], []
    try:
        for entry in entries:
            try:
                described.append(_described(judge, entry))
            except EntryError as error:
                if entry.chosen or len(entries) == 1:
                    raise
                refusals.append(error)
                if error.problem.endswith((NOT_SIMULATED, ONE_TO_THE_STACK)):
                    judge.left_out[entry.name] = error.problem
                elif error.problem == NO_BODY_HELPS:
                    judge.left_out[entry.name] = f"{error.where}: {error.found}"
    finally:
        judge.deployed = given
    if refusals and not described:
        raise refusals[0]
    return tuple(described)


def notes_on(judge: Judge, given: tuple[Entry, ...], described: tuple[Entry, ...]) -> list[str]:
    """What qualifies every verdict on these entries: a guessed body, no id, no effect."""
    notes = []
    names = [entry.name for entry in described]
    for entry in given:
        if entry.name in judge.left_out:
            notes.append(f"{entry.name}: {judge.left_out[entry.name]}, so it was not tried")
        elif entry.name not in names:
            notes.append(
                f"{entry.name}: refuses every body that could be guessed, so it was not tried; "
                f'write [[entry]] and below it {entry.kind} = "{entry.name}" and body = {{ … }}'
            )
    befores = [entry for entry in given if entry.name in names]
    for before, entry in zip(befores, described, strict=True):
        sent = workload.as_sent(entry.body)
        authorizer = entry.route.lambda_authorizer if entry.route is not None else None
        if authorizer is not None and not entry.headers:
            notes.append(
                f"{entry.name}: its authorizer {authorizer.name} was not asked; to have it run, "
                f"give [[entry]] headers = {{ … }} with {', '.join(authorizer.identity_sources)}"
            )
        if before.body is None:
            field = judge.parted_by.get(entry.name)
            parted = f"; two messages with the same {field} are one to this stack" if field else ""
            notes.append(
                f"{entry.name}: no body is given in storagefirst.toml, so {sent} was sent{parted}"
            )
        if entry.kind == "topic" and entry.attributes is None and entry.store.attributes:
            invented = ", ".join(f'{key} = "{it}"' for key, it in entry.store.attributes.items())
            notes.append(
                f"{entry.name}: its filter policies ask for the attributes {invented}, so they "
                "were sent; whether its producers send them is not known: give [[entry]] "
                f"attributes = {{ … }}{_or_of_the_body(entry)}"
            )
        if all_alike(entry, entry.body):
            notes.append(f"{entry.name}: the body holds no {UNIQUE}, so all messages look the same")
        alone = judge.alone(Send("m1", entry.name, entry.body))[0]
        if not alone.effects and not alone.told.denials:
            notes.append(
                f"{entry.name}: a message leaves no effect that can be seen, so whether it was "
                "processed is judged by its acknowledgement alone"
            )
    calls = [
        effect
        for entry in described
        for effect in judge.alone(Send("m1", entry.name, entry.body))[0].effects
        if effect.kind == "emission"
    ]
    notes += filter(None, (_on_key(one, calls) for one in judge.deployed.downstreams))
    return notes


def _on_key(downstream: Downstream, calls: Iterable[Effect]) -> str:
    """What to say of a downstream whose `idempotency` names a field that no call to it has."""
    to_it = [one for one in calls if one.place.rpartition(" ")[2].startswith(downstream.url)]
    if not downstream.idempotency or not to_it or any(one.idempotency_key for one in to_it):
        return ""
    said = [one.value.get("body", one.value) for one in to_it if isinstance(one.value, dict)]
    fields = sorted({name for body in said if isinstance(body, dict) for name in body})
    remedy = nearest(downstream.idempotency, fields, "did you mean")
    return (
        f"[[downstream]] {downstream.url}: idempotency = {downstream.idempotency!r} is no field of "
        f"what is sent there ({', '.join(fields) or 'no JSON object'}), so each call counts"
        + (f"; {remedy}?" if remedy else "")
    )


def _or_of_the_body(entry: Entry) -> str:
    """What a filter may have meant: SNS asks attributes unless it is told to ask the body.

    https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html
    """
    fields = entry.body if isinstance(entry.body, dict) else {}
    both = [key for key in entry.store.attributes if key in fields]
    meant = f" (the body has {', '.join(both)}, too: a filter asks for that only with "
    return f"{meant}FilterPolicyScope: MessageBody)" if both else ""


def _described(judge: Judge, entry: Entry) -> Entry:
    if entry.body is not None:
        played = _played(judge, entry, entry.body)
        if played.observation.told.acknowledged:
            refuse_alike(entry, entry.body)
        if problem := _why_refused(judge, played, guessed=False):
            with watched(TOKEN, entry.body) as asked:
                _played(judge, entry, entry.body)
            raise broken(judge.deployed, entry, played, entry.body) or refusal(
                judge.deployed, entry, problem, entry.body, played, asked.demanded
            )
        return entry
    return _Guesses(judge, entry).first_taken()


def _played(judge: Judge, entry: Entry, body: Any) -> Played:
    """A run of one message with this body, which is the entry's own from then on."""
    candidate = replace(entry, body=body)
    entries = tuple(candidate if e.name == entry.name else e for e in judge.deployed.entries)
    judge.deployed = replace(judge.deployed, entries=entries)
    return judge.play(Schedule((Send("m1", entry.name, body),)))


class _Guesses:
    """The search for a body that nobody described."""

    def __init__(self, judge: Judge, entry: Entry) -> None:
        self._judge = judge
        self._entry = entry
        self._plays = 0

    def first_taken(self) -> Entry:
        body, problem = self._followed(first_guess(self._entry))
        if problem:
            for other in workload.alternatives(body):
                if self._plays >= MOST_TRIES:
                    break
                tried, still = self._followed(other)
                if not still:
                    body, problem = tried, ""
                    break
        if problem:
            played = _played(self._judge, self._entry, body)
            if not _refused_behind_a_yes(played):
                deployed, entry = self._judge.deployed, self._entry
                raise broken(deployed, entry, played, body) or refusal(
                    deployed, entry, problem, body, played
                )
        refuse_alike(self._entry, body)
        if not problem:
            body, field = told_apart(self._entry, body, self._observed)
            if field:
                self._judge.parted_by[self._entry.name] = field
        return replace(self._entry, body=body)

    def _observed(self, body: Any, messages: int, later: bool) -> Observation | None:
        """A run of so many messages with this body, if the stack takes it."""
        alone = _played(self._judge, self._entry, body)
        if _why_refused(self._judge, alone):
            return None
        if messages == 1 and not later:
            return alone.observation
        sends = [Send(f"m{at + 1}", self._entry.name, body) for at in range(messages)]
        schedule = Schedule(tuple(sends), seed=int(later), one_by_one=True)
        return self._judge.play(schedule, OTHER_EPOCH_MS if later else EPOCH_MS).observation

    def _followed(self, body: Any) -> tuple[Any, str]:
        """The body with all that the handler asks for, and why the stack refuses it; "" if not."""
        while True:
            self._plays += 1
            with watched(TOKEN, body) as asked:
                played = _played(self._judge, self._entry, body)
            problem = _why_refused(self._judge, played)
            better = workload.extended(body, self._wanted(played, asked, refused=bool(problem)))
            if better is None or self._plays >= MOST_TRIES:
                if not problem:  # and so without anybody watching
                    problem = _why_refused(self._judge, _played(self._judge, self._entry, body))
                return body, problem
            body = better

    def _wanted(self, played: Played, asked: Asked, *, refused: bool) -> list[tuple[str, ...]]:
        wants = _wants(played, asked, refused=refused)
        failed = {event.where for event in played.observation.history if event.kind == "failed"}
        for machine in self._judge.deployed.topology.state_machines:
            if refused and not wants and machine.logical_id in failed:
                wants = list(read_paths(machine.definition))
        return wants


def _wants(played: Played, asked: Asked, *, refused: bool) -> list[tuple[str, ...]]:
    """What the handler asked its message for in vain, as paths.

    What it demanded counts always, what it can do without only if it then refused the message.
    """
    wants = list(asked.demanded)
    for _, outer in played.errors:
        for error in _errors_in(outer):
            name = _lacking(error)
            if name and not any(path[-1] == name for path in wants):
                wants.append((name,))
    if refused and not wants:
        wants = list(asked.optional)
    return wants


def _errors_in(error: BaseException) -> Iterator[BaseException]:
    """An error, what it was raised for, and what a batch processor gathered in it."""
    yield error
    for cause in (error.__cause__, error.__context__):
        if cause is not None:
            yield cause
    for child in getattr(error, "child_exceptions", ()):
        if isinstance(child, tuple) and len(child) > 1 and isinstance(child[1], BaseException):
            yield child[1]


# DynamoDB's words for an item without one of its table's keys (API_PutItem).
_MISSING_KEY = re.compile(r"Missing the key (\w+) in the item")


def _lacking(error: BaseException) -> str:
    """The field that an error says is not there."""
    if isinstance(error, KeyError) and error.args and not is_about_variables(error):
        return error.args[0] if isinstance(error.args[0], str) else ""
    found = _MISSING_KEY.search(str(error))
    return found[1] if found else ""


# --- why a stack refuses a message -----------------------------------------------------------


def _why_refused(judge: Judge, played: Played, *, guessed: bool = True) -> str:
    """Why a message that came alone and without faults was not processed; "" when it was.

    Raises HandlerError when that has nothing to do with the message: the code can't be imported.
    """
    history = played.observation.history
    if played.observation.told.denials:  # the message is none the worse for it
        return ""
    for event in history:
        if event.kind in ("rejected", "indeterminate"):
            return f"the front door answered {event.detail}"
    if guessed and (refused := _refused_behind_a_yes(played)):
        return refused
    kinds = {event.kind for event in history}
    nobody = "delivered" not in kinds and not played.observation.effects
    if nobody and (left_out := why_left_out(judge.deployed, history, guessed=guessed)):
        return left_out
    failures = [event for event in history if event.kind == "failed"]
    if not failures:
        return ""
    for event in failures:
        if not any(other.kind == "delivered" and other.where == event.where for other in history):
            error = next((e for place, e in played.errors if place == event.where), None)
            raise import_failure(judge.deployed.code[event.where], error)
    if played.observation.effects and "deleted" in kinds:
        return ""
    last = failures[-1]
    if played.errors:
        place, error = played.errors[-1]
        at = own_line(error, judge.deployed.code[place])
        return f"{place} failed{f' at {at}' if at else ''} ({said(error)})"
    if last.detail == "Runtime.ExitError":
        return f"{last.where} left with sys.exit(), which ends the environment and fails the batch"
    return f"{last.where} failed: {last.detail}"


def _refused_behind_a_yes(played: Played) -> str:
    """What the storage said of a message whose sender was told yes; "" when it took it.

    That loss is real, but of a guess the first to blame is the guess: one that is taken, if there
    is one, shows what happens to messages as they come.
    """
    notes = (event.detail for event in played.observation.history if event.kind == "noted")
    return next((note for note in notes if REFUSED in note), "")
