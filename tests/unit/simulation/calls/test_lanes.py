"""The fast lane is botocore's own path, only faster: same results, same errors, same state."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import boto3
import pytest
from boto3.dynamodb.conditions import Attr, Key
from boto3.dynamodb.types import Binary
from botocore.exceptions import ClientError
from moto.dynamodb.exceptions import ConditionalCheckFailed

from pytest_storagefirst.simulation.calls import fronts, lanes
from pytest_storagefirst.simulation.world import known_puts

Outcome = tuple[Any, ...]


class Caller:
    """Makes calls and writes down what came of each, in both lanes' terms."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def __call__(self, act: Callable[..., Any], **parameters: Any) -> Any:
        answer = None
        try:
            answer = act(**parameters)
            self.outcomes.append(("answered", shape(answer)))
        except ClientError as error:
            self.outcomes.append(
                (type(error).__name__, shape(error.response), str(error), error.operation_name)
            )
        return answer


def shape(value: Any) -> Any:
    """A value with its types spelt out, less what says how the answer came here."""
    if isinstance(value, dict):
        return {
            name: inner["HTTPStatusCode"] if name == "ResponseMetadata" else shape(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    if isinstance(value, set):
        return ("set", sorted(map(repr, value)))
    if isinstance(value, Binary):
        return ("Binary", value.value)
    return (type(value).__name__, value)


def put_and_get(call: Caller) -> None:
    things = boto3.resource("dynamodb").Table("things")
    item = {
        "id": "a",
        "at": 1,
        "text": 'é & + % " \\ \n \x00 \U0001f600',
        "number": Decimal("12.340"),
        "large": Decimal("1E+30"),
        "small": Decimal("-0.00001"),
        "none": None,
        "yes": True,
        "list": [1, "two", [3], {"four": Decimal(4)}],
        "map": {"empty": {}, "list": [], "S": "not a type"},
        "texts": {"b", "a"},
        "numbers": {Decimal(1), Decimal("2.5")},
    }
    call(things.put_item, Item=item)
    call(things.get_item, Key={"id": "a", "at": 1})
    call(things.get_item, Key={"id": "a", "at": 1}, ConsistentRead=True)
    call(
        things.get_item,
        Key={"id": "a", "at": 1},
        ProjectionExpression="#t, yes, #m.S",
        ExpressionAttributeNames={"#t": "text", "#m": "map"},
    )
    call(things.get_item, Key={"id": "nobody", "at": 1})
    call(things.put_item, Item={"id": "a", "at": 1, "new": 1}, ReturnValues="ALL_OLD")
    call(things.put_item, Item={"id": "b", "at": 1}, ReturnValues="ALL_OLD")
    call(things.put_item, Item={"id": "b", "at": 1}, ReturnConsumedCapacity="TOTAL")


def conditions(call: Caller) -> None:
    things = boto3.resource("dynamodb").Table("things")
    client = boto3.client("dynamodb")
    call(
        things.put_item,
        Item={"id": "a", "at": 1, "n": 1},
        ConditionExpression=Attr("id").not_exists(),
    )
    call(things.put_item, Item={"id": "a", "at": 1}, ConditionExpression="attribute_not_exists(id)")
    call(
        things.put_item,
        Item={"id": "a", "at": 1},
        ConditionExpression="attribute_not_exists(id)",
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )
    call(
        things.update_item,
        Key={"id": "a", "at": 1},
        UpdateExpression="SET n = :n",
        ConditionExpression="n = :n",
        ExpressionAttributeValues={":n": 2},
    )
    call(things.delete_item, Key={"id": "a", "at": 1}, ConditionExpression=Attr("n").gt(5))
    call(
        client.delete_item,
        TableName="things",
        Key={"id": {"S": "a"}, "at": {"N": "1"}},
        ConditionExpression="n > :n",
        ExpressionAttributeValues={":n": {"N": "5"}},
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )
    try:
        client.put_item(
            TableName="things",
            Item={"id": {"S": "a"}, "at": {"N": "1"}},
            ConditionExpression="attribute_not_exists(id)",
        )
    except client.exceptions.ConditionalCheckFailedException as error:
        call.outcomes.append(("caught by its own class", type(error).__name__))


def updates(call: Caller) -> None:
    things = boto3.resource("dynamodb").Table("things")
    key = {"id": "a", "at": 1}
    for returned in ("NONE", "ALL_NEW", "UPDATED_NEW", "ALL_OLD", "UPDATED_OLD"):
        call(
            things.update_item,
            Key=key,
            UpdateExpression="ADD n :one SET #l = list_append(if_not_exists(#l, :e), :l)",
            ExpressionAttributeNames={"#l": "list"},
            ExpressionAttributeValues={":one": 1, ":e": [], ":l": [Decimal("1.5")]},
            ReturnValues=returned,
        )
    call(things.update_item, Key=key, UpdateExpression="REMOVE n", ReturnValues="ALL_NEW")
    call(
        things.update_item,
        Key=key,
        UpdateExpression="SET id = :x",
        ExpressionAttributeValues={":x": "y"},
    )
    call(
        things.update_item,
        Key=key,
        UpdateExpression="SET nonsense",
        ExpressionAttributeValues={":x": "y"},
    )
    call(things.delete_item, Key=key, ReturnValues="ALL_OLD")
    call(things.delete_item, Key=key)


def errors(call: Caller) -> None:
    things = boto3.resource("dynamodb").Table("things")
    nowhere = boto3.resource("dynamodb").Table("nowhere")
    call(nowhere.put_item, Item={"id": "a"})
    call(nowhere.get_item, Key={"id": "a"})
    call(nowhere.query, KeyConditionExpression=Key("id").eq("a"))
    call(nowhere.scan)
    call(things.put_item, Item={"id": "a"})
    call(things.put_item, Item={"id": 1, "at": 1})
    call(things.put_item, Item={"id": "", "at": 1})
    call(things.get_item, Key={"id": "a"})
    call(things.query, KeyConditionExpression=Key("nothing").eq("a"))
    other_region = boto3.client("dynamodb", region_name="eu-west-1")
    call(other_region.get_item, TableName="things", Key={"id": {"S": "a"}, "at": {"N": "1"}})


def queries(call: Caller) -> None:
    things = boto3.resource("dynamodb").Table("things")
    client = boto3.client("dynamodb")
    with things.batch_writer() as batch:
        for number in range(30):
            batch.put_item(Item={"id": "a" if number % 3 else "b", "at": number, "n": number % 5})
        batch.delete_item(Key={"id": "a", "at": 1})
    page = call(things.query, KeyConditionExpression=Key("id").eq("a") & Key("at").gt(3), Limit=4)
    while page and "LastEvaluatedKey" in page:
        page = call(
            things.query,
            KeyConditionExpression=Key("id").eq("a") & Key("at").gt(3),
            Limit=4,
            ExclusiveStartKey=page["LastEvaluatedKey"],
        )
    call(
        things.query,
        KeyConditionExpression=Key("id").eq("b"),
        ScanIndexForward=False,
        FilterExpression=Attr("n").eq(0),
        ReturnConsumedCapacity="TOTAL",
    )
    call(things.query, KeyConditionExpression=Key("id").eq("b"), Select="COUNT")
    call(things.scan, FilterExpression=Attr("n").between(1, 2), Limit=10)
    for page in client.get_paginator("scan").paginate(
        TableName="things", PaginationConfig={"PageSize": 7}
    ):
        call.outcomes.append(("page", shape(page)))


def batches(call: Caller) -> None:
    resource, client = boto3.resource("dynamodb"), boto3.client("dynamodb")
    put = [{"PutRequest": {"Item": {"id": f"k{number}"}}} for number in range(3)]
    call(
        resource.batch_write_item,
        RequestItems={"keys": put, "things": []} if False else {"keys": put},
    )
    call(resource.batch_get_item, RequestItems={"keys": {"Keys": [{"id": "k0"}, {"id": "none"}]}})
    call(
        client.batch_write_item,
        RequestItems={
            "keys": [
                {"DeleteRequest": {"Key": {"id": {"S": "k0"}}}},
                {"PutRequest": {"Item": {"id": {"S": "x"}}}},
            ]
        },
    )
    call(
        client.batch_write_item,
        RequestItems={"nowhere": [{"PutRequest": {"Item": {"id": {"S": "x"}}}}]},
    )
    too_many = [{"PutRequest": {"Item": {"id": {"S": f"x{number}"}}}} for number in range(26)]
    call(client.batch_write_item, RequestItems={"keys": too_many})
    twice = [{"PutRequest": {"Item": {"id": {"S": "same"}}}}] * 2
    call(client.batch_write_item, RequestItems={"keys": twice})
    call(
        client.batch_get_item,
        RequestItems={"keys": {"Keys": [{"id": {"S": "k1"}}], "ConsistentRead": True}},
    )
    call(client.scan, TableName="keys")


def transactions(call: Caller) -> None:
    client = boto3.client("dynamodb")
    put = {
        "Put": {
            "TableName": "keys",
            "Item": {"id": {"S": "t"}},
            "ConditionExpression": "attribute_not_exists(id)",
        }
    }
    other = {"Put": {"TableName": "keys", "Item": {"id": {"S": "u"}}}}
    call(client.transact_write_items, TransactItems=[put, other])
    call(
        client.transact_write_items,
        TransactItems=[{"Put": {**other["Put"], "Item": {"id": {"S": "v"}}}}, put],
    )
    call(client.transact_write_items, TransactItems=[other, other])
    call(client.scan, TableName="keys")


def binaries(call: Caller) -> None:
    things, client = boto3.resource("dynamodb").Table("things"), boto3.client("dynamodb")
    call(
        things.put_item,
        Item={
            "id": "a",
            "at": 1,
            "raw": b"\x00\xff",
            "raws": {b"1", b"2"},
            "deep": {"list": [b"3"]},
            "B": "a text",
            "n": {"B": "a text too"},
        },
    )
    call(things.get_item, Key={"id": "a", "at": 1})
    call(client.get_item, TableName="things", Key={"id": {"S": "a"}, "at": {"N": "1"}})
    call(
        client.query,
        TableName="things",
        KeyConditionExpression="id = :a",
        ExpressionAttributeValues={":a": {"S": "a"}},
    )
    call(
        things.update_item,
        Key={"id": "a", "at": 1},
        UpdateExpression="ADD n2 :n",
        ExpressionAttributeValues={":n": 1},
        ReturnValues="ALL_NEW",
    )
    call(
        client.put_item,
        TableName="things",
        Item={"id": {"S": "a"}, "at": {"N": "1"}},
        ConditionExpression="attribute_not_exists(id)",
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )
    call(things.delete_item, Key={"id": "a", "at": 1}, ReturnValues="ALL_OLD")


def queues(call: Caller) -> None:
    sqs = boto3.client("sqs")
    url = call(sqs.get_queue_url, QueueName="aside")["QueueUrl"]
    call(sqs.get_queue_url, QueueName="nowhere")
    call(
        sqs.send_message,
        QueueUrl=url,
        MessageBody="é &",
        MessageAttributes={
            "kind": {"DataType": "String", "StringValue": "x"},
            "n": {"DataType": "Number", "StringValue": "1"},
        },
    )
    call(
        sqs.send_message,
        QueueUrl=url,
        MessageBody="raw",
        MessageAttributes={"raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}},
    )
    call(sqs.send_message, QueueUrl=url, MessageBody="")
    call(sqs.send_message, QueueUrl=url + "-none", MessageBody="x")
    call(sqs.send_message, QueueUrl=url, MessageBody="x", DelaySeconds=1000)
    call(
        sqs.send_message_batch,
        QueueUrl=url,
        Entries=[
            {"Id": "1", "MessageBody": "a"},
            {"Id": "2", "MessageBody": "b", "DelaySeconds": 5},
        ],
    )
    call(
        sqs.send_message_batch,
        QueueUrl=url,
        Entries=[{"Id": "1", "MessageBody": "a"}, {"Id": "1", "MessageBody": "b"}],
    )
    call(sqs.get_queue_attributes, QueueUrl=url, AttributeNames=["All"])
    call(sqs.get_queue_attributes, QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    received = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    )
    call.outcomes.append(("received", shape(received)))
    first, *rest = [message["ReceiptHandle"] for message in received["Messages"]]
    call(sqs.change_message_visibility, QueueUrl=url, ReceiptHandle=first, VisibilityTimeout=0)
    call(sqs.change_message_visibility, QueueUrl=url, ReceiptHandle=first, VisibilityTimeout=0)
    call(sqs.delete_message, QueueUrl=url, ReceiptHandle=first)
    call(sqs.delete_message, QueueUrl=url, ReceiptHandle="nonsense")
    entries = [{"Id": str(number), "ReceiptHandle": handle} for number, handle in enumerate(rest)]
    call(sqs.delete_message_batch, QueueUrl=url, Entries=entries)
    call(sqs.delete_message_batch, QueueUrl=url, Entries=[{"Id": "1", "ReceiptHandle": "nonsense"}])
    queue = boto3.resource("sqs").get_queue_by_name(QueueName="aside")
    call(queue.send_message, MessageBody="by the resource")
    lines = sqs.get_queue_url(QueueName="lines.fifo")["QueueUrl"]
    call(sqs.send_message, QueueUrl=lines, MessageBody="x")
    call(
        sqs.send_message,
        QueueUrl=lines,
        MessageBody="x",
        MessageGroupId="g",
        MessageDeduplicationId="d",
    )
    call(
        sqs.send_message,
        QueueUrl=lines,
        MessageBody="y",
        MessageGroupId="g",
        MessageDeduplicationId="d",
    )


def puts(call: Caller) -> None:
    things = boto3.resource("dynamodb").Table("things")
    item = {"id": "p", "at": 1, "list": [1, {"a": [2]}], "set": {"x"}, "count": 1}
    for condition in ("attribute_not_exists(id)", "attribute_not_exists(id) OR #c < :three"):
        more: dict[str, Any] = {"ConditionExpression": condition}
        if "#c" in condition:
            more["ExpressionAttributeNames"] = {"#c": "count"}
            more["ExpressionAttributeValues"] = {":three": 3}
        for told in ({}, {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}):
            for _ in range(2):
                call(things.put_item, Item=item, **more, **told)
                call(
                    things.update_item,
                    Key={"id": "p", "at": 1},
                    UpdateExpression="SET #l = list_append(#l, :one) ADD #c :step, #s :set",
                    ExpressionAttributeNames={"#l": "list", "#c": "count", "#s": "set"},
                    ExpressionAttributeValues={":one": [3], ":step": 1, ":set": {"y"}},
                )
            call(things.delete_item, Key={"id": "p", "at": 1})
    call(things.put_item, Item=item)
    call(things.get_item, Key={"id": "p", "at": 1})
    call(things.delete_item, Key={"id": "p", "at": 1})
    call(things.put_item, Item={**item, "at": 2})
    call(things.query, KeyConditionExpression=Key("id").eq("p"))


SCENARIOS = (
    put_and_get,
    puts,
    conditions,
    updates,
    errors,
    queries,
    batches,
    transactions,
    binaries,
    queues,
)


class Lanes:
    """Which operations each lane has served.

    Without any of `shortcuts` a call goes botocore's and moto's whole way: "fast" is the lane that
    leaves botocore, "fronts" are requests made for an equal call before, "short" answers skip
    moto's own reading of the request, "known" puts have been taken before.
    """

    def __init__(self, patch: pytest.MonkeyPatch, shortcuts: frozenset[str]) -> None:
        self.fast: list[str] = []
        self.fronts = 0
        self.short = 0
        self.known = 0
        originals = lanes.fast, lanes._short_answer, fronts.find, known_puts.put_again

        def counted_fast(service: str, operation: str, request: Any, region: str) -> Any:
            if "fast" not in shortcuts:
                return None
            answered = originals[0](service, operation, request, region)
            if answered is not None:
                self.fast.append(operation)
            return answered

        def counted_short(*request: Any) -> Any:
            answered = originals[1](*request) if "short" in shortcuts else None
            self.short += answered is not None
            return answered

        def counted_find(key: Any) -> Any:
            found = originals[2](key) if "fronts" in shortcuts else None
            self.fronts += found is not None
            return found

        def counted_again(*put: Any) -> Any:
            try:
                answered = originals[3](*put) if "known" in shortcuts else None
            except ConditionalCheckFailed:
                self.known += 1
                raise
            self.known += answered is not None
            return answered

        patch.setattr(known_puts, "put_again", counted_again)
        patch.setattr(lanes, "fast", counted_fast)
        patch.setattr(lanes, "_short_answer", counted_short)
        patch.setattr(fronts, "find", counted_find)


def outcomes_of(
    rig: Any, scenario: Callable[[Caller], None], shortcuts: frozenset[str]
) -> tuple[Any, ...]:
    call = Caller()
    with pytest.MonkeyPatch.context() as patch:
        seen = Lanes(patch, shortcuts)
        played = rig.with_handlers(Worker=lambda event, context: scenario(call)).play()
    assert not played.errors, played.errors
    return call.outcomes, played.observation.effects, seen


FAST = frozenset({"fast"})


def test_a_put_that_is_known_gives_the_same(rig: Any) -> None:
    known = 0
    for scenario in SCENARIOS:
        outcomes_of(rig, scenario, FAST)
        plain = outcomes_of(rig, scenario, FAST)[:2]  # from here on its puts are known
        for _ in range(2):
            *again, seen = outcomes_of(rig, scenario, FAST | {"known"})
            assert tuple(again) == plain
            known += seen.known
    assert known >= 20


def test_a_table_that_gets_an_index_forgets_what_it_took(rig: Any) -> None:
    def handler(event: Any, context: Any) -> None:
        client, item = boto3.client("dynamodb"), {"id": {"S": "a"}, "sort": {"S": ""}}
        call = Caller()
        for _ in range(3):
            call(client.put_item, TableName="keys", Item=item)
        by_sort = {
            "IndexName": "by-sort",
            "KeySchema": [{"AttributeName": "sort", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
        client.update_table(
            TableName="keys",
            AttributeDefinitions=[{"AttributeName": "sort", "AttributeType": "S"}],
            GlobalSecondaryIndexUpdates=[{"Create": by_sort}],
        )
        call(client.put_item, TableName="keys", Item=item)
        told.append([outcome[0] for outcome in call.outcomes])

    told: list[list[str]] = []
    stack = rig.with_handlers(Worker=handler)
    for _ in range(3):
        assert not stack.play().errors
    assert told == [[*["answered"] * 3, "ClientError"]] * 3


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
@pytest.mark.parametrize(
    "shortcuts", [("fast",), ("short",), ("fast", "fronts"), ("fronts",)], ids="+".join
)
def test_every_way_gives_the_same(
    rig: Any, scenario: Callable[[Caller], None], shortcuts: tuple[str, ...]
) -> None:
    outcomes, effects, _ = outcomes_of(rig, scenario, frozenset())
    assert outcomes_of(rig, scenario, frozenset())[0] == outcomes
    short_outcomes, short_effects, seen = outcomes_of(rig, scenario, frozenset(shortcuts))
    taken = {"fast": bool(seen.fast), "fronts": bool(seen.fronts), "short": bool(seen.short)}
    missing = {name for name in shortcuts if not taken[name]}
    assert missing == (set(shortcuts) & {"fast", "short"} if scenario is errors else set())
    assert short_outcomes == outcomes
    assert short_effects == effects


def test_every_fast_operation_is_compared(rig: Any) -> None:
    served: set[str] = set()
    for scenario in SCENARIOS:
        served.update(outcomes_of(rig, scenario, FAST)[2].fast)
    assert served == set().union(*lanes.FAST_OPERATIONS.values())


def test_a_client_that_the_handler_hooked_into_makes_its_own_requests(rig: Any) -> None:
    texts: list[str] = []

    def handler(event: Any, context: Any) -> None:
        keys = boto3.resource("dynamodb").Table("keys")
        keys.put_item(Item={"id": "a"})
        stamp = f"stamp {len(texts)}"

        def add(params: Any, **ignored: Any) -> None:
            params["Item"]["stamp"] = stamp

        keys.meta.client.meta.events.register("before-parameter-build.dynamodb.PutItem", add)
        keys.put_item(Item={"id": "a"})
        texts.append(keys.get_item(Key={"id": "a"})["Item"].get("stamp"))

    stack = rig.with_handlers(Worker=handler)
    stack.play()
    stack.play()
    assert texts == ["stamp 0", "stamp 1"]
