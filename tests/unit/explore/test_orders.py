"""Every order is tried, each that differs once: against all of them, and against combinatorics."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import greenlet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_storagefirst.explore.footprints import EVERYTHING, Footprint
from pytest_storagefirst.explore.orders import Orders
from pytest_storagefirst.simulation.choosing import (
    CLOCK,
    TIME_PASSES,
    ChoosingScheduler,
    Names,
    Recording,
    Step,
)

# What an invocation does: "r" or "w" with the name of an item; "?" writes if it has read nothing.
Program = Sequence[str]
Outcome = tuple[object, ...]


def play(programs: Sequence[Program], recording: Recording) -> Outcome:
    """Run invocations at once; what each read, and what stands in the end."""
    items: dict[str, list[str]] = {}
    read: list[list[object]] = [[] for _ in programs]
    scheduler = ChoosingScheduler(recording=recording)

    def work(number: int) -> None:
        for count, (kind, name) in enumerate(programs[number]):
            scheduler.pause(2)
            scheduler.touch("items", "write" if kind in "w?" else "read", name)
            stands = items.setdefault(name, [])
            read[number].append(tuple(stands))
            if kind == "w" or (kind == "?" and not stands):
                stands.append(f"{number}.{count}")
            scheduler.pause(3)
        deadlines[number].cancelled = True

    scheduler.start(lambda target: target.switch())
    deadlines = [scheduler.at(3000, lambda: None, deadline=True) for _ in range(len(programs))]
    for number in range(len(programs)):
        scheduler.resume_at(1, greenlet.greenlet(lambda number=number: work(number)))
    while scheduler.step():
        pass
    scheduler.stop()
    return tuple(map(tuple, read)), tuple(sorted((n, tuple(v)) for n, v in items.items()))


def footprint(step: Step) -> frozenset[Footprint]:
    return frozenset(
        ("items", str(name), "", operation == "write") for _, operation, name in step.touched
    )


def everything(step: Step) -> frozenset[Footprint]:
    """Without reduction: the order of any two steps matters."""
    return frozenset({EVERYTHING})


def effects(step: Step) -> frozenset[Footprint]:
    """Without reduction of what is touched, but only where anything is."""
    return frozenset({EVERYTHING} if step.touched else ())


def tried(
    programs: Sequence[Program], of: Callable[[Step], frozenset[Footprint]] = footprint
) -> tuple[set[Outcome], int]:
    orders = Orders(lambda recording: play(programs, recording), of)
    outcomes = set(orders)
    assert orders.left == 0
    return outcomes, orders.tried


class Odometer(Recording):
    """Chooses by numbers, and notes among how many: to try all there are, without any theory."""

    def __init__(self, numbers: Sequence[int]) -> None:
        super().__init__(Names())
        self.numbers = list(numbers)
        self.offered: list[int] = []

    def pick(self, processes: Sequence[int]) -> int:
        super().pick(processes)
        self.offered.append(len(processes))
        made = len(self.offered) - 1
        return self.numbers[made] if made < len(self.numbers) else 0


def all_there_are(programs: Sequence[Program]) -> Iterator[Outcome]:
    numbers: list[int] | None = []
    while numbers is not None:
        odometer = Odometer(numbers)
        yield play(programs, odometer)
        made = [*numbers, *[0] * (len(odometer.offered) - len(numbers))]
        while made and made[-1] + 1 >= odometer.offered[len(made) - 1]:
            made.pop()
        numbers = [*made[:-1], made[-1] + 1] if made else None


@pytest.mark.parametrize("effects_each", [1, 2, 3, 4])
def test_of_two_that_write_one_item_there_are_as_many_orders_as_ways_to_mix_them(
    effects_each: int,
) -> None:
    outcomes, runs = tried([["wx"] * effects_each] * 2)
    assert runs == len(outcomes) == math.comb(2 * effects_each, effects_each)


def test_of_three_too() -> None:
    outcomes, runs = tried([["wx", "wx"], ["wx"], ["wx"]])
    assert runs == len(outcomes) == math.factorial(4) // 2


@pytest.mark.parametrize("effects_each", [1, 2, 3])
def test_without_reduction_all_orders_of_effects_are_tried(effects_each: int) -> None:
    programs = [["wx"] * effects_each, ["ry"] * effects_each]
    assert tried(programs, effects)[1] == math.comb(2 * effects_each, effects_each)
    assert tried(programs)[1] == 1


def test_without_any_reduction_all_orders_of_steps_are_tried() -> None:
    """A step to begin with, and two for each effect: before it and after it."""
    programs = [["wx"], ["wx"]]
    assert tried(programs, everything)[1] == math.comb(6, 3) == len(list(all_there_are(programs)))


def test_what_does_not_conflict_costs_one_run() -> None:
    assert tried([["wx", "wx", "wx"], ["wy", "wy", "wy"], ["wz"]])[1] == 1
    assert tried([["rx", "rx", "rx"], ["rx", "rx", "rx"]])[1] == 1


def test_three_calls_each_cost_tens_of_runs() -> None:
    outcomes, runs = tried([["rx", "wy", "wx"], ["rx", "wy", "wx"]])
    assert runs == len(outcomes) <= 20


programs = st.lists(
    st.lists(st.sampled_from(["rx", "wx", "?x", "ry", "wy", "?y"]), min_size=1, max_size=2),
    min_size=2,
    max_size=2,
)


@given(programs)
def test_the_reduction_loses_no_outcome(made: list[list[str]]) -> None:
    outcomes, runs = tried(made)
    assert outcomes == set(all_there_are(made))
    assert runs <= math.comb(sum(map(len, made)), len(made[0]))


@given(st.lists(st.sampled_from(["rx", "wx", "?x", "ry", "wy"]), min_size=1, max_size=3))
def test_nor_with_three_calls_and_three_at_work(first: list[str]) -> None:
    made = [first, ["?x"], ["rx", "wy"]]
    assert tried(made)[0] == tried(made, effects)[0]


def test_orders_that_differ_in_few_races_come_first() -> None:
    orders = Orders(lambda recording: play([["wx"] * 3] * 2, recording), footprint)
    turned = []
    for _ in orders:
        turned.append(orders.next_turned)
    assert turned.pop() is None
    assert turned == sorted(turned, key=lambda count: count or 0)
    assert orders.left == 0


def test_it_may_be_left_at_any_time_and_tells_what_is_left() -> None:
    orders = Orders(lambda recording: play([["wx"] * 3] * 2, recording), footprint)
    runs = iter(orders)
    for _ in range(5):
        next(runs)
    assert orders.tried == 5
    assert orders.left > 0
    assert len(list(runs)) == math.comb(6, 3) - 5


def test_the_same_orders_come_in_the_same_sequence() -> None:
    def choices() -> list[tuple[int, ...]]:
        made: list[tuple[int, ...]] = []

        def noted(recording: Recording) -> None:
            play([["rx", "wx"], ["wx", "ry"], ["wy"]], recording)
            made.append(recording.choices)

        list(Orders(noted, footprint))
        return made

    assert choices() == choices()


def test_time_passes_after_a_write_and_what_nobody_minds_goes_no_further() -> None:
    paused: list[Recording] = []

    def noted(recording: Recording) -> Outcome:
        outcome = play([["wx", "wx"]] * 2, recording)
        if TIME_PASSES in recording.choices:
            paused.append(recording)
        return outcome

    orders = Orders(noted, footprint, pauses=True)
    list(orders)
    assert len(paused) == 4 + 2  # after a write with another at work, in each simple order
    assert orders.tried == math.comb(4, 2) + len(paused)
    assert all(sum(step.process == CLOCK for step in made.steps) == 1 for made in paused)
