"""Schedules a second, one core: three messages, API → SQS → Lambda → DynamoDB, one fault, judged.

Against the same three messages on plain moto, with the same handler: its clients reused and its
backend reset for each run, and a fresh `mock_aws` with new clients for each. The three take turns
within one process, so that a noisy machine is noisy for all.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

ROUNDS = 5
SECONDS = 2.0  # of each contestant in each round
EXAMPLE = Path(__file__).parent.parent / "examples" / "orders"
BODY = {"orderId": "{unique}", "amount": 12}


def measure() -> Iterator[dict[str, Any]]:
    contestants = {"ours": _ours(), "reused": _moto_reused(), "fresh": _moto_fresh()}
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, run in contestants.items():
            rates[name].append(_rate(run, SECONDS))
    middle = {name: statistics.median(found) for name, found in rates.items()}
    ratios = [
        (ours / reused, ours / fresh)
        for ours, reused, fresh in zip(rates["ours"], rates["reused"], rates["fresh"], strict=True)
    ]
    yield {
        "figure": "schedules",
        "value": round(middle["ours"], 1),
        "unit": "1/s",
        "ratio": round(statistics.median(ratio for ratio, _ in ratios), 2),
        "against": "moto, clients reused",
        "aim": 1000,
    }
    yield {
        "figure": "schedules",
        "value": round(middle["ours"], 1),
        "unit": "1/s",
        "ratio": round(statistics.median(ratio for _, ratio in ratios), 2),
        "against": "moto, fresh mock_aws",
        "aim": 1000,
    }
    yield {"figure": "moto_reused", "value": round(middle["reused"], 1), "unit": "1/s"}
    yield {"figure": "moto_fresh", "value": round(middle["fresh"], 1), "unit": "1/s"}


Contestant = tuple[AbstractContextManager[None], Callable[[], None]]


def _rate(contestant: Callable[[], Contestant], seconds: float) -> float:
    """Runs per second of processor time: what other processes take of the core does not count."""
    surroundings, run = contestant()
    started, real, runs = time.process_time(), time.perf_counter(), 0
    with surroundings:
        while time.process_time() - started < seconds and time.perf_counter() - real < 5 * seconds:
            run()
            runs += 1
    return runs / (time.process_time() - started)


def _ours() -> Callable[[], Contestant]:
    """One schedule after the other of the sweep's single faults, as an exploration plays them."""
    from pytest_storagefirst.explore import workload
    from pytest_storagefirst.explore.stack import standing
    from pytest_storagefirst.explore.sweep import single_faults
    from pytest_storagefirst.simulation.playing import many
    from pytest_storagefirst.simulation.schedule import Schedule

    stack = standing(EXAMPLE / "template.yaml")
    sends = workload.plain(stack.judge.deployed.entries, 3)
    faults = [
        fault
        for fault in single_faults(stack.judge.deployed, stack.baseline_counts(sends))
        if not fault.lasts
    ]
    turn = itertools.cycle(faults)

    def run() -> None:
        judged = stack.judge.judge(Schedule(sends, plan=(next(turn),)))
        assert judged.verdicts["no-message-loss"].value in ("ok", "unknown")

    for _ in faults:
        run()
    return lambda: (many(stack.judge.deployed), run)


def _handler() -> Callable[[Any, Any], Any]:
    spec = importlib.util.spec_from_file_location("orders_app", EXAMPLE / "src" / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handler: Callable[[Any, Any], Any] = module.handler
    return handler


def _environment() -> None:
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "testing")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "testing")
    os.environ["ORDERS_TABLE"] = "Orders"


def _three_messages(sqs: Any, dynamodb: Any, handler: Callable[[Any, Any], Any]) -> None:
    """Create, send, receive, handle, delete, look: what a hand-written test on moto does."""
    queue = sqs.create_queue(QueueName="Orders")["QueueUrl"]
    dynamodb.create_table(
        TableName="Orders",
        KeySchema=[{"AttributeName": "orderId", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "orderId", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for number in range(3):
        body = json.dumps({**BODY, "orderId": f"m{number}"})
        sqs.send_message(QueueUrl=queue, MessageBody=body)
    received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, AttributeNames=["All"])[
        "Messages"
    ]
    event = {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "messageAttributes": {},
                "eventSource": "aws:sqs",
            }
            for message in received
        ]
    }
    failures = (handler(event, None) or {}).get("batchItemFailures", [])
    assert not failures
    for message in received:
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert dynamodb.scan(TableName="Orders", Select="COUNT")["Count"] == 3


def _moto_reused() -> Callable[[], Contestant]:
    import boto3
    from moto import mock_aws
    from moto.core.base_backend import BackendDict

    _environment()
    with mock_aws():
        sqs, dynamodb, handler = boto3.client("sqs"), boto3.client("dynamodb"), _handler()

    def run() -> None:
        with mock_aws():
            BackendDict.reset()
            _three_messages(sqs, dynamodb, handler)

    return lambda: (nullcontext(), run)


def _moto_fresh() -> Callable[[], Contestant]:
    import boto3
    from moto import mock_aws

    _environment()

    def run() -> None:
        with mock_aws():
            _three_messages(boto3.client("sqs"), boto3.client("dynamodb"), _handler())

    return lambda: (nullcontext(), run)
