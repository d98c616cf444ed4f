"""SendMessage by the short way is SendMessage as moto answers it: same replies, same state."""

from __future__ import annotations

import json

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.sqs.models import sqs_backends

from pytest_storagefirst.simulation.queues import calls
from pytest_storagefirst.simulation.queues.service import simulated_sqs

ACCOUNT = "123456789012"
PLAIN = {"MessageBody": "hello"}
CALLS = [
    PLAIN,
    {"MessageBody": 'a&b+c%41"d\\é\nf'},
    {"MessageBody": "later", "DelaySeconds": 5},
    {"MessageBody": "too late", "DelaySeconds": 901},
    {"MessageBody": ""},
    {"MessageBody": "\x00"},
    {"MessageBody": "x" * 1_048_577},
    {"MessageBody": "g", "MessageGroupId": "g"},
    {"MessageBody": "g", "MessageGroupId": "not a group"},
    {"MessageBody": "d", "MessageDeduplicationId": "d"},
    {"MessageBody": "g", "MessageGroupId": "g", "MessageDeduplicationId": "d"},
    {"MessageBody": "again", "MessageGroupId": "g", "MessageDeduplicationId": "d"},
    {"MessageBody": "a", "MessageAttributes": {"n": {"DataType": "String", "StringValue": "v"}}},
]


def state(queue):
    return [
        (m.id, m.body, m.group_id, m.deduplication_id, m.sequence_number, m.state, m.sender_id)
        for m in queue.stored_messages
    ]


def answers(name, attributes, short):
    """What the sender of each call is told, and what the queue holds in the end."""
    told = []
    with mock_aws(), simulated_sqs():
        client = boto3.client("sqs", region_name="us-east-1")
        url = client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        backend = sqs_backends[ACCOUNT]["us-east-1"]
        backend.reseed(7)
        for call in CALLS:
            answer = calls.send_message(backend, {"QueueUrl": url, **call}) if short else None
            if answer is None:
                try:
                    answer = client.send_message(QueueUrl=url, **call)
                    answer.pop("ResponseMetadata")
                except ClientError as error:
                    answer = error.response["Error"]
            told.append(answer)
        return json.dumps(told), state(backend.queues[name])


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("plain", {}),
        ("delayed", {"DelaySeconds": "3"}),
        ("first.fifo", {"FifoQueue": "true"}),
        ("content.fifo", {"FifoQueue": "true", "ContentBasedDeduplication": "true"}),
    ],
)
def test_the_short_way_is_the_long_one(name, attributes):
    assert answers(name, attributes, short=True) == answers(name, attributes, short=False)


def test_what_is_plain_goes_the_short_way():
    with mock_aws(), simulated_sqs():
        client = boto3.client("sqs", region_name="us-east-1")
        url = client.create_queue(QueueName="plain")["QueueUrl"]
        backend = sqs_backends[ACCOUNT]["us-east-1"]
        taken = [calls.send_message(backend, {"QueueUrl": url, **call}) for call in CALLS]
        assert [bool(answer) for answer in taken] == [
            *(True, True, True, False, False, False, False, True),
            *(False, False, False, False, False),
        ]
        assert calls.send_message(backend, {**PLAIN, "QueueUrl": "nowhere"}) is None
