"""What `storagefirst up` prints of an entry, without a target."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace

import boto3
import pytest

from pytest_storagefirst.load import telling
from pytest_storagefirst.settings import Entry, Settings
from pytest_storagefirst.stack.topology import (
    Bucket,
    Bus,
    Integration,
    Queue,
    Route,
    Stream,
    Table,
    Topic,
    TopicRule,
    Topology,
)
from pytest_storagefirst.target.local import Up
from pytest_storagefirst.target.target import Clients, Target

TOPOLOGY = Topology(
    "orders",
    "000000000000",
    "eu-west-1",
    queues=(Queue("Queue", "q", "http://localhost:1/q", "arn:q", fifo=True),),
    tables=(Table("Table", "t", "arn:t", ("id", "at")),),
    buckets=(Bucket("Bucket", "b", "in/*.json"),),
    streams=(Stream("Stream", "s", "arn:s"),),
    routes=(
        Route(
            "Api",
            "a1",
            "HTTP",
            "ANY",
            "/orders",
            "$default",
            Integration("AWS_PROXY", subtype="SQS-SendMessage"),
        ),
        Route(
            "Api",
            "a1",
            "HTTP",
            "GET",
            "/orders",
            "$default",
            Integration("AWS_PROXY", subtype="SQS-SendMessage"),
        ),
    ),
    topics=(Topic("Topic", "n", "arn:n"),),
    buses=(Bus("Bus", "e", "arn:e"),),
    topic_rules=(TopicRule("Rule", "r", "arn:r", "SELECT * FROM 'devices/+/orders' WHERE x > 1"),),
)


@pytest.fixture
def target():
    session = boto3.Session("0", "local", region_name="eu-west-1")
    clients = Clients(session, "http://127.0.0.1:1")
    made = Target(
        "local",
        "orders",
        "eu-west-1",
        "000000000000",
        clients.endpoint_url,
        Settings(),
        "http://127.0.0.1:2/_storagefirst",
        clients,
    )
    vars(made)["_topology"] = TOPOLOGY
    return made


def told(target, *entries: Entry) -> list[str]:
    target = replace(target, settings=Settings(entries=entries))
    vars(target)["_topology"] = TOPOLOGY
    return list(telling.lines(Up(target, "template.yaml", False, ("so it is",))))


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("queue", "Queue", ["sqs", "send-message", "--queue-url", "http://localhost:1/q"]),
        ("topic", "Topic", ["sns", "publish", "--topic-arn", "arn:n"]),
        ("bucket", "Bucket", ["s3api", "put-object", "--key", "in/example-1.json"]),
        ("bus", "Bus", ["events", "put-events"]),
        ("stream", "Stream", ["kinesis", "put-record", "--partition-key", "example-1"]),
        ("table", "Table", ["dynamodb", "put-item", "--table-name", "t"]),
        ("rule", "Rule", ["iot-data", "publish", "--topic", "devices/example-1/orders"]),
    ],
)
def test_one_message_is_sent_by_a_command(target, kind, name, words):
    lines = told(target, Entry(kind, name, {"id": "{unique}", "text": "it's"}))
    [send] = [line for line in lines if line.startswith("  send: ")]

    given = shlex.split(send)
    assert set(words) <= set(given)
    assert {"aws", "--endpoint-url", "http://127.0.0.1:1", "eu-west-1"} <= set(given)
    assert "  note:     so it is" in lines


def test_an_event_is_sent_as_it_is_written(target):
    body = {"source": "shop", "detail-type": "Placed", "detail": {"id": "{unique}"}}
    [send] = [line for line in told(target, Entry("bus", "Bus", body)) if "  send: " in line]

    given = shlex.split(send)
    (entry,) = json.loads(given[given.index("--entries") + 1])
    assert (entry["EventBusName"], entry["Source"], entry["DetailType"]) == ("e", "shop", "Placed")
    assert json.loads(entry["Detail"]) == {"id": "example-1"}


def test_a_route_is_called_with_its_headers(target):
    lines = told(target, Entry("route", "ANY /orders", "plain {unique}", headers={"X-Key": "k"}))
    [send] = [line for line in lines if line.startswith("  send: ")]

    given = shlex.split(send)[1:]
    assert given[:3] == ["curl", "-X", "POST"]
    assert {"X-Key: k", "Content-Type: application/json", "plain example-1"} <= set(given)
    assert given[-1] == "http://127.0.0.1:1/_aws/execute-api/a1/$default/orders"


def test_without_settings_each_route_that_is_written_to_is_an_entry(target):
    lines = told(target)

    assert [line for line in lines if line.startswith("  entry: ")] == ["  entry:    ANY /orders"]
