"""Each blueprint on the emulator as it is: what comes in by its front door leaves its effect.

One that has no test here fails `test_every_blueprint_is_tried`.
"""

from __future__ import annotations

import json

import pytest

from pytest_storagefirst.stack.locating import blueprint_names

from .conftest import eventually, items, post

ROUTES = {  # the table in which a message ends
    "api-bucket-table": "Table",
    "api-bus-table": "Table",
    "api-fifo-table": "Table",
    "api-queue-table": "Table",
    "api-stream-table": "Table",
    "api-table-stream": "Table",
    "breaker-automatic": "Table",
    "breaker-in-handler": "Table",
    "breaker-mapping": "Table",
    "breaker-powertools": "Table",
    "feature-flags": "Table",
    "load-levelling": "Table",
    "rest-queue-table": "Table",
}
OTHERS = {"iot-queue-table": ("Table",), "topic-fanout": ("BillingTable", "ShippingTable")}


def test_every_blueprint_is_tried():
    assert sorted([*ROUTES, *OTHERS]) == blueprint_names()


def body_of(target, number: int) -> dict[str, object]:
    text = json.dumps(target.settings.entries[0].body)
    return json.loads(text.replace("{unique}", f"m-{number}"))


@pytest.mark.parametrize("name", ROUTES)
def test_messages_come_in_by_the_route_and_are_stored(deployed, name):
    target = deployed(f"blueprint:{name}", name=f"{name}-tried")
    url = target.url_of("POST /messages")

    statuses = [post(url, body_of(target, number))[0] for number in range(5)]

    assert statuses == [200] * 5
    assert eventually(lambda: len(items(target, ROUTES[name])) >= 5)
    assert {f"m-{number}" in json.dumps(items(target, ROUTES[name])) for number in range(5)} == {
        True
    }


@pytest.mark.parametrize("name", OTHERS)
def test_messages_come_in_by_a_topic(deployed, name):
    target = deployed(f"blueprint:{name}", name=f"{name}-tried")
    topology, text = target.topology(), json.dumps(body_of(target, 1))

    if topology.topics:
        target.session().client("sns").publish(TopicArn=topology.topics[0].arn, Message=text)
    else:
        topic = f"{target.stack_name}/messages"
        target.session().client("iot-data").publish(topic=topic, payload=text)

    assert eventually(lambda: all("m-1" in str(items(target, one)) for one in OTHERS[name]))
