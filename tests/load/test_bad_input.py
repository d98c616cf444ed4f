"""What can't be run is refused with one line, before any load is sent."""

from __future__ import annotations

import pytest

from .conftest import Door, free_port

BAD = {
    "no profile 'shrot'": (["shrot"], 'write "short"'),
    "no objective is about 'ingest.p98'": (["short", "--slo", "ingest.p98<1s"], "ingest.p99"),
    "can't be compared": (["short", "--slo", "ingest.p99<300"], "ingest.p99<300ms"),
    "this is no objective": (["short", "--slo", "fast"], "lost==0"),
    "no such stack": (["short", "--target", "stack:nowhere"], "expected local"),
    "hard cap": (["short", "--duration", "5000"], "max_requests"),
}


@pytest.mark.parametrize("what", BAD)
def test_it_is_one_line_and_exit_5(door, load, what):
    arguments, remedy = BAD[what]
    server = door()
    ended = load(server, *arguments).ended()

    assert ended.exit == 5, ended.text
    [line] = ended.text.splitlines()
    assert what in line
    assert remedy in line
    assert server.state()["requests"] == {}


def test_an_endpoint_that_answers_other_than_expected(door, load):
    server = door(status=403)
    ended = load(server, "short").ended()

    assert ended.exit == 5
    [line] = ended.text.splitlines()
    assert "does not take a message of POST /messages; found answered 403" in line
    assert len(server.state()["requests"]) == 1


def test_an_endpoint_that_is_not_there(load):
    ended = load(Door(f"http://127.0.0.1:{free_port()}"), "short").ended()

    assert ended.exit == 5
    [line] = ended.text.splitlines()
    assert "no connection to 127.0.0.1" in line


def test_a_journal_that_cant_be_written(door, load, tmp_path):
    (tmp_path / ".storagefirst").write_text("a file")
    server = door()
    ended = load(server, "short").ended()

    assert ended.exit == 5
    [line] = ended.text.splitlines()
    assert "the journal of the run can't be written" in line
    assert server.state()["requests"] == {}


def test_profiles_of_the_current_folder_change_and_add(door, load, tmp_path):
    (tmp_path / "storagefirst.toml").write_text(
        '[profiles.short]\nobjectives = ["drain<1s"]\n'
        '[profiles.mine]\nphases = [{ name = "act", seconds = 1, rate = "much" }]\n'
    )
    ended = load(door(), "short").ended()

    assert ended.exit == 5
    [line] = ended.text.splitlines()
    assert "storagefirst.toml:4: mine.phases[0].rate has a value that can't be used" in line


@pytest.mark.parametrize("processes", ["0", "2"])
def test_what_nobody_foresaw_ends_the_run_without_a_verdict(door, load, processes, monkeypatch):
    """Locust itself would print a traceback of ours."""
    monkeypatch.setenv("QUIET_FAILS", "1")
    ended = load(door(), "short", "--processes", processes).ended()

    assert ended.exit == 4, ended.text
    assert "the run can't be judged: RuntimeError: nobody foresaw this" in ended.text
    assert "Traceback" not in ended.text
