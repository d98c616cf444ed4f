"""What effects a message should have, learnt from fault-free runs: nothing to configure.

Each message's effects when it is alone; what of them differs from run to run; and, where messages
meet in one place (a total, a list, the last writer), what several of them leave together.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from pytest_storagefirst.ledger.effects import Canonical, Observation, canonical
from pytest_storagefirst.ledger.masks import Mask, Path, Slot, differences, leaves, shape
from pytest_storagefirst.ledger.matching import Expected

# Where, and of which paths: what a message's effects look like.
Shapes = Mapping[tuple[str, str], frozenset[frozenset[Path]]]
Home = tuple[str, str, str]  # kind, place, key: where effects of several messages can meet

_MOST_ORDERS = 6
_MOST_ORDERED = 40  # messages; of more, the likeliest order alone is tried
_MOST_PERMUTATIONS = 720  # many of a multiset's are equal


class Sequential(Protocol):
    """A fault-free run of these messages, one after the other; an id may stand twice.

    Variants are the same run under another clock and seed; None where there is no such variant.
    """

    def __call__(self, ids: tuple[str, ...], variant: int = 0) -> Observation | None: ...


@dataclass(frozen=True)
class Look:
    """What a first look at the effects of a run has settled, and what is left to look into.

    `settled` are messages whose effects stand exactly as they should; `oracle` knows the others,
    to whom all of `effects` belong that anyone explains.
    """

    settled: frozenset[str]
    effects: Sequence[Canonical]
    oracle: Oracle


class Oracle:
    """The expected effects of the messages of one workload.

    `alone` maps each message to its fault-free runs alone: the first is the measure, the others
    (other clocks and seeds, one with a throttled first delivery) show what is volatile.
    """

    def __init__(
        self, alone: Mapping[str, Sequence[Observation]], sequential: Sequential | None = None
    ) -> None:
        learnt = {message: _learn(runs) for message, runs in alone.items()}
        steps = {
            message: runs[0].told.count("effected", message) for message, runs in alone.items()
        }
        self._begin(learnt, steps, sequential)
        self._compare_with_together()
        self._conclude()

    @classmethod
    def of_slots(
        cls,
        alone: Mapping[str, tuple[Slot, ...]],
        steps: Mapping[str, int],
        sequential: Sequential | None = None,
        *,
        meeting: bool = False,
    ) -> Oracle:
        """An oracle for messages whose effects are known already, without a run of each.

        Unless they are `meeting`, they are known to leave their effects side by side.
        """
        made = cls.__new__(cls)
        made._begin(alone, steps, sequential)
        if meeting:
            made._compare_with_together()
        made._conclude()
        return made

    def _begin(
        self,
        alone: Mapping[str, tuple[Slot, ...]],
        steps: Mapping[str, int],
        sequential: Sequential | None,
    ) -> None:
        self.alone = dict(alone)
        self.steps = dict(steps)
        self._sequential = sequential
        self._states: dict[tuple[str, ...], tuple[Slot, ...]] = {}
        self._costs: dict[tuple[str, ...], int] = {}
        self._side_by_side: dict[tuple[str, ...], Expected] = {}
        self._shared: dict[tuple[str, ...], Expected] = {}
        self._repeated: dict[tuple[str, ...], Expected] = {}
        self.shared_homes: frozenset[Home] = frozenset()

    def _conclude(self) -> None:
        self.own = (
            {
                message: tuple(slot for slot in slots if slot.home not in self.shared_homes)
                for message, slots in self.alone.items()
            }
            if self.shared_homes
            else self.alone
        )
        self.needs = {
            message: Counter(slot.id for slot in slots) for message, slots in self.own.items()
        }
        self.meeting = self._meeting()
        self._shared_places = {(kind, place) for kind, place, _ in self.shared_homes}
        self._lookouts = self._slots_by_place()

    @property
    def messages(self) -> frozenset[str]:
        return frozenset(self.alone)

    @property
    def silent(self) -> frozenset[str]:
        """Those that leave no effect."""
        return frozenset(message for message, slots in self.alone.items() if not slots)

    @property
    def remark(self) -> str:
        """What of the effects is not compared; "" when all is."""
        return ""

    def expects_message(self, message: str, place: str) -> bool:
        """Whether a message always ends in this queue, which nobody reads."""
        return any(
            (slot.kind, slot.place) == ("message", place) for slot in self.alone.get(message, ())
        )

    def shapes(self) -> Shapes:
        """What effects that name their message look like, by kind and place."""
        return shapes(itertools.chain.from_iterable(self.alone.values()))

    def first_look(self, observation: Observation) -> Look:
        return Look(frozenset(), canonical(observation), self)

    @property
    def separable(self) -> bool:
        """Whether the effects of several messages are the effects of each, side by side."""
        return not self.shared_homes

    def expected(self, messages: tuple[str, ...]) -> Expected:
        """The own effects of several messages, side by side."""
        if messages not in self._side_by_side:
            slots = (slot for message in messages for slot in self.own[message])
            self._side_by_side[messages] = Expected(slots)
        return self._side_by_side[messages]

    def _meeting(self) -> frozenset[str]:
        """The messages that leave something where messages meet."""
        homes = {slot.home for slots in self.alone.values() for slot in slots}
        if self.shared_homes - homes:  # something that only company brings forth: any may have
            return frozenset(message for message, slots in self.alone.items() if slots)
        return frozenset(m for m, slots in self.alone.items() if slots != self.own[m])

    def is_shared(self, effect: Canonical) -> bool:
        """Whether an effect stands where messages meet."""
        place = (effect.kind, effect.place)
        if place not in self._shared_places:
            return False
        return any(slot.home_of(effect) in self.shared_homes for slot in self._lookouts[place])

    def orders(self, ids: Iterable[str], hint: Sequence[str] = ()) -> Iterator[tuple[str, ...]]:
        """Orders in which these (ids may repeat) can have taken effect, the likeliest first."""
        wanted = Counter(ids)
        left = Counter(wanted)
        first = []
        for message in (*hint, *sorted(wanted.elements())):
            if left[message] > 0:
                left[message] -= 1
                first.append(message)
        found = dict.fromkeys([tuple(first)])
        if len(first) > _MOST_ORDERED:
            return iter(found)
        permutations = itertools.permutations(sorted(wanted.elements()))
        for order in itertools.islice(permutations, _MOST_PERMUTATIONS):
            if len(found) >= _MOST_ORDERS:
                break
            found[order] = None
        found[tuple(reversed(first))] = None
        return iter(found)

    def shared_state(self, order: tuple[str, ...]) -> Expected:
        """What stands where messages meet after a fault-free run of them in this order."""
        if order not in self._shared:
            state = self._state(order)
            self._shared[order] = Expected(s for s in state if s.home in self.shared_homes)
        return self._shared[order]

    def repeated(self, message: str, times: int) -> Expected | None:
        """The effects of this message alone after it was handled so often; None: unknown."""
        order = (message,) * times
        if self._sequential is None:
            return None
        if order not in self._repeated:
            state = self._state(order)
            own = [slot for slot in state if slot.home not in self.shared_homes]
            self._repeated[order] = Expected(s for s in own if self.is_of(s.named, message))
        return self._repeated[order]

    def is_home(self, slot: Slot) -> bool:
        """Whether a message's effect stands where others meet it."""
        return slot.home in self.shared_homes

    def is_of(self, named: frozenset[str], message: str) -> bool:
        """Whether what names these messages is this one's: a total names none, and in a workload of
        one message there is no other to share it with."""
        return named == {message} or (not named and len(self.alone) == 1)

    def _state(self, order: tuple[str, ...]) -> tuple[Slot, ...]:
        if order not in self._states:
            runs = [] if not order or self._sequential is None else self._runs(order)
            self._states[order] = _learn(runs, self._hints()) if runs else ()
            self._costs[order] = sum(len(run.history) for run in runs)
        return self._states[order]

    def cost(self, order: tuple[str, ...]) -> int:
        """How many events the runs had that showed what stands after this order.

        A measure of the time that they took which is the same on every machine.
        """
        return self._costs.get(order, 0)

    def _runs(self, order: tuple[str, ...]) -> list[Observation]:
        assert self._sequential is not None
        runs = (self._sequential(order, variant=variant) for variant in (0, 1))
        return [run for run in runs if run is not None]

    def _hints(self) -> dict[tuple[str, str], list[Slot]]:
        """What is volatile at a place when a message is alone stays so in company."""
        slots: dict[tuple[str, str], list[Slot]] = {}
        for slot in itertools.chain.from_iterable(self.alone.values()):
            slots.setdefault((slot.kind, slot.place), []).append(slot)
        return slots

    def _slots_by_place(self) -> dict[tuple[str, str], list[Slot]]:
        """One slot for each way of seeing a place: all that a home depends on is the mask."""
        slots: dict[tuple[str, str], dict[str, Slot]] = {}
        for slot in itertools.chain(*self.alone.values(), *self._states.values()):
            slots.setdefault((slot.kind, slot.place), {})[slot.mask.id] = slot
        return {place: list(found.values()) for place, found in slots.items()}

    def _compare_with_together(self) -> None:
        """Find the places where messages meet: there, together is not the sum of alone."""
        members = tuple(sorted(message for message, slots in self.alone.items() if slots))
        if len(members) < 2 or self._sequential is None:
            return
        runs = self._runs(members)
        if not runs:
            return
        for run in runs:
            self._widen(canonical(run))
        slots = [slot for message in members for slot in self.alone[message]]
        homes = [{slot.home for slot in self.alone[message]} for message in members]
        contested = {home for home, times in Counter(itertools.chain(*homes)).items() if times > 1}
        expected = Expected(slots)
        matched = expected.match(canonical(runs[0]))
        together = self._state(members)
        unfilled = {s.home for s in slots if matched.counts[s.id] < expected.need[s.id]}
        overfull = {s.home for s in slots if matched.counts[s.id] > expected.need[s.id]}
        foreign = {
            slot.home
            for slot in together
            for effect in matched.leftover
            if slot.home_of(effect) == slot.home
        }
        # A home of one message's own that stays empty is no meeting: the run together lost it.
        self.shared_homes = frozenset((unfilled & (contested | foreign)) | overfull | foreign)

    def _widen(self, effects: list[Canonical]) -> None:
        """Mask what differs in company in an effect that only one message has.

        A counter kept in the handler's memory, a running number: it depends on who came before,
        and so says nothing about this message.
        """
        everyone = [slot for slots in self.alone.values() for slot in slots]
        matched = Expected(everyone).match(effects)
        homes = Counter(home for slots in self.alone.values() for home in {s.home for s in slots})
        self.alone = {
            message: tuple(
                _widened(slot, matched.leftover)
                if slot.id not in matched.counts and (slot.appends or homes[slot.home] == 1)
                else slot
                for slot in slots
            )
            for message, slots in self.alone.items()
        }


def shapes(slots: Iterable[Slot]) -> Shapes:
    found: dict[tuple[str, str], set[frozenset[Path]]] = {}
    for slot in slots:
        if slot.named:
            found.setdefault((slot.kind, slot.place), set()).add(shape(slot.tree))
    return {place: frozenset(paths) for place, paths in found.items()}


def _widened(slot: Slot, effects: Iterable[Canonical]) -> Slot:
    for effect in effects:
        if slot.named and slot.named == effect.named and slot.home_of(effect) == slot.home:
            found = differences(slot.tree, slot.mask.apply(effect.tree))
            return _remasked(slot, slot.mask.merged(found))
    return slot


def _remasked(slot: Slot, mask: Mask) -> Slot:
    effect = Canonical(slot.kind, slot.place, slot.tree, slot.named, None)
    return replace(Slot.of(effect, mask), named=slot.named)


def _learn(
    runs: Sequence[Observation], hints: Mapping[tuple[str, str], list[Slot]] | None = None
) -> tuple[Slot, ...]:
    """The effects of the first run, with all masked that differs in another.

    An effect that a run without faults lacks is not expected at all; one that only a throttled run
    lacks is: that loss is for the sweep to judge.
    """
    base = _once_a_key(runs[0])
    masks: list[Mask | None] = [_hinted(effect, hints or {}) for effect in base]
    for run in runs[1:]:
        throttled = any(event.kind == "throttled" for event in run.history)
        for at, twin in enumerate(_paired(base, _once_a_key(run))):
            mask = masks[at]
            if mask is None:
                continue
            if twin is not None:
                masks[at] = mask.merged(differences(base[at].tree, twin.tree))
            elif not throttled:
                masks[at] = None
    return tuple(
        Slot.of(effect, mask) for effect, mask in zip(base, masks, strict=True) if mask is not None
    )


def _once_a_key(run: Observation) -> list[Canonical]:
    """The effects of a run; of those that a third party was sent again under one key, the first."""
    seen: set[tuple[str, str]] = set()
    found = []
    for effect in canonical(run):
        if effect.idempotency_key is not None:
            if (effect.place, effect.idempotency_key) in seen:
                continue
            seen.add((effect.place, effect.idempotency_key))
        found.append(effect)
    return found


def _hinted(effect: Canonical, hints: Mapping[tuple[str, str], list[Slot]]) -> Mask:
    slots = hints.get((effect.kind, effect.place), [])
    like = [slot for slot in slots if slot.home_of(effect) == slot.home]
    return like[0].mask if like else Mask()


def _paired(base: Sequence[Canonical], other: Sequence[Canonical]) -> list[Canonical | None]:
    """For each effect of one run its counterpart in another: the most alike at the same place."""
    pairs: list[Canonical | None] = [None] * len(base)
    facts = [leaves(effect.tree) for effect in other]
    scores = []
    for at, effect in enumerate(base):
        own = leaves(effect.tree)
        for index, candidate in enumerate(other):
            if (candidate.kind, candidate.place) == (effect.kind, effect.place):
                same_key = candidate.tree[0] == effect.tree[0]
                scores.append((same_key, len(own & facts[index]), -abs(at - index), at, index))
    taken: set[int] = set()
    for *_, at, index in sorted(scores, reverse=True):
        if pairs[at] is None and index not in taken:
            pairs[at] = other[index]
            taken.add(index)
    return pairs
