"""One exploration of a stack: its stages in order, and what its runs come to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

from pytest_storagefirst.explore import breakers, stages, workload
from pytest_storagefirst.explore.bodies import describe_entries, notes_on
from pytest_storagefirst.explore.charting import graph_of
from pytest_storagefirst.explore.concluding import Conclusion
from pytest_storagefirst.explore.coverage import Cell, Coverage
from pytest_storagefirst.explore.crew import Alone, Crew
from pytest_storagefirst.explore.guessed import guessed_in_vain
from pytest_storagefirst.explore.interrupt import Progress, silence
from pytest_storagefirst.explore.judge import Judge, Judged, OutOfTime
from pytest_storagefirst.explore.left_out import (
    notes_on_filters,
    notes_on_the_traceless,
    why_unseen,
)
from pytest_storagefirst.explore.merging import combine, shard_note
from pytest_storagefirst.explore.pairs import First, Pair, belongs, pairs
from pytest_storagefirst.explore.prepare import Prepared, prepare
from pytest_storagefirst.explore.redrives import at_redrives
from pytest_storagefirst.explore.reduction import signature
from pytest_storagefirst.explore.remembered import play_remembered, remember
from pytest_storagefirst.explore.result import StackResult
from pytest_storagefirst.explore.search import Draws, search
from pytest_storagefirst.explore.stages import Unit, site_of
from pytest_storagefirst.explore.tally import Tallies, Tally
from pytest_storagefirst.explore.undriven import notes_on_the_undriven
from pytest_storagefirst.faults.plan import Fault
from pytest_storagefirst.ledger.effects import Observation
from pytest_storagefirst.ledger.verdict import OK, UNKNOWN, VIOLATED
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.simulation.configurations import is_extension
from pytest_storagefirst.simulation.deployed import Entry
from pytest_storagefirst.simulation.playing import many
from pytest_storagefirst.simulation.schedule import Schedule, Send

SINGLES_A_CHUNK = 8
PAIRS_A_CHUNK = 10

# Of the time that is left when a stage begins; the next ones have what it does not use. Orders are
# few and mostly all tried. Pairs come in the order in which they are likely to find something; what
# no two of them show needs another workload, order or extent, and those are drawn.
ORDERS_SHARE = 0.3
PAIRS_SHARE = 0.6
SEEDS_APART = 1_000_003  # between two processes that draw at the same time

SINGLES, REDRIVES, ORDERS, PAIRS, REST = "singles", "redrives", "orders", "pairs", "rest"
STAGES = (SINGLES, REDRIVES, ORDERS, PAIRS)  # those that are divided in chunks
REMEMBERED = "remembered"


class Exploration:
    """Explores one prepared stack, alone or as one of a crew.

    What is counted in goes into the present part; `part` closes it and begins another. `progress`
    is called after each run.
    """

    def __init__(
        self, prepared: Prepared, settings: Settings, progress: Progress | None = None
    ) -> None:
        self.prepared = prepared
        self.settings = settings
        self.judge = Judge(prepared.deployed, settings.properties)
        self.notes: list[str] = []
        self.cells: list[Cell] = []
        self.firsts: list[First] = []
        self.orders_left = 0
        self.draws: Draws | None = None  # where schedules are to be drawn: it learns from all runs
        self._tallies = Tallies(self.judge.names)
        self._counts_in = True
        self._stage = SINGLES
        self._runs = 0
        self._progress = progress or silence
        self._shown: tuple[int, int | None, str] = (0, None, "")

    @property
    def tallies(self) -> Mapping[str, Tally]:
        """What the runs of the present part say, by property."""
        return self._tallies.by_name

    # -- one run ------------------------------------------------------------------------------

    def try_out(
        self, schedule: Schedule, bad: frozenset[str] = frozenset(), *, known: bool = False
    ) -> Judged:
        judged = self.judge.judge(schedule, bad)
        self.take(judged, bad, known=known)
        return judged

    def take(
        self, judged: Judged, bad: frozenset[str] = frozenset(), *, known: bool = False
    ) -> list[str]:
        """Count a judged run in; returns the properties that it violates.

        `known`: its faults were counted before, with another extent.
        """
        if self.draws is not None and not bad:
            self.draws.learn(judged)
        violated = []
        if self._counts_in:
            self._runs += 1
            counts = self._stage == SINGLES and not known
            violated = self._tallies.take(judged, bad, counts_faults=counts)
        self.tick(1)
        return violated

    def take_of_its_own(self, judged: Judged, kept: Mapping[str, str] | None = None) -> None:
        """Count in a run that was judged in a way of its own: by whether these fields are found
        again, or by what an object with a plain key leaves."""
        ((name, verdict),) = judged.verdicts.items()
        known = verdict.value in (OK, VIOLATED) or (kept is None and verdict.value == UNKNOWN)
        if self._counts_in and known:
            self._runs += 1
            tally = self.tallies[name]
            tally.runs += 1
            tally.keep(verdict, judged, kept=kept)
        self.tick(1)

    def note(self, text: str) -> None:
        if self._counts_in:
            self.notes.append(text)

    def note_tried(self, fault: Fault, outcome: str) -> None:
        if self._counts_in:
            self.cells.append(Cell(*site_of(str(fault)), outcome))

    def tick(self, runs: int = 0) -> None:
        """Say how far it has come. Raises KeyboardInterrupt when the user asked for an end."""
        done, total, what = self._shown
        self._shown = (done + runs, total, what)
        self._progress(*self._shown)

    def begin_stage(self, stage: str, total: int | None, what: str) -> None:
        self._stage, self._shown = stage, (0, total, what)

    def part(self, *, interrupted: bool = False) -> StackResult:
        """What was counted in since the last part."""
        runs, self._runs = self._runs, 0
        coverage = Coverage(
            cells=tuple(self.cells),
            pairs_tried=runs if self._stage in (REDRIVES, PAIRS) else 0,
            orders_tried=runs if self._stage == ORDERS else 0,
            orders_left=self.orders_left,
            drawn=runs if self._stage == REST else 0,
            sometimes=dict(self._tallies.sometimes),
        )
        result = StackResult(
            template=str(self.prepared.template.path),
            properties=self._tallies.results(Path(self.prepared.template.path)),
            notes=tuple(self.notes),
            coverage=coverage,
            shard=self.settings.shard,
            interrupted=interrupted,
        )
        self._tallies = Tallies(self.judge.names)
        self.notes, self.cells, self.orders_left = [], [], 0
        return result

    def run_units(self, units: Sequence[Unit]) -> Any:
        """A chunk of work, and what it came to as JSON."""
        for unit in units:
            self._counts_in = belongs(unit.name, self.settings.shard)
            with suppress(OutOfTime):
                unit.run()
        self._counts_in = True
        firsts, self.firsts = self.firsts, []
        return {"part": self.part().to_json(), "firsts": [first.to_json() for first in firsts]}


class Course:
    """The stages of one exploration, in order, and the result at its end."""

    def __init__(
        self, exploration: Exploration, crew: Callable[[], Crew] = Alone, *, draws: bool = True
    ) -> None:
        self.exploration = exploration
        self.settings = exploration.settings
        self.crew: Crew = Alone()
        self.conclusion = Conclusion(exploration.judge, exploration.prepared, exploration.settings)
        self._join = crew
        self._draws = draws

    def run(self) -> StackResult:
        """Do this process's share, and return the result of all.

        The user's interrupt ends it: then the result is what was found by then.
        """
        exploration = self.exploration
        self.crew = self._join()
        self.crew.tick = exploration.tick
        try:
            self._stages()
            self.crew.keep(REST, exploration.part().to_json())
            self.crew.leave()
            return StackResult.from_json(
                self.crew.conclude(lambda: self._result(waits=True).to_json())
            )
        except KeyboardInterrupt:
            self.crew.keep(REST, exploration.part(interrupted=True).to_json())
            return self._result(waits=False)
        finally:
            self.crew.leave()

    def _result(self, *, waits: bool) -> StackResult:
        self.exploration.judge.is_over = lambda: False
        kept = self.crew.all_kept(REST, waits=waits)
        chunks = [value["part"] for stage in STAGES for value in self.crew.done(stage)]
        return self.conclusion.of(
            combine([StackResult.from_json(part) for part in (*chunks, *kept)])
        )

    def _stages(self) -> None:
        exploration, settings = self.exploration, self.settings
        entries = self._describe()
        messages = workload.plain(entries, max(stages.MESSAGES, len(entries)))
        baseline = exploration.judge.judge(Schedule(messages))
        counts = dict(baseline.played.counts)
        self._note_unlisted(counts)
        self.conclusion.graph = graph_of(exploration.judge.deployed, [baseline.played])
        self._look_for_breaker(messages, counts)
        self._note_filters(baseline)
        if self._draws and settings.max_faults > 0 and settings.budget_seconds > 0:
            exploration.draws = self._draws_from(messages, counts)
        if self.crew.member == 0:
            exploration.begin_stage(REMEMBERED, None, "what failed before")
            play_remembered(exploration, exploration.prepared.template.path)
        singles = list(stages.single_units(exploration, messages, counts))
        faultless = list(stages.first_units(exploration, messages, entries))
        observed = baseline.played.observation
        if why := _why_no_fault(observed):
            exploration.note(f"without any fault {why}: no fault was tried")
            faultless, singles = faultless[:1], []
        self.conclusion.singles = tuple(unit.name for unit in singles)
        if not why and exploration.judge.deployed.breaker is not None:
            faultless += stages.circuit_units(exploration, messages, counts)
        if not why:
            faultless += stages.burst_units(exploration, messages)
        pairing = settings.max_faults > 1 and settings.budget_seconds > 0
        own = [unit for unit in faultless if belongs(unit.name, settings.shard)]
        # What pairs are made of is learnt from all single faults, those of other shards too.
        own += [unit for unit in singles if pairing or belongs(unit.name, settings.shard)]
        found = self._work(SINGLES, own, SINGLES_A_CHUNK, "single faults")
        if why:
            return
        if pairing:
            firsts = [First.from_json(one) for value in found for one in value["firsts"]]
            planned = pairs(exploration.judge.deployed, firsts, signature(baseline))
            self.conclusion.pairs = planned.of(settings.shard)
            decisive = at_redrives(planned.tried, firsts)
            own_decisive = [pair for pair in decisive if belongs(str(pair), settings.shard)]
            self._try_pairs(REDRIVES, messages, own_decisive, "redrives amid an outage")
        exploration.judge.is_over = lambda: self._left() <= 0
        if self._left() > 0:
            ends = time.time() + ORDERS_SHARE * self._left()
            bases = stages.order_units(exploration, messages, ends)
            own = [unit for unit in bases if belongs(unit.name, settings.shard)]
            self._work(ORDERS, own, 1, "orders of crossings", ends)
        if pairing and self._left() > 0:
            ends = time.time() + PAIRS_SHARE * self._left()
            others = (pair for pair in self.conclusion.pairs.tried if pair not in decisive)
            self._try_pairs(PAIRS, messages, others, "pairs of faults", ends)
        if exploration.draws is not None and self._left() > 0:
            exploration.begin_stage(REST, None, "drawn schedules")
            search(exploration, exploration.draws, lambda: self._left() <= 0)

    def _try_pairs(
        self,
        stage: str,
        messages: tuple[Send, ...],
        some: Iterable[Pair],
        what: str,
        ends: float | None = None,
    ) -> None:
        units = [stages.pair_unit(self.exploration, messages, pair) for pair in some]
        self._work(stage, units, PAIRS_A_CHUNK, what, ends)

    def _work(
        self, stage: str, units: Sequence[Unit], size: int, what: str, ends: float | None = None
    ) -> list[Any]:
        """All units; those that are not reached until `ends` are left."""
        self.exploration.begin_stage(stage, len(units), what)
        return self.crew.work(
            stage,
            ceil(len(units) / size),
            lambda chunk: self.exploration.run_units(units[chunk * size : (chunk + 1) * size]),
            lambda: ends is None or time.time() < ends,
            waits=ends is None,
        )

    def _left(self) -> float:
        return self.settings.budget_seconds - (time.time() - self.crew.began)

    def _draws_from(
        self, messages: tuple[Send, ...], counts: Mapping[tuple[str, str], int]
    ) -> Draws:
        seed = self.settings.seed + SEEDS_APART * self.crew.member
        return Draws(
            self.exploration.judge.deployed, messages, counts, self.settings.max_faults, seed
        )

    def _describe(self) -> tuple[Entry, ...]:
        exploration = self.exploration
        given = exploration.prepared.deployed.entries
        judge = exploration.judge
        entries = describe_entries(judge, given)
        judge.deployed = replace(exploration.prepared.deployed, entries=entries)
        self.conclusion.notes += notes_on(judge, given, entries)
        if self.settings.shard[1] > 1:
            self.conclusion.notes.append(shard_note(self.settings.shard))
        self.conclusion.shows_nothing = bool(guessed_in_vain(judge, given, entries))
        return entries

    def _look_for_breaker(
        self, messages: tuple[Send, ...], counts: Mapping[tuple[str, str], int]
    ) -> None:
        judge = self.exploration.judge
        if "circuit" not in judge.names:
            return
        named = judge.deployed.breaker
        found = named or breakers.find(judge, messages, counts)
        if found is None:
            return
        if named is None:
            judge.learn_anew(replace(judge.deployed, breaker=found))
            self.conclusion.notes.append(f"circuit: its state is in {found.where}")
        guarding = breakers.guarding(judge, found, messages, counts)
        if guarding != found:
            judge.learn_anew(replace(judge.deployed, breaker=guarding))
            self.conclusion.notes.append(f"circuit: it guards {', '.join(guarding.urls)}")

    def _note_filters(self, baseline: Judged) -> None:
        deployed = self.exploration.judge.deployed
        history = baseline.played.observation.history
        self.conclusion.notes += notes_on_filters(deployed, history)
        self.conclusion.notes += notes_on_the_traceless(deployed, baseline.played.observation)
        self.conclusion.notes += notes_on_the_undriven(
            deployed, self.exploration.prepared.deployed.entries, baseline.played.observation
        )
        self.conclusion.unseen = why_unseen(deployed, history)

    def _note_unlisted(self, counts: Mapping[tuple[str, str], int]) -> None:
        """HTTP calls that no [[downstream]] describes: what they are answered says nothing."""
        downstreams = self.exploration.judge.deployed.downstreams
        listed = tuple(downstream.url for downstream in downstreams)
        for place, point in sorted(counts):
            url = point.rpartition(" ")[2]
            if is_extension(url) and self.exploration.prepared.deployed.topology.configurations:
                continue
            if point.startswith("http ") and not (listed and url.startswith(listed)):
                call = point.removeprefix("http ")
                self.conclusion.notes.append(
                    f"{place}: {call} is no [[downstream]], and was answered 200 {{}}"
                )


def _why_no_fault(observed: Observation) -> str:
    """Why faults would show nothing more, if so: the stack does not do its work without them."""
    if not observed.quiet:
        return "work does not come to rest"
    if any(event.kind == "denied" for event in observed.history):
        return "a policy forbids what the stack does"
    return ""


def explore(
    template: Path,
    settings: Settings,
    progress: Progress = silence,
    crew: Callable[[], Crew] = Alone,
    *,
    draws: bool = True,
    prepared: Prepared | None = None,
) -> StackResult:
    """Explore one template and say what holds. Raises StorageFirstError for what to mend.

    `prepared` is its stack, where it stands already.

    `crew` is called when the work begins, for who shares it. With `draws` the time that is left
    after all that is tried in order goes into schedules that are drawn.
    """
    started = time.perf_counter()
    prepared = prepared or prepare(Path(template), settings)
    exploration = Exploration(prepared, settings, progress)
    with many(prepared.deployed):
        result = Course(exploration, crew, draws=draws).run()
    remember(exploration.prepared.template.path, result.properties)
    return replace(result, template=str(template), seconds=round(time.perf_counter() - started, 3))
