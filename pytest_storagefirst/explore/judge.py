"""Runs judged: what a workload's messages should leave, and each property's verdict on a run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from pytest_storagefirst.explore.absent import why_nowhere
from pytest_storagefirst.explore.crowds import FEW_MESSAGES, crowd
from pytest_storagefirst.explore.either import account_of_either
from pytest_storagefirst.explore.unserved import why_unserved
from pytest_storagefirst.faults.plan import Fault
from pytest_storagefirst.ledger.accounting import Account
from pytest_storagefirst.ledger.attribution import take_account
from pytest_storagefirst.ledger.crowd import Crowd
from pytest_storagefirst.ledger.effects import Observation
from pytest_storagefirst.ledger.oracle import Oracle, Sequential
from pytest_storagefirst.ledger.properties import Context, Facts, crashed, judge_all, registered
from pytest_storagefirst.ledger.verdict import OK, UNKNOWN, Verdict
from pytest_storagefirst.simulation.changes import flipped_by
from pytest_storagefirst.simulation.deployed import Deployed
from pytest_storagefirst.simulation.downstreams import with_healthy_downstreams
from pytest_storagefirst.simulation.playing import Played, play
from pytest_storagefirst.simulation.routing.deliveries import DELIVERS_AGAIN
from pytest_storagefirst.simulation.schedule import Schedule, Send
from pytest_storagefirst.simulation.scheduler import EPOCH_MS

# Another clock: another day, hour, minute and second, and another year.
OTHER_EPOCH_MS = EPOCH_MS + 397 * 86_400_000 + 12_345_678


MOST_CONFIRMED = 8  # messages that a large run accuses and that are then seen alone


class OutOfTime(Exception):
    """The budget ended amid a judgement: its run says nothing, and is not counted."""


@dataclass(frozen=True)
class Judged:
    """One run and what is said of it."""

    schedule: Schedule
    played: Played
    account: Account | None
    verdicts: dict[str, Verdict]


# A good message that comes to this by itself was not brought there by a bad one.
_AMISS = frozenset({"failed", "dead-lettered", "skipped"})


class Judge:
    """Judges runs of one deployed stack; keeps what fault-free runs taught."""

    def __init__(self, deployed: Deployed, names: Iterable[str] = ()) -> None:
        self.deployed = deployed
        self.names = tuple(names) or tuple(registered())
        self.runs = 0
        # Asked before each run that a judgement needs beside the one that it judges.
        self.is_over: Callable[[], bool] = lambda: False
        self.left_out: dict[str, str] = {}  # entries that can't be simulated, and why
        self.parted_by: dict[str, str] = {}  # the field in which a guess has {unique} for its key
        self._healthy = deployed, with_healthy_downstreams(deployed)
        self._others: dict[frozenset[str], Judge] = {}
        self._alone: dict[str, tuple[Observation, ...]] = {}
        self._oracles: dict[str, Oracle] = {}
        self._measured: tuple[tuple[Send, ...], Oracle | Crowd] | None = None
        self._in_vain: dict[str, str] = {}  # by entry

    def learn_anew(self, deployed: Deployed) -> None:
        """More is known of the stack, and what fault-free runs taught may be otherwise."""
        self.deployed = deployed
        self._alone.clear()
        self._oracles.clear()
        self._in_vain.clear()
        self._measured = None

    def facts(self) -> Facts:
        topology = self.deployed.topology
        mapped = [queue for queue in topology.queues if self.deployed.mappings_of(queue)]
        functions = {function.arn for function in topology.functions}
        read = [stream for stream in self.deployed.streams if self.deployed.readers_of(stream)]
        return Facts(
            consumed=bool(topology.state_machines)
            or any(edge.target in functions for edge in topology.edges),
            ordered=bool(read) or any(queue.fifo for queue in mapped),
            redrivable=any(queue.dead_letter_arn for queue in mapped),
            breaks=self.deployed.breaker is not None,
            capped=bool(self.deployed.caps),
        )

    def play(
        self, schedule: Schedule, epoch_ms: int = EPOCH_MS, *, to_expiry: bool = False
    ) -> Played:
        """Play a schedule to learn from it: no third party is told to be unwell, or has a cap."""
        self.runs += 1
        if self._healthy[0] is not self.deployed:
            self._healthy = self.deployed, with_healthy_downstreams(self.deployed)
        return play(self._healthy[1], schedule, epoch_ms, to_expiry=to_expiry)

    def judge(self, schedule: Schedule, bad: frozenset[str] = frozenset()) -> Judged:
        """Play a schedule and judge it by all properties. `bad` are its bad messages.

        What these drag along is seen while third parties are well. Raises OutOfTime where `is_over`
        says so before it is judged.
        """
        if bad:
            return self.judge_played(schedule, self.play(schedule, to_expiry=True), bad)
        self.runs += 1
        played = play(self.deployed, schedule, to_expiry=self.outlasts_retention(schedule))
        return self.judge_played(schedule, played)

    def outlasts_retention(self, schedule: Schedule) -> bool:
        """Whether a fault lasts longer than some queue keeps its messages."""
        longest_ms = max((fault.for_ms for fault in schedule.plan), default=0)
        return any(
            longest_ms > queue.retention_seconds * 1000 for queue in self.deployed.topology.queues
        ) or any(
            longest_ms > stream.retention_hours * 3_600_000 for stream in self.deployed.streams
        )

    def judge_played(
        self, schedule: Schedule, played: Played, bad: frozenset[str] = frozenset()
    ) -> Judged:
        try:
            oracle = self.measure(schedule.workload)
            observation = _without_expected_messages(played.observation, oracle)
            account = take_account(
                observation, oracle, allowed=self._allowed(schedule, observation)
            )
            self._confirm(account, oracle, schedule)
            flipped = flipped_by(self.deployed.flags, schedule.plan)
            if flipped:
                account = self._account_of_either(schedule, played.observation, flipped)
        except (LookupError, AssertionError, ValueError, TypeError) as error:
            verdict = crashed("the account", error)
            return Judged(schedule, played, None, dict.fromkeys(self.names, verdict))
        context = self._context(schedule, played, bad)
        verdicts = judge_all(account, observation, context, self.names)
        if not bad and (why := self._why_in_vain(schedule)):
            shown = Verdict(UNKNOWN, why)
            verdicts = {n: shown if v.value == OK else v for n, v in verdicts.items()}
        return Judged(schedule, played, account, verdicts)

    def _why_in_vain(self, schedule: Schedule) -> str:
        """Why a run shows nothing: some message goes to what the stack does not have, alone, or to
        a function that fails with it anyway, or leaves something only together with others.
        """
        by_entry = {send.entry: send for send in reversed(schedule.workload)}
        found = ""
        for name, send in by_entry.items():
            if self.deployed.absent:
                found = found or why_nowhere(self.deployed, self.alone(send)[0].effects)
            if send.body == self.deployed.entry(name).body:  # a user's strategy may draw others
                if name not in self._in_vain:
                    self._in_vain[name] = self._why_unserved(send)
                found = found or self._in_vain[name]
        return found

    def _why_unserved(self, send: Send) -> str:
        several = tuple(replace(send, message=f"m{number}") for number in (1, 2, 3))
        return why_unserved(self.alone(send)[0], lambda: self.play(Schedule(several)).observation)

    def _allowed(self, schedule: Schedule, observation: Observation) -> dict[str, int]:
        """How often an effect may stand: twice where the sender itself asked twice.

        Two requests accepted by a standard queue are two messages; that the sender meant one is
        known to nobody else. A FIFO queue promises to drop the second (docs/decisions.md). So it is
        where a service delivers twice to what nothing in the stack reads: its reader has to know.
        """
        again = Counter(
            message
            for event in observation.history
            if event.kind == "noted" and event.detail.startswith(DELIVERS_AGAIN)
            for message in event.messages
            if not self._reads(event.detail.removeprefix(DELIVERS_AGAIN))
        )
        resent = {
            message
            for event in observation.history
            if event.kind == "faulted" and "sender-resends" in event.detail
            for message in event.messages
        }
        if not resent and not again:
            return {}
        dropped = {
            message
            for event in observation.history
            if event.kind in ("stored", "deduplicated")
            and any(
                queue.fifo and queue.logical_id == event.where
                for queue in self.deployed.topology.queues
            )
            for message in event.messages
        }
        twice = resent - dropped
        return {m: 1 + (m in twice) + again[m] for m in twice | set(again)}

    def _reads(self, name: str) -> bool:
        """Whether what a service delivers to is read in the stack: a function, or one's queue."""
        topology = self.deployed.topology
        return any(function.logical_id == name for function in topology.functions) or any(
            queue.logical_id == name and self.deployed.mappings_of(queue)
            for queue in topology.queues
        )

    def _context(self, schedule: Schedule, played: Played, bad: frozenset[str]) -> Context:
        groups = tuple(ids for ids in played.groups.values() if len(ids) > 1)
        first_queue = next(
            (event.where for event in played.observation.history if event.kind == "stored"), ""
        )
        queue = next(
            (q for q in self.deployed.topology.queues if q.logical_id == first_queue), None
        )
        return Context(
            bad=bad,
            bad_queue=first_queue,
            max_receive_count=queue.max_receive_count if queue is not None else None,
            groups=groups,
            keys=tuple(ids for ids in played.keys.values() if len(ids) > 1),
            lanes=tuple(played.lanes.values()),
            amiss=frozenset(filter(None, map(self._amiss, schedule.workload if bad else ()))) - bad,
        )

    def _amiss(self, send: Send) -> str:
        """The message's id, if its handlers fail when it comes alone and without faults."""
        history = self.alone(send)[0].history
        return send.message if any(event.kind in _AMISS for event in history) else ""

    def _confirm(self, account: Account, oracle: Oracle | Crowd, schedule: Schedule) -> None:
        """Some of those that a large run accuses are seen alone, before it may accuse them.

        Raises LookupError where they leave something else than messages like them.
        """
        if isinstance(oracle, Oracle):
            return
        accused = account.lost | account.partial | account.duplicated | account.phantom
        some = sorted(accused)[:MOST_CONFIRMED]
        if some and not oracle.confirmed_by(
            self.oracle([send for send in schedule.workload if send.message in some])
        ):
            raise LookupError(
                f"{', '.join(some)} leave something else than messages that are sent alike"
            )

    def measure(self, workload: tuple[Send, ...]) -> Oracle | Crowd:
        """What the messages of a workload should leave; of more than a few, some are seen alone."""
        if self._measured is None or self._measured[0] is not workload:
            sends = {send.message: send for send in workload}
            if len(sends) <= FEW_MESSAGES:
                self._measured = workload, self.oracle(workload)
            else:
                self._measured = workload, crowd(sends, self.oracle, self._sequential(sends))
        return self._measured[1]

    def oracle(self, workload: Sequence[Send]) -> Oracle:
        """What the messages of a workload should leave, each of them seen alone."""
        sends = {send.message: send for send in workload}
        key = _key(sends.values())
        if key not in self._oracles:
            alone = {message: self.alone(send) for message, send in sends.items()}
            self._oracles[key] = Oracle(alone, self._sequential(sends))
        return self._oracles[key]

    def under(self, flipped: Set[str]) -> Judge:
        """The judge of the same stack, these of its flags having their other value at first."""
        deployed = replace(self.deployed, flipped=self.deployed.flipped ^ frozenset(flipped))
        other = self._others.get(deployed.flipped)
        if other is None or other.deployed != deployed:
            other = self._others[deployed.flipped] = Judge(deployed, self.names)
        other.is_over = self.is_over
        return other

    def _account_of_either(
        self, schedule: Schedule, observation: Observation, flipped: Iterable[frozenset[str]]
    ) -> Account:
        judges = [self, *map(self.under, flipped)]
        return account_of_either(
            lambda oracle: _without_expected_messages(observation, oracle),
            [judge.oracle(schedule.workload) for judge in judges],
            [{one.message: judge.alone(one) for one in schedule.workload} for judge in judges],
            self._allowed(schedule, observation),
        )

    def _sequential(self, sends: Mapping[str, Send]) -> Sequential:
        def sequential(ids: tuple[str, ...], variant: int = 0) -> Observation | None:
            if variant > 1:
                return None
            if self.is_over():
                raise OutOfTime
            schedule = Schedule(
                tuple(sends[message] for message in ids), seed=variant, one_by_one=True
            )
            epoch_ms = OTHER_EPOCH_MS if variant else EPOCH_MS
            return self.play(schedule, epoch_ms).observation

        return sequential

    def alone(self, send: Send) -> tuple[Observation, ...]:
        """Fault-free runs of one message: plain, under another clock and seed, and redelivered."""
        key = _key([send])
        if key not in self._alone:
            schedule = Schedule((send,))
            first = self.play(schedule)
            other = self.play(replace(schedule, seed=1), OTHER_EPOCH_MS)
            runs = [first.observation, other.observation]
            pipes = {pipe.logical_id for pipe in self.deployed.topology.pipes}
            for (place, point), _ in sorted(first.counts.items()):
                if point == "invocation" or (point == "delivery" and place in pipes):
                    kind = "throttled" if point == "invocation" else "target-refused"
                    once = Fault(place, point, 1, kind)
                    again = self.play(replace(schedule, plan=(once,), seed=2))
                    runs.append(again.observation)
                    break
            self._alone[key] = tuple(runs)
        return self._alone[key]


def shows_nothing(judged: Judged, verdict: Verdict) -> bool:
    """Whether an unknown means no more than that the faults found nothing to say.

    They never struck, or kept every message out. A run without faults, one that does not come to
    rest, and a checker that crashed are unknown in earnest.
    """
    account, observation = judged.account, judged.played.observation
    if account is None or not judged.schedule.plan or not observation.quiet:
        return False
    unfired = set(observation.faults_required) - set(observation.faults_fired)
    return verdict.why == "; ".join(account.doubts) and bool(unfired or not account.acknowledged)


def _key(sends: Iterable[Send]) -> str:
    return json.dumps([[send.message, send.entry, send.body, send.key] for send in sends])


def _without_expected_messages(observation: Observation, oracle: Oracle | Crowd) -> Observation:
    """A message in a queue that nobody reads is its effect where it always ends there.

    Anywhere else such a message is recoverably held, as one that a handler set aside by hand.
    """
    if not any(held.state == "set aside" for held in observation.held):
        return observation
    kept = tuple(
        held
        for held in observation.held
        if held.state != "set aside" or not oracle.expects_message(held.message, held.where)
    )
    return replace(observation, held=kept)
