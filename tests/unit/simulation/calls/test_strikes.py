"""Which fault strikes which crossing: numbers, messages, extents, and the end of all faults."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_storagefirst.faults.plan import parse_plan
from pytest_storagefirst.simulation.calls.strikes import Strikes

PLACE, POINT = "Worker", "dynamodb.PutItem"
KINDS = frozenset({"refused"})


class Crossings:
    """Crosses a point again and again; says which of the crossings were struck."""

    def __init__(self, *faults: str) -> None:
        self.strikes = Strikes(parse_plan(faults))
        self.now_ms = 0
        self.struck: list[int] = []
        self.count = 0

    def cross(self, *messages: str, after_ms: int = 10) -> Crossings:
        self.count += 1
        self.strikes.cross(PLACE, POINT, messages)
        due = self.strikes.due(PLACE, POINT, messages, self.now_ms, KINDS)
        if due is not None:
            self.strikes.hit(due, self.now_ms)
            self.struck.append(self.count)
        self.now_ms += after_ms
        return self

    def times(self, count: int) -> Crossings:
        for _ in range(count):
            self.cross()
        return self


@pytest.mark.parametrize(
    ("extent", "struck"),
    [
        ("", [3]),
        (" once", [3]),
        (" 2 times", [3, 4]),
        (" 9 times", [3, 4, 5, 6, 7, 8]),
        (" for 0.01 s", [3]),
        (" for 0.011 s", [3, 4]),
        (" for 0.03 s", [3, 4, 5]),
    ],
)
def test_extents_count_from_the_numbered_crossing(extent: str, struck: list[int]) -> None:
    found = Crossings(f"{PLACE}: {POINT} #3: refused{extent}").times(8)
    assert found.struck == struck


def test_under_a_message_only_its_own_crossings_count() -> None:
    found = Crossings(f"{PLACE}: {POINT} #2 under m2: refused")
    for messages in (("m1",), ("m2",), ("m1", "m3"), ("m1", "m2"), ("m2",)):
        found.cross(*messages)
    assert found.struck == [4]


def test_a_fault_strikes_its_own_place_point_and_kind() -> None:
    strikes = Strikes(parse_plan([f"{PLACE}: {POINT} #1: refused"]))
    for place, point, kinds in (
        ("Other", POINT, KINDS),
        (PLACE, "dynamodb.GetItem", KINDS),
        (PLACE, POINT, frozenset({"slow"})),
    ):
        strikes.cross(place, point, ())
        assert strikes.due(place, point, (), 0, kinds) is None
    strikes.cross(PLACE, POINT, ())
    assert strikes.due(PLACE, POINT, (), 0, KINDS) is not None


def test_injected_later_it_counts_from_then_on() -> None:
    found = Crossings().times(4)
    found.strikes.add(parse_plan([f"{PLACE}: {POINT} #2: refused"]))
    found.times(3)
    assert found.struck == [6]


def test_injected_later_under_a_message() -> None:
    found = Crossings(f"{PLACE}: {POINT} #9: refused")
    found.cross("m1").cross("m1")
    found.strikes.add(parse_plan([f"{PLACE}: {POINT} #1 under m1: refused"]))
    found.cross("m2").cross("m1").cross("m1")
    assert found.struck == [4]


def test_a_crossing_that_lasts_keeps_its_number() -> None:
    strikes = Strikes(parse_plan([f"{PLACE}: {POINT} #2: refused"]))
    strikes.cross(PLACE, POINT, ("m1",))
    first = strikes.numbers(PLACE, POINT, ("m1",))
    strikes.cross(PLACE, POINT, ("m2",))
    second = strikes.numbers(PLACE, POINT, ("m2",))
    assert strikes.due(PLACE, POINT, ("m1",), 0, KINDS, first) is None
    assert strikes.due(PLACE, POINT, ("m2",), 0, KINDS, second) is not None


def test_healing_ends_what_there_is_and_not_what_comes() -> None:
    found = Crossings(f"{PLACE}: {POINT} #1: refused for 100 s").times(2)
    found.strikes.heal()
    assert found.strikes.healed
    assert found.strikes.all_exhausted
    found.times(2)
    found.strikes.add(parse_plan([f"{PLACE}: {POINT} #1: refused"]))
    assert not found.strikes.healed
    assert not found.strikes.all_exhausted
    found.times(2)
    assert found.struck == [1, 2, 5]


def test_what_fired_is_told_and_the_idle_are_forgotten() -> None:
    faults = (f"{PLACE}: {POINT} #1: refused", f"{PLACE}: {POINT} #7: refused")
    found = Crossings(*faults).times(2)
    assert found.strikes.fired == faults[:1]
    assert len(found.strikes.plan) == 2
    assert not found.strikes.all_exhausted
    found.strikes.forget_the_idle()
    assert [str(fault) for fault in found.strikes.plan] == [faults[0]]
    assert found.strikes.all_exhausted


def test_when_the_last_fault_ends() -> None:
    found = Crossings(f"{PLACE}: {POINT} #2: refused for 90 s")
    assert found.strikes.some_wait
    assert found.strikes.last_end_ms() == 0
    found.times(2)
    assert not found.strikes.some_wait
    assert found.strikes.last_end_ms() == 90_010
    assert not found.strikes.all_exhausted


def test_without_faults_nothing_waits() -> None:
    strikes = Strikes(())
    assert strikes.all_exhausted
    assert strikes.healed
    assert not strikes.some_wait


@given(
    st.integers(1, 6),
    st.integers(1, 4),
    st.lists(st.sets(st.sampled_from(["m1", "m2"])), max_size=12),
)
def test_a_fault_strikes_as_often_as_it_says(
    number: int, times: int, crossings: Iterable[set[str]]
) -> None:
    found = Crossings(f"{PLACE}: {POINT} #{number} under m1: refused {times} times")
    concerned = []
    for place, messages in enumerate(crossings, start=1):
        found.cross(*sorted(messages))
        if "m1" in messages:
            concerned.append(place)
    assert found.struck == concerned[number - 1 : number - 1 + times]
