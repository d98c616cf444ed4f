"""What failed is played first the next time, and what is mended is forgotten."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.database import DirectoryBasedExampleDatabase, InMemoryExampleDatabase

from pytest_storagefirst.explore import remembered as remembering
from pytest_storagefirst.explore.exploration import explore
from pytest_storagefirst.explore.remembered import remember, remembered
from pytest_storagefirst.explore.result import PropertyResult
from pytest_storagefirst.ledger.verdict import OK, VIOLATED
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings
from pytest_storagefirst.simulation.schedule import Schedule, Send

TEMPLATE = Path("stack/template.yaml")
LOSS = "no-message-loss"
REAL_DATABASE = remembering._database  # before the fixture of all tests takes it away

# Loses what is on its way where the second attempt fails as well: no single fault shows it.
LOSES_AT_THE_SECOND = """
    mark = {"id": "seen " + body["id"]}
    if "Item" not in table.get_item(Key=mark, ConsistentRead=True):
        table.put_item(Item=mark)
        table.put_item(Item={"id": body["id"]})
        return
    try:
        with table.batch_writer() as batch:
            batch.put_item(Item={"id": body["id"]})
    except Exception:
        pass
"""


class Counting(InMemoryExampleDatabase):
    """Says what it holds of us."""

    def __init__(self):
        super().__init__()
        self.saved = {}

    def save(self, key, value):
        self.saved[key] = value
        super().save(key, value)

    def delete(self, key, value):
        self.saved.pop(key, None)
        super().delete(key, value)


@pytest.fixture
def database(monkeypatch):
    database = Counting()
    monkeypatch.setattr(remembering, "_database", lambda: database)
    return database


def violated(schedule, name=LOSS, **more):
    witness = {"schedule": schedule.to_json(), "bad": [], "kept": {}, **more}
    return PropertyResult(name, VIOLATED, witness=witness)


SCHEDULE = Schedule((Send("m1", "Orders", {"id": "{unique}"}),), choices=(1, 0, 2))


def test_what_is_remembered_comes_back_as_it_was(database):
    remember(TEMPLATE, [violated(SCHEDULE), PropertyResult("drains", OK)])

    (found,) = remembered(TEMPLATE, [LOSS, "drains"])

    assert (found.property_name, found.schedule) == (LOSS, SCHEDULE)
    assert remembered(Path("other.yaml"), [LOSS]) == []
    assert remembered(TEMPLATE, ["drains"]) == []


@pytest.mark.parametrize("more", [{"bad": ["m1"]}, {"kept": {"note": "a&b"}}])
def test_what_is_tried_each_time_is_not_kept(database, more):
    remember(TEMPLATE, [violated(SCHEDULE, **more)])

    assert not database.saved


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff\x00",
        b"[]",
        b"{}",
        json.dumps({"version": 2, "schedule": SCHEDULE.to_json()}).encode(),
        json.dumps({"version": 1, "schedule": {**SCHEDULE.to_json(), "plan": ["?"]}}).encode(),
        json.dumps({"version": 1, "schedule": {**SCHEDULE.to_json(), "workload": []}}).encode(),
        b"[" * 100_000,
    ],
)
def test_what_is_damaged_or_foreign_is_deleted(database, value):
    key = remembering._key(TEMPLATE, LOSS)
    database.save(key, value)

    assert remembered(TEMPLATE, [LOSS]) == []
    assert list(database.fetch(key)) == []


def test_no_more_are_played_than_a_few(database):
    for number in range(20):
        remember(TEMPLATE, [violated(replace(SCHEDULE, choices=(number,)))])

    assert len(remembered(TEMPLATE, [LOSS])) == remembering.MOST_PLAYED
    assert len(list(database.fetch(remembering._key(TEMPLATE, LOSS)))) == remembering.MOST_PLAYED


def test_a_database_that_fails_ends_no_run(monkeypatch):
    class Down(InMemoryExampleDatabase):
        def fetch(self, key):
            raise ConnectionError("no such server")

        save = delete = fetch

    monkeypatch.setattr(remembering, "_database", Down)

    remember(TEMPLATE, [violated(SCHEDULE)])
    assert remembered(TEMPLATE, [LOSS]) == []


def test_the_users_profile_says_where_and_whether(monkeypatch, tmp_path):
    monkeypatch.setattr(remembering, "_database", REAL_DATABASE)
    settings.register_profile("kept", database=DirectoryBasedExampleDatabase(tmp_path / "kept"))
    settings.register_profile("not kept", database=None)
    before = settings.get_current_profile_name()
    try:
        settings.load_profile("not kept")
        remember(TEMPLATE, [violated(SCHEDULE)])
        assert remembered(TEMPLATE, [LOSS]) == []
        settings.load_profile("kept")
        remember(TEMPLATE, [violated(SCHEDULE)])
        assert [one.schedule for one in remembered(TEMPLATE, [LOSS])] == [SCHEDULE]
        assert list((tmp_path / "kept").rglob("*"))
    finally:
        settings.load_profile(before)


def result(template, name=LOSS):
    settings = load_settings(template, Settings(budget_seconds=0))
    (found,) = explore(template, replace(settings, properties=(name,))).properties
    return found


TWO_FAULTS = Schedule(
    (Send("m1", "Orders", {"id": "{unique}"}),),
    plan=remembering.Schedule.from_json(
        {
            **SCHEDULE.to_json(),
            "plan": [
                "Worker: dynamodb.PutItem #2: refused(access-denied)",
                "Worker: dynamodb.BatchWriteItem #1: refused(access-denied)",
            ],
        }
    ).plan,
)


@pytest.fixture
def stack(workshop, monkeypatch):
    monkeypatch.chdir(workshop.folder)
    return workshop.write(workshop.app.replace(WORKS, LOSES_AT_THE_SECOND))


WORKS = '\n    table.put_item(Item={"id": body["id"]})\n'


def test_what_no_single_fault_shows_is_shown_again_at_once(database, stack):
    assert result(stack).verdict == OK
    remember(stack, [violated(TWO_FAULTS)])

    again = result(stack)

    assert again.verdict == VIOLATED
    assert len(again.witness["schedule"]["plan"]) == 2
    assert len(database.saved) == 1  # the same witness, kept once
    assert result(stack) == again


def test_what_is_mended_is_forgotten(database, stack, workshop):
    remember(stack, [violated(TWO_FAULTS)])
    workshop.write()  # the sound handler, in the same place

    assert result(stack).verdict == OK
    assert not database.saved


def test_a_body_of_then_accuses_nobody_now(database, workshop, monkeypatch):
    """The handler asks for a field that the remembered message did not have yet."""
    monkeypatch.chdir(workshop.folder)
    stack = workshop.working(
        'body["amount"]', toml='[[entry]]\nqueue = "Orders"\nbody = {id = "{unique}", amount = 3}\n'
    )
    remember(stack, [violated(Schedule(TWO_FAULTS.workload), name="redrive-completes")])

    assert result(stack, "redrive-completes").verdict == OK
    assert not database.saved


def test_an_entry_that_is_gone_is_forgotten(database, stack):
    remember(stack, [violated(Schedule((Send("m1", "Gone", {}),)))])

    assert result(stack).verdict == OK
    assert not database.saved


SAVES = """
import sys
from pathlib import Path
from pytest_storagefirst.explore.remembered import remember, remembered
from pytest_storagefirst.explore.result import PropertyResult
from pytest_storagefirst.simulation.schedule import Schedule, Send

witness = {"schedule": Schedule((Send("m1", "Orders", {}),)).to_json(), "bad": [], "kept": {}}
remember(Path("template.yaml"), [PropertyResult("drains", "violated", witness=witness)])
print(len(remembered(Path("template.yaml"), ["drains"])))
"""


def saved_in_a_process_of_its_own(folder, **environment):
    clean = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SAVES],
        cwd=folder,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_it_is_kept_where_hypothesis_keeps_its_examples(tmp_path):
    assert saved_in_a_process_of_its_own(tmp_path) == "1"
    assert list((tmp_path / ".hypothesis" / "examples").rglob("*"))

    elsewhere = tmp_path / "elsewhere"
    assert (
        saved_in_a_process_of_its_own(tmp_path, HYPOTHESIS_STORAGE_DIRECTORY=str(elsewhere)) == "1"
    )
    assert list((elsewhere / "examples").rglob("*"))


def test_a_folder_that_cannot_be_written_is_no_error_and_no_warning(tmp_path):
    (tmp_path / ".hypothesis").write_text("no folder")

    assert saved_in_a_process_of_its_own(tmp_path) in ("0", "1")  # in memory, or nowhere
