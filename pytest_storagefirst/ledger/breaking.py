"""The property `circuit`: does the breaker keep calls off, and messages safe, while it is open?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_storagefirst.ledger.accounting import Account
from pytest_storagefirst.ledger.circuit import (
    ANSWERED,
    CALLED,
    CLOSED,
    DIED,
    HALF_OPEN,
    OPEN,
    READ,
    STATES,
    UNREAD,
    UNWRITTEN,
    WROTE,
    Circuit,
    Segment,
    Step,
    segments,
)
from pytest_storagefirst.ledger.effects import Observation
from pytest_storagefirst.ledger.history import seconds, times
from pytest_storagefirst.ledger.properties import Context, not_applicable, unless_in_doubt
from pytest_storagefirst.ledger.verdict import UNKNOWN, VIOLATED, Verdict

# An environment may keep a state that it has read for so long: breakers cache it for seconds.
CACHE_MS = 60_000
# No breaker tries again sooner after it opened, where nothing says how long it waits.
SHORTEST_REST_MS = 1_000
# After so many failed calls in a row it has to be open, where nothing says how many it takes.
MOST_FAILURES = 30
# They open it when so many of them come within a minute: many breakers forget what is older.
FEWEST_FAILURES = 5
WINDOW_MS = 60_000

# So many probes in a row close it, where nothing says how many it takes.
MOST_SUCCESSES = 6

NOT_WATCHED = "no breaker's state is kept in this run"
STAYED_CLOSED = "the circuit stayed closed in this run"

Found = tuple[str, tuple[str, ...]]  # what is wrong, and whose messages it concerns


def judge_circuit(account: Account, observation: Observation, context: Context) -> Verdict:
    """While a circuit is open nobody calls but one probe, and no message pays for it.

    It opens when calls fail, closes when they succeed, and does not stay open for good.
    """
    circuit = observation.circuit
    if circuit is None:
        return not_applicable(NOT_WATCHED)
    odd = sorted({s.state for s in circuit.steps if s.kind in (WROTE, READ)} - set(STATES))
    if odd:
        return Verdict(
            UNKNOWN,
            f"{circuit.place} holds the state {odd[0]!r}: name the states under [circuit] "
            "in storagefirst.toml",
        )
    found = [
        *_transitions(circuit),
        *_calls(circuit),
        *_opens(circuit),
        *_fates(circuit, account, observation, context),
        *_closes(circuit, account, observation, context),
    ]
    if found:
        notes = {message: what for what, messages in reversed(found) for message in messages}
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        return Verdict(VIOLATED, found[0][0] + more, tuple(sorted(notes)), notes)
    if not circuit.was_open:
        return not_applicable(STAYED_CLOSED)
    return unless_in_doubt(account)


def _transitions(circuit: Circuit) -> Iterator[Found]:
    """Closed never becomes half open; what opens has seen a failure, what closes a success."""
    failed = succeeded = written = 0  # since the last change
    calling = {step.place for step in circuit.steps if step.kind == CALLED}
    parts = list(segments(circuit.steps))
    for number, part in enumerate(parts):
        step, before = part.wrote, part.before
        if step is not None and part.state != before and step.place:  # else it was lost
            what = f"at {seconds(step.at_ms)} {step.place} turned the circuit"
            if (before, part.state) == (CLOSED, HALF_OPEN):
                yield f"{what} from {before} to {part.state}", step.messages
            if (before, part.state) == (CLOSED, OPEN) and step.place in calling and not failed:
                yield f"{what} {OPEN}, and no call had failed since it closed", step.messages
            if part.state == CLOSED and not succeeded and _still_down(parts[number:]):
                yield (
                    f"{what} {CLOSED} before any call had succeeded, and the next one failed",
                    step.messages,
                )
            # A count whose answer is lost is sent again, and counted twice.
            if part.state == CLOSED and 0 < max(succeeded, written) < (circuit.successes or 0):
                good = f"{succeeded} call" + "s" * (succeeded != 1)
                yield (
                    f"{what} {CLOSED} after {good} had succeeded, and it takes {circuit.successes}",
                    step.messages,
                )
            failed = succeeded = written = 0
        written += step is not None
        failed += sum(1 for s in part.steps if s.kind == ANSWERED and (s.is_slow or not s.is_good))
        succeeded += sum(1 for s in part.steps if s.kind == ANSWERED and s.is_good)


def _still_down(parts: list[Segment]) -> bool:
    answers = (step for part in parts for step in part.steps if step.kind == ANSWERED)
    return not next((step.is_good for step in answers), True)


def _calls(circuit: Circuit) -> Iterator[Found]:
    """While open nobody calls; who tries is one, and stops when it has failed."""
    has_half_open = any(s.kind == WROTE and s.state == HALF_OPEN for s in circuit.steps)
    rest_ms = circuit.recovery_ms or SHORTEST_REST_MS
    knows: dict[int, str] = {}  # by environment: the state that it read or wrote last
    failing: set[int] = set()  # environments whose last call failed, and that have not written it
    # When they got no answer, or a stale one: for as long as they keep it they can't know better.
    blind: dict[int, int] = {}
    closed_at_ms = 0  # the last moment that the circuit was closed
    prober: Step | None = (
        None  # who tries, for as long as its call is under way or its failure told
    )
    is_answered = True
    opened_at_ms = 0  # when it opened, or a failed trial opened it again
    for part in segments(circuit.steps):
        if part.wrote is not None:
            knows[part.wrote.environment] = part.state
            if part.state != part.before or part.wrote.environment in failing:
                opened_at_ms = part.at_ms
            failing.discard(part.wrote.environment)
            blind.pop(part.wrote.environment, None)
        for step in part.steps:
            if step.kind == ANSWERED and not step.is_good:
                failing.add(step.environment)
            elif step.kind in (ANSWERED, READ):
                failing.discard(step.environment)
        if part.state == CLOSED:
            prober = None
            for step in part.steps:
                if step.kind == READ:
                    knows[step.environment] = step.state
            closed_at_ms = part.steps[-1].at_ms if part.steps else part.at_ms
            continue
        if part.before == CLOSED:
            closed_at_ms = part.at_ms
        if is_answered:
            prober = None
        failed_ms: int | None = None  # when its probe failed
        for step in part.steps:
            if step.kind == READ:
                knows[step.environment] = step.state
                blind.pop(step.environment, None)
                if step.state != part.state:
                    blind[step.environment] = step.at_ms
            elif step.kind == UNREAD:
                blind[step.environment] = step.at_ms
            elif step.kind == DIED:
                knows.pop(step.environment, None)
                if prober is not None and prober.environment == step.environment:
                    prober, failed_ms = None, None
            elif step.kind == UNWRITTEN:
                failed_ms = None  # it could not say so: the leave to try still stands
            elif step.kind == ANSWERED:
                if prober is not None and step.environment == prober.environment:
                    is_answered = True
                    failed_ms = None if step.is_good else step.at_ms
                    prober = None if step.is_good else prober  # the next is one at a time, too
            elif (
                step.kind == CALLED
                and step.at_ms <= blind.get(step.environment, -CACHE_MS) + CACHE_MS
            ):
                continue
            elif step.kind == CALLED:
                known = part.state  # an execution of a state machine knows by its own course
                if step.environment:
                    known = knows.get(step.environment, CLOSED)
                if known == CLOSED:
                    late_ms = step.at_ms - closed_at_ms
                    if late_ms > CACHE_MS:
                        yield (
                            f"at {seconds(step.at_ms)} {step.place} called for "
                            f"{_named(step)} without a look at the circuit, which had been open "
                            f"for {seconds(late_ms)} s",
                            step.messages,
                        )
                    continue
                what = f"at {seconds(step.at_ms)} {step.place} called for {_named(step)}"
                if part.state == OPEN and has_half_open:
                    yield (
                        f"{what} while the circuit was open, without a probe's leave",
                        (step.messages),
                    )
                elif part.state == OPEN and step.at_ms - opened_at_ms < rest_ms:
                    since = seconds(step.at_ms - opened_at_ms)
                    yield f"{what} {since} s after the circuit had opened", step.messages
                elif prober is None:
                    prober, is_answered = step, False
                elif prober.environment != step.environment:
                    yield (
                        f"{what} while {_named(prober)} was the probe, since "
                        f"{seconds(prober.at_ms)}: two probes at once",
                        (*prober.messages, *step.messages),
                    )
                elif failed_ms is not None and (
                    step.environment or step.at_ms - failed_ms < rest_ms  # it waits by its course
                ):
                    yield f"{what} though its probe had just failed", step.messages


def _opens(circuit: Circuit) -> Iterator[Found]:
    """It opens within its threshold, and not before."""
    failures = written = unwritten = 0  # since it closed
    in_a_row: list[int] = []  # when calls failed
    state, told = CLOSED, False
    # Calls for nobody are health checks; where these are made, it is by them that it opens.
    checked = any(step.kind == ANSWERED and not step.messages for step in circuit.steps)
    for step in circuit.steps:
        if step.kind == WROTE:
            written += 1
            # A count whose answer is lost is sent again, and counted twice.
            early = circuit.threshold is not None and max(failures, written) < circuit.threshold
            if state == CLOSED and step.state == OPEN and early:
                yield (
                    f"it opened at {seconds(step.at_ms)} after {_failures(failures)}, and its "
                    f"threshold is {circuit.threshold}",
                    step.messages,
                )
            if step.state != CLOSED or state != CLOSED:
                failures = written = unwritten = 0
                in_a_row, told = [], False
            state = step.state
        elif step.kind in (UNREAD, UNWRITTEN, DIED) and state == CLOSED:
            unwritten += 1  # a failure that could not be counted
        elif step.kind == ANSWERED and state == CLOSED:
            failures += step.is_slow or not step.is_good
            if checked and step.messages:
                continue
            if step.is_good:
                written = unwritten = 0
                in_a_row, told = [], False
                continue
            in_a_row.append(step.at_ms)
            if not told and _has_to_open(circuit, in_a_row, unwritten):
                told = True
                yield (
                    f"{_failures(len(in_a_row))} in a row until {seconds(step.at_ms)}, and the "
                    f"circuit is still closed{circuit.unlike}",
                    step.messages,
                )


def _has_to_open(circuit: Circuit, failed_ms: Sequence[int], unwritten: int) -> bool:
    """Whether so many failures in a row open any breaker.

    Each environment may count for itself, and a call or two be under way; one that looks at its
    last minutes alone has to have seen enough of them there.
    """
    if len(failed_ms) < _most_failures(circuit) + unwritten:
        return False
    dense = FEWEST_FAILURES if circuit.threshold is None else circuit.threshold
    return any(
        failed_ms[last] - failed_ms[last - dense + 1] < WINDOW_MS
        for last in range(dense - 1, len(failed_ms))
    )


def _most_failures(circuit: Circuit) -> int:
    if circuit.threshold is None:
        return MOST_FAILURES
    environments = {step.environment for step in circuit.steps if step.kind == CALLED}
    return (circuit.threshold + 1) * max(1, len(environments))


def _fates(
    circuit: Circuit, account: Account, observation: Observation, context: Context
) -> Iterator[Found]:
    """No message is acknowledged unprocessed while open, or spends its receives on it."""
    history = observation.told
    called = {
        (step.invocation, message)
        for step in circuit.steps
        if step.kind == CALLED
        for message in step.messages
    }
    for message in sorted(account.attempted - context.bad):
        held_back = [
            event
            for _, event in history.of(message, "delivered")
            if event.invocation
            and (event.invocation, message) not in called
            and circuit.state_at(event.at_ms) != CLOSED
        ]
        if not held_back:
            continue
        last = held_back[-1]
        given_up = history.last(message, "dead-lettered", "skipped", "expired")
        if message in account.lost and history.deliveries(message) and given_up is None:
            final = history.last(message, "delivered")
            if final is not None and final[1] == last:
                yield (
                    f"{message} was acknowledged while the circuit was open: {last.where} got it "
                    f"at {seconds(last.at_ms)}, called nobody and did not keep it",
                    (message,),
                )
                continue
        if given_up is None:
            continue
        event = given_up[1]
        opened_ms = _opened_before(circuit, event.at_ms)
        if opened_ms is not None and event.at_ms - opened_ms <= circuit.patience_ms:
            end = "went to" if event.kind == "dead-lettered" else f"was {event.kind} in"
            yield (
                f"{message} {end} {event.where} at {seconds(event.at_ms)}: it was received "
                f"{times(len(held_back))} while the circuit was open, for nothing",
                (message,),
            )


def _opened_before(circuit: Circuit, at_ms: int) -> int | None:
    """When the circuit had last left CLOSED; it may have closed again since."""
    moments = [when for when, before, _ in circuit.transitions if before == CLOSED]
    return max((when for when in moments if when <= at_ms), default=None)


def _closes(
    circuit: Circuit, account: Account, observation: Observation, context: Context
) -> Iterator[Found]:
    """When the downstream is back and messages come, it closes."""
    history = observation.told
    healed = history.healed_at
    if circuit.final_state == CLOSED or healed is None:
        return
    answers = [step.is_good for step in circuit.steps if step.kind == ANSWERED]
    good = next((at for at, one in enumerate(reversed(answers)) if not one), len(answers))
    tries = circuit.final_state == HALF_OPEN and 0 < good < (circuit.successes or MOST_SUCCESSES)
    healed_ms = history.events[healed].at_ms
    since = max((when for when, _, _ in circuit.transitions), default=0)
    waiting = sorted(
        {h.message for h in observation.held if h.state in ("visible", "in flight", "delayed")}
        - context.bad
        - {""}
    )
    what = f"the circuit is {circuit.final_state} since {seconds(since)}"
    if waiting:
        yield (
            f"{what}, the faults ended at {seconds(healed_ms)}, and {', '.join(waiting)} "
            f"{'waits' if len(waiting) == 1 else 'wait'} for good",
            tuple(waiting),
        )
        return
    came = sorted(
        {
            event.messages[0]
            for event in history.events[healed:]
            if event.kind == "acknowledged" and event.messages
        }
        - context.bad
    )
    if came and not tries:
        yield (
            f"{what}, though the faults ended at {seconds(healed_ms)} and {', '.join(came)} came "
            "after that",
            tuple(came),
        )


def _named(step: Step) -> str:
    return ", ".join(step.messages)


def _failures(number: int) -> str:
    return "1 failed call" if number == 1 else f"{number} failed calls"
