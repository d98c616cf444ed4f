"""AWS's rules 1 to 10 for SQS, through boto3. Pages are of the SQS developer guide unless named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
import time_machine
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core import set_initial_no_auth_action_count

from pytest_storagefirst.simulation.queues import service

DAY_SECONDS = 86_400
REGION = "eu-central-1"

Advance = Callable[[float], None]


@pytest.fixture
def advance(monkeypatch: pytest.MonkeyPatch) -> Iterator[Advance]:
    """moto with the simulated SQS at a standing clock; call it to let seconds pass."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with (
        time_machine.travel("2025-01-01T00:00:00+00:00", tick=False) as traveller,
        mock_aws(),
        service.simulated_sqs(),
    ):
        yield lambda seconds: traveller.shift(timedelta(seconds=seconds))


@pytest.fixture
def sqs(advance: Advance) -> Any:
    return boto3.client("sqs", region_name=REGION)


def create(sqs: Any, name: str, **attributes: Any) -> str:
    if name.endswith(".fifo"):
        attributes["FifoQueue"] = "true"
    attributes = {key: str(value) for key, value in attributes.items()}
    return str(sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])


def arn_of(sqs: Any, url: str) -> str:
    return str(attribute(sqs, url, "QueueArn"))


def attribute(sqs: Any, url: str, name: str) -> Any:
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
    return answer["Attributes"][name]


def create_with_dlq(
    sqs: Any, name: str, dlq_name: str, maximum: int = 1, **attributes: Any
) -> tuple[str, str]:
    dlq = create(sqs, dlq_name, **attributes)
    policy = {"deadLetterTargetArn": arn_of(sqs, dlq), "maxReceiveCount": maximum}
    return create(sqs, name, RedrivePolicy=json.dumps(policy)), dlq


def send(sqs: Any, url: str, body: str, group: str | None = None, **more: Any) -> dict[str, Any]:
    if group is not None:
        more = {"MessageGroupId": group, "MessageDeduplicationId": body, **more}
    answer: dict[str, Any] = sqs.send_message(QueueUrl=url, MessageBody=body, **more)
    return answer


def receive(sqs: Any, url: str, **more: Any) -> list[dict[str, Any]]:
    more = {"MaxNumberOfMessages": 10, **more}
    answer = sqs.receive_message(QueueUrl=url, MessageSystemAttributeNames=["All"], **more)
    messages: list[dict[str, Any]] = answer.get("Messages", [])
    return messages


def bodies(messages: list[dict[str, Any]]) -> list[str]:
    return [message["Body"] for message in messages]


def receive_count(message: dict[str, Any]) -> int:
    return int(message["Attributes"]["ApproximateReceiveCount"])


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


def test_rule_1_visibility_timeout_and_receive_count(sqs: Any, advance: Advance) -> None:
    """`sqs-visibility-timeout`; API_ReceiveMessage, API_ChangeMessageVisibility (API reference)."""
    url = create(sqs, "orders")
    send(sqs, url, "m1")
    first = receive(sqs, url)
    assert receive_count(first[0]) == 1
    advance(29.999)
    assert receive(sqs, url) == []
    assert attribute(sqs, url, "ApproximateNumberOfMessagesNotVisible") == "1"
    advance(0.001)
    second = receive(sqs, url, VisibilityTimeout=43_200)
    assert receive_count(second[0]) == 2
    assert second[0]["ReceiptHandle"] != first[0]["ReceiptHandle"]
    advance(43_199)
    assert receive(sqs, url) == []

    def extend(seconds: int) -> object:
        return sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle=second[0]["ReceiptHandle"], VisibilityTimeout=seconds
        )

    assert refusal(lambda: extend(2)) == "InvalidParameterValue"
    extend(0)
    with pytest.raises(sqs.exceptions.MessageNotInflight):
        extend(10)
    third = receive(sqs, url, VisibilityTimeout=0)
    assert receive_count(third[0]) == 3
    assert receive_count(receive(sqs, url)[0]) == 4
    assert refusal(lambda: receive(sqs, url, VisibilityTimeout=43_201)) == "InvalidParameterValue"


def test_rule_2_dead_letter_when_receive_count_would_exceed_maximum(
    sqs: Any, advance: Advance
) -> None:
    """`sqs-dead-letter-queues`."""
    url, dlq = create_with_dlq(sqs, "orders", "orders-dlq", maximum=2)
    sent = send(sqs, url, "m1")
    for count in (1, 2):
        assert receive_count(receive(sqs, url)[0]) == count
        assert receive(sqs, dlq) == []
        advance(30)
    assert attribute(sqs, url, "ApproximateNumberOfMessages") == "1", "moved only at a receive"
    send(sqs, url, "m2")
    assert bodies(receive(sqs, url, MaxNumberOfMessages=1)) == ["m2"]
    dead = receive(sqs, dlq)
    assert [message["MessageId"] for message in dead] == [sent["MessageId"]]
    assert receive_count(dead[0]) == 3, "counted across all queues"
    assert dead[0]["Attributes"]["DeadLetterQueueSourceArn"] == arn_of(sqs, url)
    assert attribute(sqs, url, "ApproximateNumberOfMessages") == "0"


@pytest.mark.parametrize(("suffix", "left_days"), [("", 3), (".fifo", 4)])
def test_rule_3_dlq_keeps_enqueue_time_unless_fifo(
    sqs: Any, advance: Advance, suffix: str, left_days: int
) -> None:
    """`setting-up-dead-letter-queue-retention`."""
    url, dlq = create_with_dlq(sqs, f"orders{suffix}", f"dlq{suffix}")
    send(sqs, url, "m1", group="g" if suffix else None)
    assert bodies(receive(sqs, url)) == ["m1"]
    advance(DAY_SECONDS)
    assert receive(sqs, url) == []
    assert attribute(sqs, dlq, "ApproximateNumberOfMessages") == "1"
    advance(left_days * DAY_SECONDS - 1)
    assert attribute(sqs, dlq, "ApproximateNumberOfMessages") == "1"
    advance(1)
    assert receive(sqs, dlq) == []
    assert attribute(sqs, dlq, "ApproximateNumberOfMessages") == "0"


def test_rule_4_retention(sqs: Any, advance: Advance) -> None:
    """`quotas-messages`, message retention; API_SetQueueAttributes (API reference)."""
    url, dlq = create_with_dlq(sqs, "orders", "orders-dlq")
    assert attribute(sqs, url, "MessageRetentionPeriod") == "345600"
    send(sqs, url, "waiting")
    send(sqs, url, "in flight")
    advance(345_590)
    assert bodies(receive(sqs, url, MaxNumberOfMessages=1)) == ["waiting"]
    advance(9.999)
    assert attribute(sqs, url, "ApproximateNumberOfMessages") == "1"
    advance(0.001)
    assert receive(sqs, url) == []
    assert attribute(sqs, url, "ApproximateNumberOfMessages") == "0"
    assert attribute(sqs, url, "ApproximateNumberOfMessagesNotVisible") == "0"
    assert receive(sqs, dlq) == [], "expired, not dead-lettered"
    for seconds in (59, 1_209_601):
        assert (
            refusal(lambda seconds=seconds: create(sqs, "x", MessageRetentionPeriod=seconds))
            == "InvalidAttributeValue"
        )
    send(sqs, url, "m3")
    advance(61)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "60"})
    assert receive(sqs, url) == [], "a shorter period expires what is already there"


def test_rule_5_standard_queue_deletes_by_newest_receipt(sqs: Any, advance: Advance) -> None:
    """`standard-queues`; API_DeleteMessage (API reference)."""
    url = create(sqs, "orders")
    send(sqs, url, "m1")
    old = receive(sqs, url)[0]["ReceiptHandle"]
    advance(30)
    new = receive(sqs, url)[0]["ReceiptHandle"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=old)
    assert attribute(sqs, url, "ApproximateNumberOfMessagesNotVisible") == "1"
    advance(31)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=new)
    assert receive(sqs, url) == [], "the newest receipt works after its visibility timeout"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=new)
    other = create(sqs, "other")
    with pytest.raises(sqs.exceptions.ReceiptHandleIsInvalid):
        sqs.delete_message(QueueUrl=other, ReceiptHandle=new)


def test_rule_6_fifo_order_groups_and_deduplication(sqs: Any, advance: Advance) -> None:
    """`FIFO-queues-understanding-logic`, `FIFO-queues-exactly-once-processing`."""
    url = create(sqs, "orders.fifo")
    sent = [send(sqs, url, body, group=body[0]) for body in ("a1", "a2", "b1", "a3")]
    numbers = [int(answer["SequenceNumber"]) for answer in sent]
    assert numbers == sorted(set(numbers))

    batch = receive(sqs, url, MaxNumberOfMessages=2)
    assert bodies(batch) == ["a1", "a2"], "as many of one group as possible, in order"
    assert bodies(receive(sqs, url)) == ["b1"], "a3 waits while its group is in flight"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=batch[0]["ReceiptHandle"])
    assert receive(sqs, url) == []
    advance(30)
    assert refusal(
        lambda: sqs.delete_message(QueueUrl=url, ReceiptHandle=batch[1]["ReceiptHandle"])
    ) == ("InvalidParameterValue"), "a FIFO receipt ends with its visibility timeout"
    assert bodies(receive(sqs, url)) == ["a2", "a3", "b1"]

    again = send(sqs, url, "a1", group="a")
    assert (again["MessageId"], again["SequenceNumber"]) == (
        sent[0]["MessageId"],
        sent[0]["SequenceNumber"],
    ), "dropped although the first was deleted"
    advance(269.999)
    assert send(sqs, url, "a1", group="a")["MessageId"] == sent[0]["MessageId"]
    advance(0.001)
    assert send(sqs, url, "a1", group="a")["MessageId"] != sent[0]["MessageId"]
    assert (
        refusal(lambda: send(sqs, url, "c1", group="c", DelaySeconds=1)) == "InvalidParameterValue"
    )
    assert refusal(lambda: send(sqs, url, "no group")) == "MissingParameter"

    by_content = create(
        sqs,
        "content.fifo",
        ContentBasedDeduplication="true",
        DeduplicationScope="messageGroup",
        FifoThroughputLimit="perMessageGroupId",
        DelaySeconds=5,
    )
    for group in ("g", "g", "h"):
        sqs.send_message(QueueUrl=by_content, MessageBody="same", MessageGroupId=group)
    assert receive(sqs, by_content) == []
    assert attribute(sqs, by_content, "ApproximateNumberOfMessagesDelayed") == "2"
    advance(5)
    groups = [m["Attributes"]["MessageGroupId"] for m in receive(sqs, by_content)]
    assert groups == ["g", "h"]


def test_rule_7_batches_fail_by_entry(sqs: Any, advance: Advance) -> None:
    """`sqs-batch-api-actions`; API_SendMessageBatch, API_DeleteMessageBatch (API reference)."""
    url = create(sqs, "orders")

    def batch(*entries: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = sqs.send_message_batch(QueueUrl=url, Entries=list(entries))
        return answer

    answer = batch(
        {"Id": "good", "MessageBody": "m1"},
        {"Id": "empty", "MessageBody": ""},
        {"Id": "control", "MessageBody": "\x00"},
        {"Id": "late", "MessageBody": "m2", "DelaySeconds": 901},
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert [entry["Id"] for entry in answer["Successful"]] == ["good"]
    failed = {entry["Id"]: (entry["Code"], entry["SenderFault"]) for entry in answer["Failed"]}
    assert failed == {
        "empty": ("MissingParameter", True),
        "control": ("InvalidMessageContents", True),
        "late": ("InvalidParameterValue", True),
    }
    messages = receive(sqs, url)
    assert bodies(messages) == ["m1"]
    answer = sqs.delete_message_batch(
        QueueUrl=url,
        Entries=[
            {"Id": "real", "ReceiptHandle": messages[0]["ReceiptHandle"]},
            {"Id": "made-up", "ReceiptHandle": "made up"},
        ],
    )
    assert [entry["Id"] for entry in answer["Successful"]] == ["real"]
    assert [entry["Code"] for entry in answer["Failed"]] == ["ReceiptHandleIsInvalid"]

    def refused(*entries: dict[str, Any]) -> str:
        return refusal(lambda: batch(*entries)).rsplit(".", 1)[-1]

    assert refused() == "EmptyBatchRequest"
    assert (
        refused(*({"Id": str(n), "MessageBody": "m"} for n in range(11)))
        == "TooManyEntriesInBatchRequest"
    )
    twice = {"Id": "same", "MessageBody": "m"}
    assert refused(twice, twice) == "BatchEntryIdsNotDistinct"
    assert refused({"Id": "a b", "MessageBody": "m"}) == "InvalidBatchEntryId"
    half = "x" * 524_288
    two = {"Id": "1", "MessageBody": half}, {"Id": "2", "MessageBody": half}
    assert refused(*two, {"Id": "3", "MessageBody": "x"}) == "BatchRequestTooLong"
    assert len(batch(*two)["Successful"]) == 2


def test_rule_8_polling_and_limits(
    sqs: Any, advance: Advance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sqs-short-and-long-polling`, `quotas-queues`, `quotas-fifo`, `quotas-messages`."""
    url, fifo = create(sqs, "orders"), create(sqs, "orders.fifo")
    assert receive(sqs, url, WaitTimeSeconds=20) == [], "no message comes: none is waited for"
    assert refusal(lambda: receive(sqs, url, WaitTimeSeconds=21)) == "InvalidParameterValue"

    mebibyte = 1_048_576
    assert attribute(sqs, url, "MaximumMessageSize") == str(mebibyte)
    send(sqs, url, "é" * (mebibyte // 2))
    assert refusal(lambda: send(sqs, url, "é" * (mebibyte // 2) + "x")) == "InvalidParameterValue"
    attributes = {"name": {"DataType": "String", "StringValue": "v" * 100}}
    body = "x" * (mebibyte - 100 - len("name") - len("String"))
    send(sqs, url, body, MessageAttributes=attributes)
    assert (
        refusal(lambda: send(sqs, url, body + "x", MessageAttributes=attributes))
        == "InvalidParameterValue"
    )
    with pytest.raises(sqs.exceptions.InvalidMessageContents):
        send(sqs, url, "\ufffe")
    assert refusal(lambda: send(sqs, url, "")) == "MissingParameter"

    from pytest_storagefirst.simulation.queues import queue

    assert queue.MAXIMUM_IN_FLIGHT == 120_000
    monkeypatch.setattr(queue, "MAXIMUM_IN_FLIGHT", 1)
    assert len(receive(sqs, url)) == 1
    assert refusal(lambda: receive(sqs, url)) == "OverLimit"
    assert receive(sqs, url, WaitTimeSeconds=1) == []
    send(sqs, fifo, "m1", group="a")
    send(sqs, fifo, "m2", group="b")
    assert len(receive(sqs, fifo)) == 1
    assert receive(sqs, fifo) == [], "a FIFO queue returns no error"


def test_rule_9_redrive(sqs: Any, advance: Advance, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sqs-configure-dead-letter-queue-redrive`, `troubleshooting-dlq-redrive`;
    API_StartMessageMoveTask (API reference)."""
    orders, dlq = create_with_dlq(sqs, "orders", "dlq")
    policy = {"deadLetterTargetArn": arn_of(sqs, dlq), "maxReceiveCount": 1}
    bills = create(sqs, "bills", RedrivePolicy=json.dumps(policy))
    other = create(sqs, "other")
    dlq_arn, other_arn = arn_of(sqs, dlq), arn_of(sqs, other)

    def fail(url: str, body: str) -> str:
        message_id = str(send(sqs, url, body)["MessageId"])
        receive(sqs, url, VisibilityTimeout=0)
        receive(sqs, url)
        return message_id

    old_ids = {fail(orders, "order"), fail(bills, "bill")}
    advance(DAY_SECONDS)
    sqs.start_message_move_task(SourceArn=dlq_arn, MaxNumberOfMessagesPerSecond=500)
    advance(4 * DAY_SECONDS - 1)
    for url, body in ((orders, "order"), (bills, "bill")):
        back = receive(sqs, url, VisibilityTimeout=0)
        assert bodies(back) == [body], "to its own source, its retention from the start"
        assert receive_count(back[0]) == 1
        assert back[0]["MessageId"] not in old_ids
    [task] = sqs.list_message_move_tasks(SourceArn=dlq_arn)["Results"]
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 2)
    assert (task["MaxNumberOfMessagesPerSecond"], "TaskHandle" in task) == (500, False)

    receive(sqs, orders)
    send(sqs, dlq, "sent straight to the DLQ")
    sqs.start_message_move_task(SourceArn=dlq_arn)
    [task] = sqs.list_message_move_tasks(SourceArn=dlq_arn)["Results"]
    assert (task["Status"], task["FailureReason"]) == ("FAILED", "CouldNotDetermineMessageSource")
    sqs.start_message_move_task(SourceArn=dlq_arn, DestinationArn=other_arn)
    assert "sent straight to the DLQ" in bodies(receive(sqs, other, VisibilityTimeout=0))
    assert attribute(sqs, dlq, "ApproximateNumberOfMessages") == "0"

    assert (
        refusal(lambda: sqs.start_message_move_task(SourceArn=other_arn)) == "InvalidParameterValue"
    ), "no queue's DLQ"
    with pytest.raises(sqs.exceptions.ResourceNotFoundException):
        sqs.start_message_move_task(SourceArn=dlq_arn + "x")

    monkeypatch.setattr(service.seams, "run_move_task", lambda backend, task: None)
    fail(bills, "again")
    handle = sqs.start_message_move_task(SourceArn=dlq_arn)["TaskHandle"]
    assert (
        refusal(lambda: sqs.start_message_move_task(SourceArn=dlq_arn)) == "InvalidParameterValue"
    ), "one active task a queue"
    tasks = sqs.list_message_move_tasks(SourceArn=dlq_arn, MaxResults=10)["Results"]
    assert [task["Status"] for task in tasks] == ["RUNNING", "COMPLETED", "FAILED", "COMPLETED"]
    assert tasks[0]["TaskHandle"] == handle
    assert sqs.cancel_message_move_task(TaskHandle=handle)["ApproximateNumberOfMessagesMoved"] == 0
    assert refusal(lambda: sqs.cancel_message_move_task(TaskHandle=handle)) == (
        "InvalidParameterValue"
    )
    assert attribute(sqs, dlq, "ApproximateNumberOfMessages") != "0"


def test_rule_10_sender_needs_permission(sqs: Any, advance: Advance) -> None:
    """`sqs-basic-examples-of-iam-policies`. moto judges the identity's policies alone."""
    url = create(sqs, "orders")
    iam = boto3.client("iam", region_name=REGION)

    def client_allowed(action: str) -> Any:
        name = action.replace(":", "-")
        iam.create_user(UserName=name)
        statement = {"Effect": "Allow", "Action": action, "Resource": arn_of(sqs, url)}
        iam.put_user_policy(
            UserName=name,
            PolicyName="queue",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return boto3.client(
            "sqs",
            region_name=REGION,
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
        )

    reader, writer = client_allowed("sqs:ReceiveMessage"), client_allowed("sqs:SendMessage")

    @set_initial_no_auth_action_count(0)
    def judged() -> None:
        with pytest.raises(ClientError) as caught:
            send(reader, url, "refused")
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        send(writer, url, "m1")

    judged()
    assert bodies(receive(sqs, url)) == ["m1"]
