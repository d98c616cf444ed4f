"""Messages taken out of sample events."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_storagefirst.init.samples import samples_beside

ORDER = {"orderId": "o-1", "amount": 12}
TEXT = json.dumps(ORDER)
EVENT = {"source": "shop", "detail-type": "Ordered", "detail": ORDER}
SQS = {"eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-west-1:1:Orders"}
NOTIFICATION = {"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:1:T", "Message": TEXT}


def taken(folder, event):
    folder.joinpath("events").mkdir(exist_ok=True)
    folder.joinpath("events/one.json").write_text(json.dumps(event), encoding="utf-8")
    return [(one.kind, one.name, one.body) for one in samples_beside(folder / "template.yaml")]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"httpMethod": "POST", "resource": "/orders", "body": TEXT}, ("route", "POST /orders")),
        (
            {
                "requestContext": {"http": {"method": "PUT"}},
                "rawPath": "/orders",
                "body": base64.b64encode(TEXT.encode()).decode(),
                "isBase64Encoded": True,
            },
            ("route", "PUT /orders"),
        ),
        ({"Records": [{**SQS, "body": TEXT}]}, ("queue", "Orders")),
        ({"Records": [{**SQS, "body": json.dumps(NOTIFICATION)}]}, ("topic", "T")),
        (
            {"Records": [{"EventSource": "aws:sns", "Sns": NOTIFICATION}]},
            ("topic", "T"),
        ),
        (
            {
                "Records": [
                    {
                        "eventSource": "aws:kinesis",
                        "eventSourceARN": "arn:aws:kinesis:eu-west-1:1:stream/S",
                        "kinesis": {"data": base64.b64encode(TEXT.encode()).decode()},
                    }
                ]
            },
            ("stream", "S"),
        ),
        (
            {
                "Records": [
                    {
                        "eventSource": "aws:dynamodb",
                        "eventSourceARN": "arn:aws:dynamodb:eu-west-1:1:table/Orders/stream/x",
                        "dynamodb": {"NewImage": {"orderId": {"S": "o-1"}, "amount": {"N": "12"}}},
                    }
                ]
            },
            ("table", "Orders"),
        ),
        (ORDER, ("", "")),
    ],
)
def test_each_envelope_is_taken_off(tmp_path, event, expected):
    assert taken(tmp_path, event)[0] == (*expected, ORDER)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"Records": [{**SQS, "body": "Test message-1"}]}, [("queue", "Orders", "Test message-1")]),
        ({"Records": [{**SQS, "body": "  "}]}, []),
        ({"Records": [{**SQS, "body": "12"}]}, []),
        ({"httpMethod": "POST", "path": "/", "body": "a=1"}, [("route", "POST /", "a=1")]),
        ("Test message-1", []),
    ],
)
def test_a_text_is_a_message_where_it_came_through_something(tmp_path, event, expected):
    assert taken(tmp_path, event) == expected


@pytest.mark.parametrize(
    "event",
    [
        {**EVENT, "id": "1", "account": "123456789012", "time": "2026-01-01T00:00:00Z"},
        [{"Source": "shop", "DetailType": "Ordered", "Detail": TEXT}],
        {"Records": [{**SQS, "body": json.dumps(EVENT)}]},
    ],
)
def test_an_event_keeps_what_its_producer_gave(tmp_path, event):
    assert taken(tmp_path, event)[0] == ("bus", "", EVENT)


@pytest.mark.parametrize("value", ["17", "", None, "[1]", '{"a": "\\ud800"}'])
def test_what_toml_can_not_hold_is_no_sample(tmp_path, value):
    assert taken(tmp_path, {"Records": [{**SQS, "body": value}]}) == []


def test_nulls_are_left_out(tmp_path):
    assert taken(tmp_path, {"a": None, "b": [None, 1], "c": {"d": None}}) == [
        ("", "", {"b": [1], "c": {}})
    ]


NAMES = """
Records eventSource EventSource body Sns Message kinesis data dynamodb NewImage httpMethod http
requestContext detail detail-type DetailType Detail source MessageBody Type aws:sqs aws:sns
aws:kinesis aws:dynamodb
"""
KEYS = st.sampled_from(NAMES.split())
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(event=JSON)
def test_no_file_is_an_error(tmp_path_factory, event):
    taken(tmp_path_factory.mktemp("samples"), event)
