"""AWS's rules 37 to 40 for DynamoDB and for boto3's own retries, in a handler that is played."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.faults.plan import parse_plan
from pytest_storagefirst.settings import Entry, Settings
from pytest_storagefirst.simulation.deployed import Deployed
from pytest_storagefirst.simulation.environment import Code
from pytest_storagefirst.simulation.playing import Played, play
from pytest_storagefirst.simulation.schedule import Schedule, Send

TEMPLATE = {
    "Transform": "AWS::Serverless-2016-10-31",
    "Resources": {
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 900}},
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "TableName": "things",
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            },
        },
        "Worker": {
            "Type": "AWS::Serverless::Function",
            "Properties": {
                "Runtime": "python3.12",
                "Handler": "index.handler",
                "InlineCode": "def handler(event, context): pass",
                "Timeout": 900,
                "Policies": ["AdministratorAccess"],
                "Events": {
                    "Work": {
                        "Type": "SQS",
                        "Properties": {"Queue": {"Fn::GetAtt": ["Queue", "Arn"]}},
                    }
                },
            },
        },
    },
}
ONCE = "attribute_not_exists(id)"
Doing = Callable[[], Any]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    path = tmp_path_factory.mktemp("stack") / "template.json"
    path.write_text(json.dumps(TEMPLATE), encoding="utf-8")
    return prepare(path, Settings(entries=(Entry("queue", "Queue"),))).deployed


def during(deployed: Deployed, do: Doing, *faults: str) -> tuple[Any, Played]:
    """What `do` returns, done by a handler that one message invokes."""
    returned = []

    def handler(event: Any, context: Any) -> None:
        returned.append(do())

    code = {**deployed.code, "Worker": Code("Worker", "index.handler", override=handler)}
    schedule = Schedule((Send("m1", "Queue", {"id": "{unique}"}),), parse_plan(faults))
    played = play(replace(deployed, code=code), schedule)
    assert played.errors == ()
    [one] = returned
    return one, played


def table() -> Any:
    return boto3.resource("dynamodb").Table("things")


def client(**config: Any) -> Any:
    return boto3.client("dynamodb", config=Config(**config))


def code_of(do: Doing) -> str:
    """The code of AWS's error; "" for none."""
    try:
        do()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def add(token: str | None = None, by: int = 1) -> Any:
    """A transaction that adds to a number, which a second effect would show."""
    update = {
        "TableName": "things",
        "Key": {"id": {"S": "total"}},
        "UpdateExpression": "ADD n :by",
        "ExpressionAttributeValues": {":by": {"N": str(by)}},
    }
    more = {"ClientRequestToken": token} if token else {}
    return client().transact_write_items(TransactItems=[{"Update": update}], **more)


def total() -> int:
    return int(table().get_item(Key={"id": "total"}, ConsistentRead=True)["Item"]["n"])


def test_37_a_read_is_eventually_consistent_unless_asked_otherwise(deployed: Deployed) -> None:
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.ReadConsistency.html"""

    def do() -> list[bool]:
        table().put_item(Item={"id": "x"})
        wanted: list[dict[str, Any]] = [{"ConsistentRead": True}, {}, {}]
        return ["Item" in table().get_item(Key={"id": "x"}, **more) for more in wanted]

    seen, _ = during(deployed, do, "Worker: dynamodb.GetItem #1: stale")
    assert seen == [True, False, True], "a consistent read is never stale: it strikes the next"


def test_37_a_condition_is_the_guard_against_a_second_effect(deployed: Deployed) -> None:
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ConditionExpressions.html"""

    def put() -> Any:
        return table().put_item(Item={"id": "x"}, ConditionExpression=ONCE)

    codes, _ = during(deployed, lambda: [code_of(put), code_of(put)])
    assert codes == ["", "ConditionalCheckFailedException"]


def test_37_a_transaction_has_its_effects_all_or_none(deployed: Deployed) -> None:
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html"""

    def do() -> tuple[str, list[str]]:
        table().put_item(Item={"id": "taken"})
        puts = [
            {"Put": {"TableName": "things", "Item": {"id": {"S": name}}, **condition}}
            for name, condition in [("new", {}), ("taken", {"ConditionExpression": ONCE})]
        ]
        code = code_of(lambda: client().transact_write_items(TransactItems=puts))
        return code, [item["id"] for item in table().scan()["Items"]]

    said, _ = during(deployed, do)
    assert said == ("TransactionCanceledException", ["taken"])


def test_37_a_token_makes_a_transaction_idempotent_for_ten_minutes(deployed: Deployed) -> None:
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html"""

    def do() -> list[int]:
        totals = []
        for wait_seconds in (0, 0, 590, 20):
            time.sleep(wait_seconds)
            add("a-token")
            totals.append(total())
        add("another")
        return [*totals, total()]

    totals, _ = during(deployed, do)
    assert totals == [1, 1, 1, 2, 3]


def test_37_a_token_with_other_parameters_is_refused(deployed: Deployed) -> None:
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html"""

    def do() -> tuple[str, int]:
        add("a-token")
        return code_of(lambda: add("a-token", by=5)), total()

    said, _ = during(deployed, do)
    assert said == ("IdempotentParameterMismatchException", 1)


def test_37_a_cancelled_transaction_uses_up_no_token(deployed: Deployed) -> None:
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html

    "A client request token is valid for 10 minutes after the first request that uses it is
    completed".
    """

    def do() -> list[str]:
        put = {"TableName": "things", "Item": {"id": {"S": "x"}}, "ConditionExpression": ONCE}

        def write() -> Any:
            return client().transact_write_items(
                TransactItems=[{"Put": put}], ClientRequestToken="a-token"
            )

        table().put_item(Item={"id": "x"})
        first = code_of(write)
        table().delete_item(Key={"id": "x"})
        return [first, code_of(write)]

    codes, _ = during(deployed, do)
    assert codes == ["TransactionCanceledException", ""]


def test_37_boto3s_own_token_makes_a_lost_answer_harmless(deployed: Deployed) -> None:
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html"""

    def do() -> int:
        add()
        return total()

    found, played = during(deployed, do, "Worker: dynamodb.TransactWriteItems #1: response-lost")
    assert len(played.observation.faults_fired) == 1
    assert found == 1


@pytest.mark.parametrize(
    "standing", [None, {"id": "x", "n": 1}], ids=["an item that is not there", "one that is"]
)
def test_an_update_by_the_key_alone_makes_the_item_or_leaves_it(
    deployed: Deployed, standing: dict[str, Any] | None
) -> None:
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html

    "Edits an existing item's attributes, or adds a new item to the table if it does not already
    exist"; of what is edited nothing is required.
    """

    def do() -> list[Any]:
        if standing:
            table().put_item(Item=standing)
        told = table().update_item(Key={"id": "x"}, ReturnValues="ALL_NEW")["Attributes"]
        return [told, table().get_item(Key={"id": "x"}, ConsistentRead=True)["Item"]]

    seen, _ = during(deployed, do)
    assert seen == [standing or {"id": "x"}] * 2


def test_an_update_by_the_key_alone_keeps_its_condition(deployed: Deployed) -> None:
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html"""

    def claim() -> Any:
        return table().update_item(Key={"id": "x"}, ConditionExpression=ONCE)

    codes, _ = during(deployed, lambda: [code_of(claim), code_of(claim)])
    assert codes == ["", "ConditionalCheckFailedException"]


def test_38_a_batch_is_a_200_with_what_was_not_written(deployed: Deployed) -> None:
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html"""

    def do() -> tuple[int, list[str], list[str]]:
        puts = [{"PutRequest": {"Item": {"id": {"S": name}}}} for name in ("a", "b")]
        answer = client().batch_write_item(RequestItems={"things": puts})
        left = [
            put["PutRequest"]["Item"]["id"]["S"] for put in answer["UnprocessedItems"]["things"]
        ]
        stand = [item["id"] for item in table().scan()["Items"]]
        return answer["ResponseMetadata"]["HTTPStatusCode"], left, stand

    said, _ = during(deployed, do, "Worker: dynamodb.BatchWriteItem #1: partial")
    assert said == (200, ["b"], ["a"])


@pytest.mark.parametrize("mode", ["legacy", "standard"])
def test_39_a_put_whose_answer_was_lost_fails_its_own_condition(
    deployed: Deployed, mode: str
) -> None:
    """https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html"""

    def put() -> Any:
        return client(retries={"mode": mode}).put_item(
            TableName="things", Item={"id": {"S": "x"}}, ConditionExpression=ONCE
        )

    def do() -> tuple[str, int]:
        return code_of(put), table().scan()["Count"]

    said, _ = during(deployed, do, "Worker: dynamodb.PutItem #1: response-lost")
    assert said == ("ConditionalCheckFailedException", 1), "though the item is its own"


@pytest.mark.parametrize(
    ("service", "mode", "attempts"),
    [("dynamodb", "legacy", 10), ("sqs", "legacy", 5), ("sqs", "standard", 3)],
)
def test_39_boto3_sends_again_by_itself(
    deployed: Deployed, service: str, mode: str, attempts: int
) -> None:
    """https://docs.aws.amazon.com/boto3/latest/guide/retries.html

    DynamoDB's ten in legacy mode are botocore's data, `_retry.json`.
    """
    operation = {"dynamodb": "ListTables", "sqs": "ListQueues"}[service]

    def do() -> tuple[str, int]:
        asked = boto3.client(service, config=Config(retries={"mode": mode}))
        call = asked.list_tables if service == "dynamodb" else asked.list_queues
        try:
            call()
        except ClientError as error:
            metadata = error.response["ResponseMetadata"]
            return str(error.response["Error"]["Code"]), metadata["RetryAttempts"] + 1
        return "", 1

    fault = f"Worker: {service}.{operation} #1: refused(server-error) for 900 s"
    said, _ = during(deployed, do, fault)
    assert said[0].startswith("Internal")
    assert said[1] == attempts


def test_40_a_float_is_a_type_error(deployed: Deployed) -> None:
    """https://docs.aws.amazon.com/boto3/latest/reference/customizations/dynamodb.html"""

    def do() -> tuple[str, int]:
        try:
            table().put_item(Item={"id": "x", "amount": 1.5})
        except TypeError as error:
            return str(error), table().scan()["Count"]
        return "", 1

    (message, count), _ = during(deployed, do)
    assert message.startswith("Float types are not supported")
    assert count == 0
