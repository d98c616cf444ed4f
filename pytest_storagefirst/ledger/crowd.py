"""Many messages at once: what is as expected is settled at first sight, the rest is looked into.

A backlog of a hundred thousand is a few kinds of messages. Each kind's effects are learnt from some
of its messages; every effect that is found is then looked up once. Messages whose effects all stand
exactly as often as they should need no more; for the others an `Oracle` of just these says what it
would say of a small run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pytest_storagefirst.ledger.effects import Canonical, Naming, Observation
from pytest_storagefirst.ledger.likeness import Pattern, Values
from pytest_storagefirst.ledger.masks import Mask, Slot, dumped
from pytest_storagefirst.ledger.oracle import Look, Oracle, Sequential, Shapes, shapes

_UNMATCHED = -1


@dataclass(frozen=True)
class Like:
    """The messages of one kind, where each differs, and what each should leave.

    `steps` is how many calls take effect for one of them, `unexplained` the values of their effects
    that are not compared, as "Orders: total.N".
    """

    messages: tuple[str, ...]
    values: tuple[Values, ...]
    patterns: tuple[Pattern, ...]
    steps: int
    unexplained: tuple[str, ...] = ()


class Crowd:
    """What the messages of a large workload should leave, where they do not meet.

    It stands in an Oracle's place for `take_account`.
    """

    separable = True

    def __init__(self, likes: Sequence[Like], sequential: Sequential) -> None:
        self._likes = tuple(likes)
        self._sequential = sequential

    @cached_property
    def _place_of(self) -> dict[str, tuple[int, int]]:
        return {
            message: (number, at)
            for number, like in enumerate(self._likes)
            for at, message in enumerate(like.messages)
        }

    @property
    def messages(self) -> frozenset[str]:
        return frozenset(message for like in self._likes for message in like.messages)

    @property
    def silent(self) -> frozenset[str]:
        """Those that leave no effect."""
        return frozenset(m for like in self._likes if not like.patterns for m in like.messages)

    @property
    def steps(self) -> Mapping[str, int]:
        return {message: like.steps for like in self._likes for message in like.messages}

    @property
    def remark(self) -> str:
        paths = sorted({path for like in self._likes for path in like.unexplained})
        return f"not compared, message by message: {', '.join(paths)}" if paths else ""

    def slots(self, message: str) -> tuple[Slot, ...]:
        number, at = self._place_of[message]
        like = self._likes[number]
        return tuple(pattern.slot(message, like.values[at]) for pattern in like.patterns)

    def expects_message(self, message: str, place: str) -> bool:
        number, _ = self._place_of.get(message, (_UNMATCHED, 0))
        return number != _UNMATCHED and any(
            (pattern.kind, pattern.place) == ("message", place)
            for pattern in self._likes[number].patterns
        )

    def shapes(self) -> Shapes:
        """What effects that name their message look like, by kind and place."""
        return shapes(slot for like in self._likes for slot in self.slots(like.messages[0]))

    def confirmed_by(self, oracle: Oracle) -> bool:
        """Whether the messages of an oracle, each of which was seen alone, leave what is said."""
        return all(
            [dumped(slot.mask.apply(real.tree)) for slot, real in zip(said, slots, strict=True)]
            == [slot.text for slot in said]
            if len(said) == len(slots)
            else False
            for message, slots in oracle.alone.items()
            for said in [self.slots(message)]
        )

    def first_look(self, observation: Observation) -> Look:
        """Settle what stands exactly as it should; the rest goes to an oracle of its messages."""
        index = _Index(self._likes)
        naming = Naming(observation.names)
        matched = [index.match(naming.canonical(effect)) for effect in observation.effects]
        index.settle()
        rest = [
            naming.canonical(effect)
            for effect, entry in zip(observation.effects, matched, strict=True)
            if entry == _UNMATCHED or index.is_open(entry)
        ]
        alone = {message: self.slots(message) for message in sorted(index.unsettled)}
        steps = {message: self._likes[self._place_of[message][0]].steps for message in alone}
        settled = self.messages - self.silent - index.unsettled
        return Look(settled, rest, Oracle.of_slots(alone, steps, self._sequential))


class _Index:
    """All effects that are expected, each with whose it is and how often it was found."""

    def __init__(self, likes: Sequence[Like]) -> None:
        self._owners: list[str | list[str]] = []
        self._hits: list[int] = []
        self._keys: set[tuple[int, str]] = set()
        self.unsettled: set[str] = set()
        self._messages: set[str] = set()
        places: dict[tuple[str, str], dict[str, tuple[Mask, dict[str, int]]]] = {}
        for like in likes:
            self._messages.update(like.messages)
            for pattern in like.patterns:
                masks = places.setdefault((pattern.kind, pattern.place), {})
                texts = masks.setdefault(pattern.mask.id, (pattern.mask, {}))[1]
                self._add(texts, pattern, like)
        # The mask that hides least first: an effect goes to the slot that says most about it.
        self._places = {
            place: sorted(masks.values(), key=lambda entry: len(entry[0].modes))
            for place, masks in places.items()
        }

    def _add(self, texts: dict[str, int], pattern: Pattern, like: Like) -> None:
        owners = self._owners
        for message, values in zip(like.messages, like.values, strict=True):
            text = pattern.text(message, values)
            entry = texts.setdefault(text, len(owners))
            if entry == len(owners):
                owners.append(message)
                self._hits.append(0)
                continue
            known = owners[entry]
            if isinstance(known, str):
                owners[entry] = [known, message]
            else:
                known.append(message)

    def match(self, effect: Canonical) -> int:
        """The entry that the effect fills, one with need left where there is a choice."""
        chosen = _UNMATCHED
        for mask, texts in self._places.get((effect.kind, effect.place), ()):
            entry = texts.get(dumped(mask.apply(effect.tree)))
            if entry is None:
                continue
            if self._hits[entry] < len(_all(self._owners[entry])):
                chosen = entry
                break
            chosen = entry if chosen == _UNMATCHED else chosen
        if chosen == _UNMATCHED:
            self.unsettled.update(effect.named & self._messages)
            return chosen
        if effect.idempotency_key is not None:
            if (chosen, effect.idempotency_key) in self._keys:
                return chosen
            self._keys.add((chosen, effect.idempotency_key))
        self._hits[chosen] += 1
        return chosen

    def settle(self) -> None:
        """Find whose effects do not all stand as often as they should, and who shares with them."""
        shared = []
        for owners, hits in zip(self._owners, self._hits, strict=True):
            everyone = _all(owners)
            if hits != len(everyone):
                self.unsettled.update(everyone)
            elif len(everyone) > 1:
                shared.append(everyone)
        before = _UNMATCHED
        while len(self.unsettled) != before:
            before = len(self.unsettled)
            for everyone in shared:
                if not self.unsettled.isdisjoint(everyone):
                    self.unsettled.update(everyone)

    def is_open(self, entry: int) -> bool:
        return not self.unsettled.isdisjoint(_all(self._owners[entry]))


def _all(owners: str | list[str]) -> Sequence[str]:
    return (owners,) if isinstance(owners, str) else owners


def met(likes: Sequence[Like]) -> Iterator[tuple[str, str]]:
    """Pairs of messages that write to one item or object: there they meet."""
    homes: dict[tuple[str, str, str], str] = {}
    for like in likes:
        for pattern in like.patterns:
            if pattern.meets_nobody:
                continue
            for message, values in zip(like.messages, like.values, strict=True):
                home = (pattern.kind, pattern.place, pattern.key_text(message, values))
                other = homes.setdefault(home, message)
                if other != message:
                    yield other, message
