"""Live command lines, from end to end: every drill; what is lost in between; two at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from click.testing import Result

from pytest_storagefirst.chaos import journal as journals
from pytest_storagefirst.chaos.breakage import Breakage
from pytest_storagefirst.chaos.drill import drill_names
from pytest_storagefirst.chaos.guards import live_name
from pytest_storagefirst.chaos.lock import holder
from pytest_storagefirst.chaos.run import run
from tests.chaos import stage
from tests.chaos.expiring import Expiring, before
from tests.chaos.test_every_drill import NOT_SHOWN_BY_MOTO, drilling, every_drill, quick
from tests.chaos.test_guards import refused
from tests.chaos.test_trouble import left_open

AT = ("--target", "stack:shop")
QUICKLY = ("--duration", "0.05", "--faults-only")


@every_drill
def test_every_drill_as_its_user_gives_it(name, command, shop, tmp_path):
    was = stage.configuration(shop)
    planned = command("drill", name, *AT)
    assert planned.exit_code == 0, planned.output
    assert stage.configuration(shop) == was

    acted = command("drill", name, *AT, "--live", live_name(shop), *QUICKLY, "--report", "out")

    assert acted.exit_code == 4, acted.output  # nothing is judged, and that is said
    assert "Traceback" not in acted.output
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["shown"] == (name not in NOT_SHOWN_BY_MOTO), acted.output
    assert [one["told"] for one in report["undone"] if one["how"] == "not undone"] == []
    assert stage.configuration(shop) == was
    assert "nothing to undo" in command("recover", *AT).output


@pytest.fixture
def server(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Expiring]:
    """Refuses as soon as a drill begins to undo."""
    with before(moto_url) as found:
        monkeypatch.setenv("AWS_ENDPOINT_URL", found.url)
        yield found


def refusing_at_undo(server: Expiring, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for method in ("unmake", "mend"):
        plain = getattr(Breakage, method)

        def first(self: Any, *given: Any, plain: Any = plain) -> None:
            server.code = code
            plain(self, *given)

        monkeypatch.setattr(Breakage, method, first)


LOST = {
    "a token": ("ExpiredTokenException", False, "get new ones"),
    "a permission": ("AccessDeniedException", True, "use some that do"),
}


# Of a token nothing is left; leave to write is asked for by each service in its own way.
WRITING = ("poison-message", "circuit-forced-open", "queue-send-denied", "table-denied")
CASES = [(name, "a token") for name in drill_names()]
CASES += [(name, "a permission") for name in WRITING]


@pytest.mark.parametrize(("name", "lost"), CASES)
def test_what_is_lost_between_fault_and_undo(
    name,
    lost,
    command,
    server,
    shop,
    tmp_path,
    monkeypatch,
):
    """All calls are refused from then on, or all that write; recover finishes with new ones."""
    stage.emptied(shop)
    was = stage.configuration(shop)
    code, reads, remedy = LOST[lost]
    server.reads = reads
    refusing_at_undo(server, code, monkeypatch)

    result = command("drill", name, *AT, "--live", live_name(shop), *QUICKLY)

    assert result.exit_code == 4, result.output
    assert "Traceback" not in result.output
    assert server.refused
    assert remedy in result.output
    assert "storagefirst recover --target stack:shop" in result.output
    [path] = journals.journals(tmp_path)
    story: Any = journals.read_journal(path)
    assert not story.is_closed
    assert holder(shop) is not None

    again = command("recover", *AT)
    assert again.exit_code in (4, 5), again.output
    assert remedy in again.output
    assert journals.read_journal(path) is not None

    server.code = ""
    last = command("recover", *AT)
    assert last.exit_code == 0, last.output
    assert stage.configuration(shop) == was
    assert holder(shop) is None
    assert "nothing to undo" in command("recover", *AT).output


@pytest.mark.parametrize("what", ["recover", "drill"])
@pytest.mark.parametrize("damage", ["a version", "a byte", "a line", "no journal", "nothing"])
def test_a_journal_that_cant_be_trusted_is_one_line(
    damage,
    what,
    command,
    shop,
    tmp_path,
):
    path = left_open(shop, tmp_path)
    whole = path.read_text()
    broken = stage.configuration(shop)
    lines = whole.splitlines(keepends=True)
    damaged = {
        "a version": whole.replace('"version": 2', '"version": 99'),
        "a byte": whole.replace('"before": true', '"before": none'),
        "a line": "".join([lines[0], lines[1][:20] + "\n", *lines[2:]]),
        "no journal": "hello\n",
        "nothing": "",
    }
    path.write_text(damaged[damage])
    asked = ["recover", *AT]
    if what == "drill":
        asked = ["drill", "flag-flipped", *AT, "--live", live_name(shop), *QUICKLY]
    refused(command(*asked), "storagefirst")
    assert stage.configuration(shop) == broken

    path.write_text(whole)
    assert command("recover", *AT).exit_code == 0


@pytest.mark.parametrize("folder", ["elsewhere", "here"])
def test_of_two_at_once_the_second_is_refused(
    folder,
    command,
    shop,
    tmp_path,
    monkeypatch,
):
    """While the first one's fault is in effect; the second may be anyone's, anywhere."""
    was = stage.configuration(shop)
    first = tmp_path / "first"
    during: list[Result] = []

    def meanwhile() -> None:
        broken = stage.configuration(shop)
        if folder == "here":
            monkeypatch.chdir(first)
            (first / "storagefirst.toml").write_text((tmp_path / "storagefirst.toml").read_text())
        asked = ("drill", "flag-flipped", *AT, "--live", live_name(shop), *QUICKLY)
        during.extend((command(*asked), command("recover", *AT)))
        assert stage.configuration(shop) == broken

    how = replace(drilling(shop, first), watcher=lambda *_: stage.Watching(meanwhile))
    outcome = run(quick("consumer-disabled"), how)

    assert outcome.is_undone
    assert not outcome.problems
    refused(during[0], "under way", "consumer-disabled")
    refused(during[1], "storagefirst recover")
    assert stage.configuration(shop) == was
    assert holder(shop) is None


@pytest.mark.parametrize("verb", ["drill", "load"])
def test_a_command_line_without_a_name_is_wrong_in_itself(verb, command):
    """5 says that a target could not be set up."""
    result = command(verb)
    assert result.exit_code == 2
    assert f"name a {'drill' if verb == 'drill' else 'profile'}" in result.output


@pytest.mark.parametrize(("canaries", "told"), [(1, "1 canary message through"), (3, "3 canary m")])
def test_one_canary_is_told_as_one(canaries, told, command, shop, tmp_path):
    drill = "summary = 'x'\n[steady_state]\ncanaries = {}\n[[faults]]\nkind = 'mapping-disabled'\n"
    stage.drill_file(tmp_path, drill.format(canaries))
    planned = command("drill", "own.toml", *AT)
    assert planned.exit_code == 0, planned.output
    assert told in planned.output
