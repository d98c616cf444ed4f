"""One exploration of a stack: fault-free runs, bad messages, every single fault, then Hypothesis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_storagefirst.errors import EntryError
from pytest_storagefirst.explore import workload
from pytest_storagefirst.explore.judge import Judge, Judged
from pytest_storagefirst.explore.prepare import Prepared, prepare
from pytest_storagefirst.explore.result import PropertyResult, StackResult
from pytest_storagefirst.explore.shrink import shrink
from pytest_storagefirst.explore.sweep import single_faults
from pytest_storagefirst.explore.witness import told, witness_document
from pytest_storagefirst.faults.catalogue import is_read_only
from pytest_storagefirst.faults.plan import Fault
from pytest_storagefirst.ledger.content import content_kept
from pytest_storagefirst.ledger.properties import registered
from pytest_storagefirst.ledger.verdict import NOT_APPLICABLE, OK, UNKNOWN, VIOLATED, Verdict
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.simulation.deployed import Entry
from pytest_storagefirst.simulation.run import Played
from pytest_storagefirst.simulation.schedule import Schedule, Send

MESSAGES = 3  # in a workload: enough to be first, in the middle and last of a batch
FOR_EVER_MS = 30 * 86_400_000  # longer than any queue keeps a message
MOST_KINDS_OF_BAD = 4  # of bad bodies that are tried in company


@dataclass
class Tally:
    """What the runs so far say of one property."""

    verdict: str = NOT_APPLICABLE
    why: str = ""
    runs: int = 0
    faults: set[str] = field(default_factory=set)
    smallest: Judged | None = None
    bad: frozenset[str] = frozenset()
    messages: tuple[str, ...] = ()


class Exploration:
    """Explores one prepared stack. `progress` is called after each run."""

    def __init__(
        self, prepared: Prepared, settings: Settings, progress: Callable[[], None] | None = None
    ) -> None:
        self.prepared = prepared
        self.settings = settings
        self.judge = Judge(prepared.deployed, settings.properties)
        self.tallies = {name: Tally() for name in self.judge.names}
        self.notes: list[str] = list(prepared.notes)
        self.unfired: list[str] = []
        self._progress = progress or (lambda: None)

    def run(self) -> None:
        started = time.perf_counter()
        entries = describe_entries(self.judge, self.prepared.deployed.entries)
        self.judge.deployed = replace(self.prepared.deployed, entries=entries)
        messages = workload.plain(entries, MESSAGES)
        baseline = self._try(Schedule(messages))
        self._variations(messages)
        self._content(entries)
        self._bad_messages(entries)
        for fault in single_faults(self.judge.deployed, baseline.played.counts):
            self._try(Schedule(messages, plan=(fault,)))
            if fault.lasts and self.judge.facts().redrivable:
                self._try(Schedule(messages, plan=(fault,), redrives=("during", "after")))
                self._try(Schedule(messages, plan=(fault,), redrives=("after", "after")))
        left = self.settings.budget_seconds - (time.perf_counter() - started)
        if left > 0 and self.settings.max_faults > 0:
            from pytest_storagefirst.explore.search import search

            search(self, messages, baseline.played.counts, left)

    def _variations(self, messages: tuple[Send, ...]) -> None:
        """Without faults: each message by itself, several at once, both in other orders."""
        self._try(Schedule(messages, one_by_one=True))
        self._try(Schedule(messages, batch_limit=1))
        self._try(Schedule(messages, batch_limit=1, concurrency=MESSAGES))
        self._try(Schedule(messages, concurrency=MESSAGES))

    def _try(self, schedule: Schedule, bad: frozenset[str] = frozenset()) -> Judged:
        judged = self.judge.judge(schedule, bad)
        self.take(judged, bad)
        return judged

    def take(self, judged: Judged, bad: frozenset[str] = frozenset()) -> list[str]:
        """Count a judged run in; returns the properties that it violates."""
        observation = judged.played.observation
        unfired = set(observation.faults_required) - set(observation.faults_fired)
        self.unfired.extend(sorted(unfired))
        violated = []
        for name, verdict in judged.verdicts.items():
            if bad and name != "poison-isolated":
                continue  # what a bad message drags along is that property's to say
            tally = self.tallies[name]
            if verdict.value == NOT_APPLICABLE:
                continue
            if verdict.value == UNKNOWN and (unfired or _shows_nothing(judged)):
                continue  # no evidence for or against: counted in the notes, never as ok
            tally.runs += 1
            tally.faults.update(observation.faults_fired)
            if verdict.value == VIOLATED:
                violated.append(name)
            self._keep(tally, verdict, judged, bad)
        self._progress()
        return violated

    def _keep(self, tally: Tally, verdict: Verdict, judged: Judged, bad: frozenset[str]) -> None:
        order = [NOT_APPLICABLE, OK, UNKNOWN, VIOLATED]
        worse = order.index(verdict.value) > order.index(tally.verdict)
        smaller = (
            verdict.value == tally.verdict == VIOLATED
            and tally.smallest is not None
            and size(judged.schedule) < size(tally.smallest.schedule)
        )
        if worse or smaller:
            tally.verdict, tally.why = verdict.value, verdict.why
            tally.messages = verdict.messages
            tally.smallest, tally.bad = judged, bad

    # -- content ------------------------------------------------------------------------------

    def _content(self, entries: tuple[Entry, ...]) -> None:
        """Whether awkward characters are found again in what was stored."""
        if "no-message-loss" not in self.tallies:
            return
        for entry in entries:
            plain = workload.with_text(entry.body, workload.PLAIN)
            awkward = workload.with_text(entry.body, workload.AWKWARD)
            if plain is None or awkward is None:
                continue
            before = self.judge.play(Schedule((Send("m1", entry.name, plain.body),)))
            lost = content_kept(plain.fields, _stored(before))
            kept = {name: value for name, value in awkward.fields.items() if name not in lost}
            if not kept or not _acknowledged(before):
                continue
            schedule = Schedule((Send("m1", entry.name, awkward.body),))
            after = self.judge.play(schedule)
            tally = self.tallies["no-message-loss"]
            tally.runs += 1
            if not _acknowledged(after):
                continue
            damaged = content_kept(kept, _stored(after))
            if damaged:
                why = (
                    f"m1 was acknowledged and what was stored of {', '.join(damaged)} is not what was "
                    f"sent: sent {awkward.fields[damaged[0]]!r}, stored {_excerpt(_stored(after))}"
                )
                verdict = Verdict(VIOLATED, why, ("m1",))
                judged = Judged(schedule, after, None, {"no-message-loss": verdict})
                self._keep(tally, verdict, judged, frozenset())
            elif tally.verdict == NOT_APPLICABLE:
                tally.verdict = OK

    # -- bad messages -------------------------------------------------------------------------

    def _bad_messages(self, entries: tuple[Entry, ...]) -> None:
        if "poison-isolated" not in self.tallies or not self.judge.facts().consumed:
            return
        found = 0
        tried = 0
        for entry in entries:
            for label, body in workload.bad_bodies(entry.body):
                if found >= MOST_KINDS_OF_BAD:
                    break
                tried += 1
                alone = Schedule((Send("m1", entry.name, body),))
                if not self._is_refused(alone):
                    continue
                found += 1
                self._try(alone, bad=frozenset({"m1"}))
                good = Send("m1", entry.name, entry.body), Send("m3", entry.name, entry.body)
                mixed = (good[0], Send("m2", entry.name, body), good[1])
                self._try(Schedule(mixed), bad=frozenset({"m2"}))
                first = (Send("m2", entry.name, body), *good)
                self._try(Schedule(first), bad=frozenset({"m2"}))
        if not found:
            self._unprocessable(entries, tried)

    def _unprocessable(self, entries: tuple[Entry, ...], tried: int) -> None:
        """The stack takes every body: a message whose every write is refused stands for a bad one."""
        self.notes.append(
            f"poison-isolated: the stack took or rejected each of {tried} bodies derived from the "
            "entry's own; a message whose writes are all refused stands for a bad one"
        )
        for entry in entries:
            alone = Schedule((Send("m1", entry.name, entry.body),))
            writes = [
                (place, point)
                for (place, point), _ in sorted(self.judge.play(alone).counts.items())
                if "." in point and not is_read_only(point.rpartition(".")[2])
            ]
            if writes:
                plan = tuple(
                    Fault(place, point, 1, "refused", variant, for_ms=FOR_EVER_MS)
                    for place, point in writes[:1]
                    for variant in [_lasting_variant(point)]
                )
                self._try(replace(alone, plan=plan), bad=frozenset({"m1"}))

    def _is_refused(self, schedule: Schedule) -> bool:
        """Whether a message that comes alone and without faults is acknowledged and never handled."""
        played = self.judge.play(schedule)
        return _acknowledged(played) and not played.observation.effects

    # -- the result ---------------------------------------------------------------------------

    def results(self) -> tuple[PropertyResult, ...]:
        return tuple(self._result(name, tally) for name, tally in self.tallies.items())

    def _result(self, name: str, tally: Tally) -> PropertyResult:
        reason = registered()[name].applies(self.judge.facts())
        if reason and tally.verdict in (NOT_APPLICABLE, OK, UNKNOWN):
            return PropertyResult(name, NOT_APPLICABLE, reason, tally.runs, len(tally.faults))
        if tally.verdict == NOT_APPLICABLE:
            why = tally.why or "no run had anything for it to judge"
            return PropertyResult(name, NOT_APPLICABLE, why, tally.runs, len(tally.faults))
        if tally.verdict == OK or tally.smallest is None:
            return PropertyResult(name, tally.verdict, tally.why, tally.runs, len(tally.faults))
        judged = tally.smallest
        if tally.verdict == VIOLATED and judged.account is not None:
            judged = shrink(self.judge, judged, name, tally.bad)
        verdict = judged.verdicts[name]
        story = told(judged, verdict)
        return PropertyResult(
            name,
            tally.verdict,
            verdict.why,
            tally.runs,
            len(tally.faults),
            lost=verdict.messages,
            story=story,
            witness=witness_document(self.prepared.template.path, name, judged, tally.bad, story),
        )


def _lasting_variant(point: str) -> str:
    return "connect-timeout" if point.startswith("http ") else "access-denied"


def size(schedule: Schedule) -> tuple[int, ...]:
    """Smaller is easier to read: fewer faults, shorter ones, fewer messages, no choices."""
    return (
        len(schedule.plan),
        sum(fault.lasts for fault in schedule.plan),
        len(schedule.workload),
        len(schedule.choices),
        schedule.concurrency,
        len(schedule.redrives),
    )


def _shows_nothing(judged: Judged) -> bool:
    return judged.account is not None and not judged.account.acknowledged


def _acknowledged(played: Played) -> bool:
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


def _excerpt(texts: list[str]) -> str:
    text = texts[0] if texts else ""
    return repr(text if len(text) <= 160 else text[:160] + "…")


def describe_entries(judge: Judge, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Each entry with a body that the stack takes, found by asking the handler where none is given.

    Raises EntryError when a body that the user gave, or every one that could be guessed, is refused
    even without faults.
    """
    return tuple(_described(judge, entry) for entry in entries)


def _described(judge: Judge, entry: Entry) -> Entry:
    guessed = entry.body is None
    body = workload.first_guess() if guessed else entry.body
    for _ in range(30):
        candidate = replace(entry, body=body)
        judge.deployed = replace(
            judge.deployed,
            entries=tuple(candidate if e.name == entry.name else e for e in judge.deployed.entries),
        )
        played = judge.play(Schedule((Send("m1", entry.name, body),)))
        problem = _why_refused(played)
        if not problem:
            return candidate
        better = workload.extended(body, [error for _, error in played.errors]) if guessed else None
        if better is None:
            break
        body = better
    raise EntryError(
        "the stack refuses this message even without faults, so nothing can be learnt from it",
        where=entry.name,
        found=f"{problem}; sent {workload.as_sent(body)}",
        expected="a body that the stack processes",
        remedy=f'in storagefirst.toml: [[entry]] {"route" if entry.route else "queue"} = "{entry.name}", '
        'body = { … = "{unique}" }',
    )


def _why_refused(played: Played) -> str:
    history = played.observation.history
    for event in history:
        if event.kind in ("rejected", "indeterminate"):
            return f"the front door answered {event.detail}"
    failures = [event for event in history if event.kind == "failed"]
    settled = any(event.kind == "deleted" for event in history)
    if failures and (not settled or not played.observation.effects):
        last = failures[-1]
        said = ""
        if played.errors:
            error = played.errors[-1][1]
            said = f" ({type(error).__name__}: {error})"
        return f"{last.where} failed{said or ': ' + last.detail}"
    return ""


def explore(
    template: Path, settings: Settings, progress: Callable[[], None] | None = None
) -> StackResult:
    """Explore one template and say what holds. Raises StorageFirstError for what a user can mend."""
    started = time.perf_counter()
    prepared = prepare(Path(template), settings)
    exploration = Exploration(prepared, settings, progress)
    exploration.run()
    if exploration.unfired:
        exploration.notes.append(
            f"{len(exploration.unfired)} faults never struck, as {exploration.unfired[0]!r}"
        )
    return StackResult(
        template=str(template),
        properties=exploration.results(),
        notes=tuple(exploration.notes),
        inert=prepared.template.inert,
        seconds=round(time.perf_counter() - started, 3),
    )
