"""A remedy applied as it is printed: the finding is gone, and its witness plays without harm."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.audit.findings import audit
from pytest_storagefirst.audit.origins import Origins
from pytest_storagefirst.audit.remedies import as_lines, remedy_lines
from pytest_storagefirst.audit.told import Told
from pytest_storagefirst.audit.witness import Shown
from pytest_storagefirst.explore.replay import replay
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings
from pytest_storagefirst.stack.document import read_document
from pytest_storagefirst.stack.read_ahead import read_template
from tests.unit.audit.test_witness import CHAIN, IN_THE_ZOO, TEMPLATES, ZOO, told_of

# Rules whose finding needs no run to be mended.
WITHOUT_A_RUN = (
    "function-never-runs",
    "max-receive-count",
    "no-alarm",
    "stream-latest",
    "stream-no-bisect",
    "visibility-timeout",
)


def merged(written: Any, remedy: Any) -> Any:
    """What is written, with a remedy's lines put at their places."""
    if not (isinstance(written, dict) and isinstance(remedy, dict)):
        return remedy
    both = {key: merged(written.get(key), value) for key, value in remedy.items()}
    return {**written, **both}


def mended(path: Path, told: Iterable[Told], folder: Path) -> Path:
    """A copy of a template's folder with the remedies of findings applied as they are printed."""
    shutil.copytree(path.parent, folder)
    lines = folder / "remedy.yaml"
    whole = read_document(path).value
    for one in told:
        lines.write_text("Resources:\n" + "".join(f"  {text}\n" for text in one.finding.remedy))
        whole = merged(whole, read_document(lines).value)
    lines.unlink()
    template = folder / path.name
    template.write_text(json.dumps(whole), encoding="utf-8")
    return template


def findings(path: Path) -> set[tuple[str, str]]:
    template = read_template(path, load_settings(path))
    return {(one.rule.id, one.message) for one in audit(template).findings}


@pytest.mark.parametrize("rule", IN_THE_ZOO)
def test_what_a_run_shows_is_mended_by_what_is_printed(rule, tmp_path):
    (path,) = (ZOO / IN_THE_ZOO[rule] / "defective").glob("template.*")
    shown = [one for one in told_of(path) if one.finding.rule.id == rule]
    one = next(one for one in shown if isinstance(one.shown, Shown))  # another may be in its way
    assert isinstance(one.shown, Shown)

    template = mended(path, shown, tmp_path / "mended")

    assert (rule, one.finding.message) not in findings(template)
    file = tmp_path / "mended" / "witness.json"
    document = {**one.shown.document, "template": str(template)}
    file.write_text(json.dumps(document), encoding="utf-8")
    again = replay(file, Settings())
    assert not again.still_fails, again
    assert again.verdict == "ok", again


def test_what_a_run_has_shown_to_help_is_printed(tmp_path):
    """These functions return no failures: the flag alone ends the finding, and helps nobody."""
    (tmp_path / "own").mkdir()
    path = tmp_path / "own" / "template.yaml"
    path.write_text(CHAIN, encoding="utf-8")
    told = [one for one in told_of(path) if one.finding.rule.id == "no-batch-item-failures"]
    assert len(told) == 2

    for one in told:
        assert isinstance(one.shown, Shown)
        assert one.finding.remedy[-1].strip() == "BatchSize: 1"
        assert "or, so that batches stay: ReportBatchItemFailures" in one.finding.remedy[0]
        template = mended(path, [one], tmp_path / one.finding.resource)
        assert ("no-batch-item-failures", one.finding.message) not in findings(template)
        file = template.with_name("witness.json")
        document = {**one.shown.document, "template": str(template)}
        file.write_text(json.dumps(document), encoding="utf-8")
        assert replay(file, Settings()).verdict == "ok"


@pytest.mark.parametrize("rule", WITHOUT_A_RUN)
def test_what_is_printed_ends_the_finding(rule, tmp_path):
    (tmp_path / "own").mkdir()
    path = tmp_path / "own" / "template.yaml"
    shutil.copy(TEMPLATES / f"{rule}.unsound.yaml", path)
    one = next(one for one in told_of(path) if one.finding.rule.id == rule)

    assert (rule, one.finding.message) not in findings(mended(path, [one], tmp_path / "mended"))


SAM = {
    "Resources": {
        "Worker": {
            "Type": "AWS::Serverless::Function",
            "Properties": {"Events": {"Queue": {"Type": "SQS", "Properties": {"BatchSize": 5}}}},
        },
        "Rule": {
            "Type": "AWS::Events::Rule",
            "Properties": {"Targets": [{"Id": "a"}, {"Id": "b", "Arn": {"Ref": "Worker"}}]},
        },
        "Api": {"Type": "AWS::Serverless::Api", "Properties": {"DefinitionUri": "api.yaml"}},
    }
}


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (
            ("WorkerQueue", ("BatchSize",), 1),
            "Worker:/  Properties:/    Events:/      Queue:/        Properties:"
            "/          BatchSize: 1",
        ),
        (
            ("Worker", ("DeadLetterConfig",), {"TargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}}),
            "Worker:/  Properties:/    DeadLetterQueue:/      Type: SQS"
            "/      TargetArn: !GetAtt Dead.Arn",
        ),
        (
            ("WorkerQueue", ("Targets", 0, "DeadLetterConfig"), {"Arn": "a"}),
            "Worker:/  Properties:/    Events:/      Queue:/        Properties:"
            "/          DeadLetterConfig:/            Arn: a",
        ),
        (
            ("Rule", ("Targets", 1, "DeadLetterConfig"), {"Arn": "a"}),
            "Rule:/  Properties:/    Targets:/    - Id: a/    - Id: b/      Arn: !Ref Worker"
            "/      DeadLetterConfig:/        Arn: a",
        ),
        (("Dead", (), {"Type": "AWS::SQS::Queue"}), "Dead:/  Type: AWS::SQS::Queue"),
        # It stands in another file, or in none.
        (("Api", ("Body", "paths", "/orders", "post"), {}), ""),
        (("ServerlessRestApi", ("Body", "paths"), {}), ""),
    ],
)
def test_a_change_is_written_where_its_user_would(change, lines):
    assert "/".join(remedy_lines([change], Origins(SAM))) == lines


def test_texts_of_several_lines_and_long_ones_stand_as_they_are():
    long = "Action=SendMessage&MessageBody=$util.urlEncode($input.body)" * 4
    told = as_lines({"a": "#set($x = 1)\n{}", "b": long})

    assert told == ("a: |-", "  #set($x = 1)", "  {}", f"b: {long}")


@pytest.mark.parametrize(
    ("rule", "animal", "source"),
    [
        ("event-target-no-dlq", "event-target-without-dead-letters", "aws:SourceArn: !GetAtt "),
        ("subscription-no-dlq", "sns-subscription-without-redrive", "aws:SourceArn: !Ref "),
        ("missing-permission", "event-queue-policy-missing", "aws:SourceArn: !GetAtt "),
    ],
)
def test_an_added_policy_lets_the_service_send_for_its_source_alone(rule, animal, source):
    (path,) = (ZOO / animal / "defective").glob("template.*")

    found = next(
        one for one in audit(read_template(path, Settings())).findings if one.rule.id == rule
    )

    assert any(source in line for line in found.remedy)


NOT_ALLOWED = """
Resources:
  News: {Type: AWS::SNS::Topic}
  Kept: {Type: AWS::SQS::Queue}
  Work:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      Role: arn:aws:iam::123456789012:role/r
      Code: {ZipFile: "def handler(event, context): pass"}
  ToKept:
    Type: AWS::SNS::Subscription
    Properties: {TopicArn: !Ref News, Protocol: sqs, Endpoint: !GetAtt Kept.Arn}
  ToWork:
    Type: AWS::SNS::Subscription
    Properties: {TopicArn: !Ref News, Protocol: lambda, Endpoint: !GetAtt Work.Arn}
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: {source: [shop]}
      Targets: [{Id: work, Arn: !GetAtt Work.Arn}]
"""


@pytest.mark.parametrize(
    ("resource", "line"),
    [
        ("ToKept", "aws:SourceArn: !Ref News"),
        ("ToWork", "SourceArn: !Ref News"),
        ("Rule", "SourceArn: !GetAtt Rule.Arn"),
    ],
)
def test_a_service_is_let_in_on_behalf_of_what_delivers_alone(tmp_path, resource, line):
    path = tmp_path / "template.yaml"
    path.write_text(NOT_ALLOWED, encoding="utf-8")

    (found,) = [
        one
        for one in audit(read_template(path, Settings())).findings
        if one.rule.id == "missing-permission" and one.resource == resource
    ]

    assert line in [text.strip() for text in found.remedy]


def test_an_alarm_on_an_age_leaves_time_to_work():
    path = ZOO / "rest-default-200" / "defective" / "template.yaml"

    remedies = [
        "\n".join(one.remedy)
        for one in audit(read_template(path, Settings())).findings
        if one.rule.id == "no-alarm"
    ]

    by_age = [text for text in remedies if "AgeOfOldestMessage" in text]
    assert by_age
    assert all("Threshold: 300  # seconds" in text for text in by_age)
    assert all("Threshold: 0" in text for text in remedies if text not in by_age)
