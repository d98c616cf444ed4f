"""From what was found to an account: whose effect stands, how often, and what nobody explains."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_storagefirst.ledger.accounting import Account, Finding, balance
from pytest_storagefirst.ledger.effects import Canonical, Observation, canonical
from pytest_storagefirst.ledger.history import History
from pytest_storagefirst.ledger.masks import shape
from pytest_storagefirst.ledger.matching import Expected, gathered
from pytest_storagefirst.ledger.meeting import explanation
from pytest_storagefirst.ledger.oracle import Oracle
from pytest_storagefirst.ledger.sums import counted

_MOST_REPETITIONS = 12


def take_account(
    observation: Observation,
    oracle: Oracle,
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
    history = History(observation.history)
    attempted = history.attempted
    if unknown := sorted(attempted - oracle.alone.keys()):
        raise LookupError(f"no fault-free run alone was given for {', '.join(unknown)}")
    found = _Found(observation, history, oracle, dict(allowed or {}))
    found.attribute()
    corrupted = [
        Finding(
            f"{message}: what was stored of {', '.join(fields)} is not what was sent", (message,)
        )
        for message, fields in (damaged or {}).items()
        if fields
    ]
    silent = frozenset(m for m in attempted if not oracle.alone[m])
    return balance(
        attempted=attempted,
        acknowledged=history.acknowledged,
        rejected=history.rejected,
        effective=found.complete() | (silent & history.settled_by_acknowledgement),
        held=found.held,
        duplicated={m for m in attempted if found.copies(m) > found.allowed(m)},
        redelivered=history.redelivered,
        redriven=history.ids("redriven"),
        partial=found.partial(),
        by_acknowledgement=silent,
        unexpected=(*found.unexpected, *_foreign(observation, history)),
        corrupted=(*found.corrupted, *corrupted),
        copies={m: found.copies(m) for m in sorted(attempted) if found.copies(m) > 1},
        steps=oracle.steps,
        doubts=tuple(_doubts(observation, history)),
    )


def _doubts(observation: Observation, history: History) -> Iterator[str]:
    if not history.acknowledged:
        yield "no message was acknowledged, so none could be lost"
    for fault in sorted(set(observation.faults_required) - set(observation.faults_fired)):
        yield f"the fault “{fault}” never struck"
    if not observation.quiet:
        yield f"the run did not come to rest: {observation.why_not_quiet or 'it hit its bound'}"


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
    unexpected: list[Finding] = field(default_factory=list)
    corrupted: list[Finding] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.attempted = sorted(self.history.attempted)
        self.held = frozenset(held.message for held in self.observation.held) & set(self.attempted)
        self._counts: dict[str, Counter[str]] = {m: Counter() for m in self.attempted}
        self._need = {m: self.oracle.expected((m,)).need for m in self.attempted}
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

    def is_complete(self, message: str) -> bool:
        if not self.oracle.alone[message]:
            return False
        if message in self.oracle.meeting and not self._shared[message]:
            return False
        return message in self._repeated or self._counts[message] >= self._need[message]

    def complete(self) -> frozenset[str]:
        return frozenset(message for message in self.attempted if self.is_complete(message))

    def partial(self) -> frozenset[str]:
        some = {m for m in self.attempted if self._counts[m] or self._shared[m]} | self._touched
        return frozenset(some) - self.complete()

    def attribute(self) -> None:
        effects = canonical(self.observation)
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
        matched = self.oracle.expected(tuple(self.attempted)).match(own)
        common: list[tuple[str, list[str]]] = []
        for slot_id in matched.counts:
            owners = [m for m in self.attempted if slot_id in self._need[m]]
            if len(owners) == 1:
                self._counts[owners[0]][slot_id] = matched.counts[slot_id]
            else:
                common.append((slot_id, owners))
        for slot_id, owners in common:
            self._share_out(slot_id, owners, matched.counts[slot_id])
        return matched.leftover

    def _share_out(self, slot_id: str, owners: list[str], count: int) -> None:
        """Effects that do not say whose they are: to those first that show other signs of one."""

        def signs(message: str) -> tuple[bool, bool, bool, str]:
            counts, need = self._counts[message], self._need[message]
            behind = any(counts[slot] < need[slot] for slot in need if slot != slot_id)
            settled = message in self.history.settled_by_acknowledgement
            return (behind, message in self.held, not settled, message)

        for message in sorted(owners, key=signs):
            given = min(count, self._need[message][slot_id])
            if not given:
                break
            self._counts[message][slot_id] = given
            count -= given
        for message in owners:
            spare = self._need[message][slot_id] * (self.allowed(message) - 1)
            count -= max(0, min(count, spare))
        if count > 0:
            again = [m for m in owners if m in self.history.redelivered] or owners
            for message in again:
                more = self._need[message][slot_id] * self.allowed(message)
                self._counts[message][slot_id] += more

    def _gather(self, leftover: list[Canonical]) -> list[Canonical]:
        slots = {message: self.oracle.own[message] for message in self.attempted}
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
        for message in self.attempted:
            mine = [effect for effect in leftover if self.oracle.is_of(effect.named, message)]
            if not mine or self._counts[message] >= self._need[message]:
                continue
            named = [effect for effect in own if self.oracle.is_of(effect.named, message)]
            most = min(max(2, self.history.deliveries(message)), _MOST_REPETITIONS)
            for times in range(2, most + 1):
                expected = self.oracle.repeated(message, times)
                if expected is not None and expected.slots and expected.equals(named):
                    self._repeated[message] = times
                    leftover = [effect for effect in leftover if effect not in mine]
                    break
            else:
                added = self._added(message, mine)
                if added:
                    self._repeated[message] = 1 + added
                    leftover = [effect for effect in leftover if effect not in mine]
        return leftover

    def _added(self, message: str, mine: Sequence[Canonical]) -> int | None:
        """How often a message's share was added once more to totals that are its own."""
        slots = [slot for slot in self.oracle.own[message] if not self._counts[message][slot.id]]
        copies = counted(Expected(slots), mine, {message: slots}, self.history)
        return copies[message] - 1 if copies is not None else None

    def _name(self, leftover: list[Canonical]) -> None:
        """Say of each effect that filled no slot whether an attempt explains it."""
        for effect in leftover:
            known = effect.named & set(self.attempted)
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
        place = (effect.kind, effect.place)
        slots = itertools.chain.from_iterable(self.oracle.alone.values())
        return any(
            slot.named
            and (slot.kind, slot.place) == place
            and shape(slot.tree) == shape(effect.tree)
            for slot in slots
        )

    def _explain(self, shared: Sequence[Canonical]) -> None:
        members = [m for m in self.attempted if m in self.oracle.meeting]
        own = {m for m in members if self._need[m] and self._counts[m] >= self._need[m]}
        copies = explanation(
            shared, members, self.oracle, self.history, held=self.held, with_own_effect=own
        )
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
        self.corrupted.append(
            Finding(f"{places}: no way of processing these messages leaves what stands there")
        )
        settled = self.history.settled_by_acknowledgement | self.history.ids("effected")
        self._shared = Counter(m for m in members if m in settled)
