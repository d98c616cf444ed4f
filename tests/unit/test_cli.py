"""The `storagefirst` command."""

from __future__ import annotations

import json
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pytest_storagefirst.cli import main
from pytest_storagefirst.explore.coverage import Cell, Coverage
from pytest_storagefirst.explore.outcome import Outcome, write_replays
from pytest_storagefirst.explore.result import PropertyResult, StackResult
from pytest_storagefirst.report.json import write_report


def test_it_says_its_version():
    result = CliRunner().invoke(main, ["--version"])

    assert result.output == f"storagefirst, version {version('pytest-storagefirst')}\n"
    assert result.exit_code == 0


def test_a_command_that_does_not_exist_is_refused():
    result = CliRunner().invoke(main, ["loadd"])

    assert result.exit_code == 2
    assert "No such command 'loadd'" in result.output


def test_it_is_installed():
    (script,) = entry_points(group="console_scripts", name="storagefirst")

    assert script.load() is main


# --- merge ---------------------------------------------------------------------------------------

CELL = Cell("Worker: dynamodb.PutItem #1", "response-lost", "held")
WITNESS = {
    "format": "storagefirst-replay",
    "schedule": {
        "workload": [{"message": "m1", "entry": "Orders", "body": "{unique}"}],
        "plan": [],
        "choices": [],
        "seed": 0,
        "concurrency": 1,
        "batch_limit": 0,
        "one_by_one": False,
        "redrives": ["after"],
    },
}


def prop(name: str, verdict: str = "ok", **fields: Any) -> PropertyResult:
    return PropertyResult(name, verdict, runs=10, faults_tried=5, **fields)


BROKEN = prop("drains", "violated", why="it spins", lost=("m1",), story=("a",), witness=WITNESS)


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a report as a run does, into a folder of that name; gives its path as users name it."""
    monkeypatch.chdir(tmp_path)

    def write_one(
        name: str,
        shard: tuple[int, int] = (1, 1),
        properties: tuple[PropertyResult, ...] = (prop("drains"),),
        template: str = "template.yaml",
        **fields: Any,
    ) -> str:
        coverage = Coverage(cells=(CELL,), pairs_tried=7, sometimes={"dead letter": 0})
        result = StackResult(template, properties, shard=shard, coverage=coverage, **fields)
        outcome = Outcome(result=result, replays=write_replays(result, tmp_path / name / "replays"))
        expected = {template: [one.name for one in properties]}
        write_report({template: outcome}, expected, tmp_path / name, shard)
        return f"{name}/report.json"

    return write_one


def merge(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["merge", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result.exit_code, result.output


def merged(folder: str = "all") -> dict[str, Any]:
    value: dict[str, Any] = json.loads(Path(folder, "report.json").read_text(encoding="utf-8"))
    return value


def edit(report: str, **changes: Any) -> str:
    """Change keys of the report's one stack."""
    document = json.loads(Path(report).read_text())
    document["stacks"][0].update(changes)
    Path(report).write_text(json.dumps(document))
    return report


def test_all_shards_make_a_whole(write):
    code, output = merge(write("one", (1, 2)), write("two", (2, 2)), "--report", "all")

    assert code == 0
    assert output.splitlines() == [
        "template.yaml: 20 runs, 10 faults tried in 0.0 s; ok: 1",
        "  tried: 1 fault at 1 site, 14 pairs",
        "  never seen: a dead letter",
        "report: all/report.html (report.json beside it)",
    ]
    page = Path("all/report.html").read_text(encoding="utf-8")
    assert "template.yaml" in page
    (stack,) = merged()["stacks"]
    assert (stack["shard"], stack["interrupted"], stack["refused"]) == ([1, 1], False, None)
    assert stack["coverage"]["cells"] == [
        {"site": CELL.site, "fault": CELL.fault, "outcome": "held"}
    ]
    assert [(one["verdict"], one["runs"]) for one in stack["properties"]] == [("ok", 20)]


def test_without_a_folder_nothing_is_written(write, tmp_path):
    files = [write("one", (1, 2)), write("two", (2, 2))]
    before = sorted(tmp_path.rglob("*"))

    assert merge(*files)[0] == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_what_one_shard_saw_violated_is(write):
    write("one", (1, 2))
    write("two", (2, 2), (BROKEN,))

    code, output = merge("one/report.json", "two/report.json", "--report", "deep/all")

    assert code == 1
    assert "violated: drains" in output
    assert "drains: it spins\n  a\n" in output
    assert output.splitlines()[-2:] == [
        "replay of drains: deep/all/replays/template.yaml-drains.json",
        "report: deep/all/report.html (report.json beside it)",
    ]
    (one,) = merged("deep/all")["stacks"][0]["properties"]
    assert (one["verdict"], one["lost"], one["story"]) == ("violated", ["m1"], ["a"])
    # The folder is whole by itself.
    assert one["witness"] == "replays/template.yaml-drains.json"
    assert json.loads(Path("deep/all", one["witness"]).read_text()) == WITNESS


def test_a_replay_file_that_did_not_come_along_is_named_where_it_was(write):
    write("one", (1, 2))
    write("two", (2, 2), (BROKEN,))
    Path("two/replays/template.yaml-drains.json").unlink()

    assert merge("one/report.json", "two/report.json", "--report", "deep/all")[0] == 1

    (one,) = merged("deep/all")["stacks"][0]["properties"]
    assert one["witness"] == "../../two/replays/template.yaml-drains.json"


def test_a_missing_shard_leaves_nothing_shown(write):
    code, output = merge(write("one", (1, 3)), write("three", (3, 3)))

    assert code == 1
    assert "unknown: drains" in output
    assert merge("one/report.json", "three/report.json", "--report", "all")[0] == 1
    (one,) = merged()["stacks"][0]["properties"]
    assert one["why"] == "shard 2 of 3 is missing"


def test_a_shard_that_was_refused_is_missing_too(write):
    write("one", (1, 2))
    edit(write("two", (2, 2)), refused="template.yaml:1: no Resources\n  do: …")

    code, output = merge("one/report.json", "two/report.json")

    assert code == 1
    assert "unknown: drains" in output
    assert "note: two/report.json: refused: template.yaml:1: no Resources\n" in output


def test_a_stack_that_was_refused_everywhere(write):
    for name, part in (("one", 1), ("two", 2)):
        edit(write(name, (part, 2)), refused="template.yaml:1: no Resources", coverage=None)

    code, output = merge("one/report.json", "two/report.json", "--report", "all")

    assert code == 1
    assert "template.yaml: refused; unknown: drains" in output
    assert merged()["stacks"][0]["refused"] == "template.yaml:1: no Resources"


def test_the_same_shard_from_two_runs_is_counted_once_and_its_findings_kept(write):
    files = [write("one", (1, 2)), write("two", (2, 2)), write("again", (2, 2), (BROKEN,))]

    assert merge(*files, "--report", "all")[0] == 1
    (stack,) = merged()["stacks"]
    assert stack["coverage"]["pairs_tried"] == 14
    assert [(one["verdict"], one["runs"]) for one in stack["properties"]] == [("violated", 20)]


def test_an_interrupted_shard_leaves_nothing_shown(write):
    files = [write("one", (1, 2), interrupted=True), write("two", (2, 2))]

    assert merge(*files, "--report", "all")[0] == 1
    (stack,) = merged()["stacks"]
    assert stack["interrupted"] is True
    assert stack["properties"][0]["verdict"] == "unknown"


def test_different_templates_stand_side_by_side(write):
    code, _ = merge(
        write("two", template="b.yaml"), write("one", template="a.yaml"), "--report", "all"
    )

    assert code == 0
    assert [stack["template"] for stack in merged()["stacks"]] == ["a.yaml", "b.yaml"]


def test_what_is_merged_can_be_merged(write):
    merge(write("one", (1, 2)), write("two", (2, 2)), "--report", "all")

    assert merge("all/report.json", write("other", template="other.yaml"))[0] == 0


def test_a_report_of_an_older_version_of_this_plugin(write):
    old = write("one")
    document = json.loads(Path(old).read_text())
    for added in ("shard", "interrupted", "plugin", "coverage"):
        del document["stacks"][0][added]
    Path(old).write_text(json.dumps(document))

    assert merge(old, write("other", template="other.yaml"))[0] == 0


def test_verbosity(write):
    files = [write("one", (1, 2)), write("two", (2, 2))]

    assert CELL.site not in merge(*files)[1]
    assert f"  {CELL.site}  held: response-lost\n" in merge("-vv", *files)[1]


def test_colour_is_for_terminals_that_want_it(write, monkeypatch):
    files = [write("one", (1, 2)), write("two", (2, 2))]

    def coloured() -> str:
        return CliRunner().invoke(main, ["merge", *files], color=True).output

    assert "\x1b[32mtemplate.yaml" in coloured()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in coloured()


def no_stack(write):
    Path("empty.json").write_text('{"version": 1, "stacks": []}')
    return "empty.json"


def text(content: str):
    def make(write):
        Path("bad.json").write_text(content)
        return "bad.json"

    return make


def changed(**changes: Any):
    return lambda write: edit(write("bad"), **changes)


DEEP = "[" * 100_000
BAD = {
    "no file": (lambda write: "nowhere.json", ("nowhere.json", "No such file", "--storagefirst-")),
    "a folder": (
        lambda write: write("bad").removesuffix("/report.json"),
        ("found:    a folder", "write bad/report.json"),
    ),
    "no JSON": (text("{"), ("bad.json: the report is no JSON",)),
    "deep": (text(DEEP), ("bad.json: the report is no JSON",)),
    "a list": (text("[]"), ("bad.json: this is no report", "found:    list")),
    "a replay file": (text(json.dumps(WITNESS)), ("this is no report", "format, schedule")),
    "newer": (text('{"version": 2, "stacks": []}'), ("another version", "version 2", "version 1")),
    "no version": (text('{"version": true, "stacks": []}'), ("another version",)),
    "no stack": (no_stack, ("empty.json: the report holds no stack", "name a template")),
    "stacks": (text('{"version": 1, "stacks": {}}'), ("damaged", "{} in place of a list")),
    "a stack": (text('{"version": 1, "stacks": [1]}'), ("damaged", "1 in place of an object")),
    "no template": (text('{"version": 1, "stacks": [{"properties": [1]}]}'), ("damaged",)),
    "no properties": (changed(properties=[]), ("damaged", "without properties")),
    "a verdict": (
        changed(properties=[{"name": "drains", "verdict": "fine"}]),
        ("damaged", "'fine'", "ok, violated, unknown"),
    ),
    "a property's field": (
        changed(properties=[{"name": "drains", "verdict": "ok"}]),
        ("damaged", "no 'runs'"),
    ),
    "a shard": (changed(shard=[3, 2]), ("damaged", "shard 3/2")),
    "half a shard": (changed(shard=[3]), ("damaged",)),
    "no whole number": (changed(shard=[1, 2.5]), ("damaged", "2.5 in place of a count")),
    "seconds": (changed(seconds=float("nan")), ("damaged", "seconds nan")),
    "coverage": (changed(coverage={"cells": [{"site": "a"}]}), ("damaged", "no 'fault'")),
    "half a character": (changed(template="\ud800"), ("damaged", "surrogates not allowed")),
    "notes": (changed(notes="a"), ("damaged", "'a' in place of a list")),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_report_is_refused_with_what_to_do(write, name):
    make, parts = BAD[name]
    code, output = merge(write("good", template="good.yaml"), make(write), "--report", "all")

    assert code == 2
    assert all(part in output for part in parts), output
    assert len(output.splitlines()) <= 4
    assert not Path("all").exists()


def test_one_report_alone(write):
    code, output = merge(write("one"))

    assert code == 2
    assert "nothing to merge" in output
    assert "two reports or more" in output
    assert merge()[0] == 2


def test_the_same_file_twice(write):
    write("one")
    code, output = merge("one/report.json", "./one/../one/report.json")

    assert code == 2
    assert "the same file is given twice" in output


def test_shards_of_different_divisions(write):
    code, output = merge(write("one", (1, 2)), write("two", (2, 3)))

    assert code == 2
    assert "template.yaml: the reports divide this stack in different ways" in output
    assert "one/report.json: shard 1/2, two/report.json: shard 2/3" in output


def test_shards_from_different_versions(write):
    code, output = merge(write("one", (1, 2)), edit(write("two", (2, 2)), plugin="0.0.1"))

    assert code == 2
    assert f"one/report.json: {version('pytest-storagefirst')}, two/report.json: 0.0.1" in output


def test_a_folder_that_can_not_be_written(write):
    Path("all").write_text("a file")

    code, output = merge(write("one", (1, 2)), write("two", (2, 2)), "--report", "all")

    assert code == 2
    assert output.startswith("--report: all can't be written: ")
    assert len(output.splitlines()) == 1


def test_a_merge_on_github_has_a_summary(write, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))

    merge(write("one", (1, 2)), write("two", (2, 2), (BROKEN,)))

    text = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "| drains | ✗ violated | it spins |" in text


def test_a_summary_that_cant_be_written_is_told(write, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))

    code, output = merge(write("one", (1, 2)), write("two", (2, 2)))

    assert code == 0
    assert "GITHUB_STEP_SUMMARY: " in output
    assert "can't be written: Is a directory" in output
