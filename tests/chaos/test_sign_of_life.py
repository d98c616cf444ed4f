"""A drill that runs on one machine, and `recover` on another that has its journal's copy."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.chaos import sign_of_life
from pytest_storagefirst.chaos.lock import holder, lock_name
from pytest_storagefirst.chaos.outcome import Outcome
from pytest_storagefirst.chaos.recover import recover
from pytest_storagefirst.chaos.run import run
from pytest_storagefirst.errors import DrillError
from pytest_storagefirst.target.target import Target
from tests.chaos import stage
from tests.chaos.test_every_drill import drilling, quick


@pytest.fixture(scope="module")
def copy(shop: Target) -> str:
    shop.session().client("s3").create_bucket(Bucket="signs-of-life")
    return "s3://signs-of-life/drills"


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """`recover` runs on another machine, which can't see whether a journal is held."""
    monkeypatch.setattr(sign_of_life, "is_held", lambda path: None)


def watched(target: Target, folder: Path, copy: str, watching: stage.Watching) -> Outcome:
    drill = quick("consumer-disabled")
    how = replace(drilling(target, folder), copies=(copy,), watcher=lambda *_: watching)
    return run(drill, how)


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_a_running_drill_is_not_undone_from_elsewhere(
    is_elsewhere, copy, shop, tmp_path, monkeypatch
):
    if is_elsewhere:
        monkeypatch.setattr(sign_of_life, "is_held", lambda path: None)
    refused: list[str] = []
    during: list[bool] = []

    def meanwhile() -> None:
        with pytest.raises(DrillError, match="still running") as caught:
            recover(shop, tmp_path / "other")
        refused.append(caught.value.line)
        [mapping] = shop.topology().mappings
        client = shop.session().client("lambda")
        during.append(client.get_event_source_mapping(UUID=mapping.uuid)["State"] == "Enabled")
        assert holder(shop) is not None

    outcome = watched(shop, tmp_path / "own", copy, stage.Watching(meanwhile))

    assert ("run this again in" in refused[0]) == is_elsewhere
    assert during == [False]
    assert not list(tmp_path.glob("other/**/*.jsonl"))
    assert outcome.shown
    assert not outcome.problems
    assert holder(shop) is None


def test_a_drill_that_gives_no_sign_any_more_is_undone_from_elsewhere(
    copy, shop, tmp_path, elsewhere, monkeypatch
):
    before = stage.configuration(shop)

    def drill() -> None:
        kill = stage.Watching(lambda: os.kill(os.getpid(), signal.SIGKILL))
        watched(shop, tmp_path / "own", copy, kill)

    stage.in_a_process_of_its_own(drill)

    with pytest.raises(DrillError, match="still running") as caught:
        recover(shop, tmp_path / "other")
    assert "if its process is gone, run this again in" in caught.value.line
    assert stage.configuration(shop) != before
    monkeypatch.setattr(sign_of_life, "_silent_for_s", lambda _: sign_of_life.FRESH_S)
    assert recover(shop, tmp_path / "other").left == ()
    assert stage.configuration(shop) == before


def test_a_journal_that_was_carried_elsewhere_is_asked_about_as_well(copy, shop, tmp_path):
    """A copy of the file is held by nobody, and its drill may run all the same."""

    def meanwhile() -> None:
        [path] = tmp_path.glob("own/**/*.jsonl")
        carried = tmp_path / "other" / path.relative_to(tmp_path / "own")
        carried.parent.mkdir(parents=True)
        carried.write_bytes(path.read_bytes())
        with pytest.raises(DrillError, match="still running"):
            recover(shop, tmp_path / "other")

    assert not watched(shop, tmp_path / "own", copy, stage.Watching(meanwhile)).problems


@pytest.mark.parametrize(
    "said", ["Sun, 22 Nov 2026 17:28:58 GMT, Sun, 22 Nov 2026 17:28:58 GMT", "soon", ""]
)
def test_a_date_that_is_said_twice_or_not_at_all_keeps_nobody_from_recovering(
    said, own_shop, tmp_path
):
    """A proxy may add its own."""
    client = own_shop.session().client("ssm")
    client.put_parameter(Name=lock_name(own_shop.stack_name), Value='{"id": "a"}', Type="String")

    def add(parsed: Any, **_: Any) -> None:
        parsed["ResponseMetadata"]["HTTPHeaders"]["date"] = said

    client.meta.events.register("after-call.ssm.GetParameter", add)
    age_s = sign_of_life._silent_for_s(own_shop)
    assert 0 <= age_s < (20 * 365 * 86400 if said.startswith("Sun") else 600)


@pytest.mark.parametrize("operation", ["GetParameter", "PutParameter"])
@pytest.mark.parametrize("how", ["gone", "another's"])
def test_whose_lock_is_taken_away_stops_and_undoes(
    how, operation, copy, own_shop, tmp_path, monkeypatch
):
    """Before it looks at its lock to renew it, and between the look and the write."""
    monkeypatch.setattr(sign_of_life, "EVERY_S", 0.05)
    before = stage.configuration(own_shop)
    client = own_shop.session().client("ssm")
    theirs = stage.clients(own_shop.endpoint_url).client("ssm")
    name = lock_name(own_shop.stack_name)
    taken: list[str] = []

    def take(**_: Any) -> None:
        if taken:
            return
        taken.append(how)
        if how == "gone":
            theirs.delete_parameter(Name=name)
        else:
            theirs.put_parameter(Name=name, Value='{"id": "b"}', Type="String", Overwrite=True)

    class Waiting(stage.Watching):
        def during(self) -> None:
            time.sleep(0.1)

    watching = Waiting(
        lambda: client.meta.events.register(f"before-call.ssm.{operation}", take),
    )
    drill = quick("consumer-disabled")
    drill = replace(drill, faults=tuple(replace(one, for_s=20) for one in drill.faults))
    how_run = replace(drilling(own_shop, tmp_path), watcher=lambda *_: watching)
    outcome = run(drill, how_run)
    client.meta.events.unregister(f"before-call.ssm.{operation}", take)

    assert taken == [how]
    assert outcome.stopped == "the stack's lock was taken away from it"
    assert outcome.is_undone
    is_theirs = (how, operation) == ("another's", "GetParameter")  # in between, ours stands on it
    assert (holder(own_shop) or {}).get("id") == ("b" if is_theirs else None)
    if is_theirs:
        client.delete_parameter(Name=name)
    assert stage.configuration(own_shop) == before


def test_the_lock_is_renewed_as_long_as_the_drill_runs(copy, own_shop, tmp_path, monkeypatch):
    monkeypatch.setattr(sign_of_life, "EVERY_S", 0.05)
    signs: list[bool] = []

    def renewed() -> int:
        client = own_shop.session().client("ssm")
        name = lock_name(own_shop.stack_name)
        version: int = client.get_parameter(Name=name)["Parameter"]["Version"]
        return version

    def meanwhile() -> None:
        first, until = renewed(), time.monotonic() + 20
        while renewed() < first + 2 and time.monotonic() < until:
            time.sleep(0.05)
        signs.append(renewed() >= first + 2)

    outcome = watched(own_shop, tmp_path, copy, stage.Watching(meanwhile))

    assert signs == [True]
    assert outcome.is_undone
    assert holder(own_shop) is None


def test_the_same_folder_on_another_machine_is_not_the_same_folder(
    copy, own_shop, tmp_path, monkeypatch
):
    """As in containers and CI: what can't be seen there may run here all the same."""
    refused: list[str] = []
    folder = tmp_path / "own"

    def meanwhile() -> None:
        here = folder.rename(tmp_path / "here")
        monkeypatch.setattr(sign_of_life.socket, "gethostname", lambda: "another")
        with pytest.raises(DrillError, match="still running") as caught:
            recover(own_shop, folder)
        refused.append(caught.value.line)
        here.rename(folder)

    outcome = watched(own_shop, folder, copy, stage.Watching(meanwhile))

    assert "run this again in" in refused[0]
    assert outcome.is_undone
    assert not outcome.problems
