"""A drill that failed, as a replay file which the simulation plays on the same template."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_storagefirst.chaos.counterparts import written_replay
from pytest_storagefirst.chaos.drill import find_drill
from pytest_storagefirst.chaos.front_door import front_doors
from pytest_storagefirst.target.target import Target
from tests.chaos import stage
from tests.chaos.test_deliveries import with_entries

BEGINNING = """
import json, os
import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])
flags = boto3.client("ssm")


def is_on():
    return flags.get_parameter(Name=os.environ["FLAG"])["Parameter"]["Value"] == "true"

"""
# The messages behind a bad one are acknowledged with it.
DRAGS_ALONG = """
def handler(event, context):
    for record in event["Records"]:
        try:
            body = json.loads(record["body"])
        except ValueError:
            return
        table.put_item(Item={"id": body["id"]})
"""
DROPS_WHILE_OFF = """
def handler(event, context):
    for record in event["Records"]:
        if is_on():
            table.put_item(Item={"id": json.loads(record["body"])["id"]})
"""
SOUND = """
def handler(event, context):
    failed = []
    for record in event["Records"]:
        try:
            is_on()
            table.put_item(Item={"id": json.loads(record["body"])["id"]})
        except Exception:
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
"""


def stack_file(folder: Path, code: str) -> Path:
    """The stage's template, with a function that does something."""
    template = stage.template(FLAG={"Ref": "Flag"})  # type: ignore[arg-type]  # a variable by reference
    resources = template["Resources"]
    resources["Worker"]["Properties"]["Code"]["ZipFile"] = BEGINNING + code
    resources["FromWork"]["Properties"] |= {
        "BatchSize": 10,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
    }
    allowed = {"Effect": "Allow", "Action": ["dynamodb:*", "ssm:*", "sqs:*"], "Resource": "*"}
    resources["Role"]["Properties"]["Policies"] = [
        {
            "PolicyName": "all",
            "PolicyDocument": {"Version": "2012-10-17", "Statement": [allowed]},
        }
    ]
    file = folder / "template.json"
    file.write_text(json.dumps(template))
    return file


def played(folder: Path, drill: str, code: str, shop: Target) -> subprocess.CompletedProcess[str]:
    """Write the replay file of a failed drill; play it as its last line says."""
    doors = front_doors(with_entries(shop, "Work"))
    template = stack_file(folder, code)
    told = written_replay(
        find_drill(drill, folder), doors, template, "no-message-loss", folder / "report"
    )
    assert told.startswith("replay: "), told
    command = told.partition("; pytest ")[2].split()
    (folder / "storagefirst.toml").write_text(
        '[[entry]]\nqueue = "Work"\nbody = { id = "{unique}" }\n'
    )
    return subprocess.run(
        [sys.executable, "-m", "pytest", *command],
        cwd=folder,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("drill", "code", "story"),
    [
        ("poison-message", DRAGS_ALONG, "m5 is the bad message: its body is 'this is no JSON"),
        ("flag-flipped", DROPS_WHILE_OFF, "flag-flipped"),
    ],
)
def test_a_failed_drill_fails_in_virtual_time_too(drill, code, story, shop, tmp_path):
    (tmp_path / "report").mkdir()
    result = played(tmp_path, drill, code, shop)

    assert result.returncode == 1, result.stdout
    assert "no-message-loss" in result.stdout
    assert story in result.stdout
    sound = played(tmp_path, drill, SOUND, shop)
    assert sound.returncode == 0, sound.stdout
