"""From what was found to an account: whose effect stands, how often, and what nobody explains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_storagefirst.ledger.accounting import Account, Finding, balance
from pytest_storagefirst.ledger.crowd import Crowd
from pytest_storagefirst.ledger.effects import Canonical, Observation
from pytest_storagefirst.ledger.history import History
from pytest_storagefirst.ledger.masks import shape
from pytest_storagefirst.ledger.matching import Expected, gathered
from pytest_storagefirst.ledger.meeting import MOST_EXPLAINED, Undecided, explanation
from pytest_storagefirst.ledger.oracle import Oracle, Shapes
from pytest_storagefirst.ledger.sums import counted

_MOST_REPETITIONS = 12


def take_account(
    observation: Observation,
    oracle: Oracle | Crowd,
    *,
    allowed: Mapping[str, int] | None = None,
    damaged: Mapping[str, Sequence[str]] | None = None,
) -> Account:
    """Where every message of the run is.

    `allowed` says how often a message's effect may stand (default once): one that its sender sent
    twice into a standard queue, accepted twice, may stand twice. `damaged` are the fields, by
    message, that `content_kept` did not find again. Raises LookupError for a message of which the
    oracle knows no run alone.
    """
    history = observation.told
    attempted = history.attempted
    if unknown := sorted(attempted - oracle.messages):
        raise LookupError(f"no fault-free run alone was given for {', '.join(unknown)}")
    look = oracle.first_look(observation)
    found = _Found(observation, history, look.oracle, dict(allowed or {}), oracle.shapes)
    found.attribute(look.effects)
    corrupted = [
        Finding(
            f"{message}: what was stored of {', '.join(fields)} is not what was sent", (message,)
        )
        for message, fields in (damaged or {}).items()
        if fields
    ]
    silent, complete = attempted & oracle.silent, found.complete()
    copies = {message: found.copies(message) for message in found.members}
    duplicated = {m for m, times in copies.items() if times > found.allowed(m)}
    return balance(
        attempted=attempted,
        acknowledged=history.acknowledged,
        rejected=history.rejected,
        effective=look.settled | complete | (silent & history.settled_by_acknowledgement),
        held=attempted & {held.message for held in observation.held},
        duplicated=duplicated,
        redelivered=history.redelivered,
        redriven=history.ids("redriven"),
        partial=found.partial(complete),
        by_acknowledgement=silent,
        unexpected=(*found.unexpected, *_foreign(observation, history)),
        corrupted=(*found.corrupted, *corrupted),
        copies={m: times for m, times in copies.items() if times > 1},
        doubled_in={message: found.places(message) for message in sorted(duplicated)},
        steps=oracle.steps,
        doubts=(*_doubts(observation, history), *found.doubts),
        remark=oracle.remark,
    )


def _doubts(observation: Observation, history: History) -> Iterator[str]:
    yield from history.denials
    if history.denials:
        yield from _held_in(observation, history)
    if not history.acknowledged:
        yield "no message was acknowledged, so none could be lost"
    for fault in sorted(set(observation.faults_required) - set(observation.faults_fired)):
        yield f"the fault “{fault}” never struck"
    if not observation.quiet:
        yield f"the run did not come to rest: {observation.why_not_quiet or 'it hit its bound'}"


def _held_in(observation: Observation, history: History) -> Iterator[str]:
    """Where what could not be done is kept."""
    places: dict[str, list[str]] = {}
    for held in observation.held:
        if held.message in history.attempted - set(places.get(held.where, ())):
            places.setdefault(held.where, []).append(held.message)
    for where, messages in places.items():
        yield f"{', '.join(messages)} {'is' if len(messages) == 1 else 'are'} held in {where}"


def _foreign(observation: Observation, history: History) -> Iterator[Finding]:
    """Deliveries and held messages under an id that nobody tried to send.

    Those without any id (a handler's own command to another function) accuse nobody: a message
    that became unrecognisable is missing where it should be.
    """
    known = history.attempted
    seen = {(e.where, m) for e in observation.history if e.kind == "delivered" for m in e.messages}
    for where, message in sorted(seen):
        if message and message not in known:
            yield Finding(f"{where} was given {message}, which nobody sent", (message,))
    for held in observation.held:
        if held.message and held.message not in known:
            yield Finding(f"{held.where} holds {held.message}, which nobody sent", (held.message,))


@dataclass
class _Found:
    """The state of attributing one run's effects to its messages."""

    observation: Observation
    history: History
    oracle: Oracle
    allowances: Mapping[str, int]
    shapes: Callable[[], Shapes]
    unexpected: list[Finding] = field(default_factory=list)
    corrupted: list[Finding] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        attempted = self.history.attempted
        self.members = sorted(attempted & self.oracle.messages)
        self.held = attempted & {held.message for held in self.observation.held}
        self._counts: dict[str, Counter[str]] = {m: Counter() for m in self.members}
        self._need = self.oracle.needs
        self._shared: Counter[str] = Counter()
        self._repeated: dict[str, int] = {}
        self._touched: set[str] = set()

    def allowed(self, message: str) -> int:
        return self.allowances.get(message, 1)

    def copies(self, message: str) -> int:
        """How often the most frequent part of the message's effect stands."""
        need, counts = self._need[message], self._counts[message]
        own = (-(-counts[slot] // need[slot]) for slot in need)
        return max((self._repeated.get(message, 0), self._shared[message], *own))

    def places(self, message: str) -> tuple[str, ...]:
        """Where that part of its effect stands."""
        need, counts, most = self._need[message], self._counts[message], self.copies(message)
        own = self.oracle.own[message]
        found = [slot for slot in own if -(-counts[slot.id] // need[slot.id]) == most]
        if self._shared[message] == most:
            found += [slot for slot in self.oracle.alone[message] if self.oracle.is_home(slot)]
        found = found or [slot for slot in own if not counts[slot.id]] or list(own)
        words = {"emission": "at"}
        return tuple(sorted({f"{words.get(slot.kind, 'in')} {slot.place}" for slot in found}))

    def is_complete(self, message: str) -> bool:
        if not self.oracle.alone[message]:
            return False
        if message in self.oracle.meeting and not self._shared[message]:
            return False
        return message in self._repeated or self._is_filled(message)

    def _is_filled(self, message: str) -> bool:
        counts = self._counts[message]
        return all(counts[slot] >= need for slot, need in self._need[message].items())

    def complete(self) -> frozenset[str]:
        return frozenset(message for message in self.members if self.is_complete(message))

    def partial(self, complete: frozenset[str]) -> frozenset[str]:
        some = {m for m in self.members if self._counts[m] or self._shared[m]} | self._touched
        return frozenset(some) - complete

    def attribute(self, effects: Sequence[Canonical]) -> None:
        shared: list[Canonical] = []
        own = effects
        if not self.oracle.separable:
            shared = [effect for effect in effects if self.oracle.is_shared(effect)]
            own = [effect for effect in effects if not self.oracle.is_shared(effect)]
        leftover = self._fill(own)
        if leftover:
            leftover = self._gather(leftover)
        if leftover:
            leftover = self._repeat(own, leftover)
        self._name(leftover)
        if not self.oracle.separable:
            self._explain(shared)

    def _fill(self, own: Sequence[Canonical]) -> list[Canonical]:
        matched = self.oracle.expected(tuple(self.members)).match(own)
        common: list[tuple[str, list[str]]] = []
        owners_of: dict[str, list[str]] = {}
        for message in self.members:
            for slot_id in self._need[message]:
                owners_of.setdefault(slot_id, []).append(message)
        for slot_id in matched.counts:
            owners = owners_of.get(slot_id, [])
            if len(owners) == 1:
                self._counts[owners[0]][slot_id] = matched.counts[slot_id]
            else:
                common.append((slot_id, owners))
        for slot_id, owners in common:
            self._share_out(slot_id, owners, matched.counts[slot_id])
        return matched.leftover

    def _share_out(self, slot_id: str, owners: list[str], count: int) -> None:
        """Effects that do not say whose they are: to those first that show other signs of one."""

        def signs(message: str) -> tuple[bool, bool, bool, bool, str]:
            counts, need = self._counts[message], self._need[message]
            behind = any(counts[slot] < need[slot] for slot in need if slot != slot_id)
            settled = message in self.history.settled_by_acknowledgement
            in_doubt = message not in self.history.acknowledged
            return (behind, message in self.held, not settled, in_doubt, message)

        ranked = sorted(owners, key=signs)
        refused = [message for message in ranked if message in self.history.rejected]
        for message in (one for one in ranked if one not in refused):
            count -= self._give(message, slot_id, count)
        for message in owners:
            spare = self._need[message][slot_id] * (self.allowed(message) - 1)
            count -= max(0, min(count, spare))
        for message in refused:  # only what nobody else can have left
            count -= self._give(message, slot_id, count)
        if count > 0:
            again = [m for m in owners if m in self.history.redelivered] or owners
            for message in again:
                more = self._need[message][slot_id] * self.allowed(message)
                self._counts[message][slot_id] += more

    def _give(self, message: str, slot_id: str, count: int) -> int:
        """How many of so many effects were given to a message: what it needs, or what there is."""
        given = min(count, self._need[message][slot_id])
        if given:
            self._counts[message][slot_id] = given
        return given

    def _gather(self, leftover: list[Canonical]) -> list[Canonical]:
        slots = {message: self.oracle.own[message] for message in self.members}
        left = []
        for effect in leftover:
            parts = gathered(effect, slots)
            for message, slot in parts or ():
                self._counts[message][slot.id] += 1
            if parts is None:
                left.append(effect)
        return left

    def _repeat(self, own: Sequence[Canonical], leftover: list[Canonical]) -> list[Canonical]:
        """A message whose effect looks as it does after being handled several times."""
        theirs = self._by_message(leftover)
        everything: dict[str, list[Canonical]] | None = None
        settled: set[int] = set()
        for message in self.members:
            mine = [effect for effect in theirs.get(message, ()) if id(effect) not in settled]
            if not mine or self._is_filled(message):
                continue
            if everything is None:
                everything = self._by_message(own)
            named = everything[message]
            most = min(max(2, self.history.deliveries(message)), _MOST_REPETITIONS)
            for times in range(2, most + 1):
                expected = self.oracle.repeated(message, times)
                if expected is not None and expected.slots and expected.equals(named):
                    self._repeated[message] = times
                    settled.update(map(id, mine))
                    break
            else:
                added = self._added(message, mine)
                if added:
                    self._repeated[message] = 1 + added
                    settled.update(map(id, mine))
        return [effect for effect in leftover if id(effect) not in settled]

    def _by_message(self, effects: Sequence[Canonical]) -> dict[str, list[Canonical]]:
        """The effects that are one message's alone."""
        found: dict[str, list[Canonical]] = {}
        for effect in effects:
            for message in effect.named or self.members[:1]:
                if self.oracle.is_of(effect.named, message):
                    found.setdefault(message, []).append(effect)
        return found

    def _added(self, message: str, mine: Sequence[Canonical]) -> int | None:
        """How often a message's share was added once more to totals that are its own."""
        slots = [slot for slot in self.oracle.own[message] if not self._counts[message][slot.id]]
        copies = counted(Expected(slots), mine, {message: slots}, self.history)
        return copies[message] - 1 if copies is not None else None

    def _name(self, leftover: list[Canonical]) -> None:
        """Say of each effect that filled no slot whether an attempt explains it."""
        attempted = self.history.attempted
        for effect in leftover:
            known = effect.named & attempted
            self._touched |= known
            if effect.named - known:
                ids = ", ".join(sorted(effect.named - known))
                self.unexpected.append(
                    Finding(f"{effect.place} holds an effect of {ids}, never sent")
                )
            elif not known and self._looks_like_a_message(effect):
                self.unexpected.append(
                    Finding(
                        f"{effect.place} holds what looks like a message's effect but names none"
                    )
                )

    def _looks_like_a_message(self, effect: Canonical) -> bool:
        """The fields of an effect that names its message, at the same place.

        Anything else without a name (an alarm, a breaker's state) is the handlers' own business.
        """
        return shape(effect.tree) in self.shapes().get((effect.kind, effect.place), ())

    def _explain(self, shared: Sequence[Canonical]) -> None:
        members = [m for m in self.members if m in self.oracle.meeting]
        own = {m for m in members if self._need[m] and self._is_filled(m)}
        undecided = bool(self.history.denials)
        copies = None
        # Where a policy forbids a call, work stops half-way: what was left says nothing of whose.
        if not undecided:
            try:
                copies = explanation(
                    shared, members, self.oracle, self.history, held=self.held, with_own_effect=own
                )
            except Undecided:
                undecided = True
        if copies is None:
            shares = {
                m: [s for s in self.oracle.alone[m] if self.oracle.is_home(s)] for m in members
            }
            together = self.oracle.shared_state(tuple(members))
            copies = counted(together, shared, shares, self.history)
        if copies is not None:
            self._shared = copies
            return
        places = ", ".join(sorted({effect.place for effect in shared})) or "the shared place"
        if len(members) > MOST_EXPLAINED:
            self.doubts.append(
                f"{len(members)} messages meet in {places}, too many to tell what each left there"
            )
        elif undecided:
            if not self.history.denials:  # a doubt by themselves
                self.doubts.append(
                    f"{', '.join(members)} meet in {places}, and what each of them left there was "
                    "not found out within the time that one run is given"
                )
        else:
            self.corrupted.append(
                Finding(f"{places}: no way of processing these messages leaves what stands there")
            )
        settled = self.history.settled_by_acknowledgement | self.history.ids("effected")
        self._shared = Counter(m for m in members if m in settled)
