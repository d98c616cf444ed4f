"""A stack as a graph: from configuration, and from what its code was seen to do."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pytest_storagefirst.explore.callees import callee_of, host_of
from pytest_storagefirst.explore.charting import graph_of
from pytest_storagefirst.explore.exploration import explore
from pytest_storagefirst.explore.graph import Graph, Link, Node
from pytest_storagefirst.explore.result import StackResult
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.simulation.calls import boundary
from pytest_storagefirst.simulation.schedule import Schedule, Send

IDS = {
    "orders-1a2b": "Orders",
    "arn:aws:sns:eu-west-1:123456789012:news": "News",
    "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs": "Jobs",
    "uploads-77": "Uploads",
    "worker-9": "Worker",
}
PUT = {"TableName": "orders-1a2b", "Item": {"TableName": {"S": "uploads-77"}}}


@pytest.mark.parametrize(
    ("request_", "id"),
    [
        ({"body": json.dumps(PUT).encode()}, "Orders"),
        ({"body": {"TopicArn": "arn:aws:sns:eu-west-1:123456789012:news"}}, "News"),
        (
            {
                "body": json.dumps(
                    {"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs"}
                )
            },
            "Jobs",
        ),
        ({"body": json.dumps({"TransactItems": [{"Put": PUT}]})}, "Orders"),
        ({"body": json.dumps({"RequestItems": {"orders-1a2b": []}})}, "Orders"),
        ({"body": b"", "url": "https://uploads-77.s3.amazonaws.com/key"}, "Uploads"),
        ({"body": b"", "url": "https://s3.amazonaws.com/uploads-77/key"}, "Uploads"),
        (
            {"body": b"{}", "url": "https://l.amazonaws.com/functions/worker-9/invocations"},
            "Worker",
        ),
        ({"body": b'{"TableName": "of another stack"}'}, ""),
        ({"body": b"no JSON \xff"}, ""),
        ({"body": b'{"Item": {"TableName": "orders-1a2b"}}'}, ""),
        ({}, ""),
        (None, ""),
    ],
)
def test_what_a_call_is_about(request_, id):
    assert callee_of(request_, IDS) == id


@pytest.mark.parametrize(
    ("call", "host"),
    [
        ("http POST https://payments.example/charge #1", "payments.example"),
        ("http GET http://localhost:80/x", "localhost:80"),
        ("http GET http://[broken", ""),
        ("http GET", ""),
    ],
)
def test_the_host_of_a_call(call, host):
    assert host_of(call) == host


def test_a_graph_of_configuration_and_of_what_was_seen(sound):
    judged = sound.judge(Schedule((Send("m1", "Orders", {"id": "{unique}"}),)))

    graph = graph_of(sound.deployed, [judged.played])

    assert Node("Orders", "queue") in graph.nodes
    assert Node("Worker", "function") in graph.nodes
    assert graph.entries == ("Orders",)
    assert Link("Orders", "Worker", "hands on") in graph.links
    (called,) = [link for link in graph.links if link.kind == "calls"]
    assert called.source == "Worker"
    assert Node(called.target, "table") in graph.nodes
    asides = [link for link in graph.links if link.kind == "sets aside"]
    assert [link.source for link in asides] == ["Orders"]
    assert all(Node(link.target, "dead letters") in graph.nodes for link in asides)


def test_what_is_only_named_is_told_apart(sound):
    """Without a run nothing was seen: what the environment names is all that is known."""
    graph = graph_of(sound.deployed, [])

    assert {link.kind for link in graph.links if link.source == "Worker"} == {"names"}


def test_third_parties_have_a_place(workshop):
    app = workshop.app.replace(
        '    table.put_item(Item={"id": body["id"]})',
        "    import urllib.request\n"
        '    urllib.request.urlopen("https://payments.example/charge", data=b"{}")\n'
        '    table.put_item(Item={"id": body["id"]})',
    )

    result = explore(workshop.write(app), Settings(budget_seconds=0, max_faults=0))

    assert result.graph is not None
    assert Node("payments.example", "third party") in result.graph.nodes
    assert Link("Worker", "payments.example", "calls") in result.graph.links


def test_a_result_has_it_and_crosses_processes(workshop):
    result = explore(workshop.write(workshop.marks_first), Settings(budget_seconds=0))
    loss = result.properties[0]

    assert StackResult.from_json(json.loads(json.dumps(result.to_json()))) == result
    assert isinstance(result.graph, Graph)
    assert loss.verdict == "violated"
    assert [one.text for one in loss.steps if one.kind == "faulted"]
    called = [one for one in loss.steps if one.kind == "called"]
    tables = {node.id for node in result.graph.nodes if node.kind == "table"}
    assert called
    assert {one.to for one in called} == tables
    assert replace(result, graph=None).to_json()["graph"] is None


def test_a_run_without_end_keeps_some_of_its_requests(sound, monkeypatch):
    monkeypatch.setattr(boundary, "MOST_REQUESTS", 2)
    sends = tuple(Send(f"m{n}", "Orders", {"id": "{unique}"}) for n in range(4))

    played = sound.judge(Schedule(sends)).played

    assert len(played.requests) == 2
