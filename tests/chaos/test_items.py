"""An item that others write to while a drill has changed an attribute of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.chaos import undo as undoing
from pytest_storagefirst.chaos.outcome import Outcome
from pytest_storagefirst.chaos.recover import recover
from pytest_storagefirst.chaos.run import run
from pytest_storagefirst.chaos.settings.items import CIRCUIT_ITEM, ITEM
from pytest_storagefirst.chaos.undo import MOVED, MOVED_ITSELF, PUT_BACK
from pytest_storagefirst.target.target import Target
from tests.chaos import stage
from tests.chaos.test_every_drill import drilling, quick


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undoing, "_PAUSE_S", 0.0)


KEY = {"name": stage.CLOSED["name"]}


class Item:
    """The item of the breaker, as others write and read it."""

    def __init__(self, target: Target) -> None:
        self.client = target.session().client("dynamodb")
        self.table = next(
            one.name for one in target.topology().tables if one.logical_id == "Circuit"
        )

    def set(self, **values: Any) -> None:
        self.client.update_item(
            TableName=self.table,
            Key=KEY,
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
            ExpressionAttributeNames={f"#{name}": name for name in values},
            ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
        )

    def delete(self) -> None:
        self.client.delete_item(TableName=self.table, Key=KEY)

    @property
    def now(self) -> Any:
        return self.client.get_item(TableName=self.table, Key=KEY).get("Item")


def broken(name: str, target: Target, folder: Path, meanwhile: Any, **circuit: Any) -> Outcome:
    settings = replace(stage.SETTINGS, circuit={**stage.SETTINGS.circuit, **circuit})
    aimed = replace(target, settings=settings)
    how = replace(drilling(aimed, folder), watcher=lambda *_: stage.Watching(meanwhile))
    return run(quick(name), how)


def test_a_circuit_is_closed_again_though_refused_calls_were_counted(own_shop, tmp_path):
    item = Item(own_shop)
    outcome = broken(
        "circuit-forced-open", own_shop, tmp_path, lambda: item.set(refused={"N": "7"})
    )

    assert [one.how for one in outcome.undone] == [PUT_BACK]
    assert outcome.is_undone
    assert outcome.shown
    assert item.now["state"] == {"S": "CLOSED"}
    assert item.now["refused"] == {"N": "7"}
    assert recover(own_shop, tmp_path).found == 0


def test_of_what_was_set_beside_the_state_only_the_drills_own_is_put_back(own_shop, tmp_path):
    item = Item(own_shop)
    opened = {"until": "now + 60 s", "failures": 3}
    outcome = broken(
        "circuit-forced-open",
        own_shop,
        tmp_path,
        lambda: item.set(failures={"N": "4"}),
        opened=opened,
    )

    assert outcome.is_undone
    assert item.now["state"] == {"S": "CLOSED"}
    assert item.now["failures"] == {"N": "4"}
    assert "until" not in item.now


def test_a_state_that_is_a_third_one_is_the_breakers_own(own_shop, tmp_path):
    item = Item(own_shop)
    outcome = broken(
        "circuit-forced-open", own_shop, tmp_path, lambda: item.set(state={"S": "HALF_OPEN"})
    )

    assert [one.how for one in outcome.undone] == [MOVED_ITSELF]
    assert item.now["state"] == {"S": "HALF_OPEN"}


@pytest.mark.parametrize(
    ("added", "left"),
    [({}, None), ({"refused": {"N": "1"}}, {**KEY, "refused": {"N": "1"}})],
)
def test_an_item_that_was_not_there_is_gone_but_for_what_others_added(
    added, left, own_shop, tmp_path
):
    item = Item(own_shop)
    item.delete()
    outcome = broken(
        "circuit-forced-open",
        own_shop,
        tmp_path,
        lambda: item.set(**added) if added else None,
        opened={"failures": 3},
    )

    assert outcome.is_undone
    assert item.now == left


def test_a_lost_circuit_that_counts_again_gets_its_state_back(own_shop, tmp_path):
    item = Item(own_shop)
    outcome = broken(
        "circuit-state-lost", own_shop, tmp_path, lambda: item.set(seen_now={"N": "1"})
    )

    assert outcome.is_undone
    assert item.now["state"] == {"S": "CLOSED"}
    assert item.now["failures"] == {"N": "0"}
    assert item.now["seen_now"] == {"N": "1"}


@pytest.mark.parametrize(
    ("theirs", "how", "lit"), [({"by": {"S": "someone"}}, PUT_BACK, True), (None, MOVED, "dim")]
)
def test_of_a_flags_item_the_flag_alone_is_compared(theirs, how, lit, own_shop):
    item = Item(own_shop)
    item.set(lit={"BOOL": True})
    address = {"table": item.table, "key": KEY}
    before = ITEM.read(own_shop, address)
    value = {**before, "lit": {"BOOL": False}}
    ITEM.write(own_shop, address, value, before)
    item.set(**(theirs or {"lit": {"S": "dim"}}))
    step = {
        "setting": "item",
        "number": 1,
        "place": "lit",
        "address": address,
        "before": before,
        "value": value,
    }
    assert ITEM.in_effect(own_shop, address, value, before) == (theirs is not None)
    result = undoing.undo(own_shop, step)

    assert result.how == how
    assert next(iter(item.now["lit"].values())) == lit
    assert theirs is None or item.now["by"] == theirs["by"]


def test_what_is_counted_between_reading_and_writing_is_kept(own_shop):
    """The condition is on the attributes that are written, and on no other."""
    item = Item(own_shop)
    address = {"table": item.table, "key": KEY, "state": "state"}
    read = CIRCUIT_ITEM.read(own_shop, address)
    item.set(refused={"N": "1"})
    CIRCUIT_ITEM.write(own_shop, address, {**read, "state": {"S": "OPEN"}}, read)

    assert item.now["state"] == {"S": "OPEN"}
    assert item.now["refused"] == {"N": "1"}


@pytest.mark.parametrize("counted", [{}, {"n": {"N": "1"}}])
def test_a_state_within_a_map_is_put_back_there(counted, own_shop, tmp_path):
    item = Item(own_shop)
    item.delete()
    item.set(gate={"M": {"mode": {"S": "CLOSED"}, "n": {"N": "0"}}})
    opened = {"M": {"mode": {"S": "OPEN"}, "n": {"N": "0"}, **counted}}
    outcome = broken(
        "circuit-forced-open", own_shop, tmp_path, lambda: item.set(gate=opened), state="gate.mode"
    )

    assert outcome.is_undone
    assert item.now["gate"]["M"] == {"mode": {"S": "CLOSED"}, "n": {"N": "0"}, **counted}
