"""From what all runs of an exploration say to what is reported of the stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pytest_storagefirst.explore.coverage import NOT_TRIED, Cell, Coverage
from pytest_storagefirst.explore.graph import Graph
from pytest_storagefirst.explore.guessed import SHOWS_NOTHING
from pytest_storagefirst.explore.judge import Judge
from pytest_storagefirst.explore.pairs import Pairs
from pytest_storagefirst.explore.prepare import Prepared
from pytest_storagefirst.explore.result import PropertyResult, StackResult
from pytest_storagefirst.explore.shrink import Shown, shrink
from pytest_storagefirst.explore.stages import site_of
from pytest_storagefirst.explore.tally import with_story
from pytest_storagefirst.ledger.breaking import STAYED_CLOSED
from pytest_storagefirst.ledger.properties import registered
from pytest_storagefirst.ledger.verdict import NOT_APPLICABLE, OK, UNKNOWN, VIOLATED
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.simulation.schedule import Schedule

NOTHING_HERE = "no run of this shard is about it"


class Conclusion:
    """What the runs alone don't say: gathered on the way, used once at the end.

    `shows_nothing` says that the body was guessed and leaves no effect, `unseen` why else a run
    without faults shows nothing. `singles` are the texts of
    all single faults, `pairs` what of them was planned.
    """

    def __init__(self, judge: Judge, prepared: Prepared, settings: Settings) -> None:
        self.notes: list[str] = list(prepared.notes)
        self.shows_nothing = False
        self.unseen = ""
        self.singles: tuple[str, ...] = ()
        self.pairs = Pairs((), ())
        self.graph: Graph | None = None
        self._judge = judge
        self._template = prepared.template
        self._shard = settings.shard
        self._shown: dict[frozenset[str], Shown] = {}

    def of(self, found: StackResult) -> StackResult:
        """The result of all parts together, with each violation shrunk and told."""
        return replace(
            found,
            properties=tuple(map(self._property, found.properties)),
            notes=tuple(dict.fromkeys((*self.notes, *found.notes))),
            inert=tuple(self._template.inert),
            coverage=self._coverage(found.coverage),
            graph=self.graph,
        )

    def _coverage(self, found: Coverage) -> Coverage:
        tried = {(cell.site, cell.fault): cell for cell in found.cells}
        sites = [site_of(fault) for fault in self.singles]
        return replace(
            found,
            cells=tuple(tried.get(site, Cell(*site, NOT_TRIED)) for site in sites),
            pairs_skipped=len(self.pairs.skipped),
            pairs_left=len(self.pairs.tried) - found.pairs_tried,
        )

    def _property(self, one: PropertyResult) -> PropertyResult:
        reason = registered()[one.name].applies(self._judge.facts())
        if reason and one.verdict != VIOLATED:
            return _silenced(one, NOT_APPLICABLE, reason)
        if one.verdict == NOT_APPLICABLE and not one.why:
            if self._shard[1] > 1:
                return _silenced(one, NOT_APPLICABLE, NOTHING_HERE)
            return _silenced(one, UNKNOWN, "no run shows anything: there was none")
        if one.verdict == NOT_APPLICABLE and one.why == STAYED_CLOSED.replace("this", "any"):
            return _silenced(one, UNKNOWN, f"{one.why}, whatever failed: an open one was not shown")
        if one.verdict == OK and self.unseen:
            return _silenced(one, UNKNOWN, self.unseen)
        if one.verdict == OK and self.shows_nothing:
            return _silenced(one, UNKNOWN, SHOWS_NOTHING)
        if one.verdict == VIOLATED and one.witness is not None:
            return self._shrunk(one, one.witness)
        return one

    def _shrunk(self, one: PropertyResult, witness: Mapping[str, Any]) -> PropertyResult:
        schedule = Schedule.from_json(witness["schedule"])
        if witness["kept"] or schedule.names_keys:
            return one
        bad = frozenset(witness["bad"])
        judged = self._judge.judge(schedule, bad)
        if judged.account is None or judged.verdicts[one.name].value != VIOLATED:
            return one
        smallest = shrink(self._judge, judged, one.name, bad, self._shown.setdefault(bad, {}))
        return with_story(one, smallest, bad, {}, self._template.path)


def _silenced(one: PropertyResult, verdict: str, why: str) -> PropertyResult:
    return PropertyResult(one.name, verdict, why, one.runs, one.faults_tried)
