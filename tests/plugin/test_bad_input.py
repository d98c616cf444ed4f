"""What bad input gets, through pytest itself: a short error, no traceback of ours, never a pass.

Starting pytest and moto costs seconds, so that many stacks share a run.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

TEMPLATE = (Path(__file__).parents[1] / "small_stack.yaml").read_text(encoding="utf-8")
APP = """
import json, os, boto3
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])

def work(body, context):
    table.put_item(Item={"id": body["id"]})

def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            work(json.loads(record["body"]), context)
        except Exception:
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
"""
NO_CODE = {"app.py": "def handler(event, context): pass\n"}
ORDERS = '[[entry]]\nqueue = "Orders"\n'
REST = """
Resources:
  Orders: {Type: AWS::SQS::Queue}
  Api:
    Type: AWS::ApiGateway::RestApi
    Properties:
      Body:
        swagger: "2.0"
        definitions:
          Order: {type: object, required: [orderId, amount]}
        x-amazon-apigateway-request-validators: {body: {validateRequestBody: true}}
        x-amazon-apigateway-request-validator: body
        paths:
          /orders:
            post:
              consumes: [application/json]
              parameters: [{in: body, name: Order, schema: {$ref: "#/definitions/Order"}}]
              responses: {"200": {}}
              x-amazon-apigateway-integration:
                type: aws
                httpMethod: POST
                uri: !Sub
                  - "arn:aws:apigateway:${AWS::Region}:sqs:path/${AWS::AccountId}/${Name}"
                  - {Name: !GetAtt Orders.QueueName}
                requestParameters:
                  integration.request.header.Content-Type: "'application/x-www-form-urlencoded'"
                requestTemplates:
                  application/json: "Action=SendMessage&MessageBody=$util.urlEncode($input.body)"
                responses: {default: {statusCode: "200"}}
"""


def working(code: str) -> dict[str, str]:
    """A handler that does this with each message before it stores it."""
    return {
        "app.py": APP.replace(
            "def work(body, context):\n",
            "def work(body, context):\n" + textwrap.indent(textwrap.dedent(code), "    "),
        )
    }


@dataclass(frozen=True)
class Case:
    """Files beside (or in place of) the plain ones, and what must stand in the refusal."""

    files: dict[str, str]
    told: tuple[str, ...]


def case(files: dict[str, str], *told: str) -> Case:
    return Case(files, told)


REFUSED = {
    # the template
    "empty": case({"template.yaml": ""}, "empty/template.yaml", "is empty"),
    "malformed": case(
        {"template.yaml": "Resources:\n  A: [1\n"}, "malformed/template.yaml:3", "YAML"
    ),
    "list": case({"template.yaml": "- 1\n"}, "list/template.yaml", "found:    a list"),
    "no-resources": case({"template.yaml": "A: 1\n"}, "has no Resources", "found:    A"),
    "json": case({"template.yaml": '{"Resources": {'}, "json/template.yaml:1", "JSON"),
    "huge": case(
        {"template.yaml": "# " + "x" * 6_000_000}, "too large", "6,000,002 bytes", "expected:"
    ),
    "parameter": case(
        {"template.yaml": "Parameters: {Stage: {Type: String}}\n" + TEMPLATE},
        "parameter/template.yaml",
        "Stage",
        "storagefirst.toml",
    ),
    # ways in
    "no-entry": case(
        {"template.yaml": "Resources:\n  A: {Type: AWS::SQS::Queue}\n"},
        "no-entry/template.yaml",
        "no way into storage",
        "[[entry]]",
    ),
    "no-such-queue": case(
        {"storagefirst.toml": '[[entry]]\nqueue = "Order"\n'},
        "no-such-queue/storagefirst.toml:1",
        "Order",
        "found:    Dead, Orders",
        'write "Orders"',
    ),
    "no-such-route": case(
        {
            "template.yaml": REST,
            "storagefirst.toml": '\n[[entry]]\nroute = "POST /order"\n',
        },
        "no-such-route/storagefirst.toml:2",
        "no route 'POST /order'",
        'write "POST /orders"',
    ),
    "no-such-parameter": case(
        {
            "template.yaml": "Parameters: {Stage: {Type: String, Default: a}}\n" + TEMPLATE,
            "storagefirst.toml": ORDERS + '\n[parameters]\nStag = "test"\n',
        },
        "no-such-parameter/storagefirst.toml:5",
        "no parameter Stag",
        "did you mean Stage?",
    ),
    "rejected-at-the-door": case(
        {
            "template.yaml": REST,
            "storagefirst.toml": '[[entry]]\nroute = "POST /orders"\nbody = { id = "{unique}" }\n',
        },
        "POST /orders: the stack refuses this message",
        "the front door answered 400",
        '{"id": "{unique}"}',
        'route = "POST /orders"',
    ),
    # the code
    "no-module": case(
        {"app.py": ""} | {"template.yaml": TEMPLATE.replace("app.h", "main.h")},
        "Worker",
        "no main.py",
        "CodeUri",
    ),
    "no-function": case(
        {"app.py": "def main(event, context): pass\n"},
        "Worker",
        "no function 'handler'",
        "found:    main",
    ),
    "import-error": case(
        {"app.py": "from json import nothing\n"}, "import-error/app.py:1 (Worker)", "'nothing'"
    ),
    "syntax-error": case(
        {"app.py": "\n\ndef handler(e, c)\n    pass\n"}, "syntax-error/app.py:3 (Worker)", "':'"
    ),
    "raises": case({"app.py": "\n\n1 / 0\n"}, "raises/app.py:3 (Worker)", "ZeroDivisionError"),
    "exits-at-import": case({"app.py": "import sys\nsys.exit(1)\n"}, "Worker", "sys.exit()"),
    "not-installed": case(
        {"app.py": "import json\nimport nowhere_at_all\n"},
        "not-installed/app.py:2 (Worker)",
        "No module named 'nowhere_at_all'",
        "pip install nowhere-at-all",
    ),
    "node": case(
        {"template.yaml": TEMPLATE.replace("python3.12", "nodejs22.x")},
        "node/template.yaml:",
        "Worker is no Python function",
        "found:    nodejs22.x",
        "[functions.Worker]",
    ),
    "java": case(
        {"template.yaml": TEMPLATE.replace("python3.12", "java21")}, "Worker is no Python", "java21"
    ),
    "container": case(
        {
            "template.yaml": re.sub(
                r"CodeUri: .\n +Handler: app.handler\n +Runtime: python3.12",
                "PackageType: Image\n      ImageUri: 1.dkr.ecr.eu-west-1.amazonaws.com/a:1",
                TEMPLATE,
            )
        },
        "Worker is no Python function",
        "found:    a container image",
    ),
    "no-such-function": case(
        {"storagefirst.toml": '[functions.Wroker]\nhandler = "app:handler"\n'},
        "no-such-function/storagefirst.toml:1",
        'write "Worker"',
        "Worker",
    ),
    "no-such-double": case(
        {"storagefirst.toml": '[functions.Worker]\nhandler = "doubles:handler"\n'},
        "Worker",
        "doubles",
    ),
    # what the handler does
    "rejects": case(
        {"app.py": "def handler(event, context):\n    raise ValueError('never')\n"},
        "Orders: the stack refuses this message even without faults",
        "Worker failed at rejects/app.py:2 (ValueError: never)",
        'queue = "Orders"',
    ),
    "rejects-what-was-given": case(
        working('body["amount"] + 1\n')
        | {"storagefirst.toml": ORDERS + 'body = { id = "{unique}", amount = "x" }\n'},
        "Orders: the stack refuses this message",
        '"amount": "x"',
    ),
    "exits": case(working("import sys\nsys.exit(1)\n"), "Worker left with sys.exit()"),
    "raw-socket": case(
        working("import socket\nsocket.create_connection(('db.example.com', 5432))\n"),
        "Worker: a call that no one answers",
        "db.example.com:5432",
        "[functions.",
    ),
    "asyncio-socket": case(
        working(
            """
            import asyncio
            async def call():
                await asyncio.open_connection("api.example.com", 443)
            asyncio.run(call())
            """
        ),
        "Worker: a call that no one answers",
        "api.example.com:443",
    ),
    "subprocess": case(
        working("import subprocess\nsubprocess.run(['true'])\n"), "app.py:", "subprocess was called"
    ),
}

TOML_REFUSED = {
    "toml": case({"storagefirst.toml": "[[entry]\n"}, "toml/storagefirst.toml:1", "no valid TOML"),
    "unknown-key": case(
        {"storagefirst.toml": "\n[[entries]]\n"}, "unknown-key/storagefirst.toml:2", "entry"
    ),
    "wrong-value": case(
        {"storagefirst.toml": "[[entry]]\nqueue = 3\n"},
        "wrong-value/storagefirst.toml:2",
        "found:    3",
    ),
    "unknown-property": case(
        {"storagefirst.toml": 'properties = ["no-mesage-loss"]\n'},
        "unknown-property/storagefirst.toml:1",
        'write "no-message-loss"',
    ),
}

RUNS = {
    "prints": working(
        'import logging, sys\nprint("out")\nprint("err", file=sys.stderr)\nlogging.warning("log")\n'
    ),
    "threads": working(
        """
        import time
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(2) as pool:
            assert sum(pool.map(lambda n: time.sleep(0.1) or n, [1, 2])) == 3
        """
    ),
    "asyncio": working(
        """
        import asyncio
        async def pause():
            await asyncio.gather(asyncio.sleep(0.1), asyncio.sleep(0.2))
        asyncio.run(pause())
        """
    ),
    "remaining-time": working("assert 0 < context.get_remaining_time_in_millis() <= 5000\n"),
    "clients-at-import": {
        "app.py": 'import boto3\ns3 = boto3.client("s3")\nassert s3.list_buckets()\n' + APP
    },
    "credentials": {
        "app.py": "import boto3, os\n"
        "assert not [name for name in os.environ if 'REAL' in os.environ[name]]\n"
        "assert 'REAL' not in boto3.Session().get_credentials().access_key\n" + APP
    },
}


@dataclass(frozen=True)
class Run:
    """What one pytest over many stacks came to."""

    code: int
    output: str
    stacks: dict[str, dict[str, Any]]
    connections: int


def run_all(folder: Path, cases: dict[str, dict[str, str]], *options: str) -> Run:
    for name, files in cases.items():
        (folder / name).mkdir()
        for file, text in {"template.yaml": TEMPLATE, "app.py": APP, **files}.items():
            (folder / name / file).write_text(text)
    (folder / "real.ini").write_text("[default]\naws_access_key_id = REAL-FILE\n")
    templates = [f"{name}/template.yaml" for name in cases]
    with socket.create_server(("127.0.0.1", 0)) as outside:
        outside.settimeout(0)
        address = f"http://127.0.0.1:{outside.getsockname()[1]}"
        environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": "REAL-KEY",
            "AWS_SECRET_ACCESS_KEY": "REAL-SECRET",
            "AWS_SESSION_TOKEN": "REAL-TOKEN",
            "AWS_SHARED_CREDENTIALS_FILE": str(folder / "real.ini"),
            "AWS_ENDPOINT_URL": address,
            "HTTP_PROXY": address,
            "HTTPS_PROXY": address,
        }
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-p", "storagefirst", "--storagefirst-budget=0"),
                *("--storagefirst-report=out", "-p", "no:cacheprovider", *options, *templates),
            ],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=500,
        )
        connections = 0
        try:
            outside.accept()
            connections = 1
        except BlockingIOError:
            pass
    output = done.stdout + done.stderr
    report = folder / "out" / "report.json"
    stacks = json.loads(report.read_text())["stacks"] if report.exists() else []
    found = {Path(stack["template"]).parent.name: stack for stack in stacks}
    return Run(done.returncode, output, found, connections)


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    cases = {name: one.files for name, one in REFUSED.items()}
    return run_all(tmp_path_factory.mktemp("refused"), cases)


@pytest.fixture(scope="module")
def not_collected(tmp_path_factory):
    cases = {name: one.files for name, one in TOML_REFUSED.items()}
    return run_all(tmp_path_factory.mktemp("toml"), cases)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    return run_all(tmp_path_factory.mktemp("runs"), RUNS)


def has_no_frames_of_ours(output: str) -> bool:
    return "Traceback" not in output and "pytest_storagefirst/" not in output


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_what_to_write(refused, name):
    stack = refused.stacks[name]

    judged = [one for one in stack["properties"] if not one["name"].startswith("audit:")]
    assert {one["verdict"] for one in judged} == {"unknown"}
    audits = [one for one in stack["properties"] if one not in judged]
    assert {one["verdict"] for one in audits} <= {"not-applicable"}  # advice needs no run
    text = stack["refused"]
    for part in REFUSED[name].told:
        assert part in text
    assert len(text.splitlines()) <= 8
    assert max(map(len, text.splitlines())) < 400
    assert text.splitlines()[0] in refused.output


def test_a_run_over_bad_input_fails_without_a_frame_of_ours(refused):
    assert refused.code == pytest.ExitCode.TESTS_FAILED
    assert has_no_frames_of_ours(refused.output)
    assert "internal error" not in refused.output
    assert " passed" not in refused.output
    assert not refused.connections


@pytest.mark.parametrize("name", TOML_REFUSED)
def test_wrong_settings_are_refused_when_they_are_read(not_collected, name):
    text = not_collected.stacks[name]["refused"]

    for part in TOML_REFUSED[name].told:
        assert part in text
    assert text.splitlines()[0] in not_collected.output


def test_a_run_with_wrong_settings_fails_without_a_frame_of_ours(not_collected):
    assert not_collected.code not in (0, pytest.ExitCode.NO_TESTS_COLLECTED)
    assert has_no_frames_of_ours(not_collected.output)
    assert " passed" not in not_collected.output


@pytest.mark.parametrize("name", RUNS)
def test_it_works(ran, name):
    stack = ran.stacks[name]

    assert not stack.get("refused")
    assert {one["verdict"] for one in stack["properties"]} == {"ok", "not-applicable"}


def test_what_works_contacts_nobody(ran):
    assert ran.code == 0
    assert not ran.connections
    assert "REAL" not in ran.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere/template.yaml"], "nowhere/template.yaml"),
        (["--storagefirst-replay=nowhere.json"], "nowhere.json"),
        (["--storagefirst-replay=foreign.json"], "this is no replay file of pytest-storagefirst"),
        (["--storagefirst-replay=outdated.json"], "the replay file is from another version"),
        (["--storagefirst-replay=damaged.json"], "the replay file is damaged"),
        (["--storagefirst-replay=unreadable.json"], "the replay file is no JSON"),
        (["--storagefirst-budget=soon", "a.yaml"], "soon"),
    ],
)
def test_a_wrong_command_line(tmp_path, arguments, told):
    for name, text in {
        "foreign.json": '{"interactions": []}',
        "outdated.json": '{"format": "storagefirst-replay", "version": 0}',
        "damaged.json": '{"format": "storagefirst-replay", "version": 1}',
        "unreadable.json": "{",
        "a.yaml": TEMPLATE,
    }.items():
        (tmp_path / name).write_text(text)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "storagefirst", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    output = done.stdout + done.stderr
    assert done.returncode not in (0, pytest.ExitCode.NO_TESTS_COLLECTED)
    assert told in output
    assert " passed" not in output
    assert has_no_frames_of_ours(output)
