from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace

import pytest

from pytest_storagefirst.load.arrivals import DUPLICATE, GOOD, POISON, arrivals, moments
from pytest_storagefirst.load.profiles import WARM_UP, Phase, Profile


def profile(*phases, **more):
    return Profile("p", "", phases, ("lost==0",), **more)


def test_even_arrivals_come_at_their_rate_without_a_gap_between_phases():
    found = list(moments((Phase("a", 2, 5, 5), Phase("b", 1, 10, 10)), "seed"))

    assert found == pytest.approx([n / 5 for n in range(10)] + [2 + n / 10 for n in range(10)])


def test_a_ramp_comes_closer_and_closer():
    found = list(moments((Phase("a", 10, 0, 20),), "seed"))
    gaps = [other - one for one, other in itertools.pairwise(found)]

    assert len(found) == 100
    assert gaps == sorted(gaps, reverse=True)
    assert sum(at < 5 for at in found) == 25


def test_poisson_arrivals_have_their_rate_and_are_the_same_for_a_seed():
    phases = (Phase("a", 100, 50, 50, poisson=True),)
    found = list(moments(phases, "seed"))
    gaps = [other - one for one, other in itertools.pairwise(found)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)

    assert 4700 < len(found) < 5300
    assert 0.9 < variance / mean**2 < 1.1  # of an exponential distribution it is 1
    assert found == list(moments(phases, "seed")) != list(moments(phases, "other"))


def test_a_phase_without_arrivals_is_waited_out():
    found = list(moments((Phase("a", 3, 0, 0), Phase("b", 1, 2, 2)), "seed"))

    assert found == [3, 3.5]


def test_workers_share_all_messages_between_them():
    shape = profile(Phase("a", 3, 7, 7, poisson=True))
    alone = list(arrivals(shape, "run", 1))
    shared = list(arrivals(shape, "run", 3))

    assert [one.at_s for one in shared] == [one.at_s for one in alone]
    assert len({(one.worker, one.sequence) for one in shared}) == len(alone)
    assert max(Counter(one.worker for one in shared).values()) - len(alone) // 3 <= 1
    for worker in range(3):
        mine = [one.sequence for one in shared if one.worker == worker]
        assert mine == list(range(len(mine)))


def test_shares_of_bad_and_repeated_messages_hold_after_the_warm_up():
    shape = profile(
        Phase(WARM_UP, 1, 50, 50), Phase("act", 10, 20, 20), poison=0.05, duplicates=0.2
    )
    found = list(arrivals(shape, "run", 2))

    assert {one.kind for one in found if one.at_s < 1} == {GOOD}
    counts = Counter(one.kind for one in found)
    assert counts[POISON] == 10
    assert 30 <= counts[DUPLICATE] <= 40  # where both fall together it is a bad one


def test_the_cap_on_requests_holds_whatever_is_drawn():
    shape = profile(Phase("act", 10, 20, 20, poisson=True), duplicates=0.5, max_requests=60)
    found = list(arrivals(shape, "run", 2))

    assert 58 <= sum(2 if one.kind == DUPLICATE else 1 for one in found) <= 60
    assert list(arrivals(replace(shape, max_requests=1), "run", 0)) == []
