"""Where a finding stands, and what a user may say of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_storagefirst.audit.catalogue import rules
from pytest_storagefirst.audit.findings import CHECKS, audit
from pytest_storagefirst.audit.origins import Origins
from pytest_storagefirst.audit.positions import Positions
from pytest_storagefirst.errors import TemplateError
from pytest_storagefirst.stack.template import load_template

TEMPLATES = Path(__file__).parent / "templates"
QUEUE = """  Queue:
    Type: AWS::SQS::Queue
"""


def written(tmp_path: Path, metadata: str) -> Path:
    """A template with a queue that lacks dead letters, and what its Metadata says."""
    text = (TEMPLATES / "no-dlq.unsound.yaml").read_text(encoding="utf-8").replace("  # here", "")
    assert QUEUE in text
    path = tmp_path / "template.yaml"
    path.write_text(text.replace(QUEUE, QUEUE + metadata), encoding="utf-8")
    return path


def suppressing(what: str) -> str:
    return f"    Metadata: {{StorageFirst: {{suppress: {what}}}}}\n"


@pytest.mark.parametrize("name", ["no-dlq", "audit:no-dlq"])
def test_what_is_suppressed_with_a_reason_is_told_and_not_open(tmp_path, name):
    path = written(tmp_path, suppressing(f'[{{rule: "{name}", reason: "orders are  kept"}}]'))

    found = audit(load_template(path))

    (one,) = [finding for finding in found.findings if finding.rule.id == "no-dlq"]
    assert one.suppressed == "orders are kept"
    assert one not in found.open
    assert "audit:no-dlq" not in found.rule_names
    assert "audit:no-alarm" in found.rule_names


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("[{rule: no-dlq}]", "without a reason"),
        ('[{rule: no-dlq, reason: ""}]', "without a reason"),
        ("[{rule: no-dlq, reason: 5}]", "without a reason"),
        ("[{rule: no-dql, reason: because}]", "no-dlq"),
        ("[{reason: because}]", "no such rule"),
        ("[{rule: no-dlq, reason: because, until: 2027}]", "suppresses nothing"),
        ("[no-dlq]", "suppresses nothing"),
        ("no-dlq", "no list"),
        ("{}", "no list"),
    ],
)
def test_what_suppresses_nothing_is_an_error_at_its_line(tmp_path, said, told):
    path = written(tmp_path, suppressing(said))
    (line,) = [n for n, text in enumerate(path.read_text().splitlines(), 1) if "Metadata" in text]

    with pytest.raises(TemplateError) as refusal:
        audit(load_template(path))

    assert f"{path}:{line} (Queue)" in str(refusal.value)
    assert told in str(refusal.value)


def test_all_that_is_wrong_with_suppressions_is_told_at_once(tmp_path):
    path = written(tmp_path, suppressing("[{rule: no-dlq}, {rule: no-dql, reason: because}]"))

    with pytest.raises(TemplateError, match="2 suppressions can't be taken") as refusal:
        audit(load_template(path))

    first, second = refusal.value.found.splitlines()
    assert "no-dlq is suppressed without a reason" in first
    assert "no such rule" in second
    assert second.endswith('write "no-dlq"')


def test_other_metadata_is_nobodys_business(tmp_path):
    path = written(tmp_path, "    Metadata: {Owner: nobody}\n")
    assert "audit:no-dlq" in audit(load_template(path)).rule_names

    path = written(tmp_path, "    Metadata: {StorageFirst: {supress: []}}\n")
    with pytest.raises(TemplateError, match="says nothing that is known"):
        audit(load_template(path))


def test_a_suppression_at_a_sam_function_covers_what_sam_makes_of_it(tmp_path):
    text = (TEMPLATES / "stream-latest.unsound.yaml").read_text(encoding="utf-8")
    said = "    Metadata: {StorageFirst: {suppress: [{rule: stream-latest, reason: known}]}}\n"
    function = "    Type: AWS::Serverless::Function\n"
    path = tmp_path / "template.yaml"
    path.write_text(text.replace(function, function + said), encoding="utf-8")

    found = audit(load_template(path))

    assert [one.suppressed for one in found.findings if one.rule.id == "stream-latest"] == ["known"]


def test_a_rule_that_trips_over_a_shape_is_noted_and_the_others_go_on(monkeypatch):
    def trips(view):
        raise KeyError("Properties")

    monkeypatch.setitem(CHECKS, "no-dlq", trips)

    found = audit(load_template(TEMPLATES / "no-dlq.unsound.yaml"))

    assert found.notes == ("no-dlq was not looked for: KeyError: 'Properties'",)
    assert set(found.examined) == set(rules()) - {"no-dlq"}


def test_positions_are_those_of_the_longest_beginning(tmp_path):
    path = tmp_path / "template.yaml"
    path.write_text(
        "Resources:\n"
        "  Queue: &queue\n"
        "    Type: AWS::SQS::Queue\n"
        "    Properties:\n"
        "      Tags:\n"
        "        - Key: a\n"
        "        - Key: b\n"
        "  Other:\n"
        "    <<: *queue\n"
    )
    at = Positions(path).of

    assert at(("Resources", "Queue", "Properties", "Tags", 1, "Key")) == (7, 11)
    assert at(("Resources", "Queue", "Properties", "Tags", 5)) == (5, 7)
    assert at(("Resources", "Queue", "Properties", "Nothing")) == (2, 3)
    assert at(("Resources", "Other", "Properties", "Tags", 0)) == (6, 11)
    assert at(("Nowhere",)) == (1, 1)


def test_positions_in_json(tmp_path):
    path = tmp_path / "template.json"
    path.write_text('{"Resources": {\n  "Queue": {"Type": "AWS::SQS::Queue"}\n}}')

    assert Positions(path).of(("Resources", "Queue", "Type")) == (2, 13)


def test_positions_in_a_file_that_is_no_yaml(tmp_path):
    path = tmp_path / "template.json"
    path.write_text('{\t"Resources": [}')

    assert Positions(path).of(("Resources",)) == (1, 1)


def test_what_sam_makes_comes_from_the_event_that_it_is_made_of():
    body = {
        "Resources": {
            "Worker": {
                "Type": "AWS::Serverless::Function",
                "Properties": {"Events": {"Queue": {}, "QueueTwo": {}}},
            },
            "WorkerQueueTwoAlarm": {"Type": "AWS::CloudWatch::Alarm"},
        }
    }
    origins = Origins(body)

    assert origins.of("WorkerQueueTwo").steps[4] == "QueueTwo"
    assert origins.of("WorkerRole").resource == "Worker"
    assert origins.of("WorkerQueueTwoAlarm").resource == "WorkerQueueTwoAlarm"
    assert origins.of("ServerlessRestApi").steps == ("Resources",)
