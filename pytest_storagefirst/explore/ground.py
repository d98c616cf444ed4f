"""What can go wrong on a stack, and where: known from its runs, and growing with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_storagefirst.explore.sweep import MOST_NUMBERS, single_faults
from pytest_storagefirst.faults.plan import Fault
from pytest_storagefirst.simulation.deployed import Deployed
from pytest_storagefirst.simulation.playing import Played
from pytest_storagefirst.simulation.schedule import Send

Crossings = Mapping[tuple[str, str], int]  # of each (place, point) in one run
ASSUMED_CHOICES = 12  # offered, before any run has shown how many


@dataclass
class Ground:
    """The faults to draw from, for workloads of these messages.

    A fault on the way back, such as one that strikes a redelivery, has nothing to strike in a run
    without faults: `learn` takes such crossings from the runs that made them. `beyond` are those.
    `choices` is how often at most a run offered to choose who goes first.
    """

    deployed: Deployed
    messages: tuple[Send, ...]
    faults: list[Fault] = field(default_factory=list)
    beyond: list[Fault] = field(default_factory=list)
    choices: int = ASSUMED_CHOICES
    _at_point: dict[tuple[str, str], list[Fault]] = field(default_factory=dict)
    _at_place: dict[str, list[Fault]] = field(default_factory=dict)
    _known: dict[tuple[str, str], int] = field(default_factory=dict)

    @classmethod
    def of(cls, deployed: Deployed, messages: tuple[Send, ...], counts: Crossings) -> Ground:
        """The ground that a fault-free run shows: `counts` are its crossings."""
        ground = cls(deployed, messages)
        ground._add(counts)
        return ground

    def learn(self, played: Played) -> None:
        """Add the faults that can strike where this run came by and none did before."""
        self.choices = max(self.choices, played.choices_offered)
        self.beyond += self._add(played.counts)

    def at_point(self, place: str, point: str) -> list[Fault]:
        return self._at_point.get((place, point)) or self.faults

    def at_place(self, place: str) -> list[Fault]:
        return self._at_place.get(place) or self.faults

    def _add(self, counts: Crossings) -> list[Fault]:
        more = {
            key: count
            for key, count in counts.items()
            if min(count, MOST_NUMBERS) > self._known.get(key, 0)
        }
        if not more:
            return []
        fresh = []
        for fault in dict.fromkeys(single_faults(self.deployed, more)):
            known = self._known.get((fault.place, fault.point), 0)
            if fault.number > known or (fault.lasts and not known):
                fresh.append(fault)
        for fault in fresh:
            self.faults.append(fault)
            self._at_point.setdefault((fault.place, fault.point), []).append(fault)
            self._at_place.setdefault(fault.place, []).append(fault)
        self._known.update({key: min(count, MOST_NUMBERS) for key, count in more.items()})
        return fresh
