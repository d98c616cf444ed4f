"""A journal that lacks something of what its drill announced, and one that can't be finished."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.chaos import journal as journals
from pytest_storagefirst.chaos import lock
from pytest_storagefirst.chaos.lock import holder
from pytest_storagefirst.chaos.recover import recover
from pytest_storagefirst.chaos.run import run
from pytest_storagefirst.chaos.settings import SETTINGS
from pytest_storagefirst.errors import JournalError
from tests.chaos import stage
from tests.chaos.test_every_drill import drilling, quick
from tests.chaos.test_guards import refused
from tests.chaos.test_trouble import client_error, left_open, refusing


def without(number: int) -> Callable[[bytes], bytes]:
    def cut(content: bytes) -> bytes:
        lines = content.splitlines(keepends=True)
        del lines[number]
        return b"".join(lines)

    return cut


def up_to(text: bytes) -> Callable[[bytes], bytes]:
    return lambda content: content[: content.rindex(text)]


READABLE = {
    "the newline": lambda content: content[:-1],
    "fifteen bytes": lambda content: content[:-15],
    "all after the value": up_to(b'"after"'),
}
UNREADABLE = {
    "the value": up_to(b'"value"'),
    "all but its beginning": up_to(b'"change"'),
    "the last line": without(2),
    "a line before it": without(1),
    "the first line": without(0),
}


@pytest.mark.parametrize("cut", READABLE)
def test_a_change_whose_line_was_cut_off_is_compared_and_undone(cut, shop, tmp_path):
    before = stage.configuration(shop)
    path = left_open(shop, tmp_path)
    path.write_bytes(READABLE[cut](path.read_bytes()))
    told: list[str] = []

    assert recover(shop, tmp_path, tell=told.append).left == ()

    assert "FromWork: the line of this change is cut off" in "\n".join(told)
    assert stage.configuration(shop) == before
    story: Any = journals.read_journal(path)
    assert [step["step"] for step in story.steps] == ["lock", "change", "undone", "closed"]


@pytest.mark.parametrize("cut", UNREADABLE)
def test_a_journal_that_lacks_a_line_is_refused_and_can_be_salvaged(
    cut,
    command,
    shop,
    tmp_path,
):
    path = left_open(shop, tmp_path)
    broken, whole = stage.configuration(shop), path.read_bytes()
    path.write_bytes(UNREADABLE[cut](whole))
    at = ("--target", "stack:shop")

    refused(command("recover", *at), "damaged", f"--salvage {path.stem}")
    assert stage.configuration(shop) == broken

    salvaged = command("recover", *at, "--salvage", path.stem)
    is_known = cut in ("a line before it", "the first line")
    assert ("FromWork: enabled put back to true" in salvaged.output) == is_known
    assert ("1 change of the drill is not in it" in salvaged.output) == (not is_known)
    assert salvaged.exit_code == (0 if is_known else 4), salvaged.output
    assert holder(shop) is None
    assert command("recover", *at).exit_code == 0

    path.write_bytes(whole)
    assert recover(shop, tmp_path).left == ()


def test_a_line_that_tore_in_a_crash_is_no_damage(shop, tmp_path):
    """It was being written, so its number had not been told yet: the lock knows the one before."""
    before = stage.configuration(shop)
    path = left_open(shop, tmp_path)
    held: Any = holder(shop)
    assert held[lock.CHANGES] == 1
    with path.open("ab") as file:
        file.write(b"\x00\x00\x00")

    assert recover(shop, tmp_path).left == ()
    assert stage.configuration(shop) == before


@pytest.mark.parametrize("word", ["lock", "undone", "closed", "change"])
def test_without_the_lock_a_torn_line_is_what_it_begins_as(word, shop, tmp_path):
    path = left_open(shop, tmp_path)
    lock.release(shop, path.stem)
    whole = path.read_bytes()
    with path.open("ab") as file:
        file.write(f'{{"step": "{word}", "num'.encode())

    if word == "change":
        with pytest.raises(JournalError, match="damaged") as raised:
            recover(shop, tmp_path)
        assert "may have announced a change" in raised.value.line
        path.write_bytes(whole)
    assert recover(shop, tmp_path).left == ()


def left_open_with(copy: str, shop: Any, folder: Path) -> Path:

    def drill() -> None:
        kill = stage.Watching(lambda: os.kill(os.getpid(), signal.SIGKILL))
        how = replace(drilling(shop, folder), copies=(copy,), watcher=lambda *_: kill)
        run(quick("consumer-disabled"), how)

    stage.in_a_process_of_its_own(drill)
    [path] = journals.journals(folder)
    return path


def objects(shop: Any, bucket: str) -> list[str]:
    answer = shop.session().client("s3").list_objects_v2(Bucket=bucket)
    return [one["Key"] for one in answer.get("Contents", ())]


def test_what_a_copy_tells_beyond_the_file_is_seen_without_the_lock(shop, tmp_path):
    before = stage.configuration(shop)
    shop.session().client("s3").create_bucket(Bucket="tells-more")
    path = left_open_with("s3://tells-more/x", shop, tmp_path)
    lock.release(shop, path.stem)
    whole = path.read_bytes()
    path.write_bytes(without(2)(whole))

    with pytest.raises(JournalError, match="damaged"):
        recover(shop, tmp_path)
    path.write_bytes(whole)
    assert recover(shop, tmp_path).left == ()
    assert stage.configuration(shop) == before


def test_a_journal_of_the_version_before_is_refused_unless_it_is_closed(shop, tmp_path):
    path = left_open(shop, tmp_path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    old = path.with_name("old.jsonl")
    lines[0] |= {"version": 1, "id": "old"}
    old.write_text("".join(json.dumps(line) + "\n" for line in lines))

    with pytest.raises(JournalError, match="another version"):
        recover(shop, tmp_path)

    old.write_text(old.read_text() + '{"step": "closed", "crc": 1}\n')
    assert recover(shop, tmp_path).left == ()
    assert run(quick("flag-flipped"), drilling(shop, tmp_path)).is_undone


def test_a_full_disk_leaves_whole_lines(tmp_path):
    path = tmp_path / "x.jsonl"
    journal = journals.Journal.begun(path, {"id": "x"})
    whole = path.read_bytes()
    plain = journal._file

    class Full:
        """It takes ten bytes more."""

        taken = 0

        def write(self, content: bytes) -> int:
            if self.taken:
                raise OSError(28, "No space left on device")
            self.taken = plain.write(content[:10])
            return self.taken

        def __getattr__(self, name: str) -> Any:
            return getattr(plain, name)

    journal._file = Full()  # type: ignore[assignment]
    with pytest.raises(JournalError, match="No space left"):
        journal.change({"setting": "a"})
    assert path.read_bytes() == whole

    journal._file = plain
    journal.undone(1, "as it was")
    [_, line] = path.read_bytes().splitlines()
    assert json.loads(line)["step"] == "undone"
    journal.close()


# --- copies -----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_drill_that_is_undone_leaves_nothing_in_the_bucket(is_killed, shop, tmp_path):
    bucket = f"left-clean-{is_killed}".lower()
    shop.session().client("s3").create_bucket(Bucket=bucket)
    copy = f"s3://{bucket}/x"
    if is_killed:
        path = left_open_with(copy, shop, tmp_path)
        assert objects(shop, bucket) == [f"x/{path.name}"]
        assert recover(shop, tmp_path).left == ()
    else:
        how = replace(drilling(shop, tmp_path), copies=(copy,))
        assert run(quick("consumer-disabled"), how).is_undone
    assert objects(shop, bucket) == []


def test_a_copy_that_may_not_be_deleted_is_told_and_is_no_trouble(shop, tmp_path):
    shop.session().client("s3").create_bucket(Bucket="stays")
    end = refusing(shop, ("DeleteObject",), client_error("AccessDenied"))
    told: list[str] = []
    how = replace(drilling(shop, tmp_path), copies=("s3://stays/x",), tell=told.append)
    try:
        outcome = run(quick("consumer-disabled"), how)
    finally:
        end()

    assert outcome.is_undone
    assert outcome.problems == []
    assert any("the journal's copy stays in s3://stays/x" in line for line in told)


# --- what can never be undone -----------------------------------------------------------------


def test_a_drill_whose_undo_fails_for_ever_can_be_let_go(
    command,
    shop,
    tmp_path,
    monkeypatch,
):
    path = left_open(shop, tmp_path)
    broken = stage.configuration(shop)
    at = ("--target", "stack:shop")

    def fails(*_: Any) -> None:
        raise client_error("ValidationException")

    failing = replace(SETTINGS["mapping-enabled"], write=fails)
    monkeypatch.setitem(SETTINGS, "mapping-enabled", failing)
    for more in ((), ("--keep-changes",)):
        again = command("recover", *at, *more)
        assert again.exit_code == 4
        assert "left: FromWork: enabled is not undone" in again.output
        assert "--salvage DRILL" in again.output
        assert holder(shop) is not None

    let_go = command("recover", *at, "--salvage", path.stem)

    assert let_go.exit_code == 4
    told = "it was true, and the drill set false"
    assert told in let_go.output
    assert "left for good: FromWork: enabled is not undone" in let_go.output
    assert holder(shop) is None
    assert stage.configuration(shop) != broken  # the lock is gone, and nothing else
    assert "nothing to undo" in command("recover", *at).output

    monkeypatch.undo()
    mapping = shop.topology().mappings[0]
    SETTINGS["mapping-enabled"].write(shop, {"uuid": mapping.uuid}, True, False)
