"""Whether a bad message is set aside, alone, and without stopping the rest."""

from __future__ import annotations

from pytest_storagefirst.ledger.accounting import Account
from pytest_storagefirst.ledger.effects import Observation
from pytest_storagefirst.ledger.events import Event
from pytest_storagefirst.ledger.history import History, seconds, times
from pytest_storagefirst.ledger.properties import Context, not_applicable, unless_in_doubt
from pytest_storagefirst.ledger.verdict import OK, UNKNOWN, VIOLATED, Verdict

# Held where nothing of the stack takes it, and where its operator finds it.
SET_ASIDE = ("dead-lettered", "set aside", "failed execution")

# What a call comes to for a message that can't be processed. A crash takes the batch along on any
# configuration.
REFUSALS = ("refused", "http-500")


def judge_poison(account: Account, observation: Observation, context: Context) -> Verdict:
    """A bad message is set aside within its retry budget, drags no good one along, stops none.

    In a run with faults only the bad message's own fate is judged, as what befalls a good one there
    may be the fault's doing: but for a fault that refuses calls of bad messages alone.
    """
    bad = sorted(context.bad & account.attempted)
    if not bad:
        return not_applicable("this run holds no bad message")
    history = observation.told
    if history.denials:  # what no policy allows is refused of good and bad alike
        return unless_in_doubt(account)
    notes = {}
    for message in bad:
        wrong = _wrong_with_bad(message, account, observation, context, history)
        if wrong:
            notes[message] = f"the bad message {message} {wrong}"
    if not observation.faults_fired or _only_refuses(context.bad, history):
        for message in sorted(account.acknowledged - context.bad - context.amiss):
            wrong = _wrong_with_good(message, account, bad, context, history)
            if wrong:
                notes[message] = wrong
    if notes:
        lines = list(notes.values())
        why = lines[0] if len(lines) == 1 else f"{lines[0]} (and {len(lines) - 1} more)"
        return Verdict(VIOLATED, why, tuple(notes), notes)
    if account.rejected.issuperset(bad):
        return Verdict(OK, f"{', '.join(bad)} was rejected at the front door")
    kept = {held.message for held in observation.held if held.state in SET_ASIDE}
    undecided = [m for m in bad if m not in kept and not _is_settled(m, account, history)]
    if undecided:
        return Verdict(UNKNOWN, f"it can't be told what became of {', '.join(undecided)}")
    return unless_in_doubt(account)


def _only_refuses(bad: frozenset[str], history: History) -> bool:
    """Whether all that faults did was to refuse calls that no good message is part of."""
    struck = [event for event in history.events if event.kind == "faulted"]
    return bool(struck) and all(
        event.messages
        and bad.issuperset(event.messages)
        and event.detail.rpartition(": ")[2].startswith(REFUSALS)
        for event in struck
    )


def _wrong_with_bad(
    message: str, account: Account, observation: Observation, context: Context, history: History
) -> str:
    if message in account.rejected or message not in account.acknowledged:
        return ""
    held = [h for h in observation.held if h.message == message]
    deliveries = history.count("delivered", message)
    going_round = [h for h in held if h.state not in SET_ASIDE]
    if going_round and deliveries:
        return (
            f"is still {going_round[0].state} in {going_round[0].where} having been "
            f"delivered {times(deliveries)}: nothing sets it aside"
        )
    is_kept = bool(held) or _has_effect(message, account)
    ended = history.last(message, "expired", "deleted", "filtered")
    if history.count("dead-lettered", message):
        if not is_kept and ended is not None and ended[1].kind == "deleted":
            return f"was set aside and then dropped in silence; {history.fate(message)}"
        last = history.last(message, "dead-lettered", "failed")
        if not is_kept and ended is not None and last is not None and last[1].kind == "failed":
            return _until_it_expired(ended[1])  # what reads the dead letters goes on with it
        return _over_budget(message, observation, context, history)
    if is_kept:
        return ""
    if ended is not None and ended[1].kind == "expired":
        return _until_it_expired(ended[1])
    return f"was dropped in silence: neither effect nor record is left; {history.fate(message)}"


def _until_it_expired(expired: Event) -> str:
    return (
        f"was never set aside: it was retried until it expired from {expired.where} at "
        f"{seconds(expired.at_ms)}, and is gone"
    )


def _over_budget(message: str, observation: Observation, context: Context, history: History) -> str:
    """Set aside, but after more receives than its queue's redrive policy allows."""
    budget = context.max_receive_count
    receives = 0
    consumer = ""
    for _, event in history.of(message, "delivered", "throttled", "dead-lettered"):
        if event.kind == "dead-lettered":
            break
        # What the consumer goes on to invoke gets the message too; that is no receive.
        consumer = consumer or event.where
        receives += event.where == consumer
    copies = max(1, history.count("stored", message))
    # A fault may deliver a message that was not received again.
    if budget is None or observation.faults_fired or receives <= budget * copies:
        return ""
    where = f" of {context.bad_queue}" if context.bad_queue else ""
    return f"was set aside only after {receives} receives; the budget{where} is {budget}"


def _has_effect(message: str, account: Account) -> bool:
    silent = message in account.by_acknowledgement and message not in account.partial
    return message in account.processed | account.partial and not silent


def _is_settled(message: str, account: Account, history: History) -> bool:
    return (
        message in account.rejected
        or history.count("dead-lettered", message) > 0
        or _has_effect(message, account)
        or (message in account.stranded and history.count("delivered", message) > 0)
    )


def _wrong_with_good(
    message: str, account: Account, bad: list[str], context: Context, history: History
) -> str:
    if history.count("expired", message) and message not in account.processed:
        return f"{message} is good and expired while {bad[0]} was retried"
    if _is_behind_bad(message, context.bad, context.groups):
        return ""
    skipped = [event for _, event in history.of(message, "skipped")]
    if skipped and message not in account.processed:
        return (
            f"{message} is good and was skipped in {skipped[0].where} at "
            f"{seconds(skipped[0].at_ms)}, dragged along by {bad[0]}"
        )
    dead = [event for _, event in history.of(message, "dead-lettered")]
    if dead:
        return (
            f"{message} is good and was dead-lettered to {dead[0].where} at "
            f"{seconds(dead[0].at_ms)}, dragged along by {bad[0]}"
        )
    if message in account.stranded and history.count("failed", message):
        return f"{message} is good and does not get through while {bad[0]} is retried"
    if _is_behind_bad(message, context.bad, context.lanes):
        return ""  # a batch that fails blocks its shard (Lambda developer guide, with-kinesis)
    aside = [e.at_ms for m in bad for _, e in history.of(m, "dead-lettered", "expired", "skipped")]
    if not aside:
        return ""
    until = min(aside)
    failed = any(event.at_ms < until for _, event in history.of(message, "failed"))
    effect_at = history.first_effect_at_ms(message)
    if failed and effect_at is not None and effect_at > until:
        return (
            f"{message} is good and was stopped: it took effect at {seconds(effect_at)}, after "
            f"{bad[0]} had been set aside at {seconds(until)}"
        )
    return ""


def _is_behind_bad(message: str, bad: frozenset[str], lines: tuple[tuple[str, ...], ...]) -> bool:
    """In a FIFO group the later ones wait, and are received with the bad one, by AWS's own rules.

    (AWS: Lambda developer guide, services-sqs-errorhandling: stop at the first failure and return
    it and all after it; SQS developer guide, FIFO-queues-understanding-logic.)
    """
    for line in lines:
        if message in line:
            earlier = line[: line.index(message)]
            if bad.intersection(earlier):
                return True
    return False
