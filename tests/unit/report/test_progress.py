"""Progress: a bar that leaves the cursor where it was, and lines that keep logs short."""

from __future__ import annotations

import re

import pytest

from pytest_storagefirst.report.progress import BAR_SECONDS, LINE_SECONDS, Bar, Lines, bar_text


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.asked = 0

    def __call__(self) -> float:
        self.asked += 1
        return self.now


class Screen:
    """One line of a terminal that understands what the bar writes."""

    def __init__(self, already: str, columns: int) -> None:
        self.cells = list(already.ljust(columns))
        self.column = len(already)

    def write(self, text: str) -> None:
        for sequence, number, order, plain in re.findall(r"(\x1b\[(\d*)([KDm]))|([^\x1b])", text):
            if plain:
                self.cells[self.column] = plain  # an IndexError where a line would break
                self.column += 1
            elif order == "K":
                self.cells[self.column :] = " " * (len(self.cells) - self.column)
            elif order == "D":
                self.column -= int(number)
            assert plain or sequence

    @property
    def text(self) -> str:
        return "".join(self.cells).rstrip()


def bar_on(screen, clock, **kwargs):
    return Bar(screen.write, lambda: len(screen.cells) - screen.column, clock=clock, **kwargs)


@pytest.mark.parametrize("coloured", [False, True])
def test_the_bar_stands_beside_what_pytest_wrote_and_is_taken_away(coloured):
    clock, screen = Clock(), Screen("template.yaml ", 80)
    bar = bar_on(screen, clock, coloured=coloured)

    clock.now += BAR_SECONDS
    bar(250, 1000, "pairs")
    assert screen.text == f"template.yaml {'━' * 6}{'─' * 18} 250 of 1,000 runs: pairs"
    assert screen.column == len("template.yaml ")
    clock.now += BAR_SECONDS
    bar(251, None, "")
    assert screen.text == "template.yaml 251 runs"
    bar.end()

    screen.write(".")
    assert screen.text == "template.yaml ."


def test_nothing_is_drawn_between_two_moments():
    clock, written = Clock(), []
    bar = Bar(written.append, lambda: 80, clock=clock)
    for done in range(1000):
        bar(done, 1000, "pairs")
    assert written == []

    clock.now += BAR_SECONDS
    bar(1, 2, "")
    asked = clock.asked
    for _ in range(1000):
        bar(1, 2, "")

    assert len(written) == 1
    assert clock.asked == asked + 1000


@pytest.mark.parametrize("columns", range(80))
def test_it_fits_whatever_the_width(columns):
    clock, screen = Clock(), Screen("", columns)
    bar = bar_on(screen, clock)
    clock.now += BAR_SECONDS

    bar(123, 456, "pairs")
    bar.end()

    assert screen.text == ""


def test_what_does_not_fit_is_left_out_piece_by_piece():
    told = [bar_text(250, 1000, "pairs", columns) for columns in range(60)]

    assert told[16] == ""
    assert told[17] == "250 of 1,000 runs"
    assert told[24] == "250 of 1,000 runs: pairs"
    assert told[33] == f"{'━' * 2}{'─' * 6} 250 of 1,000 runs: pairs"
    assert told[49] == f"{'━' * 6}{'─' * 18} 250 of 1,000 runs: pairs"
    assert all(len(text) <= columns for columns, text in enumerate(told))


def test_more_than_was_planned_is_all_of_it():
    assert bar_text(12, 10, "", 80) == f"{'━' * 24} 10 of 10 runs"
    assert bar_text(0, 0, "", 80) == "0 of 0 runs"
    assert bar_text(1, 2, "", 80, ascii_only=True) == f"{'#' * 12}{'-' * 12} 1 of 2 runs"


def test_lines_come_every_half_minute_and_never_for_what_is_short():
    clock, lines = Clock(), []
    told = Lines("template.yaml", lines.append, clock=clock)
    for second in range(75):
        clock.now = 100.0 + second
        told(second * 100, 10_000 if second < 50 else None, "pairs")

    assert LINE_SECONDS == 30
    assert lines == [
        "template.yaml: 3,000 of 10,000 runs after 30 s: pairs",
        "template.yaml: 6,000 runs after 60 s: pairs",
    ]
    assert told.written == 2
