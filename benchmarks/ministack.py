"""ministack doing what the example does, end to end: REST API, SQS, Lambda, DynamoDB.

A process of its own on loopback, ended by its id; it is given a bounded number of messages and a
bounded time. It has no HTTP API with an SQS integration, so a REST API stands in for it.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HANDLER = Path(__file__).parent.parent / "examples" / "orders" / "src" / "app.py"
REGION = "us-east-1"
ACCOUNT = "000000000000"
STARTS_WITHIN_SECONDS = 30
DONE_WITHIN_SECONDS = 60
# Older ones know no SQS integration, and pip falls back to them where it must keep a botocore.
OLDEST = (1, 5, 33)
INSTALL = "pip install 'ministack>=1.5.33' boto3, here or in an environment on the PATH"
_ASK_VERSION = "from importlib.metadata import version; print(version('ministack'))"


@dataclass(frozen=True)
class Rate:
    """Messages a second of the time that ministack's processes computed, and by the clock."""

    by_processor: float
    by_clock: float


def messages_a_second(count: int) -> Rate | str:
    """How fast ministack takes `count` messages from request to item; a text says why not."""
    program, why_not = _program()
    if program is None:
        return why_not
    with tempfile.TemporaryDirectory() as folder, _started(program, folder) as (process, port):
        if process is None:
            return f"did not start within {STARTS_WITHIN_SECONDS} s"
        path, table = _deploy(port)
        _send(port, path, ["warm-up"])
        if not _stand(table, 1):
            return f"did not process a message within {DONE_WITHIN_SECONDS} s"
        computed, started = _processor_seconds(process.pid), time.perf_counter()
        _send(port, path, [f"m{number}" for number in range(count)])
        if not _stand(table, count + 1):
            return f"did not process {count} messages within {DONE_WITHIN_SECONDS} s"
        elapsed = time.perf_counter() - started
        return Rate(count / (_processor_seconds(process.pid) - computed), count / elapsed)


@contextlib.contextmanager
def running(folder: str) -> Iterator[str]:
    """ministack on loopback, with its files in a folder; yields where it answers.

    Raises LookupError, whose text says why there is none.
    """
    program, why_not = _program()
    if program is None:
        raise LookupError(why_not)
    with _started(program, folder) as (process, port):
        if process is None:
            raise LookupError(f"did not start within {STARTS_WITHIN_SECONDS} s")
        yield f"http://127.0.0.1:{port}"


def _program() -> tuple[str | None, str]:
    """ministack beside this Python or on the path, and why there is none that serves."""
    why_not = f"not installed: {INSTALL}"
    for folder in (str(Path(sys.executable).parent), *os.environ["PATH"].split(os.pathsep)):
        program = shutil.which("ministack", path=folder)
        if program is None:
            continue
        found = subprocess.run(
            [Path(folder) / "python", "-c", _ASK_VERSION],
            check=False,
            capture_output=True,
            text=True,
        ).stdout.strip()
        if tuple(int(part) for part in found.split(".") if part.isdigit()) >= OLDEST:
            return program, ""
        why_not = f"{found or 'of no known version'}, which is too old: {INSTALL}"
    return None, why_not


@contextlib.contextmanager
def _started(program: str, folder: str) -> Iterator[tuple[subprocess.Popen[bytes] | None, int]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": folder,
        "TMPDIR": folder,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "LOG_LEVEL": "ERROR",
    }
    process = subprocess.Popen(
        [program],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # so that its Lambda workers end with it
    )
    try:
        yield (process if _answers(port) else None), port
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(port: int) -> bool:
    until = time.perf_counter() + STARTS_WITHIN_SECONDS
    while time.perf_counter() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        time.sleep(0.1)
    return False


def _deploy(port: int) -> tuple[str, Any]:
    """The path of the route, and a client that counts the table's items when it is called."""
    import boto3

    def client(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    client("sqs").create_queue(QueueName="Orders", Attributes={"VisibilityTimeout": "180"})
    table = client("dynamodb")
    table.create_table(
        TableName="Orders",
        KeySchema=[{"AttributeName": "orderId", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "orderId", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.write(HANDLER, "app.py")
    functions = client("lambda")
    functions.create_function(
        FunctionName="Worker",
        Runtime=f"python{sys.version_info[0]}.{sys.version_info[1]}",
        Role=f"arn:aws:iam::{ACCOUNT}:role/worker",
        Handler="app.handler",
        Timeout=30,
        Code={"ZipFile": code.getvalue()},
        Environment={"Variables": {"ORDERS_TABLE": "Orders"}},
    )
    functions.create_event_source_mapping(
        EventSourceArn=f"arn:aws:sqs:{REGION}:{ACCOUNT}:Orders",
        FunctionName="Worker",
        BatchSize=10,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    return _route(client("apigateway")), table


def _route(gateway: Any) -> str:
    api = gateway.create_rest_api(name="orders")["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    resource = gateway.create_resource(restApiId=api, parentId=root, pathPart="orders")["id"]
    method = {"restApiId": api, "resourceId": resource, "httpMethod": "POST"}
    gateway.put_method(**method, authorizationType="NONE")
    gateway.put_integration(
        **method,
        type="AWS",
        integrationHttpMethod="POST",
        uri=f"arn:aws:apigateway:{REGION}:sqs:path/{ACCOUNT}/Orders",
        requestParameters={
            "integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"
        },
        requestTemplates={
            "application/json": "Action=SendMessage&MessageBody=$util.urlEncode($input.body)"
        },
    )
    gateway.put_method_response(**method, statusCode="200")
    gateway.put_integration_response(**method, statusCode="200")
    gateway.create_deployment(restApiId=api, stageName="prod")
    return f"/restapis/{api}/prod/_user_request_/orders"


def _send(port: int, path: str, names: list[str]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for number, name in enumerate(names):
        body = json.dumps({"orderId": name, "amount": number})
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        said = reply.read()
        assert reply.status == 200, (reply.status, said)
    connection.close()


def _stand(table: Any, count: int) -> bool:
    """Whether so many items stand before the time is up."""
    until = time.perf_counter() + DONE_WITHIN_SECONDS
    while time.perf_counter() < until:
        pages = table.get_paginator("scan").paginate(TableName="Orders", Select="COUNT")
        if sum(page["Count"] for page in pages) >= count:
            return True
        time.sleep(0.25)
    return False


def _processor_seconds(session: int) -> float:
    """What the processes of a session have computed so far."""
    ticks = 0
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = status.read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(fields[3]) == session:
                ticks += sum(map(int, fields[11:15]))  # its own and its ended children's
    return ticks / os.sysconf("SC_CLK_TCK")
