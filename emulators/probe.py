"""A probe asks an emulator, through plain boto3, whether it keeps a rule of AWS's."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ACCOUNTS = {"moto": "123456789012", "simulation": "123456789012", "ministack": "000000000000"}
REGION = "us-east-1"
SEEN = "probe-seen"

# Notes what it is invoked with; a body that starts with "fail" makes it raise, one that starts
# with "list" is reported as failed, and "wrong" reports a message that is not in the batch.
HANDLER = """
import base64, json, os, time, uuid
import boto3

def handler(event, context):
    said, listed = [], []
    for record in event.get("Records", [event]):
        kinesis = record.get("kinesis")
        body = record.get("body", "event")
        if kinesis:
            body = base64.b64decode(kinesis["data"]).decode()
        count = record.get("attributes", {}).get("ApproximateReceiveCount", "")
        said.append([body, count])
        if body.startswith("list"):
            listed.append(kinesis["sequenceNumber"] if kinesis else record["messageId"])
        if body.startswith("wrong"):
            listed.append("of-no-message")
    boto3.client("dynamodb").put_item(TableName="probe-seen", Item={
        "function": {"S": os.environ["SEEN"]},
        "at": {"S": "%020d-%s" % (time.time_ns(), uuid.uuid4())},
        "said": {"S": json.dumps(said)},
    })
    if any(body.startswith("fail") for body, _ in said) or "Records" not in event:
        raise ValueError("on purpose")
    return {"batchItemFailures": [{"itemIdentifier": one} for one in listed]}
"""


class Lacks(Exception):
    """The emulator has nothing that the probe could ask; the text says what is missing."""


@dataclass(frozen=True)
class World:
    """An emulator that is asked: how to reach it, and how to let time pass there."""

    name: str
    connect: Callable[[str], Any]  # a boto3 client of a service
    let_pass: Callable[[float], None]  # seconds
    post: Callable[[str, str, str], tuple[int, str]]  # API id, its kind, body -> status, body
    in_real_time: bool = False

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{REGION}:{ACCOUNTS[self.name]}:{resource}"

    def role(self) -> str:
        """A role that may do all, made when it is first asked for."""
        iam = self.connect("iam")
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        try:
            return str(
                iam.create_role(RoleName="probe", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
            )
        except iam.exceptions.EntityAlreadyExistsException:
            return str(iam.get_role(RoleName="probe")["Role"]["Arn"])

    def queue(self, name: str, **attributes: Any) -> Queue:
        if name.endswith(".fifo"):
            attributes["FifoQueue"] = "true"
        texts = {key: str(value) for key, value in attributes.items()}
        sqs = self.connect("sqs")
        return Queue(
            self, name, sqs, sqs.create_queue(QueueName=name, Attributes=texts)["QueueUrl"]
        )

    def function(self, name: str, **more: Any) -> str:
        """A function of HANDLER; returns its ARN."""
        table = self.connect("dynamodb")
        if SEEN not in table.list_tables()["TableNames"]:
            names = [("function", "HASH"), ("at", "RANGE")]
            table.create_table(
                TableName=SEEN,
                KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in names],
                AttributeDefinitions=[
                    {"AttributeName": key, "AttributeType": "S"} for key, _ in names
                ],
                BillingMode="PAY_PER_REQUEST",
            )
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("app.py", HANDLER)
        made = self.connect("lambda").create_function(
            FunctionName=name,
            Runtime="python3.12",
            Role=self.role(),
            Handler="app.handler",
            Code={"ZipFile": code.getvalue()},
            Environment={"Variables": {"SEEN": name}},
            **{"Timeout": 2, **more},
        )
        return str(made["FunctionArn"])

    def mapped(self, name: str, source_arn: str, **mapping: Any) -> None:
        """A function that a queue or stream invokes."""
        self.connect("lambda").create_event_source_mapping(
            FunctionName=self.function(name), EventSourceArn=source_arn, **mapping
        )

    def invocations(self, function: str) -> list[list[tuple[str, str]]]:
        """Of each invocation so far, the first first: (body, receive count) of each record."""
        items = self.connect("dynamodb").query(
            TableName=SEEN,
            KeyConditionExpression="#f = :f",
            ExpressionAttributeNames={"#f": "function"},
            ExpressionAttributeValues={":f": {"S": function}},
            ConsistentRead=True,
        )["Items"]
        return [[(body, count) for body, count in json.loads(item["said"]["S"])] for item in items]

    def bodies(self, function: str) -> list[str]:
        return [body for batch in self.invocations(function) for body, _ in batch]

    def until(self, holds: Callable[[], Any]) -> Any:
        """What `holds` says as soon as it says something, or after five seconds."""
        for _ in range(10):
            said = holds()
            if said:
                return said
            self.let_pass(0.5)
        return holds()


@dataclass(frozen=True)
class Queue:
    world: World
    name: str
    sqs: Any
    url: str

    @property
    def arn(self) -> str:
        return self.world.arn("sqs", self.name)

    def send(self, *bodies: str, **more: Any) -> None:
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.url, MessageBody=body, **more)

    def receive(self, **more: Any) -> list[Any]:
        asked = {"MaxNumberOfMessages": 10, "MessageSystemAttributeNames": ["All"], **more}
        return list(self.sqs.receive_message(QueueUrl=self.url, **asked).get("Messages", []))

    def bodies(self) -> list[str]:
        return [message["Body"] for message in self.receive()]

    def holds(self) -> int:
        """How many messages it holds, in flight or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        said = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
        return sum(int(said["Attributes"][name]) for name in names)

    def redrive(self, most: int) -> str:
        """The RedrivePolicy of a source whose dead-letter queue this is."""
        return json.dumps({"deadLetterTargetArn": self.arn, "maxReceiveCount": most})


@dataclass(frozen=True)
class Probe:
    """`aws` is what `ask` would observe of AWS; `simulated`: the simulated SQS can be asked too.

    `minutes` is what it takes, when that is more than some seconds; `page` is the one of AWS's that
    answers it, when that is not its rule's.
    """

    name: str
    rule: int
    asks: str
    aws: str
    ask: Callable[[World], str]
    simulated: bool
    minutes: int
    page: str


PROBES: list[Probe] = []


def probe(
    rule: int, asks: str, aws: str, *, simulated: bool = False, minutes: int = 0, page: str = ""
) -> Callable[[Callable[[World], str]], Callable[[World], str]]:
    """Register a function as a probe of a rule."""

    def register(ask: Callable[[World], str]) -> Callable[[World], str]:
        PROBES.append(Probe(ask.__name__, rule, asks, aws, ask, simulated, minutes, page))
        return ask

    return register


def code_of(call: Callable[[], Any]) -> str:
    """The code of the error that a call is answered with; "" for none."""
    from botocore.exceptions import ClientError

    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"]).rpartition(".")[2]
    return ""
