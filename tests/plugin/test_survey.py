"""`storagefirst survey`: a template ends in verdicts or in a refusal, and none stops another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from pytest_storagefirst.cli import main
from pytest_storagefirst.explore.replay import replay
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.survey import templates_in
from tests.unit.report.outline import outline_of, words_of

SOUND = """
Transform: AWS::Serverless-2016-10-31
Parameters: {Stage: {Type: String, AllowedPattern: "[a-z]+"}}
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      InlineCode: "%s"
      Events: {Queue: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn, BatchSize: 1}}}
"""
HANDLER = "import json\\ndef handler(event, context): json.loads(event['Records'][0]['body'])['id']"
FILES = {
    "sound/template.yaml": SOUND % HANDLER,
    "node/template.yaml": (SOUND % "").replace("python3.13", "nodejs22.x"),
    "ends/template.yaml": SOUND % "import ctypes; ctypes.string_at(0)",
    "broken/template.yml": SOUND.replace("Queue.Arn", "Nowhere.Arn") % HANDLER,
    "other/values.yaml": "Resources: none of AWS's\n",
    "node_modules/template.yaml": SOUND % HANDLER,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True)
        file.write_text(text, encoding="utf-8")
    return tmp_path


def test_each_template_has_a_line_of_its_own(folder):
    done = CliRunner().invoke(main, ["survey", str(folder), "--json", "--budget", "0"])

    found = {one["template"]: one for one in json.loads(done.output)["templates"]}
    assert set(found) == {
        "broken/template.yml",
        "ends/template.yaml",
        "node/template.yaml",
        "sound/template.yaml",
    }
    sound, node = found["sound/template.yaml"], found["node/template.yaml"]
    assert sound["refused"] is None
    assert {one["name"] for one in sound["properties"]} >= {"no-message-loss", "drains"}
    assert any("parameter Stage has no value" in note for note in sound["notes"])
    (lost,) = [one for one in sound["findings"] if one["rule"] == "no-dlq"]
    assert (lost["resource"], lost["line"]) == ("Queue", 5)
    assert lost["advice"] is None
    assert lost["witness"]["property"] in ("no-message-loss", "poison-isolated")
    assert lost["witness"]["parameters"] == {"Stage": "inventedstage"}
    (advised,) = [one for one in node["findings"] if one["rule"] == "no-dlq"]
    assert advised["witness"] is None
    assert "can't be run here: Worker" in advised["advice"]
    assert found["broken/template.yml"]["findings"] == []
    assert node["stands_up"]
    assert "Worker is no Python function" in node["refused"]
    assert not found["broken/template.yml"]["stands_up"]
    assert "Nowhere" in found["broken/template.yml"]["refused"]
    assert "its process ended with -11" in found["ends/template.yaml"]["refused"]
    assert done.exit_code == 0


def test_for_people_it_is_a_line_a_template(folder):
    done = CliRunner().invoke(
        main, ["survey", str(folder / "node"), "--report", str(folder / "report")]
    )

    first, *_, counts, last = done.output.splitlines()
    assert first.startswith("template.yaml: stands up, not judged: ")
    assert "template.yaml: audit: advice: 2" in done.output.splitlines()
    assert counts == "1 templates: 1 stand up, 0 judged"
    assert last == f"report: {folder / 'report' / 'report.html'} (survey.json beside it)"
    assert json.loads((folder / "report" / "survey.json").read_text(encoding="utf-8"))


def test_a_page_of_all_templates_with_what_replays_them(folder):
    into = folder / "report"

    CliRunner().invoke(main, ["survey", str(folder), "--report", str(into), "--budget", "0"])

    found = json.loads((into / "survey.json").read_text(encoding="utf-8"))["templates"]
    page = (into / "report.html").read_text(encoding="utf-8")
    outline_of(page)
    assert f"{len(found)} stacks: " in words_of(page)
    assert all(one["template"] in words_of(page) for one in found)
    violated = [
        one for stack in found for one in stack["properties"] if one["verdict"] == "violated"
    ]
    assert [one["name"] for one in violated] == ["poison-isolated"]  # there is no dead-letter queue
    for one in violated:
        assert (into / one["witness"]).is_file()
        assert one["again"].endswith(one["witness"])
        assert one["again"] in words_of(page)


def test_what_was_made_up_for_a_parameter_is_made_up_again_in_a_replay(folder):
    into = folder / "report"

    CliRunner().invoke(
        main, ["survey", str(folder / "sound"), "--report", str(into), "--budget", "0"]
    )

    files = sorted((into / "replays").iterdir())
    assert [file.name for file in files] == [
        "template.yaml-no-dlq-Queue-1.json",
        "template.yaml-poison-isolated.json",
    ]
    assert [replay(file, Settings()).verdict for file in files] == ["violated", "violated"]


def test_a_report_that_cant_be_written_is_told(folder):
    (folder / "file").write_text("")

    done = CliRunner().invoke(
        main, ["survey", str(folder / "node"), "--report", str(folder / "file" / "out")]
    )

    assert done.exit_code == 2
    assert "can't be written: Not a directory" in done.output
    assert "Traceback" not in done.output


def test_a_folder_that_is_not_there():
    done = CliRunner().invoke(main, ["survey", "nowhere"])

    assert done.exit_code == 2
    assert "nowhere" in done.output


def test_templates_of_a_cloud_assembly_are_seen_and_nothing_else_of_it(tmp_path):
    for name, text in {
        "cdk.out/cdk.out": "{}",
        "cdk.out/Orders.template.json": '{"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}}',
        "cdk.out/asset.1f2e/template.yaml": SOUND % HANDLER,
        "cdk.out/assembly-Live/cdk.out": "{}",
        "cdk.out/assembly-Live/Live.template.json": '{"Resources": {"Q": {"Type": "AWS::SQS::"}}}',
        "old/cdk.out/Old.template.json": '{"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}}',
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")

    found = [path.relative_to(tmp_path).as_posix() for path in templates_in(tmp_path)]

    assert found == ["cdk.out/Orders.template.json", "cdk.out/assembly-Live/Live.template.json"]


@pytest.mark.parametrize("command", [("survey",), ("audit",), ("audit", "--no-witness")])
def test_a_folder_without_a_template_is_refused(tmp_path, command):
    (tmp_path / "values.yaml").write_text("a: 1\n", encoding="utf-8")

    done = CliRunner().invoke(main, [*command, str(tmp_path)])

    assert done.exit_code == 2
    assert f"{tmp_path}: no template is in this folder or below it" in done.output
