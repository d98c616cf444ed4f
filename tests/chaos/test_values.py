"""Values that can't be set: refused before anything is done, by file, line and key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ParamValidationError

from pytest_storagefirst.chaos.breaking import Aim
from pytest_storagefirst.chaos.command import Asked, drill, shortened
from pytest_storagefirst.chaos.drill import find_drill
from pytest_storagefirst.chaos.plan import make_plan
from pytest_storagefirst.chaos.undo import told_error
from pytest_storagefirst.errors import DrillError, SettingsError
from tests.chaos import stage


def own(folder: Path, kind: str, line: str) -> str:
    text = f'summary = "x"\n[[faults]]\nkind = "{kind}"\n{line}\n'
    return stage.drill_file(folder, text)


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("throttled", "concurrency", -1),
        ("throttled", "concurrency", 1.5),
        ("visibility-expired", "visibility_timeout_seconds", 43_201),
        ("visibility-expired", "visibility_timeout_seconds", -1),
        ("visibility-expired", "visibility_timeout_seconds", "60 s"),
        ("table-throttled", "units", 0),
        ("table-denied", "actions", ["s3:*"]),
        ("table-denied", "actions", ["dynamodb:PutItem", "*"]),
        ("table-denied", "actions", []),
        ("poison", "messages", 0),
        ("poison", "messages", True),
        ("slow", "seconds", 901),
        ("slow", "share", 2),
    ],
)
def test_a_value_that_cant_be_set_is_named_with_its_line(kind, key, value, tmp_path):
    name = own(tmp_path, kind, f"{key} = {json.dumps(value).lower()}")

    with pytest.raises(SettingsError) as caught:
        find_drill(name, tmp_path)
    assert f"{name}:4" in caught.value.line
    assert f"faults[0].{key}" in caught.value.line


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("visibility-expired", "visibility_timeout_seconds = 43200"),
        ("visibility-expired", "visibility_timeout_seconds = 0"),
        ("table-throttled", "units = 1"),
        ("table-denied", 'actions = ["dynamodb:PutItem", "dynamodb:*"]'),
    ],
)
def test_the_bounds_themselves_can_be_set(kind, line, tmp_path):
    assert find_drill(own(tmp_path, kind, line), tmp_path).faults


@pytest.fixture
def account(shop: Any) -> Iterator[None]:
    """An account of 1000, of which 150 are reserved by nobody."""
    events = shop.session().client("lambda").meta.events
    limit = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 150}

    def answer(model: Any, **_: Any) -> Any:
        if model.name == "GetAccountSettings":
            return SimpleNamespace(status_code=200), {"AccountLimit": limit}
        return None

    events.register("before-call", answer)
    yield
    events.unregister("before-call", answer)


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(("concurrency", "fits"), [(0, True), (50, True), (51, False)])
def test_more_than_the_account_can_reserve_is_refused(concurrency, fits, shop, tmp_path):
    name = own(tmp_path, "throttled", f"concurrency = {concurrency}")
    aim = Aim(shop, "x")
    if fits:
        assert make_plan(find_drill(name, tmp_path), aim).changes
        return
    with pytest.raises(DrillError, match="can't be reserved") as caught:
        make_plan(find_drill(name, tmp_path), aim)
    assert name in caught.value.line
    assert "found 50 are free" in caught.value.line


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), 0.0, -1.0])
def test_a_duration_that_is_none_is_refused(seconds):
    with pytest.raises(DrillError, match="--duration"):
        shortened(find_drill("consumer-disabled", Path()), seconds)


def test_a_drill_without_length_is_not_stretched(tmp_path):
    name = own(tmp_path, "mapping-disabled", 'for = "0 s"')

    with pytest.raises(DrillError, match="nothing to stretch"):
        shortened(find_drill(name, tmp_path), 5.0)


def test_a_plan_that_is_too_long_is_refused(shop, monkeypatch, tmp_path):
    monkeypatch.setattr("pytest_storagefirst.chaos.command.find_target", lambda *_: shop)

    with pytest.raises(DrillError, match="longer than is allowed"):
        drill(Asked("consumer-disabled", "local", seconds=5000), tmp_path, lambda _: None)


def test_what_aws_refuses_is_told_in_whole():
    report = "Invalid type for parameter Units, value: x, type: <class 'str'>"
    error = ParamValidationError(report=report)

    assert told_error(error) == f"Parameter validation failed: {report}"
