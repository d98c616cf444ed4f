"""The properties of messages that are lost, doubled, out of order, or never at rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_storagefirst.ledger.accounting import Account
from pytest_storagefirst.ledger.breaking import NOT_WATCHED, judge_circuit
from pytest_storagefirst.ledger.effects import Observation
from pytest_storagefirst.ledger.history import History, seconds, times
from pytest_storagefirst.ledger.levelling import NOT_MEASURED, judge_load
from pytest_storagefirst.ledger.poison import SET_ASIDE, judge_poison
from pytest_storagefirst.ledger.properties import (
    Context,
    Facts,
    Property,
    not_applicable,
    register,
    unless_in_doubt,
)
from pytest_storagefirst.ledger.verdict import OK, UNKNOWN, VIOLATED, Verdict

_OK = Verdict(OK)
_MOST_LISTED = 20


def explain_loss(message: str, observation: Observation, *, partial: bool = False) -> str:
    """Why a lost message is lost, as one line for a user, from the history."""
    left = "left only a part of its effect" if partial else "left no effect"
    fate = observation.told.fate(message)
    return f"{message} was acknowledged and {left}; nothing holds it: {fate}"


def judge_loss(account: Account, observation: Observation, context: Context) -> Verdict:
    """An acknowledged message is never lost, none appears from nowhere, none is changed.

    Bad messages are left out: what becomes of them is for poison-isolated.
    """
    notes = {
        message: explain_loss(message, observation, partial=message in account.partial)
        for message in sorted(account.lost - context.bad)
    }
    lost = tuple(notes)
    for message in sorted(account.phantom - context.bad):
        notes[message] = f"{message} was rejected at the front door, and yet its effect stands"
    lines = list(notes.values())
    lines += [finding.what for finding in (*account.corrupted, *account.unexpected)]
    if lines:
        named = {m for f in (*account.corrupted, *account.unexpected) for m in f.messages}
        messages = (*lost, *sorted((account.phantom - context.bad | named) - set(lost)))
        return Verdict(VIOLATED, _with_more(lines), messages, notes)
    silent = account.by_acknowledgement & account.acknowledged - context.bad
    told = {message: f"{message} leaves no effect that can be seen" for message in sorted(silent)}
    whys = [account.remark] if account.remark else []
    if told:
        whys.append(f"{_listed(tuple(told))}: no effect to be seen, judged by acknowledgement")
    return unless_in_doubt(account, "; ".join(whys), told)


def judge_duplicates(account: Account, observation: Observation, context: Context) -> Verdict:
    """No message's effect stands more often than after a fault-free run.

    Bad messages are left out: they have no whole effect that could stand once.
    """
    doubled = sorted(account.duplicated - context.bad)
    if not doubled:
        return unless_in_doubt(account)
    history = observation.told
    notes = {
        message: f"the effect of {message} stands {times(account.copies.get(message, 2))}"
        + _there(account.doubled_in.get(message, ()))
        + f": {_why_doubled(message, history)}"
        for message in doubled
    }
    return Verdict(VIOLATED, _with_more(list(notes.values())), tuple(notes), notes)


def judge_redrive(account: Account, observation: Observation, context: Context) -> Verdict:
    """A redrive after the fault is healed leaves nothing unprocessed.

    One that comes twice, or while a fault goes on, loses and doubles nothing.
    """
    history = observation.told
    redriven = history.ids("redriven") - context.bad
    if not redriven:
        return not_applicable("nothing was redriven in this run")
    healed_at = history.healed_at
    notes = {}
    for message in sorted(redriven):
        at, event = history.last(message, "redriven") or (0, None)
        assert event is not None
        where = f"{message} was redriven from {event.where} at {seconds(event.at_ms)}"
        after_healing = at > healed_at if healed_at is not None else not observation.faults_fired
        if message in account.lost:
            notes[message] = f"{where} and is lost: {history.fate(message)}"
        elif message in account.duplicated and _effected_again(message, history):
            notes[message] = f"{where} though its effect stood already, and was processed again"
        elif message in account.acknowledged - account.processed and after_healing:
            held = [h for h in observation.held if h.message == message]
            there = f" ({held[0].state} in {held[0].where})" if held else ""
            notes[message] = f"{where}, all faults healed, and is still unprocessed{there}"
    if notes:
        return Verdict(VIOLATED, _with_more(list(notes.values())), tuple(notes), notes)
    return unless_in_doubt(account)


def judge_order(account: Account, observation: Observation, context: Context) -> Verdict:
    """Within a FIFO group, messages take effect in the order in which they were accepted.

    So they do under one key of a stream.

    One that was dead-lettered at any time is exempt: a dead-letter queue breaks the order
    (AWS: SQS developer guide, sqs-dead-letter-queues).
    """
    lines = [*(("group", one) for one in context.groups), *(("key", one) for one in context.keys)]
    if not lines:
        return not_applicable("nothing in this run has an order to keep")
    history = observation.told
    exempt = history.ids("dead-lettered") | context.bad
    compared = 0
    notes = {}
    for line, group in lines:
        latest, before = -1, ""
        for message in group:
            at = _took_effect_at(message, history, account.steps.get(message, 1))
            if message in exempt or at is None:
                continue
            compared += bool(before)
            if at < latest:
                event = history.events[at]
                notes[message] = (
                    f"{message} was accepted after {before} of the same {line} and took effect "
                    f"before it, at {seconds(event.at_ms)}"
                )
            else:
                latest, before = at, message
    if notes:
        return Verdict(VIOLATED, _with_more(list(notes.values())), tuple(notes), notes)
    if not compared:
        return not_applicable("no two messages of one group or key took effect in this run")
    return unless_in_doubt(account)


def judge_rest(account: Account, observation: Observation, context: Context) -> Verdict:
    """After faults end, work comes to rest: nothing goes round, waits or hangs for good."""
    # What lies where nothing of the stack takes it is at rest, by redrive policy or by hand.
    waiting = [h for h in observation.held if h.state not in SET_ASIDE]
    good = [held for held in waiting if held.message not in context.bad]
    history = observation.told
    if observation.faults_fired and history.healed_at is None:
        return Verdict(UNKNOWN, _ended_under_faults(observation))
    if waiting and not good:
        return not_applicable("what does not come to rest is a bad message: see poison-isolated")
    notes = {h.message: f"{h.message} is still {h.state} in {h.where}" for h in good if h.message}
    if not observation.quiet:
        why = observation.why_not_quiet or "the run hit its bound on virtual time"
        return Verdict(VIOLATED, f"work does not come to rest: {why}", tuple(notes), notes)
    if good:
        first = good[0]
        what = first.message or "a message"
        why = f"{what} is {first.state} in {first.where} for good: nothing takes it from there"
        return Verdict(VIOLATED, why, tuple(notes), notes)
    if account.doubts:
        return Verdict(UNKNOWN, "; ".join(account.doubts))
    return _OK


def _ended_under_faults(observation: Observation) -> str:
    """Nobody knows what comes to rest after a fault whose end a run has not lived to see."""
    why = observation.why_not_quiet or "it was ended before"
    faults = ", ".join(f"“{fault}”" for fault in observation.faults_fired)
    return (
        f"the run was ended while {faults} lasted ({why}), so what comes to rest after that was "
        "not seen: let fewer tries come while it lasts, by a wait between them (a longer "
        "visibility timeout, a back-off) or an end to them (maxReceiveCount, MaximumRetryAttempts)"
    )


def _took_effect_at(message: str, history: History, steps: int) -> int | None:
    """Position of the call that completed a message's effect, as many calls as it took alone.

    A call that is sent again after a lost answer is one.
    """
    calls: dict[tuple[str, str, int], int] = {}
    for at, event in history.of(message, "effected"):
        calls.setdefault((event.where, event.detail, event.invocation), at)
    positions = list(calls.values())
    if not positions:
        return None
    return positions[min(max(steps, 1), len(positions)) - 1]


def _effected_again(message: str, history: History) -> bool:
    """Whether a message took effect before a redrive and once more after it."""
    effected = [at for at, _ in history.of(message, "effected")]
    redrives = [at for at, _ in history.of(message, "redriven")]
    return any(min(effected, default=at) < at < max(effected, default=at) for at in redrives)


def _there(places: Sequence[str]) -> str:
    return f" {', '.join(places)}" if places else ""


def _why_doubled(message: str, history: History) -> str:
    deliveries = history.deliveries(message)
    if _effected_again(message, history):
        return "it took effect before a redrive and once more after it, under a new message id"
    if deliveries > 1:
        functions = sorted({event.where for _, event in history.of(message, "delivered")})
        return f"it was delivered {times(deliveries)} to {', '.join(functions)}"
    if history.count("stored", message) > 1:
        return f"it was stored {times(history.count('stored', message))}"
    return "one delivery did it more than once"


def _listed(messages: tuple[str, ...]) -> str:
    more = len(messages) - _MOST_LISTED
    shown = ", ".join(messages[:_MOST_LISTED])
    return f"{shown} and {more} more" if more > 0 else shown


def _with_more(lines: list[str]) -> str:
    return lines[0] if len(lines) == 1 else f"{lines[0]} (and {len(lines) - 1} more)"


def _always(_facts: Facts) -> str:
    return ""


def _when_consumed(facts: Facts) -> str:
    return "" if facts.consumed else "no function takes messages from storage"


def _when_redrivable(facts: Facts) -> str:
    return "" if facts.redrivable else "no queue has a dead-letter queue to redrive from"


def _when_ordered(facts: Facts) -> str:
    return "" if facts.ordered else "nothing in the stack promises an order"


def _when_breaking(facts: Facts) -> str:
    if facts.breaks:
        return ""
    return "no breaker was found; where there is one, name its state under [circuit]"


def _when_capped(facts: Facts) -> str:
    if facts.capped:
        return ""
    return (
        "nothing is capped: no mapping has MaximumConcurrency, no function that takes messages "
        "ReservedConcurrentExecutions, and no [[downstream]] per_second or at_once"
    )


def _clean_loss(account: Account) -> Verdict:
    return Verdict(OK, account.remark) if account.remark else _OK


def _clean_redrive(account: Account) -> Verdict:
    return _OK if account.redriven else not_applicable("nothing was redriven in this run")


def _clean_poison(_account: Account) -> Verdict:
    return not_applicable("this run holds no bad message")


def _clean_order(_account: Account) -> Verdict:
    return not_applicable("nothing in this run has an order to keep")


def _clean_load(_account: Account) -> Verdict:
    return not_applicable(NOT_MEASURED)


def _clean_circuit(_account: Account) -> Verdict:
    return not_applicable(NOT_WATCHED)


def _register_all(entries: Iterable[Property]) -> None:
    for entry in entries:
        register(entry)


_register_all(
    Property(name, applies, judge, judge.__doc__ or "", if_clean)
    for name, applies, judge, if_clean in (
        ("no-message-loss", _always, judge_loss, _clean_loss),
        ("no-duplicate-effects", _when_consumed, judge_duplicates, lambda _: _OK),
        ("poison-isolated", _when_consumed, judge_poison, _clean_poison),
        ("redrive-completes", _when_redrivable, judge_redrive, _clean_redrive),
        ("order-preserved", _when_ordered, judge_order, _clean_order),
        ("drains", _when_consumed, judge_rest, lambda _: _OK),
        ("circuit", _when_breaking, judge_circuit, _clean_circuit),
        ("load-levelled", _when_capped, judge_load, _clean_load),
    )
)
