"""A stack made by hand in moto's server and in ministack, for tests of what an observer sees."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import boto3

from pytest_storagefirst.settings import Settings
from pytest_storagefirst.stack.topology import (
    Bucket,
    EventSourceMapping,
    Queue,
    Table,
    Topology,
)

REGION = "us-east-1"
ACCOUNT = "000000000000"


class Session:
    """As a target's: `client(service)`, each made once. `refused` operations fail once each."""

    region_name = REGION

    def __init__(self, endpoint_url: str) -> None:
        self._endpoint_url = endpoint_url
        self._clients: dict[str, Any] = {}
        self.refused: list[str] = []
        self.asked: list[tuple[str, str]] = []  # operation, body

    def client(self, service: str) -> Any:
        if service not in self._clients:
            made = boto3.client(
                service,
                endpoint_url=self._endpoint_url,
                region_name=REGION,
                aws_access_key_id="test",
                aws_secret_access_key="test",
            )
            made.meta.events.register("before-call", self._before)
            self._clients[service] = made
        return self._clients[service]

    @property
    def called(self) -> list[str]:
        return [name for name, _ in self.asked]

    def _before(self, model: Any, params: Any, **_: Any) -> Any:
        body = params["body"]
        self.asked.append((model.name, body.decode() if isinstance(body, bytes) else str(body)))
        if model.name not in self.refused:
            return None
        self.refused.remove(model.name)
        from botocore.awsrequest import AWSResponse

        error = {"Error": {"Code": "ThrottlingException", "Message": "slow down"}}
        return AWSResponse("", 400, {}, None), error


@dataclass(frozen=True)
class Aimed:
    """A target of one stack, with what an observer asks of it."""

    session_made: Session
    made: Topology
    endpoint_url: str | None
    settings: Settings = field(default_factory=Settings)
    downstream_url: str | None = None
    name: str = "local"
    stack_name: str = "observed"

    def session(self) -> Session:
        return self.session_made

    def topology(self) -> Topology:
        return self.made

    def on_aws(self) -> Aimed:
        """The same as if it stood in AWS."""
        return replace(self, endpoint_url=None)

    def client(self, service: str) -> Any:
        return self.session_made.client(service)

    def put(self, table: str, **item: Any) -> None:
        self.client("dynamodb").put_item(
            TableName=table, Item={name: {"S": value} for name, value in item.items()}
        )

    def send(self, queue: str, *bodies: Any) -> None:
        for body in bodies:
            text = body if isinstance(body, str) else json.dumps(body)
            self.client("sqs").send_message(QueueUrl=self.queue(queue).url, MessageBody=text)

    def queue(self, logical_id: str) -> Queue:
        return next(one for one in self.made.queues if one.logical_id == logical_id)


@contextlib.contextmanager
def moto_server() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def built(endpoint_url: str, suffix: str) -> Aimed:
    """Queue with DLQ, two tables, a bucket and a circuit's table; names end in `suffix`."""
    session = Session(endpoint_url)
    tables = tuple(
        _table(session.client("dynamodb"), name, f"{name}-{suffix}")
        for name in ("Orders", "Receipts", "Circuit")
    )
    session.client("s3").create_bucket(Bucket=f"files-{suffix}")
    letters = _queue(session.client("sqs"), "Letters", f"Letters-{suffix}")
    work = _queue(session.client("sqs"), "Work", f"Work-{suffix}", letters.arn)
    topology = Topology(
        "observed",
        ACCOUNT,
        REGION,
        queues=(work, letters),
        tables=tables,
        buckets=(Bucket("Files", f"files-{suffix}"),),
        mappings=(
            EventSourceMapping("FromWork", "arn:none", "arn:function", work.arn, batch_size=10),
        ),
    )
    return Aimed(session, topology, endpoint_url)


def _table(client: Any, logical_id: str, name: str) -> Table:
    made = client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return Table(logical_id, name, made["TableDescription"]["TableArn"], ("id",))


def _queue(client: Any, logical_id: str, name: str, letters: str | None = None) -> Queue:
    attributes = {"VisibilityTimeout": "60"}
    if letters:
        redrive = {"deadLetterTargetArn": letters, "maxReceiveCount": 1}
        attributes["RedrivePolicy"] = json.dumps(redrive)
    url = client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    asked = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    arn = asked["Attributes"]["QueueArn"]
    return Queue(logical_id, name, url, arn, dead_letter_arn=letters)
