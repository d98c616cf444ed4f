"""`[[entry]] strategy`: bodies from the user's own Hypothesis strategy."""

from __future__ import annotations

import pytest
from hypothesis import find, settings

from pytest_storagefirst.errors import SettingsError
from pytest_storagefirst.explore.body_strategies import some_bodies
from pytest_storagefirst.explore.ground import Ground
from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.explore.strategies import schedules_over
from pytest_storagefirst.settings import Entry, Settings
from pytest_storagefirst.simulation.schedule import Send

STRATEGIES = """
from hypothesis import strategies as st

orders = st.fixed_dictionaries({"id": st.just("{unique}"), "amount": st.integers(1, 100)})
bytes_only = st.just({"id": b"x"})
no_strategy = {"id": "{unique}"}
"""


@pytest.fixture
def entries(workshop):
    template = workshop.write()
    (template.parent / "drawn.py").write_text(STRATEGIES, encoding="utf-8")

    def prepared(strategy, body=None):
        given = Entry("queue", "Orders", body, strategy=strategy, where="storagefirst.toml:1")
        return prepare(template, Settings(entries=(given,))).deployed

    return prepared


def test_the_simplest_body_is_the_one_to_begin_with(entries):
    (entry,) = entries("drawn:orders").entries
    assert entry.body == {"id": "{unique}", "amount": 1}


def test_a_body_that_is_given_stays_the_one_to_begin_with(entries):
    (entry,) = entries("drawn:orders", {"id": "{unique}"}).entries
    assert entry.body == {"id": "{unique}"}


def test_schedules_draw_other_bodies(entries):
    deployed = entries("drawn:orders")
    (entry,) = deployed.entries
    drawn = schedules_over(Ground.of(deployed, (Send("m1", entry.name, entry.body),), {}), 0)
    found = find(
        drawn,
        lambda schedule: schedule.workload[0].body["amount"] > 50,
        settings=settings(database=None, derandomize=True),
    )
    assert found.workload[0].body == {"id": "{unique}", "amount": 51}


@pytest.mark.parametrize(
    ("strategy", "problem"),
    [
        ("drawn:nothing", "can't be imported"),
        ("nowhere_at_all:orders", "can't be imported"),
        ("drawn:no_strategy", "is no Hypothesis strategy"),
        ("drawn:bytes_only", "is no JSON"),
    ],
)
def test_a_wrong_strategy_is_named_with_its_place(entries, strategy, problem):
    with pytest.raises(SettingsError, match=problem) as error:
        entries(strategy)
    assert error.value.where == "storagefirst.toml:1"


def test_a_search_draws_other_bodies_the_same_for_the_same_seed(entries):
    strategy = entries("drawn:orders").entries[0].bodies
    bodies = some_bodies(strategy, seed=3)

    assert bodies == some_bodies(strategy, seed=3)
    assert len({body["amount"] for body in bodies}) > 10
