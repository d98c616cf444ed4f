"""One exploration of a stack: runs without faults, bad messages, single faults, Hypothesis."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pytest_storagefirst.explore import content, workload
from pytest_storagefirst.explore.bodies import describe_entries, notes_on
from pytest_storagefirst.explore.judge import Judge, Judged, shows_nothing
from pytest_storagefirst.explore.prepare import Prepared, prepare
from pytest_storagefirst.explore.result import PropertyResult, StackResult
from pytest_storagefirst.explore.shrink import shrink
from pytest_storagefirst.explore.sweep import single_faults
from pytest_storagefirst.explore.witness import told, witness_document
from pytest_storagefirst.faults.catalogue import is_read_only
from pytest_storagefirst.faults.plan import Fault
from pytest_storagefirst.ledger.properties import registered
from pytest_storagefirst.ledger.verdict import NOT_APPLICABLE, OK, UNKNOWN, VIOLATED, Verdict
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.simulation.deployed import Entry
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
    bad: frozenset[str] = frozenset()  # bad messages of the smallest run
    kept: Mapping[str, str] = field(
        default_factory=dict
    )  # what it must hold again, if it's about that
    idle_runs: int = 0  # had nothing for it to judge
    why_idle: str = ""
    why_silent: str = ""  # of the first run that showed nothing either way


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
        self._idle_faults: dict[str, None] = {}
        self._guessed_without_effect = False
        self._progress = progress or (lambda: None)

    def run(self) -> None:
        started = time.perf_counter()
        given = self.prepared.deployed.entries
        entries = describe_entries(self.judge, given)
        self.judge.deployed = replace(self.prepared.deployed, entries=entries)
        self.notes += notes_on(self.judge, given, entries)
        self._guessed_without_effect = any(
            before.body is None
            and not self.judge.alone(Send("m1", entry.name, entry.body))[0].effects
            for before, entry in zip(given, entries, strict=True)
        )
        messages = workload.plain(entries, max(MESSAGES, len(entries)))
        baseline = self._try(Schedule(messages))
        self._note_unlisted(baseline)
        self._variations(messages)
        self._content(entries)
        self._bad_messages(entries)
        for fault in self._share(single_faults(self.judge.deployed, baseline.played.counts)):
            judged = self._try(Schedule(messages, plan=(fault,)))
            if not judged.played.observation.faults_fired:
                self._idle_faults[str(fault)] = None
                continue
            if fault.lasts and self.judge.facts().redrivable:
                self._try(Schedule(messages, plan=(fault,), redrives=("during", "after")))
                self._try(Schedule(messages, plan=(fault,), redrives=("after", "after")))
        if self._idle_faults:
            first = next(iter(self._idle_faults))
            self.notes.append(f"{len(self._idle_faults)} faults never struck, as “{first}”")
        left = self.settings.budget_seconds - (time.perf_counter() - started)
        if left > 0 and self.settings.max_faults > 0:
            from pytest_storagefirst.explore.search import search

            search(self, messages, baseline.played.counts, left)

    def _note_unlisted(self, baseline: Judged) -> None:
        """HTTP calls that no [[downstream]] describes: what they are answered says nothing."""
        listed = tuple(downstream.url for downstream in self.judge.deployed.downstreams)
        for place, point in sorted(baseline.played.counts):
            url = point.rpartition(" ")[2]
            if point.startswith("http ") and not (listed and url.startswith(listed)):
                call = point.removeprefix("http ")
                self.notes.append(
                    f"{place}: {call} is no [[downstream]], and was answered 200 {{}}"
                )

    def _share(self, faults: Iterable[Fault]) -> Iterator[Fault]:
        """This shard's faults: by their texts, so that every machine divides them alike."""
        part, parts = self.settings.shard
        if parts > 1:
            self.notes.append(f"part {part} of {parts} of the single faults was tried")
        for fault in faults:
            if zlib.crc32(str(fault).encode()) % parts == part - 1:
                yield fault

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
        violated = []
        for name, verdict in judged.verdicts.items():
            if bad and name != "poison-isolated":
                continue  # what a bad message drags along is that property's to say
            tally = self.tallies[name]
            if verdict.value == NOT_APPLICABLE:
                tally.idle_runs += 1
                tally.why_idle = tally.why_idle or verdict.why
                continue
            if verdict.value == UNKNOWN and shows_nothing(judged, verdict):
                tally.why_silent = tally.why_silent or verdict.why
                continue  # evidence neither for nor against
            tally.runs += 1
            tally.faults.update(observation.faults_fired)
            if verdict.value == VIOLATED:
                violated.append(name)
            self._keep(tally, verdict, judged, bad)
        self._progress()
        return violated

    def _keep(
        self,
        tally: Tally,
        verdict: Verdict,
        judged: Judged,
        bad: frozenset[str],
        kept: Mapping[str, str] | None = None,
    ) -> None:
        order = [NOT_APPLICABLE, OK, UNKNOWN, VIOLATED]
        worse = order.index(verdict.value) > order.index(tally.verdict)
        smaller = (
            verdict.value == tally.verdict == VIOLATED
            and tally.smallest is not None
            and size(judged.schedule) < size(tally.smallest.schedule)
        )
        if worse or smaller:
            tally.verdict, tally.why = verdict.value, verdict.why
            tally.smallest, tally.bad, tally.kept = judged, bad, kept or {}

    # -- content ------------------------------------------------------------------------------

    def _content(self, entries: tuple[Entry, ...]) -> None:
        """Whether awkward characters are found again in what was stored."""
        tally = self.tallies.get(content.PROPERTY)
        for entry in entries if tally is not None else ():
            found = content.judge_content(self.judge, entry)
            if tally is None or found is None:
                continue
            judged, kept = found
            verdict = judged.verdicts[content.PROPERTY]
            tally.runs += 1
            if verdict.value == VIOLATED:
                self._keep(tally, verdict, judged, frozenset(), kept)

    # -- bad messages -------------------------------------------------------------------------

    def _bad_messages(self, entries: tuple[Entry, ...]) -> None:
        if "poison-isolated" not in self.tallies or not self.judge.facts().consumed:
            return
        found = 0
        tried = 0
        for entry in entries:
            for _, body in workload.bad_bodies(entry.body):
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
        """The stack takes every body: one whose every write is refused stands for a bad one."""
        self.notes.append(
            f"poison-isolated: the stack took or rejected each of {tried} bodies derived from the "
            "entry's own; a message whose writes are all refused stands for a bad one"
        )
        self.tallies["poison-isolated"].why = (
            f"the stack took or rejected each of {tried} bodies derived from the entry's own, and "
            "makes no write that could be refused: there is no bad message"
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
        """Whether a message that comes alone and without faults is acknowledged and never handled.

        Where a good message leaves no effect either, a failure has to say it.
        """
        send = schedule.workload[0]
        observed = self.judge.play(schedule).observation
        kinds = {event.kind for event in observed.history}
        if "acknowledged" not in kinds or observed.effects:
            return False
        good = replace(send, body=self.judge.deployed.entry(send.entry).body)
        leaves_effects = bool(self.judge.alone(good)[0].effects)
        return leaves_effects or "failed" in kinds

    # -- the result ---------------------------------------------------------------------------

    def results(self) -> tuple[PropertyResult, ...]:
        return tuple(self._result(name, tally) for name, tally in self.tallies.items())

    def _result(self, name: str, tally: Tally) -> PropertyResult:
        reason = registered()[name].applies(self.judge.facts())
        if reason and tally.verdict in (NOT_APPLICABLE, OK, UNKNOWN):
            return PropertyResult(name, NOT_APPLICABLE, reason, tally.runs, len(tally.faults))
        if tally.verdict == NOT_APPLICABLE:
            if tally.why_silent or not tally.idle_runs:
                why = f"no run shows anything: {tally.why_silent or 'there was none'}"
                return PropertyResult(name, UNKNOWN, why, tally.runs, len(tally.faults))
            why = tally.why or tally.why_idle.replace(
                "in this run", f"in any of {tally.idle_runs} runs"
            )
            return PropertyResult(name, NOT_APPLICABLE, why, tally.runs, len(tally.faults))
        if tally.verdict == OK and self._guessed_without_effect:
            why = (
                "the body was guessed and leaves no effect, so nothing was shown: give one that "
                "the stack acts on, [[entry]] body = … in storagefirst.toml"
            )
            return PropertyResult(name, UNKNOWN, why, tally.runs, len(tally.faults))
        if tally.verdict == OK or tally.smallest is None:
            return PropertyResult(name, tally.verdict, tally.why, tally.runs, len(tally.faults))
        judged = tally.smallest
        if tally.verdict == VIOLATED and judged.account is not None:
            judged = shrink(self.judge, judged, name, tally.bad)
        verdict = judged.verdicts[name]
        story = told(judged, verdict, tally.bad)
        return PropertyResult(
            name,
            tally.verdict,
            verdict.why,
            tally.runs,
            len(tally.faults),
            lost=verdict.messages,
            story=story,
            witness=witness_document(
                self.prepared.template.path, name, judged, tally.bad, story, tally.kept
            ),
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


def explore(
    template: Path, settings: Settings, progress: Callable[[], None] | None = None
) -> StackResult:
    """Explore one template and say what holds. Raises StorageFirstError for what to mend."""
    started = time.perf_counter()
    prepared = prepare(Path(template), settings)
    exploration = Exploration(prepared, settings, progress)
    exploration.run()
    return StackResult(
        template=str(template),
        properties=exploration.results(),
        notes=tuple(exploration.notes),
        inert=prepared.template.inert,
        seconds=round(time.perf_counter() - started, 3),
    )
