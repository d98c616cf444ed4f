"""What a load run's document comes to, in words: for its page, its lines, its JUnit file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_storagefirst.ledger.circuit import CLOSED, OPEN
from pytest_storagefirst.ledger.verdict import OK, VIOLATED
from pytest_storagefirst.report.covered import counted

Document = Mapping[str, Any]
HEADLINES = {OK: "Passed", VIOLATED: "Failed"}
INCONCLUSIVE = "Inconclusive"
NO_READING = ""


@dataclass(frozen=True)
class Stand:
    """How the circuit stood from one moment to another; NO_READING where nobody could see."""

    state: str
    from_s: float
    to_s: float

    @property
    def seconds(self) -> float:
        return self.to_s - self.from_s


def moments(document: Document) -> list[float]:
    return [float(row["at_s"]) for row in document.get("timeline", ())]


def column(document: Document, name: str) -> list[float | None]:
    """A column of the timeline; None is a gap."""
    found = [row.get(name) for row in document.get("timeline", ())]
    return [None if value is None else float(value) for value in found]


def in_queues(document: Document) -> list[float | None]:
    """Messages in the queues in all, waiting or in flight: one that a function has given back is
    hidden for a while, and so counts as in flight.
    """
    pairs = zip(column(document, "visible"), column(document, "in_flight"), strict=True)
    return [None if a is None or b is None else a + b for a, b in pairs]


def ends(document: Document) -> tuple[float, float]:
    """The first and the last second that anything is told of."""
    told = [*moments(document), float(document.get("seconds", 0))]
    told += [float(one["to_s"]) for one in document.get("phases", ())]
    first = min([0.0, *moments(document)])
    return first, max(*told, first + 1)


def verdict_word(document: Document) -> str:
    return HEADLINES.get(document.get("verdict", ""), INCONCLUSIVE)


def headline(document: Document) -> str:
    """The one sentence that a reader takes away: what became of the accepted messages."""
    ledger = document.get("ledger", {})
    accepted, lost = ledger.get("accepted", 0), len(ledger.get("lost", ()))
    if lost:
        return f"{lost:,} of {counted(accepted, 'accepted message')} {are(lost)} lost"
    if not accepted:
        return "No message was accepted"
    verdict = document.get("verdict")
    rest = amiss(ledger)
    if rest:
        return f"{rest:,} of {counted(accepted, 'accepted message')} {are(rest)} unaccounted for"
    stranded = ledger.get("stranded", 0)
    if stranded:
        told = f"{counted(accepted - stranded, 'message')} processed, {stranded:,} held in storage"
        return f"{told}, none lost"
    told = f"All {accepted:,} accepted messages were processed"
    missed = sum(one["met"] is False for one in document.get("objectives", ()))
    if verdict == VIOLATED and missed:
        return f"{told}, but {counted(missed, 'objective')} {was(missed)} missed"
    return told if verdict == OK else f"{told}, but the run shows too little for a verdict"


def done(ledger: Mapping[str, Any]) -> int:
    """How many of the accepted messages were processed: K∩P."""
    others = int(ledger.get("recovered", 0)) + len(ledger.get("phantom", ()))
    return max(0, int(ledger.get("processed", 0)) - others)


def amiss(ledger: Mapping[str, Any]) -> int:
    """Accepted, and neither processed nor held nor known to be lost: time was up."""
    known = done(ledger) + int(ledger.get("stranded", 0)) + len(ledger.get("lost", ()))
    return max(0, int(ledger.get("accepted", 0)) - known)


def stands(document: Document) -> list[Stand]:
    """How the circuit stood, from the run's first second to its last; [] where there is none.

    Transitions say when it changed, samples where nobody could see.
    """
    rows = document.get("timeline", ())
    seen = [(float(row["at_s"]), row.get("circuit")) for row in rows]
    changes = document.get("circuit", {}).get("transitions", ())
    if not changes and not any(state for _, state in seen):
        return []
    first, last = ends(document)
    states = [(first, str(changes[0]["from"]) if changes else _first_state(seen))]
    if changes:
        states += [(float(one["at_s"]), str(one["to"])) for one in changes]
    else:
        states += [(at_s, str(state)) for at_s, state in seen if state is not None]
    told = [
        Stand(state, from_s, to_s)
        for (from_s, state), to_s in zip(
            states, [*(at_s for at_s, _ in states[1:]), last], strict=True
        )
    ]
    return list(_merged(_without(told, list(_unseen(seen)))))


def _first_state(seen: Sequence[tuple[float, Any]]) -> str:
    return next((str(state) for _, state in seen if state is not None), CLOSED)


def _unseen(seen: Sequence[tuple[float, Any]]) -> Iterator[tuple[float, float]]:
    """From the first sample without a state to the next with one; one alone is no gap to see."""
    began: float | None = None
    missed = 0
    for at_s, state in seen:
        if state is None:
            began, missed = (at_s if began is None else began), missed + 1
        else:
            if began is not None and missed > 1:
                yield began, at_s
            began, missed = None, 0
    if began is not None and missed > 1:
        yield began, seen[-1][0]


def _without(told: list[Stand], gaps: list[tuple[float, float]]) -> list[Stand]:
    for from_s, to_s in gaps:
        left: list[Stand] = []
        for one in told:
            if one.to_s <= from_s or one.from_s >= to_s:
                left.append(one)
                continue
            if one.from_s < from_s:
                left.append(Stand(one.state, one.from_s, from_s))
            left.append(Stand(NO_READING, max(one.from_s, from_s), min(one.to_s, to_s)))
            if one.to_s > to_s:
                left.append(Stand(one.state, to_s, one.to_s))
        told = left
    return told


def _merged(told: list[Stand]) -> Iterator[Stand]:
    current: Stand | None = None
    for one in told:
        if current is not None and one.state == current.state:
            current = Stand(one.state, current.from_s, one.to_s)
            continue
        if current is not None:
            yield current
        current = one
    if current is not None:
        yield current


def story(document: Document) -> list[str]:
    """What happened when, a sentence each: the circuit, what waited, when it had drained."""
    told = []
    circuit = stands(document)
    opened = [one for one in circuit if one.state == OPEN]
    if opened:
        spans = "; ".join(f"{number(one.from_s)} to {moment(one.to_s)}" for one in opened[:4])
        more = f", and {len(opened) - 4} times more" if len(opened) > 4 else ""
        told.append(
            f"The circuit was open for {duration(sum(one.seconds for one in opened))} "
            f"({spans}{more}) and ended {circuit[-1].state.lower().replace('_', '-') or 'unseen'}."
        )
        calls = document.get("circuit", {}).get("calls_while_open")
        if calls is not None:
            told.append(f"While it was open the downstream was {called(calls)}.")
    elif circuit:
        told.append("The circuit never opened.")
    held = most(document, in_queues(document))
    if held and held[0]:
        most_held = counted(int(held[0]), "message")
        told.append(f"At most {most_held} stood in the queues, at {moment(held[1])}.")
        empty_s = drained_at(document)
        if empty_s is not None:
            told.append(f"From {moment(empty_s)} on the queues were empty.")
        else:
            told.append("The queues were not empty when the run ended.")
    return told


def drained_at(document: Document) -> float | None:
    """From when on nothing waited and nothing was in flight, till the end; None: it never was so.

    Gaps at the very end are no evidence.
    """
    found: float | None = None
    rows = document.get("timeline", ())
    for row in rows:
        left = [row.get("visible"), row.get("in_flight")]
        if any(left) or (None in left and row is rows[-1]):
            found = None
        elif found is None and None not in left:
            found = float(row["at_s"])
    return found


def most(document: Document, values: list[float | None]) -> tuple[float, float] | None:
    """The highest of a column's values and when it was first so."""
    read = [
        (value, at_s)
        for value, at_s in zip(values, moments(document), strict=True)
        if value is not None
    ]
    return max(read, key=lambda pair: (pair[0], -pair[1])) if read else None


def are(number: int) -> str:
    return "is" if number == 1 else "are"


def was(number: int) -> str:
    return "was" if number == 1 else "were"


def called(number: int) -> str:
    return f"called {times(number)}" if number else "not called"


def times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"


def number(value: float) -> str:
    """To a tenth: 12, 12.3."""
    return f"{round(value, 1):g}"


def moment(at_s: float) -> str:
    return f"{number(at_s)} s"


def duration(seconds: float) -> str:
    """82 s, 4 min 10 s, 2 h 5 min."""
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes} min" + (f" {rest} s" if rest else "")
    return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")


def measured(value: float | None, unit: str) -> str:
    """An objective's value with its unit; "?" for none."""
    if value is None:
        return "?"
    told = f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}".rstrip("0")
    return f"{told} {unit.removesuffix('s') if value == 1 and len(unit) > 2 else unit}".strip()
