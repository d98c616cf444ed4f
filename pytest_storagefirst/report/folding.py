"""A story's steps, of which what repeats is told once, with how often and until when."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

LONGEST_CYCLE = 24  # lines, or turns
_COUNTER = re.compile(
    r" \(receive \d+\)|, attempt \d+|(?<=\(read )\d+|(?<=invocation )\d+|(?<=#)\d+"
    r"|(?<=\[)\d+(?:st|nd|rd|th)"
)


class Step(NamedTuple):
    """One line of a story, and what it is made of for whoever draws it.

    `kind` is an event's, or one of "returned" (what a handler's response makes of its batch),
    "again" (a cycle told once), "left-out", "never-struck", "circuit-stood", "ledger" and
    "verdict". `where` and `detail` are the event's, with names for ids; `to` is the logical id of
    what a call is about, where that is known. `at_ms` is None for a line without a time.
    """

    at_ms: int | None
    kind: str
    text: str
    messages: tuple[str, ...] = ()
    where: str = ""
    detail: str = ""
    to: str = ""


class Told(NamedTuple):
    step: Step
    begins: bool = False  # a reader sees a new turn begin here
    is_named: bool = False  # the verdict names this moment
    is_shown: bool = False  # however long the story is

    @property
    def shape(self) -> str:
        """The text without what counts up from cycle to cycle; of its own where it is named."""
        text = self.step.text
        return f"{self.step.at_ms} {text}" if self.is_named else _COUNTER.sub("", text)

    @property
    def outline(self) -> str:
        """What is left of the shape where it matters only who was tried and came to what."""
        if self.is_named or self.is_shown:
            return self.shape
        if self.step.kind in ("called", "errored", "faulted"):
            return ""
        return self.shape.partition(": ")[0] if self.step.kind == "failed" else self.shape


def folded(lines: list[Told], most: int) -> list[Told]:
    """The lines, with turns and then cycles of lines that come three times or more told once.

    Where more than `most` are left, turns in which the same were tried and came to the same are
    told once, too, whatever the calls between were answered.
    """
    found = _fold(_fold_turns(lines, lambda line: line.shape, "the same"))
    if len(found) <= most:
        return found
    return _fold(_fold_turns(lines, lambda line: line.outline, "much the same"))


def _fold_turns(lines: list[Told], shape: Callable[[Told], str], what: str) -> list[Told]:
    """Tell turns once that come three times or more, in whatever order what they hold comes.

    A turn begins with a delivery while nothing is at work: what several invocations do at once, and
    after waits that are drawn, comes in another order each time.
    """
    turns: list[list[Told]] = [[]]
    at_work = 0
    for line in lines:
        if line.step.kind == "delivered":
            if not at_work:
                turns.append([])
            at_work += 1
        elif line.step.kind in ("succeeded", "failed", "returned"):
            at_work = max(0, at_work - 1)
        turns[-1].append(line)
    shapes = [_shape(turn, shape) for turn in turns]
    folded: list[Told] = []
    at = 0
    while at < len(turns):
        length, repeats = _cycle(shapes, at)
        for turn in turns[at : at + length]:
            folded += turn
        at += length * (repeats + 1)
        if not repeats:
            continue
        last, rest = turns[at - 1], []
        once_more = turns[at : at + length]  # after which the story goes on within its last turn
        if once_more:
            once_more[-1] = once_more[-1][: len(last)]
        if [_shape(turn, shape) for turn in once_more] == shapes[at - length : at]:
            last, rest = once_more[-1], turns[at + length - 1][len(last) :]
            repeats, at = repeats + 1, at + length
        folded += [_again(what, repeats, last[-1]), *rest]
    return folded


def _shape(turn: Sequence[Told], shape: Callable[[Told], str]) -> str:
    return "\n".join(sorted(filter(None, map(shape, turn))))


def _again(what: str, repeats: int, last: Told) -> Told:
    text = f"… {what} {repeats} times more, until {(last.step.at_ms or 0) / 1000:.3f}"
    return Told(Step(None, "again", text))


def _fold(lines: list[Told]) -> list[Told]:
    """Tell a cycle once when it comes three times or more, the shortest cycle first."""
    shapes = [line.shape for line in lines]
    folded: list[Told] = []
    at = 0
    while at < len(lines):
        length, repeats = _cycle(shapes, at)
        later = [turn for turn in range(at + 1, at + length) if lines[turn].begins]
        if repeats and not lines[at].begins and any(_cycle(shapes, turn)[1] for turn in later):
            length, repeats = 1, 0  # the same cycle, told from where a turn begins
        folded += lines[at : at + length]
        at += length
        if repeats:
            at += length * repeats
            folded.append(_again("the same", repeats, lines[at - 1]))
    return folded


def _cycle(shapes: Sequence[str], at: int) -> tuple[int, int]:
    """(length, repeats beyond the first) of the cycle that begins here; (1, 0) without one."""
    for length in range(1, min(LONGEST_CYCLE, (len(shapes) - at) // 3) + 1):
        first = shapes[at : at + length]
        repeats = 0
        while shapes[at + length * (repeats + 1) : at + length * (repeats + 2)] == first:
            repeats += 1
        if repeats >= 2:
            return length, repeats
    return 1, 0
