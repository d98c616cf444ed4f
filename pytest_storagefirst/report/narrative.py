"""A run told as a story: what happened when, where the fault struck, and what the ledger says.

It reads only the ledger's words, so that the explorer, a load run and a drill can tell theirs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from pytest_storagefirst.ledger.accounting import Account
from pytest_storagefirst.ledger.events import OF_RECORD, Event
from pytest_storagefirst.ledger.verdict import Verdict
from pytest_storagefirst.report.folding import Step as Step
from pytest_storagefirst.report.folding import Told, folded

LONGEST_STORY_LINES = 120
LONGEST_DETAIL = 200  # characters of what a step repeats beside its text
MOST_MESSAGES_OF_A_STEP = 50
NEIGHBOURS = 3  # lines before and after one that has to be shown
ONE_SUBSCRIPTION = "the subscription of "  # so begins what says whose filter left a message out
_BEGINNINGS = ("attempted", "delivered")
_PHRASES = {
    "attempted": "{messages} sent to {where}",
    "acknowledged": "{messages} acknowledged{detail}",
    "rejected": "{messages} rejected{detail}",
    "indeterminate": "{messages} left in doubt{detail}",
    "stored": "{messages} stored in {where}",
    "deduplicated": "{messages} dropped as a duplicate by {where}",
    "filtered": "{messages} matched no filter and was deleted from {where}",
    "called": "{where} calls {bare} for {messages}",
    "effected": "{where}: {bare} took effect for {messages}",
    "errored": "{where}: {bare}, for {messages}",
    "denied": "{prefix}{bare}, for {messages}",
    "succeeded": "{where} succeeded with {messages}",
    "failed": "{where} failed with {messages}{colon}",
    "returned": "{where} returned{bare}",  # made of the two before, see _returns
    "throttled": "{where} was throttled and not invoked for {messages}",
    "released": "{messages} visible again in {where}",
    "deleted": "{messages} deleted from {where}",
    "passed": "{where}: past {messages}",
    "skipped": "{where}: {messages} skipped and dropped{colon}",
    "dropped": "{where} drops {messages}: {bare}",
    "dead-lettered": "{messages} moved to {where} from {bare}",
    "expired": "{messages} expired in {where} and is gone",
    "redriven": "{messages} redriven from {where} to {bare}",
    "faulted": "FAULT  {bare}",
    "healed": "all faults end",
    "circuit": "CIRCUIT  {where}: {bare}",
    "noted": "{prefix}{bare}",
}
_CALL = re.compile(r".*? #\d+")
_MOMENT = re.compile(r"\b\d+\.\d{3}\b")
_REPORTED = "reported by the handler"
_BEHIND = "behind a reported one"
_WHOLE_BATCH = "its response fails the whole batch"


def story(
    history: Iterable[Event],
    names: Mapping[str, str],
    verdict: Verdict,
    plan: Sequence[str] = (),
    account: Account | None = None,
) -> tuple[str, ...]:
    """The lines of a run's story, made for people: the texts of its steps, with their times."""
    return in_lines(steps(history, names, verdict, plan, account))


def steps(
    history: Iterable[Event],
    names: Mapping[str, str],
    verdict: Verdict,
    plan: Sequence[str] = (),
    account: Account | None = None,
    callee: Callable[[str, str], str] = lambda where, call: "",
) -> tuple[Step, ...]:
    """A run's story, step by step.

    Times are milliseconds of virtual time. `names` maps ids that the system gave to names
    ("<m1>"), which stand in their place. `plan` holds the texts of the faults; one that never
    struck is told. `callee` says what a call is about: ("Worker", "dynamodb.PutItem #1").
    Cycles that repeat (a message that fails again and again) are told once, with how often and
    until when. Where two invocations of one function are at work at once, each is told apart:
    "Worker [2nd]" is the second of the run.
    """
    events = list(history)
    apart = _at_once(events)
    events = _merge(_returns(events))
    named = {round(float(moment) * 1000) for moment in _MOMENT.findall(verdict.why)}
    struck: set[str] = set()
    told = []
    for event in events:
        strikes_first = event.kind == "faulted" and event.detail not in struck
        if event.kind == "faulted":
            struck.add(event.detail)
        begins, shown = event.kind in _BEGINNINGS, strikes_first or event.at_ms in named
        step = _step(event, apart.get(event.invocation, ""), names, callee)
        told.append(Told(step, begins, event.at_ms in named, shown))
    found = _shortened(folded(told, LONGEST_STORY_LINES))
    found += [
        Step(None, "never-struck", f"never struck: {fault}")
        for fault in plan
        if fault not in struck
    ]
    found += [Step(None, "circuit-stood", text) for text in _circuits(events)]
    if account is not None:
        found.append(Step(None, "ledger", _ledger(account)))
    text = f"{verdict.value}: {verdict.why}" if verdict.why else verdict.value
    return (*found, Step(None, "verdict", renamed(text, names)))


_WITHOUT_TIME = ("left-out", "never-struck", "circuit-stood", "ledger", "verdict", "about")


def in_lines(told: Sequence[Step]) -> tuple[str, ...]:
    """Steps as lines of text, with seconds before those that have a time."""
    times = ["" if one.at_ms is None else f"{one.at_ms / 1000:.3f}" for one in told]
    width = max(map(len, times), default=0)
    return tuple(
        one.text if one.kind in _WITHOUT_TIME else f"{time:>{width}}  {one.text}"
        for time, one in zip(times, told, strict=True)
    )


def _step(
    event: Event, apart: str, names: Mapping[str, str], callee: Callable[[str, str], str]
) -> Step:
    detail = renamed(event.detail, names)
    call = _CALL.match(event.detail)
    return Step(
        event.at_ms,
        event.kind,
        renamed(_phrase(event, apart), names),
        event.messages[:MOST_MESSAGES_OF_A_STEP],
        renamed(event.where, names),
        detail if len(detail) <= LONGEST_DETAIL else f"{detail[:LONGEST_DETAIL]}…",
        callee(event.where, call.group()) if call else "",
    )


def _at_once(events: Iterable[Event]) -> dict[int, str]:
    """What tells invocations of one function apart, for those that overlap with another."""
    number: dict[int, int] = {}
    begun: dict[str, int] = {}
    at_work: dict[str, set[int]] = {}
    overlapping: set[int] = set()
    for event in events:
        here = at_work.setdefault(event.where, set())
        if not event.invocation:
            continue
        if event.kind == "delivered":
            begun[event.where] = number[event.invocation] = begun.get(event.where, 0) + 1
            if here:
                overlapping |= here | {event.invocation}
            here.add(event.invocation)
        elif event.kind in ("succeeded", "failed"):
            here.discard(event.invocation)
    return {one: f" [{_ordinal(number[one])}]" for one in overlapping}


def _ordinal(number: int) -> str:
    last = "th" if 10 < number % 100 < 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{last}"


def _returns(events: Sequence[Event]) -> list[Event]:
    """A handler's return, and what its response then makes of the batch, told as one thing."""
    told: list[Event] = []
    returned: dict[str, int] = {}  # by function: where in `told` its last return stands
    failures: dict[int, dict[str, tuple[str, ...]]] = {}  # of that return, by why
    for event in events:
        if event.kind == "succeeded":
            returned[event.where] = len(told)
        at = returned.get(event.where, -1)
        judged = event.kind == "failed" and event.detail in (_REPORTED, _BEHIND, _WHOLE_BATCH)
        if judged and at >= 0 and set(event.messages) <= set(told[at].messages):
            found = failures.setdefault(at, {})
            found[event.detail] = found.get(event.detail, ()) + event.messages
            told[at] = told[at]._replace(kind="returned", detail=_made_of(told[at], found))
            continue
        told.append(event)
    return told


def _made_of(returned: Event, failures: Mapping[str, tuple[str, ...]]) -> str:
    if _WHOLE_BATCH in failures:
        return f" a response that fails the whole batch: {_listing(failures[_WHOLE_BATCH])}"
    failed = {message for messages in failures.values() for message in messages}
    rest = [message for message in returned.messages if message not in failed]
    what = f", reporting {_listing(failures.get(_REPORTED, ()))} as failed"
    if _BEHIND in failures:
        what += f"; {_listing(failures[_BEHIND])} behind is read again"
    return f"{what}; {_listing(rest)} succeeded" if rest else what


def _phrase(event: Event, apart: str) -> str:
    event = event._replace(where=event.where + apart)
    if event.kind == "delivered":
        return _delivery(event)
    detail = event.detail
    numbered = re.search(r"(\d+)$", detail)
    phrase = _PHRASES.get(event.kind, "{where} {messages} " + event.kind + "{detail}")
    if event.kind == "filtered" and detail.startswith(ONE_SUBSCRIPTION):
        phrase = "{messages} not given by {where} to {bare}"  # the others may get it
    if event.kind == "expired" and detail == OF_RECORD:  # a table keeps the item itself
        phrase = "the stream record of {messages} expired in {where} and is gone"
    nobodys = "another message" if phrase.startswith("{messages}") else ""
    text = phrase.format(
        messages=_listing(event.messages) or nobodys,
        where=event.where,
        bare=detail,
        detail=f" ({detail})" if detail else "",
        colon=f": {detail}" if detail else "",
        prefix=f"{event.where}: " if event.where else "",
    )
    if event.kind == "attempted" and numbered and int(numbered.group(1)) > 1:
        text += f" (request {numbered.group(1)})"
    return re.sub(r",? (for|with) (?=:|$)", "", text).strip()


def _delivery(event: Event) -> str:
    """ "Worker invocation 1 got m1 (receive 2)", from the detail "receive 2, invocation 1"."""
    invocation = re.search(r"invocation (\d+)", event.detail)
    receive = re.search(r"receive (\d+)", event.detail)
    text = f"{event.where} invocation {invocation.group(1)}" if invocation else event.where
    text += f" got {_listing(event.messages)}" if event.messages else " invoked"
    if receive and int(receive.group(1)) > 1:
        text += f" (receive {receive.group(1)})"
    if not invocation and not receive and event.detail:
        text += f" ({event.detail})"
    return text


def _merge(events: Sequence[Event]) -> list[Event]:
    """Say once what several messages met at once, and tell a call and its effect as one thing."""
    merged: list[Event] = []
    for event in events:
        last = merged[-1] if merged else None
        if last is not None and last.messages and event.messages:
            same_moment = (last.at_ms, *last[3:]) == (event.at_ms, *event[3:])
            if (
                same_moment
                and last.kind == event.kind
                and not set(last.messages) & set(event.messages)
            ):
                merged[-1] = last._replace(messages=last.messages + event.messages)
                continue
            if same_moment and (last.kind, event.kind) == ("called", "effected"):
                merged[-1] = event
                continue
        merged.append(event)
    return merged


def _shortened(told: Sequence[Told]) -> list[Step]:
    """Its beginning, its end, and of what lies between that which has to be shown."""
    lines = [one.step for one in told]
    if len(lines) <= LONGEST_STORY_LINES:
        return lines
    tail = LONGEST_STORY_LINES // 3
    kept = {*range(LONGEST_STORY_LINES - tail), *range(len(lines) - tail, len(lines))}
    for at, line in enumerate(told):
        if line.is_shown:
            kept.update(range(max(0, at - NEIGHBOURS), min(len(lines), at + NEIGHBOURS + 1)))
    found: list[Step] = []
    before = -1
    for at in sorted(kept):
        if at > before + 1:
            found.append(Step(None, "left-out", f"… {at - before - 1} lines left out …"))
        found.append(lines[at])
        before = at
    return found


def _circuits(events: Iterable[Event]) -> Iterable[str]:
    """How each breaker's circuit stood, from when on, in a line."""
    stood: dict[str, list[str]] = {}
    for event in events:
        if event.kind == "circuit":
            state = event.detail.rpartition(" to ")[2]
            stood.setdefault(event.where, []).append(f"{state} from {event.at_ms / 1000:.3f}")
    return [f"the circuit in {place}: {', '.join(states)}" for place, states in stood.items()]


def _ledger(account: Account) -> str:
    processed = account.acknowledged & account.processed
    silent = len(processed & account.by_acknowledgement)
    without = f" ({silent} without effect)" if silent else ""
    return (
        f"acknowledged {len(account.acknowledged)} = processed {len(processed)}{without}"
        f" + stranded {len(account.stranded)} + lost {len(account.lost)}"
    )


def _listing(messages: Sequence[str]) -> str:
    return " ".join(messages)


def renamed(text: str, names: Mapping[str, str]) -> str:
    """A text with names ("<m1>") in the place of ids that the test or the system gave."""
    for identifier in sorted(names, key=len, reverse=True):
        if identifier:
            text = text.replace(identifier, names[identifier])
    return text
