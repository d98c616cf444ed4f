"""Reduction hides nothing: what the pairs that it leaves out violate, those it keeps do too."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from pytest_storagefirst.explore import pairs as pairing
from pytest_storagefirst.explore import stages, workload
from pytest_storagefirst.explore.bodies import describe_entries
from pytest_storagefirst.explore.exploration import Exploration
from pytest_storagefirst.explore.judge import Judged
from pytest_storagefirst.explore.pairs import Pair, Pairs, belongs, pairs
from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.explore.reduction import signature
from pytest_storagefirst.faults.plan import Fault
from pytest_storagefirst.ledger.verdict import VIOLATED
from pytest_storagefirst.settings_file import load_settings
from pytest_storagefirst.simulation.schedule import Schedule, Send
from tests.zoo.test_zoo import EXPECTED, ZOO

MOST_OF_ONE = 250
FEW = 200  # pairs of a stack whose few sites all show something else: nothing is left out


class Product:
    """All pairs of one stack, and what they violate. One message: its runs are the quickest."""

    def __init__(self, animal: str) -> None:
        (template,) = (ZOO / animal / "defective").glob("template.*")
        settings = replace(load_settings(template), budget_seconds=0)
        self.exploration = Exploration(prepare(template, settings), settings)
        judge = self.exploration.judge
        entries = describe_entries(judge, self.exploration.prepared.deployed.entries)
        judge.deployed = replace(judge.deployed, entries=entries)
        self.messages: tuple[Send, ...] = workload.plain(entries, len(entries))
        baseline = judge.judge(Schedule(self.messages))
        for unit in stages.single_units(self.exploration, self.messages, baseline.played.counts):
            unit.run()
        self.by_singles = {
            name for name, tally in self.exploration.tallies.items() if tally.verdict == VIOLATED
        }
        self.planned: Pairs = pairs(judge.deployed, self.exploration.firsts, signature(baseline))

    def violated_by(self, pair: Pair) -> set[str]:
        schedule = Schedule(self.messages, plan=(pair.first, pair.second), redrives=pair.redrives)
        judged = self.exploration.judge.judge(schedule)
        return {name for name, verdict in judged.verdicts.items() if verdict.value == VIOLATED}


def is_tried(pair: Pair, planned: Pairs) -> bool:
    """All are; of the few stacks that have very many, an even share of about so many."""
    return belongs(str(pair), (1, max(1, len(planned.skipped) // MOST_OF_ONE)))


def faults(pair: Pair) -> tuple[Fault, Fault]:
    return pair.first, pair.second


def share_of_skipped(animal: str) -> tuple[int, int]:
    """How many pairs were left out, of how many; asserts that none of them shows anything new."""
    product = Product(animal)
    missing: dict[str, Pair] = {}
    for pair in product.planned.skipped:
        if is_tried(pair, product.planned):
            missing |= dict.fromkeys(product.violated_by(pair) - product.by_singles, pair)
    while missing:
        name, hidden = next(iter(missing.items()))
        alike = {*faults(hidden)}
        near = sorted(product.planned.tried, key=lambda pair: alike.isdisjoint(faults(pair)))
        shown = next((found for pair in near if name in (found := product.violated_by(pair))), None)
        assert shown, f"only pairs that reduction leaves out show {name}, as {hidden}"
        missing = {name: pair for name, pair in missing.items() if name not in shown}
    skipped = len(product.planned.skipped)
    return skipped, skipped + len(product.planned.tried)


@pytest.mark.parametrize("animal", sorted(EXPECTED))
def test_no_defect_is_hidden(animal):
    skipped, product = share_of_skipped(animal)

    assert skipped <= product / 2
    assert skipped > product / 30 or product < FEW


def test_a_signature_that_says_too_little_is_seen(monkeypatch):
    """By what stands at the end alone, a fault that was survived is none."""

    def by_effects(judged: Judged) -> str:
        return repr(sorted(effect.place for effect in judged.played.observation.effects))

    monkeypatch.setattr(pairing, "signature", by_effects)
    monkeypatch.setattr(sys.modules[__name__], "signature", by_effects)

    with pytest.raises(AssertionError, match="only pairs that reduction leaves out show"):
        share_of_skipped("fallback-swallowed")
