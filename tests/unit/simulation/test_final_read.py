"""What stands when a run is over: items, objects and messages, in one order and one form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest

from pytest_storagefirst.simulation import final_read


def standing(rig: Any, act: Callable[[], Any]) -> dict[Any, Any]:
    def worker(event: Any, context: Any) -> None:
        act()

    played = rig.with_handlers(Worker=worker).play()
    assert played.errors == (), played.errors
    return {
        (effect.kind, effect.place, str(effect.key)): effect.value
        for effect in played.observation.effects
    }


def test_items_by_their_keys(rig: Any) -> None:
    def act() -> None:
        table = boto3.resource("dynamodb").Table("things")
        table.put_item(Item={"id": "a", "at": 1, "set": {"c", "b"}, "raw": b"\xff", "raws": {b"a"}})

    assert standing(rig, act) == {
        ("item", "Table", "{'id': {'S': 'a'}, 'at': {'N': '1'}}"): {
            "id": {"S": "a"},
            "at": {"N": "1"},
            "set": {"SS": ["b", "c"]},
            "raw": {"B": "/w=="},
            "raws": {"BS": ["YQ=="]},
        }
    }


def test_an_attribute_may_have_a_types_name(rig: Any) -> None:
    """A map whose only attribute is called SS is a map, and no set."""

    def act() -> None:
        table = boto3.resource("dynamodb").Table("keys")
        table.put_item(Item={"id": "a", "map": {"SS": "text"}, "NS": {"NS": 1}, "l": [{"BS": []}]})

    [value] = standing(rig, act).values()
    assert value["map"] == {"M": {"SS": {"S": "text"}}}
    assert value["NS"] == {"M": {"NS": {"N": "1"}}}
    assert value["l"] == {"L": [{"M": {"BS": {"L": []}}}]}


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b"text", "text"),
        (b"\xff\x00", {"base64": "/wA="}),
        (b"", ""),
    ],
)
def test_objects_by_what_they_hold(rig: Any, content: bytes, value: Any) -> None:
    def act() -> None:
        boto3.client("s3").put_object(Bucket="the-bucket", Key="k", Body=content)

    assert standing(rig, act) == {("object", "Bucket", "k"): value}


def test_what_is_deleted_does_not_stand(rig: Any) -> None:
    def act() -> None:
        s3 = boto3.client("s3")
        s3.put_bucket_versioning(Bucket="the-bucket", VersioningConfiguration={"Status": "Enabled"})
        s3.put_object(Bucket="the-bucket", Key="k", Body=b"x")
        s3.delete_object(Bucket="the-bucket", Key="k")

    assert standing(rig, act) == {}


def test_messages_that_nothing_reads(rig: Any) -> None:
    def act() -> None:
        sqs = boto3.client("sqs")
        for name in ("aside", "dead", "work"):
            if name == "work":
                continue
            url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
            sqs.send_message(QueueUrl=url, MessageBody='{"a": 1}')

    assert standing(rig, act) == {("message", "Aside", "None"): {"a": 1}}


def test_order_is_by_name_and_then_of_arrival(rig: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        s3 = boto3.client("s3")
        for key in ("b", "a"):
            s3.put_object(Bucket="the-bucket", Key=key, Body=b"x")
        for table in ("things", "keys"):
            item = {"id": {"S": "x"}, "at": {"N": "1"}}
            boto3.client("dynamodb").put_item(TableName=table, Item=item)

    played = rig.with_handlers(Worker=worker).play()
    order = [(effect.place, str(effect.key)[:4]) for effect in played.observation.effects]
    assert [place for place, _ in order] == ["Keys", "Table", "Bucket", "Bucket"]
    assert [key for _, key in order[2:]] == ["a", "b"]


def test_text_that_is_no_unicode_is_no_reason_to_fail() -> None:
    assert final_read._content("\ud800".encode("utf-8", "surrogatepass")) == {"base64": "7aCA"}
