"""Which of the effects that were found are those that were expected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_storagefirst.ledger.effects import Canonical, Tree
from pytest_storagefirst.ledger.masks import Mask, Slot, dumped, seen_through


@dataclass
class Matched:
    """The effects that filled a slot, by slot id, and those that filled none.

    `counts` counts emissions with one idempotency key once.
    """

    found: dict[str, list[Canonical]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    leftover: list[Canonical] = field(default_factory=list)


class Expected:
    """A multiset of slots, indexed so that an effect finds its slot in one look-up."""

    def __init__(self, slots: Iterable[Slot]) -> None:
        self.slots = tuple(slots)
        self.need: Counter[str] = Counter(slot.id for slot in self.slots)
        by_place: dict[tuple[str, str], dict[str, tuple[Mask, dict[str, str]]]] = {}
        for slot in self.slots:
            masks = by_place.setdefault((slot.kind, slot.place), {})
            masks.setdefault(slot.mask.id, (slot.mask, {}))[1][slot.text] = slot.id
        # The mask that hides least first: an effect goes to the slot that says most about it.
        self._by_place = {
            place: sorted(masks.values(), key=lambda entry: len(entry[0].modes))
            for place, masks in by_place.items()
        }

    def match(self, effects: Iterable[Canonical]) -> Matched:
        """Give each effect to a slot, to one with need left where there is a choice."""
        matched = Matched()
        keys: set[tuple[str, str]] = set()
        for effect in effects:
            chosen = None
            for mask, texts in self._by_place.get((effect.kind, effect.place), ()):
                slot_id = texts.get(seen_through(mask, effect))
                if slot_id is None:
                    continue
                if matched.counts[slot_id] < self.need[slot_id]:
                    chosen = slot_id
                    break
                chosen = chosen or slot_id
            if chosen is None:
                matched.leftover.append(effect)
                continue
            matched.found.setdefault(chosen, []).append(effect)
            if effect.idempotency_key is not None:
                if (chosen, effect.idempotency_key) in keys:
                    continue
                keys.add((chosen, effect.idempotency_key))
            matched.counts[chosen] += 1
        return matched

    def equals(self, effects: Iterable[Canonical]) -> bool:
        matched = self.match(effects)
        return not matched.leftover and matched.counts == self.need

    def covers(self, effects: Iterable[Canonical]) -> bool:
        """Whether nothing is missing and nothing is foreign, however often a thing stands."""
        matched = self.match(effects)
        return not matched.leftover and matched.counts >= self.need


def gathered(
    effect: Canonical, slots: Mapping[str, Sequence[Slot]]
) -> tuple[tuple[str, Slot], ...] | None:
    """The messages and slots that one effect serves together, or None.

    A handler may write one object for a whole batch: its lists (or lines) are then the lists of the
    single effects joined, its numbers are theirs or their sum. `slots` are the candidates by
    message; each that the effect names must take part, one twice when the batch held it twice.
    """
    named = sorted(effect.named)
    if not named or not effect.named <= slots.keys():
        return None
    place = (effect.kind, effect.place)
    here = [[s for s in slots[message] if (s.kind, s.place) == place] for message in named]
    for fitting in zip(*here, strict=False):  # the first slot of each, the second of each, …
        parts = list(zip(named, fitting, strict=True))
        tries = [parts] if len(parts) > 1 else []
        tries += [[*parts, again] for again in parts]
        for chosen in tries:
            mask = Mask()
            for _, slot in chosen:
                mask = mask.merged(slot.mask.modes)
            singles = [mask.apply_anywhere(slot.tree) for _, slot in chosen]
            if _joined(mask.apply_anywhere(effect.tree), singles):
                return tuple(chosen)
    return None


def _joined(whole: Tree, parts: Sequence[Tree]) -> bool:
    if isinstance(whole, dict):
        if any(not isinstance(part, dict) or part.keys() != whole.keys() for part in parts):
            return False
        return all(_joined(whole[name], [part[name] for part in parts]) for name in whole)
    if isinstance(whole, list):
        if any(not isinstance(part, list) for part in parts):
            return False
        return _is_sum(whole, parts) or (
            all(len(part) == len(whole) for part in parts)
            and all(_joined(whole[at], [part[at] for part in parts]) for at in range(len(whole)))
        )
    if isinstance(whole, str) and all(isinstance(part, str) for part in parts):
        lines = [line for part in parts for line in part.splitlines()]
        return whole in parts or Counter(whole.splitlines()) == Counter(lines)
    if isinstance(whole, int | float) and all(isinstance(part, int | float) for part in parts):
        return all(part == whole for part in parts) or whole == sum(parts)
    return all(part == whole for part in parts)


def _is_sum(whole: Sequence[Tree], parts: Sequence[Sequence[Tree]]) -> bool:
    elements = Counter(dumped(element) for part in parts for element in part)
    return Counter(dumped(element) for element in whole) == elements
