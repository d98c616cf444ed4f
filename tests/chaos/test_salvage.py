"""A drill whose journal is damaged or lost: what can be read of it is undone, the rest is told."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.chaos import journal as journals
from pytest_storagefirst.chaos import lock, sign_of_life
from pytest_storagefirst.chaos.lock import holder
from pytest_storagefirst.chaos.recover import recover
from pytest_storagefirst.chaos.run import run
from pytest_storagefirst.chaos.salvage import salvage
from pytest_storagefirst.errors import DrillError, JournalError, StorageFirstError
from pytest_storagefirst.target.target import Target
from tests.chaos import stage
from tests.chaos.test_every_drill import drilling, quick
from tests.chaos.test_guards import refused
from tests.chaos.test_trouble import left_open


def damaged(path: Path, number: int) -> None:
    """One byte of a line is another one."""
    lines = path.read_bytes().split(b"\n")
    lines[number] = lines[number][:-20] + b"\xff" + lines[number][-19:]
    path.write_bytes(b"\n".join(lines))


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last sign of life is long ago."""
    monkeypatch.setattr(sign_of_life, "FRESH_S", 0.0)


def test_the_remedy_of_a_damaged_journal_lets_the_stack_go(command, shop, tmp_path):
    """What the error says to do is done, word for word; then the next drill can begin."""
    before = stage.configuration(shop)
    path = left_open(shop, tmp_path)
    broken = path.read_bytes()
    damaged(path, 1)  # the lock's line: that of the change is whole
    at = ("--target", "stack:shop")
    result = command("recover", *at)
    refused(result, "damaged", f"storagefirst recover --salvage {path.stem}")
    assert stage.configuration(shop) != before

    salvaged = command("recover", *at, "--salvage", path.stem)

    assert salvaged.exit_code == 4, salvaged.output
    assert "not known: 1 line of the journal can't be read" in salvaged.output
    assert "FromWork: enabled put back to true" in salvaged.output
    assert "the stack's lock is let go" in salvaged.output
    assert stage.configuration(shop) == before
    assert holder(shop) is None
    kept = path.with_name(path.name + ".damaged")
    assert kept.read_bytes() != broken
    assert kept.stat().st_mode & 0o777 == 0o600
    nothing = command("recover", *at)
    assert (nothing.exit_code, "nothing to undo" in nothing.output) == (0, True)
    assert run(quick("flag-flipped"), drilling(shop, tmp_path)).is_undone


def test_a_change_that_cant_be_read_is_left_and_told(shop, tmp_path):
    before = stage.configuration(shop)
    path = left_open(shop, tmp_path)
    whole = path.read_bytes()
    damaged(path, 2)

    [told] = salvage(shop, tmp_path, path.stem)
    assert "1 line of the journal can't be read" in told
    assert told.endswith("; storagefirst drill consumer-disabled tells what it changes")
    assert recover(shop, tmp_path).left == ()
    assert holder(shop) is None
    assert stage.configuration(shop) != before

    path.write_bytes(whole)
    assert recover(shop, tmp_path).left == ()
    assert stage.configuration(shop) == before


def test_without_its_first_line_the_lock_says_whose_it_is(shop, tmp_path):
    before = stage.configuration(shop)
    path = left_open(shop, tmp_path)
    damaged(path, 0)

    assert len(salvage(shop, tmp_path, path.stem)) == 1
    assert recover(shop, tmp_path).left == ()
    assert stage.configuration(shop) == before
    assert holder(shop) is None


def test_whose_nobody_says_it_is_is_not_undone(shop, tmp_path):
    """Neither the first line nor the lock: the addresses may be another stack's."""
    before = stage.configuration(shop)
    path = left_open(shop, tmp_path)
    whole = path.read_bytes()
    damaged(path, 0)
    lock.release(shop, path.stem)

    doubts = salvage(shop, tmp_path, path.stem)
    assert "FromWork: enabled was to be changed from true to false" in doubts[1]
    assert not path.exists()
    assert recover(shop, tmp_path).found == 0
    assert stage.configuration(shop) != before

    path.write_bytes(whole)
    assert recover(shop, tmp_path).left == ()
    assert stage.configuration(shop) == before


def test_a_lost_journal_is_said_to_be_lost(own_shop, tmp_path, silent):
    path = left_open(own_shop, tmp_path)
    path.unlink()
    with pytest.raises(JournalError, match="journal is elsewhere") as raised:
        recover(own_shop, tmp_path)
    assert f"--salvage {path.stem}" in raised.value.line

    [told] = salvage(own_shop, tmp_path, path.stem)

    assert "the journal is lost" in told
    assert str(path) in told
    assert recover(own_shop, tmp_path).left == ()
    assert holder(own_shop) is None


def test_a_lock_that_says_nothing_can_be_let_go(own_shop, tmp_path, silent):
    own_shop.session().client("ssm").put_parameter(
        Name=lock.lock_name(own_shop.stack_name), Value="?", Type="String"
    )
    with pytest.raises(JournalError) as raised:
        recover(own_shop, tmp_path)
    assert f"--salvage {lock.UNREADABLE}" in raised.value.line

    assert len(salvage(own_shop, tmp_path, lock.UNREADABLE)) == 1
    assert recover(own_shop, tmp_path).left == ()
    assert holder(own_shop) is None


# --- what is refused --------------------------------------------------------------------------


def test_a_drill_that_gives_signs_of_life_elsewhere_is_not_salvaged(own_shop, tmp_path):
    path = left_open(own_shop, tmp_path / "there")
    path.unlink()  # as from another machine: the file can't be seen

    with pytest.raises(DrillError, match="still running"):
        salvage(own_shop, tmp_path / "here", path.stem)
    assert holder(own_shop) is not None


def test_a_drill_that_runs_here_is_not_salvaged(shop, tmp_path):
    before = stage.configuration(shop)
    refusals: list[StorageFirstError] = []

    def meanwhile() -> None:
        [path] = journals.journals(tmp_path)
        whole = path.read_bytes()
        damaged(path, 0)
        with pytest.raises(StorageFirstError, match="still running") as raised:
            salvage(shop, tmp_path, path.stem)
        refusals.append(raised.value)
        path.write_bytes(whole)

    how = replace(drilling(shop, tmp_path), watcher=lambda *_: stage.Watching(meanwhile))
    assert run(quick("consumer-disabled"), how).is_undone
    assert refusals
    assert stage.configuration(shop) == before


def test_a_whole_journal_is_not_salvaged(shop, tmp_path):
    path = left_open(shop, tmp_path)
    content = path.read_bytes()
    assert salvage(shop, tmp_path, path.stem) == []
    assert path.read_bytes() == content
    assert recover(shop, tmp_path).left == ()
    with pytest.raises(JournalError, match="is closed"):
        salvage(shop, tmp_path, path.stem)
    assert not list(path.parent.glob("*.damaged"))


def test_a_closed_journal_whose_lock_was_not_let_go_is_of_use(own_shop, tmp_path):
    path = left_open(own_shop, tmp_path)
    held: Any = holder(own_shop)
    assert recover(own_shop, tmp_path).left == ()
    lock.take(own_shop, held)
    assert recover(own_shop, tmp_path).found == 0

    assert salvage(own_shop, tmp_path, path.stem) == []
    assert recover(own_shop, tmp_path).left == ()
    assert holder(own_shop) is None


def test_a_whole_copy_is_better_than_what_is_salvaged(shop, tmp_path, silent):
    before = stage.configuration(shop)
    shop.session().client("s3").create_bucket(Bucket="copies-of-salvage")
    copy = "s3://copies-of-salvage/x"

    def drill() -> None:
        kill = stage.Watching(lambda: os.kill(os.getpid(), signal.SIGKILL))
        how = replace(drilling(shop, tmp_path), copies=(copy,), watcher=lambda *_: kill)
        run(quick("consumer-disabled"), how)

    stage.in_a_process_of_its_own(drill)
    [path] = journals.journals(tmp_path)
    damaged(path, 2)

    with pytest.raises(JournalError, match="is whole") as raised:
        salvage(shop, tmp_path, path.stem)
    assert f"move {path} away" in raised.value.line
    path.rename(path.with_suffix(".away"))
    assert recover(shop, tmp_path, (copy,)).left == ()
    assert stage.configuration(shop) == before


def test_another_version_is_not_damage(shop, tmp_path):
    path = left_open(shop, tmp_path)
    whole = path.read_text()
    path.write_text(whole.replace('"version": 2', '"version": 1', 1))
    with pytest.raises(JournalError, match="another version"):
        salvage(shop, tmp_path, path.stem)
    path.write_text(whole)
    assert recover(shop, tmp_path).left == ()


def test_another_stacks_journal_is_not_touched(shop, own_shop, tmp_path):
    path = left_open(shop, tmp_path)
    damaged(path, 1)
    content = path.read_bytes()
    with pytest.raises(JournalError, match="another stack"):
        salvage(own_shop, tmp_path, path.stem)
    assert path.read_bytes() == content
    assert len(salvage(shop, tmp_path, path.stem)) == 1
    assert recover(shop, tmp_path).left == ()


@pytest.mark.parametrize("name", ["nobody", "../../outside"])
def test_a_drill_that_is_not_there_is_refused(name, shop: Target, tmp_path):
    (tmp_path / "outside.jsonl").write_text(json.dumps({"step": "begin"}))
    with pytest.raises(DrillError, match="holds this stack"):
        salvage(shop, tmp_path / "a" / "b", name)


def test_what_is_salvaged_is_whole_again(shop, tmp_path):
    path = left_open(shop, tmp_path)
    damaged(path, 1)
    salvage(shop, tmp_path, path.stem)

    story: Any = journals.read_journal(path)
    assert [step["step"] for step in story.steps] == ["change"]
    assert recover(shop, tmp_path).left == ()
