"""The lines of the terminal's summary, as data: pytest's own writer colours them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pytest_storagefirst.explore.outcome import Outcome
from pytest_storagefirst.ledger.verdict import NOT_APPLICABLE, OK, UNKNOWN, VIOLATED
from pytest_storagefirst.report.covered import counted, coverage_lines

_COLOUR = {OK: "green", VIOLATED: "red", UNKNOWN: "yellow"}


@dataclass(frozen=True)
class Line:
    """A line, with pytest's names for how it looks."""

    text: str
    markup: Mapping[str, bool] = field(default_factory=dict)


def stack_lines(
    template: str, outcome: Outcome, expected: Sequence[str], *, verbosity: int
) -> list[Line]:
    """What was tried and found, and what qualifies it; how much of it, pytest's `-v` says."""
    judged = outcome.judged(expected)
    verdicts = []
    for verdict in (VIOLATED, UNKNOWN, OK, NOT_APPLICABLE):
        names = [one.name for one in judged if one.verdict == verdict]
        if names:
            told = f"{len(names)}" if verdict in (OK, NOT_APPLICABLE) else ", ".join(names)
            verdicts.append(f"{verdict}: {told}")
    worst = next(
        (one for one in (VIOLATED, UNKNOWN, OK) if any(two.verdict == one for two in judged)), ""
    )
    result = outcome.result
    if result is None:
        tried = "refused" if outcome.refusal else "not judged"
    else:
        runs = max((one.runs for one in judged), default=0)
        faults = max((one.faults_tried for one in judged), default=0)
        tried = f"{counted(runs, 'run')}, {counted(faults, 'fault')} tried"
        tried += f" in {result.seconds:.1f} s"
        if result.shard != (1, 1):
            tried += f", shard {result.shard[0]} of {result.shard[1]}"
        if result.interrupted:
            tried += ", interrupted"
    markup = {_COLOUR[worst]: True} if worst else {}
    lines = [Line(f"{template}: {tried}; {'; '.join(verdicts) or 'nothing judged'}", markup)]
    if result is not None:
        if verbosity >= 0:
            lines += [Line(f"  {text}") for text in coverage_lines(result.coverage, verbosity)]
        lines += [Line(f"  note: {note}") for note in result.notes]
        if result.inert and verbosity > 0:
            lines.append(Line(f"  plays no part: {', '.join(result.inert)}"))
    return lines


def total_lines(
    outcomes: Mapping[str, Outcome], expected: Mapping[str, Sequence[str]]
) -> list[Line]:
    """All stacks of a run in a line, where there are some: how many, what was tried, what held."""
    if len(outcomes) < 2:
        return []
    judged = [one.judged(expected.get(name, ())) for name, one in outcomes.items()]
    runs = sum(max((one.runs for one in stack), default=0) for stack in judged)
    faults = sum(max((one.faults_tried for one in stack), default=0) for stack in judged)
    order = (VIOLATED, UNKNOWN, OK, NOT_APPLICABLE)
    found = [{one.verdict for one in stack} for stack in judged]
    worst = [next((one for one in order if one in stack), UNKNOWN) for stack in found]
    told = ", ".join(f"{worst.count(one)} {one}" for one in order if one in worst)
    tried = f"{counted(runs, 'run')}, {counted(faults, 'fault')} tried"
    markup = {_COLOUR.get(min(worst, key=order.index), "bold"): True, "bold": True}
    return [Line(f"{len(outcomes)} stacks: {told}; {tried}", markup)]


def story_lines(outcome: Outcome) -> list[Line]:
    """The stories of what was violated, for where no failing item tells them."""
    lines = []
    for one in outcome.judged(()):
        if one.verdict == VIOLATED:
            lines += [Line(""), Line(f"{one.name}: {one.why}", {"red": True})]
            lines += [Line(f"  {text}") for text in one.story]
    return [*lines, Line("")] if lines else []


def replay_lines(file: str, outcome: Outcome) -> list[Line]:
    """Whether what a replay file shows is fixed."""
    replayed = outcome.replayed
    if replayed is None:
        return [Line(f"{file}: not replayed", {"yellow": True})]
    about = f"{file}: {replayed.property_name} of {replayed.template}"
    if replayed.still_fails:
        return [Line(f"{about} still fails: {replayed.why}", {"red": True})]
    if replayed.verdict == OK:
        return [Line(f"{about} is fixed", {"green": True})]
    return [Line(f"{about} is {replayed.verdict}: {replayed.why}", {"yellow": True})]
