"""Small stacks, written down where a test can change them: a queue, a function, a table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pytest_storagefirst.explore.bodies import describe_entries
from pytest_storagefirst.explore.judge import Judge
from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings

TEMPLATE = (Path(__file__).parents[2] / "small_stack.yaml").read_text(encoding="utf-8")

APP = """
import json, os, boto3
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])

def work(body):
    table.put_item(Item={"id": body["id"]})

def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            work(json.loads(record["body"]))
        except Exception:
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
"""

# Marks a message as seen before the work, and takes a second delivery for done: it loses some.
MARKS_FIRST = APP.replace(
    '    table.put_item(Item={"id": body["id"]})',
    """
    mark = "seen " + body["id"]
    if "Item" in table.get_item(Key={"id": mark}):
        return
    table.put_item(Item={"id": mark})
    table.put_item(Item={"id": body["id"]})
""",
)


class Workshop:
    """Writes a stack's files into a folder and stands it up."""

    app = APP
    template = TEMPLATE
    marks_first = MARKS_FIRST

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(
        self, app: str = APP, toml: str = "", template: str = TEMPLATE, name: str = "stack"
    ) -> Path:
        """The template's path."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        (folder / "app.py").write_text(app)
        (folder / "template.yaml").write_text(template)
        if toml:
            (folder / "storagefirst.toml").write_text(toml)
        return folder / "template.yaml"

    def working(self, work: str, **files: str) -> Path:
        """A template whose handler does this with each message before it is stored."""
        lines = "\n".join(f"    {line}" for line in work.splitlines())
        return self.write(APP.replace("def work(body):", f"def work(body):\n{lines}"), **files)

    def judge(self, template: Path, *, described: bool = True) -> Judge:
        prepared = prepare(template, load_settings(template, Settings(budget_seconds=0)))
        judge = Judge(prepared.deployed)
        if described:
            entries = describe_entries(judge, prepared.deployed.entries)
            judge.deployed = replace(prepared.deployed, entries=entries)
        return judge


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """The stack as it stands above, which loses nothing."""
    workshop = Workshop(tmp_path_factory.mktemp("sound"))
    return workshop.judge(workshop.write())


@pytest.fixture(scope="session")
def losing(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    workshop = Workshop(tmp_path_factory.mktemp("losing"))
    return workshop.judge(workshop.write(app=MARKS_FIRST))


# Where a write is refused the message goes aside, and where that is refused too it is gone.
GIVES_UP = """
import json, os, boto3
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])
queue = boto3.resource("sqs").get_queue_by_name(QueueName=os.environ["ASIDE"])

def handler(event, context):
    for record in event["Records"]:
        try:
            table.put_item(Item={"id": json.loads(record["body"])["id"]})
        except Exception:
            try:
                queue.send_message(MessageBody=record["body"])
            except Exception:
                print("gone")
"""


@pytest.fixture(scope="session")
def gives_up(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """A stack that loses a message where two things fail, and by nothing else."""
    workshop = Workshop(tmp_path_factory.mktemp("gives_up"))
    template = TEMPLATE.replace(
        "Variables: {TABLE: !Ref Table}",
        "Variables: {TABLE: !Ref Table, ASIDE: !GetAtt Aside.QueueName}",
    ).replace("Resources:\n", "Resources:\n  Aside:\n    Type: AWS::SQS::Queue\n")
    return workshop.judge(workshop.write(GIVES_UP, template=template))
