"""A stack with everything that a drill can break, in moto's server or in ministack."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from pytest_storagefirst.settings import Downstream, Settings
from pytest_storagefirst.target.target import Clients, Target

REGION = "us-east-1"
STUCK_S = 120  # a drill of a test takes a second or two
STACK = "shop"
CODE = "def handler(event, context):\n    return {}\n"
URL = "https://payments.example/charges"


def template(**variables: str) -> dict[str, Any]:
    return {
        "Resources": {
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "AssumeRolePolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [
                            {
                                "Effect": "Allow",
                                "Principal": {"Service": "lambda.amazonaws.com"},
                                "Action": "sts:AssumeRole",
                            }
                        ],
                    }
                },
            },
            "Letters": {"Type": "AWS::SQS::Queue"},
            "Work": {
                "Type": "AWS::SQS::Queue",
                "Properties": {
                    "VisibilityTimeout": 60,
                    "RedrivePolicy": {
                        "deadLetterTargetArn": {"Fn::GetAtt": ["Letters", "Arn"]},
                        "maxReceiveCount": 3,
                    },
                },
            },
            "Orders": _table("id"),
            "Circuit": _table("name"),
            "Flag": {
                "Type": "AWS::SSM::Parameter",
                "Properties": {
                    "Type": "String",
                    "Value": "true",
                    "Name": {"Fn::Sub": "/shop/${AWS::StackName}/flag"},
                },
            },
            "Worker": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Runtime": "python3.12",
                    "Handler": "index.handler",
                    "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                    "Code": {"ZipFile": CODE},
                    "Timeout": 5,
                    "Environment": {
                        "Variables": {
                            "TABLE_NAME": {"Ref": "Orders"},
                            "DOWNSTREAM_URL": URL,
                            "STORAGEFIRST_AGENT": "/shop/agent",
                            **variables,
                        }
                    },
                },
            },
            "FromWork": {
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {
                    "EventSourceArn": {"Fn::GetAtt": ["Work", "Arn"]},
                    "FunctionName": {"Ref": "Worker"},
                    "BatchSize": 1,
                },
            },
        }
    }


def _table(key: str) -> dict[str, Any]:
    return {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {
            "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
            "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
        },
    }


CLOSED = {
    "name": {"S": "downstream"},
    "state": {"S": "CLOSED"},
    "failures": {"N": "0"},
    "seen": {"SS": ["b", "a"]},
}
SETTINGS = Settings(
    downstreams=(Downstream(URL),),
    circuit={"table": "Circuit", "key": {"name": "downstream"}},
)


@contextlib.contextmanager
def moto_server() -> Iterator[str]:
    """In a process of its own, so that tests may fork theirs."""
    with _serving([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "{port}"]) as url:
        yield url


@contextlib.contextmanager
def _serving(command: list[str], **environment: str) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [part.format(port=port) for part in command],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def in_a_process_of_its_own(drill: Callable[[], object]) -> bool:
    """Do this in a child; whether it killed itself in the act.

    A lock that another thread of the test's process held as it was forked is held for ever in the
    child: an alarm that needs none tells where it is stuck, and ends it.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            faulthandler.register(signal.SIGALRM, chain=True)
            signal.alarm(STUCK_S)
            drill()
            code = 0
        except BaseException:  # also what ends a process: this one ends below, in any case
            traceback.print_exc()
        finally:
            os._exit(code)
    ended = os.waitpid(child, 0)[1]
    assert ended in (0, signal.SIGKILL), "what happened is on stderr"
    return ended != 0


def clients(endpoint_url: str) -> Clients:
    session = boto3.Session(
        aws_access_key_id="000000000000", aws_secret_access_key="test", region_name=REGION
    )
    made = Clients(session, endpoint_url)
    # moto answers 500 to what it doesn't know of tables: no need to ask three times.
    once = Config(retries={"total_max_attempts": 1})
    made._made["dynamodb"] = session.client("dynamodb", endpoint_url=endpoint_url, config=once)
    return made


def deploy(
    endpoint_url: str, stack: str = STACK, *, tagged: bool = True, **variables: str
) -> Target:
    made = clients(endpoint_url)
    formation = made.client("cloudformation")
    formation.create_stack(
        StackName=stack,
        TemplateBody=json.dumps(template(**variables)),
        Capabilities=["CAPABILITY_IAM"],
        Tags=[{"Key": "storagefirst:drills", "Value": "allowed"}] if tagged else [],
    )
    formation.get_waiter("stack_create_complete").wait(
        StackName=stack, WaiterConfig={"Delay": 0.1, "MaxAttempts": 300}
    )
    target = aimed(endpoint_url, stack)
    circuit = next(one for one in target.topology().tables if one.logical_id == "Circuit")
    made.client("dynamodb").put_item(TableName=circuit.name, Item=CLOSED)
    return target


def aimed(endpoint_url: str, stack: str = STACK, settings: Settings = SETTINGS) -> Target:
    made = clients(endpoint_url)
    account = made.client("sts").get_caller_identity()["Account"]
    return Target(f"stack:{stack}", stack, REGION, account, endpoint_url, settings, None, made)


def configuration(target: Target) -> dict[str, Any]:
    """Every field of every resource, but what AWS counts and stamps by itself."""
    topology = target.topology()
    client = target.session().client
    stamped = (
        *("ResponseMetadata", "LastModified", "RevisionId", "LastModifiedTimestamp"),
        *("LastModifiedDate", "Version", "LastUpdateDateTime", "Date", "Location"),
        *("StateTransitionReason", "LastProcessingResult", "StateReason", "StateReasonCode"),
        *("LastUpdateStatusReason", "LastUpdateStatusReasonCode"),
    )

    def plain(value: Any) -> Any:
        if isinstance(value, dict) and list(value) == ["SS"]:
            return sorted(value["SS"])  # DynamoDB's sets have no order
        if isinstance(value, dict):
            return {
                key: plain(part)
                for key, part in value.items()
                if key not in stamped and not key.startswith("Approximate")
            }
        if isinstance(value, list):
            return [plain(part) for part in value]
        return value

    found: dict[str, Any] = {}
    for one in topology.mappings:
        found[one.logical_id] = client("lambda").get_event_source_mapping(UUID=one.uuid)
    for one in topology.functions:
        found[one.logical_id] = client("lambda").get_function(FunctionName=one.name)
        found[f"{one.logical_id} reserved"] = client("lambda").get_function_concurrency(
            FunctionName=one.name
        )
        role = one.role_arn.rpartition("/")[2]
        names = client("iam").list_role_policies(RoleName=role)["PolicyNames"]
        found[role] = {
            name: client("iam").get_role_policy(RoleName=role, PolicyName=name) for name in names
        }
    for one in topology.queues:
        found[one.logical_id] = client("sqs").get_queue_attributes(
            QueueUrl=one.url, AttributeNames=["All"]
        )
    for one in topology.tables:
        table = client("dynamodb").describe_table(TableName=one.name)["Table"]
        table.get("ProvisionedThroughput", {}).pop("LastDecreaseDateTime", None)
        table.get("ProvisionedThroughput", {}).pop("LastIncreaseDateTime", None)
        table.get("ProvisionedThroughput", {}).pop("NumberOfDecreasesToday", None)
        found[one.logical_id] = table
        found[f"{one.logical_id} items"] = client("dynamodb").scan(TableName=one.name)["Items"]
    found["parameters"] = {
        one["Name"]: one["Value"]
        for path in ("/shop", "/storagefirst")
        for one in client("ssm").get_parameters_by_path(Path=path, Recursive=True)["Parameters"]
    }
    return plain(found)


def emptied(target: Target) -> None:
    """Take out what earlier tests have left in the queues."""
    client = target.session().client("sqs")
    for one in target.topology().queues:
        while found := client.receive_message(QueueUrl=one.url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in found:
                client.delete_message(QueueUrl=one.url, ReceiptHandle=message["ReceiptHandle"])


def drill_file(folder: Path, text: str, name: str = "own.toml") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return name


class Watching:
    """A watcher that neither sends nor looks; `as_broken` is done when the clock begins."""

    def __init__(self, as_broken: Callable[[], object] = lambda: None) -> None:
        self.as_broken = as_broken

    def before(self) -> bool:
        return True

    def made(self, change: Any) -> None:
        pass

    def broken(self) -> None:
        self.as_broken()

    def during(self) -> None:
        pass

    def ending(self) -> None:
        pass

    def mended(self) -> None:
        pass
