"""What mutants once broke: each is an error that says where and what."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mutations.subjects import made_beforehand
from pytest_storagefirst.chaos.drill import read_drill
from pytest_storagefirst.errors import EntryError, ReportError, SettingsError
from pytest_storagefirst.explore.first_guess import first_guess
from pytest_storagefirst.explore.outcome import explore_template, replay_schedule
from pytest_storagefirst.explore.stack import open_stack
from pytest_storagefirst.report.merged import merge_reports
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings
from pytest_storagefirst.simulation.deployed import Entry
from pytest_storagefirst.simulation.schedule import check_sendable
from pytest_storagefirst.stack.locating import BLUEPRINTS
from pytest_storagefirst.stack.topology import Integration, Route


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Path]:
    return made_beforehand(tmp_path_factory.mktemp("before"))


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("schedule.ahead", float("inf"), "OverflowError: cannot convert float infinity"),
        ("schedule.workload.0.body", {"id": "\ud800"}, "UnicodeEncodeError"),
        ("template", "x" * 10_000, "xxx"),
        ("template", "a\0b", "a\0b"),
    ],
)
def test_a_replay_file(made, tmp_path, key, value, found):
    replays, _ = made
    file = tmp_path / "replay.json"
    document = json.loads(sorted(replays.glob("*.json"))[0].read_text())
    holder: Any = document
    *steps, last = key.split(".")
    for step in steps:
        holder = holder[int(step) if isinstance(holder, list) else step]
    holder[last] = value
    file.write_text(json.dumps(document))

    outcome = replay_schedule(file, Settings())

    assert outcome.defect == ""
    assert found in outcome.refusal


def test_a_report(made, tmp_path):
    _, reports = made
    shutil.copytree(reports, tmp_path, dirs_exist_ok=True)
    file = tmp_path / "one.json"
    document = json.loads(file.read_text())
    document["stacks"][0]["coverage"]["cells"][0]["outcome"] = "perhaps"
    file.write_text(json.dumps(document))

    with pytest.raises(ReportError, match="the report is damaged") as raised:
        merge_reports([file, tmp_path / "other.json"])

    assert "'perhaps'; there are " in raised.value.found


@pytest.mark.parametrize(
    "line", ["needs = [{a = 1}]", "needs = [[1]]", "[expected]\nproperties = [{a = 1}]"]
)
def test_a_drill(tmp_path, line):
    file = tmp_path / "drill.toml"
    text = 'summary = "One"\n[[faults]]\nkind = "mapping-disabled"\n'
    file.write_text(text + line if line.startswith("[") else f"{line}\n{text}")

    with pytest.raises(SettingsError, match="has a value that can't be used"):
        read_drill(file)


ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)


@pytest.mark.parametrize(
    "body", ["\udc80", {"id": "\udc80"}, {"\udc80": 1}, "[" * 5_000, '{"a":' * 300, ENDLESS]
)
def test_a_message_that_nobody_can_read(body):
    with (
        open_stack("blueprint:api-queue-table", Settings()) as stack,
        pytest.raises(EntryError, match="this body can't be sent"),
    ):
        stack.send("POST /messages", body)


@pytest.mark.parametrize(
    "schema", ['"a"', "[]", '{"allOf": 1}', '{"type": "array", "minItems": {}}']
)
def test_a_request_model_that_is_no_schema(schema):
    integration = Integration("AWS", "", "POST")
    route = Route(
        "Api", "id", "REST", "POST", "/", "live", integration, request_models={"a": schema}
    )

    assert first_guess(Entry("POST /", None, "route", route)) == {"id": "{unique}"}


def test_a_long_list_and_brackets_in_a_text_are_sent():
    check_sendable([[], {}] * 1_000)
    check_sendable({"pattern": "[" * 1_000})
    check_sendable('{"quoted": "\\"[' + "[" * 1_000 + '"}')


def test_a_body_in_settings_that_nests_too_deeply(tmp_path):
    shutil.copytree(BLUEPRINTS / "api-queue-table", tmp_path, dirs_exist_ok=True)
    deep = "[" * 300
    (tmp_path / "storagefirst.toml").write_text(
        f'[[entry]]\nroute = "POST /messages"\nbody = "{deep}"\n'
    )

    outcome = explore_template(tmp_path / "template.yaml", "template", Settings(), tmp_path)

    assert "storagefirst.toml:1: this body can't be sent" in outcome.refusal
    assert "it nests deeper than 200 levels" in outcome.refusal


@pytest.mark.parametrize(
    "line",
    [
        'key = ["id"]',
        "key = 5",
        "threshold = {}",
        'recovery_seconds = "1 h"',
        "recovery_seconds = inf",
        "table = []",
        "url = 5",
        "state = 1",
    ],
)
def test_a_circuit(tmp_path, line):
    (tmp_path / "storagefirst.toml").write_text(f"[circuit]\n{line}\n")

    with pytest.raises(SettingsError, match=r"circuit") as raised:
        load_settings(tmp_path / "template.yaml")

    assert raised.value.where.endswith("storagefirst.toml:2")
