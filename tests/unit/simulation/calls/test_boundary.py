"""Faults at calls do to the world, and to the handler, what their texts say."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from pytest_storagefirst.errors import SimulationError
from pytest_storagefirst.faults import catalogue
from pytest_storagefirst.simulation.calls import lanes, seams
from pytest_storagefirst.simulation.calls.refusals import refusal

ONCE = Config(retries={"total_max_attempts": 1, "mode": "standard"})
LEGACY = Config(retries={"mode": "legacy"})
STANDARD = Config(retries={"mode": "standard"})

Act = Callable[[Config], Any]
ASIDE = "https://sqs.us-east-1.amazonaws.com/123456789012/aside"
TOPIC = "arn:aws:sns:us-east-1:123456789012:news"


def put_item(config: Config, item_id: str = "x", **more: Any) -> Any:
    client = boto3.client("dynamodb", config=config)
    return client.put_item(TableName="keys", Item={"id": {"S": item_id}}, **more)


def send_message(config: Config) -> Any:
    return boto3.client("sqs", config=config).send_message(QueueUrl=ASIDE, MessageBody="x")


def put_object(config: Config) -> Any:
    client = boto3.client("s3", config=config)
    return client.put_object(Bucket="the-bucket", Key="x", Body=b"x")


def publish(config: Config) -> Any:
    return boto3.client("sns", config=config).publish(TopicArn=TOPIC, Message="x")


def put_parameter(config: Config) -> Any:
    client = boto3.client("ssm", config=config)
    return client.put_parameter(Name="/x", Value="x", Type="String", Overwrite=True)


def put_events(config: Config) -> Any:
    entry = {"Source": "s", "DetailType": "d", "Detail": "{}"}
    return boto3.client("events", config=config).put_events(Entries=[entry])


def invoke(config: Config) -> Any:
    return boto3.client("lambda", config=config).invoke(FunctionName="callee", Payload=b"{}")


CALLS: dict[str, Act] = {
    "dynamodb.PutItem": put_item,
    "sqs.SendMessage": send_message,
    "s3.PutObject": put_object,
    "sns.Publish": publish,
    "ssm.PutParameter": put_parameter,
    "events.PutEvents": put_events,
    "lambda.Invoke": invoke,
}


class Worker:
    """Makes one call, and keeps what it returned or raised, and when."""

    def __init__(self, act: Act, config: Config) -> None:
        self.act = act
        self.config = config
        self.answer: Any = None
        self.error: Any = None
        self.seconds: list[float] = []

    def __call__(self, event: Any, context: Any) -> None:
        started = time.time()
        try:
            self.answer = self.act(self.config)
        except Exception as error:
            self.error = error
        self.seconds.append(time.time() - started)


def effects_of(played: Any) -> int:
    return sum(event.kind == "effected" for event in played.observation.history)


def attempts_of(played: Any, point: str) -> int:
    return sum(
        event.kind == "called" and point in event.detail for event in played.observation.history
    )


# -- refused ----------------------------------------------------------------------------------

CODES = {
    ("dynamodb.PutItem", "throttle"): (400, "ProvisionedThroughputExceededException"),
    ("dynamodb.PutItem", "server-error"): (500, "InternalServerError"),
    ("dynamodb.PutItem", "access-denied"): (400, "AccessDeniedException"),
    ("sqs.SendMessage", "throttle"): (403, "RequestThrottled"),
    ("sqs.SendMessage", "server-error"): (500, "InternalFailure"),
    ("sqs.SendMessage", "access-denied"): (403, "AccessDeniedException"),
    ("s3.PutObject", "throttle"): (503, "SlowDown"),
    ("s3.PutObject", "server-error"): (500, "InternalError"),
    ("s3.PutObject", "access-denied"): (403, "AccessDenied"),
    ("sns.Publish", "throttle"): (400, "Throttling"),
    ("sns.Publish", "server-error"): (500, "InternalFailure"),
    ("sns.Publish", "access-denied"): (403, "AuthorizationError"),
    ("ssm.PutParameter", "throttle"): (400, "ThrottlingException"),
    ("ssm.PutParameter", "server-error"): (500, "InternalServerError"),
    ("ssm.PutParameter", "access-denied"): (400, "AccessDeniedException"),
    ("events.PutEvents", "throttle"): (400, "ThrottlingException"),
    ("events.PutEvents", "server-error"): (500, "InternalServerError"),
    ("events.PutEvents", "access-denied"): (400, "AccessDeniedException"),
    ("lambda.Invoke", "throttle"): (429, "TooManyRequestsException"),
    ("lambda.Invoke", "server-error"): (500, "ServiceException"),
    ("lambda.Invoke", "access-denied"): (403, "AccessDeniedException"),
}


@pytest.mark.parametrize(("point", "variant"), CODES)
def test_refused_has_no_effect_and_the_services_own_code(
    rig: Any, point: str, variant: str
) -> None:
    worker = Worker(CALLS[point], ONCE)
    played = rig.with_handlers(Worker=worker).play(f"Worker: {point} #1: refused({variant})")
    assert isinstance(worker.error, ClientError)
    said = worker.error.response
    found = said["ResponseMetadata"]["HTTPStatusCode"], said["Error"]["Code"]
    assert found == CODES[point, variant]
    assert said["Error"]["Message"]
    assert effects_of(played) == 0
    assert not played.observation.effects
    assert played.observation.faults_fired


@pytest.mark.parametrize("point", CALLS)
def test_no_connection_has_no_effect(rig: Any, point: str) -> None:
    worker = Worker(CALLS[point], ONCE)
    played = rig.with_handlers(Worker=worker).play(f"Worker: {point} #1: refused(connect-timeout)")
    assert isinstance(worker.error, ConnectTimeoutError)
    assert effects_of(played) == 0
    assert not played.observation.effects


@pytest.mark.parametrize("config", [STANDARD, LEGACY], ids=["standard", "legacy"])
@pytest.mark.parametrize("variant", ["throttle", "server-error", "connect-timeout"])
@pytest.mark.parametrize("point", CALLS)
def test_botocore_tries_again(rig: Any, point: str, variant: str, config: Config) -> None:
    worker = Worker(CALLS[point], config)
    played = rig.with_handlers(Worker=worker).play(f"Worker: {point} #1: refused({variant})")
    assert worker.error is None
    assert attempts_of(played, point) == 2
    assert worker.answer["ResponseMetadata"]["RetryAttempts"] == 1
    assert played.counts["Worker", point] == 1  # one call, however many attempts


@pytest.mark.parametrize("config", [STANDARD, LEGACY], ids=["standard", "legacy"])
def test_botocore_does_not_try_again_without_permission(rig: Any, config: Config) -> None:
    worker = Worker(put_item, config)
    played = rig.with_handlers(Worker=worker).play(
        "Worker: dynamodb.PutItem #1: refused(access-denied)"
    )
    assert isinstance(worker.error, ClientError)
    assert attempts_of(played, "dynamodb.PutItem") == 1


@pytest.mark.parametrize(
    ("config", "point", "attempts"),
    [
        (LEGACY, "dynamodb.PutItem", 10),
        (LEGACY, "sqs.SendMessage", 5),
        (STANDARD, "sqs.SendMessage", 3),
        (Config(retries={"mode": "standard", "total_max_attempts": 7}), "sns.Publish", 7),
    ],
    ids=["legacy-dynamodb", "legacy-sqs", "standard-sqs", "seven"],
)
def test_an_outage_uses_up_botocores_retries_in_virtual_time(
    rig: Any, config: Config, point: str, attempts: int
) -> None:
    worker = Worker(CALLS[point], config)
    real = time.perf_counter()
    played = rig.with_handlers(Worker=worker).play(f"Worker: {point} #1: refused for 300 s")
    assert time.perf_counter() - real < 60
    assert attempts_of(played, point) == attempts
    assert worker.error.response["ResponseMetadata"]["RetryAttempts"] == attempts - 1
    assert worker.seconds[0] > 0.005 * attempts
    assert effects_of(played) == 0


def test_what_retries_cost_in_one_run_is_there_in_the_next(rig: Any) -> None:
    """botocore's standard mode gives up when a client's retry quota is used up."""
    worker = Worker(put_item, STANDARD)
    stack = rig.with_handlers(Worker=worker)
    found = set()
    for _ in range(60):
        played = stack.play("Worker: dynamodb.PutItem #1: refused for 300 s")
        found.add(attempts_of(played, "dynamodb.PutItem"))
    assert len(found) == 1
    assert found.pop() > 2


# -- response-lost ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variant", "kind"), [("timeout", ReadTimeoutError), ("reset", ConnectionClosedError)]
)
@pytest.mark.parametrize("point", [point for point in CALLS if point != "lambda.Invoke"])
def test_a_lost_answer_leaves_its_effect(rig: Any, point: str, variant: str, kind: type) -> None:
    worker = Worker(CALLS[point], ONCE)
    played = rig.with_handlers(Worker=worker).play(f"Worker: {point} #1: response-lost({variant})")
    assert isinstance(worker.error, kind)
    assert effects_of(played) == 1
    assert len(played.observation.effects) == 1


@pytest.mark.parametrize("config", [STANDARD, LEGACY], ids=["standard", "legacy"])
def test_after_a_lost_answer_botocore_sends_again_and_meets_its_own_effect(
    rig: Any, items: Any, config: Config
) -> None:
    worker = Worker(
        lambda config: put_item(config, ConditionExpression="attribute_not_exists(id)"), config
    )
    played = rig.with_handlers(Worker=worker).play("Worker: dynamodb.PutItem #1: response-lost")
    assert worker.error.response["Error"]["Code"] == "ConditionalCheckFailedException"
    assert items(played) == [{"id": {"S": "x"}}]


def test_a_lost_answer_sends_a_message_twice(rig: Any) -> None:
    worker = Worker(send_message, STANDARD)
    played = rig.with_handlers(Worker=worker).play("Worker: sqs.SendMessage #1: response-lost")
    assert [effect.place for effect in played.observation.effects] == ["Aside", "Aside"]


def test_lambda_is_invoked_though_the_answer_is_lost(rig: Any) -> None:
    called = []
    worker = Worker(invoke, ONCE)
    stack = rig.with_handlers(Worker=worker, Callee=lambda event, context: called.append(event))
    stack.play("Worker: lambda.Invoke #1: response-lost")
    assert isinstance(worker.error, ReadTimeoutError)
    assert called == [{}]


# -- slow, crash ------------------------------------------------------------------------------


@pytest.mark.parametrize("point", [point for point in CALLS if point != "lambda.Invoke"])
def test_slow_ends_the_function_at_its_timeout_with_the_effect_done(rig: Any, point: str) -> None:
    worker = Worker(CALLS[point], STANDARD)
    played = rig.with_handlers(Worker=worker).play(f"Worker: {point} #1: slow")
    failed = [event for event in played.observation.history if event.kind == "failed"]
    delivered = [event for event in played.observation.history if event.kind == "delivered"]
    assert failed[0].detail == "timeout"
    assert failed[0].at_ms - delivered[0].at_ms == 30_000
    assert len(delivered) == 2  # the message came back
    assert effects_of(played) == 2
    assert len(worker.seconds) == 1  # the first never got its answer


@pytest.mark.parametrize("point", CALLS)
def test_crash_before_a_call_has_no_effect(rig: Any, point: str) -> None:
    worker = Worker(CALLS[point], STANDARD)
    stack = rig.with_handlers(Worker=worker)
    played = stack.play(f"Worker: {point} #1: crash-before for 100000 s", redrives=())
    kinds = {event.kind for event in played.observation.history}
    assert effects_of(played) == 0 or point == "lambda.Invoke"
    assert "dead-lettered" in kinds
    assert not played.observation.effects
    assert worker.seconds == []


@pytest.mark.parametrize("point", CALLS)
def test_crash_after_a_call_leaves_its_effect(rig: Any, point: str) -> None:
    worker = Worker(CALLS[point], STANDARD)
    played = rig.with_handlers(Worker=worker).play(f"Worker: {point} #1: crash-after")
    history = played.observation.history
    assert [event.detail for event in history if event.kind == "failed"] == ["crash"]
    assert played.counts["Worker", point] == 2
    assert len(worker.seconds) == 1
    if point != "lambda.Invoke":
        assert effects_of(played) == 2


# -- partial ----------------------------------------------------------------------------------


def batch_of(count: int) -> dict[str, tuple[Callable[[Any], Any], Callable[[Any], list[Any]]]]:
    """Each batch write: how to make it, and what its answer says was not taken."""
    names = [str(number) for number in range(count)]

    def receipts(sqs: Any) -> list[dict[str, Any]]:
        for name in names:
            sqs.send_message(QueueUrl=ASIDE, MessageBody=name)
        got = sqs.receive_message(QueueUrl=ASIDE, MaxNumberOfMessages=10)["Messages"]
        return [
            {"Id": name, "ReceiptHandle": one["ReceiptHandle"]}
            for name, one in zip(names, got, strict=True)
        ]

    def failed_ids(answer: Any) -> list[Any]:
        return [entry["Id"] for entry in answer.get("Failed", [])]

    def failed_places(name: str) -> Callable[[Any], list[Any]]:
        return lambda answer: [
            names[place] for place, entry in enumerate(answer[name]) if "ErrorCode" in entry
        ]

    def by_stream(make: Callable[[], Any]) -> Any:
        return make()

    return {
        "sqs.SendMessageBatch": (
            lambda _: boto3.client("sqs").send_message_batch(
                QueueUrl=ASIDE, Entries=[{"Id": name, "MessageBody": name} for name in names]
            ),
            failed_ids,
        ),
        "sqs.DeleteMessageBatch": (
            lambda _: boto3.client("sqs").delete_message_batch(
                QueueUrl=ASIDE, Entries=receipts(boto3.client("sqs"))
            ),
            failed_ids,
        ),
        "sqs.ChangeMessageVisibilityBatch": (
            lambda _: boto3.client("sqs").change_message_visibility_batch(
                QueueUrl=ASIDE,
                Entries=[
                    {**receipt, "VisibilityTimeout": 0} for receipt in receipts(boto3.client("sqs"))
                ],
            ),
            failed_ids,
        ),
        "dynamodb.BatchWriteItem": (
            lambda _: boto3.client("dynamodb").batch_write_item(
                RequestItems={"keys": [{"PutRequest": {"Item": {"id": {"S": n}}}} for n in names]}
            ),
            lambda answer: [
                write["PutRequest"]["Item"]["id"]["S"]
                for write in answer["UnprocessedItems"].get("keys", [])
            ],
        ),
        "events.PutEvents": (
            lambda _: boto3.client("events").put_events(
                Entries=[{"Source": "s", "DetailType": n, "Detail": "{}"} for n in names]
            ),
            failed_places("Entries"),
        ),
        "kinesis.PutRecords": (
            lambda _: boto3.client("kinesis").put_records(
                StreamName="stream", Records=[{"Data": b"x", "PartitionKey": n} for n in names]
            ),
            failed_places("Records"),
        ),
        "firehose.PutRecordBatch": (
            lambda _: boto3.client("firehose").put_record_batch(
                DeliveryStreamName="hose", Records=[{"Data": n.encode()} for n in names]
            ),
            failed_places("RequestResponses"),
        ),
        "sns.PublishBatch": (
            lambda _: boto3.client("sns").publish_batch(
                TopicArn=TOPIC,
                PublishBatchRequestEntries=[{"Id": n, "Message": f"é&{n}"} for n in names],
            ),
            failed_ids,
        ),
        "s3.DeleteObjects": (
            lambda _: boto3.client("s3").delete_objects(
                Bucket="the-bucket", Delete={"Objects": [{"Key": n} for n in names]}
            ),
            lambda answer: [error["Key"] for error in answer.get("Errors", [])],
        ),
    }


def prepare_streams() -> None:
    boto3.client("kinesis").create_stream(StreamName="stream", ShardCount=1)
    bucket = {"BucketARN": "arn:aws:s3:::the-bucket", "RoleARN": "arn:aws:iam::123456789012:role/x"}
    boto3.client("firehose").create_delivery_stream(
        DeliveryStreamName="hose", ExtendedS3DestinationConfiguration=bucket
    )


def test_every_batch_write_is_tried() -> None:
    assert set(batch_of(1)) == catalogue.BATCH_WRITES


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("point", sorted(catalogue.BATCH_WRITES))
def test_partial_names_the_entry_that_was_not_taken(rig: Any, point: str, count: int) -> None:
    act, left_out = batch_of(count)[point]
    answers = []

    def worker(event: Any, context: Any) -> None:
        if point.startswith(("kinesis", "firehose")):
            prepare_streams()
        answers.append(act(None))

    played = rig.with_handlers(Worker=worker).play(f"Worker: {point} #1: partial")
    assert played.errors == ()
    [answer] = answers
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert left_out(answer) == [str(count - 1)]
    effected = [
        event
        for event in played.observation.history
        if event.kind == "effected" and event.detail.startswith(point)
    ]
    assert len(effected) == (1 if count > 1 else 0)


def test_what_partial_left_out_is_not_there(rig: Any, items: Any) -> None:
    act, _ = batch_of(3)["dynamodb.BatchWriteItem"]
    played = rig.with_handlers(Worker=lambda event, context: act(event) and None).play(
        "Worker: dynamodb.BatchWriteItem #1: partial"
    )
    assert sorted(item["id"]["S"] for item in items(played)) == ["0", "1"]
    act, _ = batch_of(3)["sqs.SendMessageBatch"]
    played = rig.with_handlers(Worker=lambda event, context: act(event) and None).play(
        "Worker: sqs.SendMessageBatch #1: partial"
    )
    assert [effect.value for effect in played.observation.effects] == [0, 1]


def test_an_emission_says_only_what_was_taken(rig: Any) -> None:
    act, _ = batch_of(2)["events.PutEvents"]
    played = rig.with_handlers(Worker=lambda event, context: act(event) and None).play(
        "Worker: events.PutEvents #1: partial"
    )
    [emission] = played.observation.effects
    assert [entry["DetailType"] for entry in emission.value["Entries"]] == ["0"]


def test_partial_does_not_strike_what_is_no_batch(rig: Any) -> None:
    played = rig.with_handlers(Worker=Worker(put_item, STANDARD)).play(
        "Worker: dynamodb.PutItem #1: partial"
    )
    assert played.observation.faults_fired == ()


# -- stale ------------------------------------------------------------------------------------


def test_a_stale_read_shows_the_state_before_the_last_write(rig: Any, items: Any) -> None:
    seen: list[Any] = []

    def worker(event: Any, context: Any) -> None:
        table = boto3.resource("dynamodb").Table("keys")
        table.put_item(Item={"id": "x", "n": 1})
        table.put_item(Item={"id": "x", "n": 2})
        seen.append(table.get_item(Key={"id": "x"})["Item"]["n"])
        seen.append(table.get_item(Key={"id": "x"}, ConsistentRead=True)["Item"]["n"])
        seen.append(table.get_item(Key={"id": "x"})["Item"]["n"])

    stack = rig.with_handlers(Worker=worker)
    played = stack.play("Worker: dynamodb.GetItem #1: stale")
    assert seen == [1, 2, 2]
    assert items(played)[0]["n"] == {"N": "2"}
    seen.clear()
    stack.play("Worker: dynamodb.GetItem #2: stale")
    assert seen == [2, 2, 1]  # the second is consistent: it can't strike before the third


def test_a_stale_read_of_something_new_finds_nothing(rig: Any) -> None:
    seen: list[Any] = []

    def worker(event: Any, context: Any) -> None:
        table = boto3.resource("dynamodb").Table("keys")
        table.put_item(Item={"id": "x"})
        seen.append("Item" in table.get_item(Key={"id": "x"}))
        seen.append(table.scan()["Count"])

    stack = rig.with_handlers(Worker=worker)
    stack.play("Worker: dynamodb.GetItem #1: stale", "Worker: dynamodb.Scan #1: stale")
    assert seen == [False, 0]


# -- where and how long -----------------------------------------------------------------------


def test_times_counts_strikes(rig: Any) -> None:
    worker = Worker(put_item, ONCE)

    def several(event: Any, context: Any) -> None:
        for _ in range(5):
            worker.error = None
            worker(event, context)
            outcomes.append(worker.error is None)

    outcomes: list[bool] = []
    rig.with_handlers(Worker=several).play("Worker: dynamodb.PutItem #2: refused 2 times")
    assert outcomes == [True, False, False, True, True]


def test_a_span_of_time_counts_from_the_first_strike(rig: Any) -> None:
    outcomes: list[tuple[int, bool]] = []

    def worker(event: Any, context: Any) -> None:
        started = time.time()
        for _ in range(6):
            call = Worker(put_item, ONCE)
            call(event, context)
            outcomes.append((round(time.time() - started), call.error is None))
            time.sleep(1)

    rig.with_handlers(Worker=worker).play("Worker: dynamodb.PutItem #3: refused for 2 s")
    assert outcomes == [(0, True), (1, True), (2, False), (3, False), (4, True), (5, True)]


def test_under_a_message_counts_that_messages_calls(rig: Any) -> None:
    outcomes: list[tuple[str, bool]] = []

    def worker(event: Any, context: Any) -> None:
        for record in event["Records"] * 2:
            token = json.loads(record["body"])["id"]
            call = Worker(lambda config, token=token: put_item(config, token), ONCE)
            call(event, context)
            outcomes.append((token[:2], call.error is None))

    played = rig.with_handlers(Worker=worker).play(
        "Worker: dynamodb.PutItem #2 under m2: refused", messages=3
    )
    assert outcomes == [
        ("m1", True),
        ("m2", True),
        ("m3", True),
        ("m1", True),
        ("m2", False),
        ("m3", True),
    ]
    faulted = [event for event in played.observation.history if event.kind == "faulted"]
    assert [event.messages for event in faulted] == [("m2",)]


def test_a_number_is_the_calls_own_while_others_are_under_way(rig: Any) -> None:
    """Two invocations at once: the fault for call #2 must not strike call #1's later attempt."""
    outcomes: list[tuple[str, bool]] = []

    def worker(event: Any, context: Any) -> None:
        token = json.loads(event["Records"][0]["body"])["id"]
        call = Worker(publish, ONCE)
        call(event, context)
        outcomes.append((token[:2], call.error is None))

    played = rig.with_handlers(Worker=worker).play(
        "Worker: sns.Publish #2: refused 2 times", messages=2, concurrency=2, batch_limit=1
    )
    called = [(e.at_ms, e.messages) for e in played.observation.history if e.kind == "called"]
    assert called[0][0] == called[1][0], "the two are not under way at once"
    assert sorted(outcomes) == [("m1", True), ("m2", False)]


def test_threads_of_a_handler_have_calls_of_their_own(rig: Any, items: Any) -> None:
    """One thread waits to try again while another calls: neither takes over the other's call."""

    def worker(event: Any, context: Any) -> None:
        threads = [
            threading.Thread(target=put_item, args=(STANDARD, name)) for name in ("a", "b", "c")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    played = rig.with_handlers(Worker=worker).play(
        "Worker: dynamodb.PutItem #1: response-lost",
        "Worker: dynamodb.PutItem #2: refused",
    )
    assert played.errors == ()
    assert sorted(item["id"]["S"] for item in items(played)) == ["a", "b", "c"]
    called = [e.detail for e in played.observation.history if e.kind == "called"]
    assert len(called) == len(set(called)), "an attempt was counted for another's call"
    assert sum(detail.startswith("dynamodb.PutItem #1") for detail in called) == 2
    assert sum(detail.startswith("dynamodb.PutItem #2") for detail in called) == 2


def test_what_is_no_effect_is_not_told_as_one(rig: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        boto3.client("sts").get_caller_identity()
        boto3.client("sts").assume_role(
            RoleArn="arn:aws:iam::123456789012:role/x", RoleSessionName="session"
        )
        boto3.client("logs").create_log_group(logGroupName="/x")
        boto3.client("cloudwatch").put_metric_data(
            Namespace="n", MetricData=[{"MetricName": "m", "Value": 1}]
        )
        boto3.client("kms").generate_random(NumberOfBytes=8)

    played = rig.with_handlers(Worker=worker).play()
    assert played.errors == ()
    assert effects_of(played) == 0
    assert not played.observation.effects


# -- nothing leaves ---------------------------------------------------------------------------


def test_a_client_made_before_the_simulation_is_answered_inside(rig: Any, items: Any) -> None:
    before = boto3.client(
        "dynamodb",
        region_name="us-east-1",
        aws_access_key_id="AKIAREAL",
        aws_secret_access_key="real",
    )
    played = rig.with_handlers(
        Worker=lambda event, context: (
            before.put_item(TableName="keys", Item={"id": {"S": "x"}}) and None
        )
    ).play()
    assert items(played) == [{"id": {"S": "x"}}]


def test_a_client_of_a_handler_calls_nobody_when_the_run_is_over(rig: Any) -> None:
    made: list[Any] = []
    rig.with_handlers(Worker=lambda event, context: made.append(boto3.client("sqs"))).play()
    with pytest.raises(EndpointConnectionError):
        made[0].list_queues()


def test_other_threads_of_the_tester_are_not_in_the_simulation(rig: Any) -> None:
    """Their calls must not be taken for the handler's."""
    outside: list[Any] = []
    go, done = threading.Event(), threading.Event()
    real_set = go.set

    def elsewhere() -> None:
        go.wait(60)
        outside.append(seams.here())
        done.set()

    thread = threading.Thread(target=elsewhere)
    thread.start()

    def worker(event: Any, context: Any) -> None:
        assert seams.here() is not None
        real_set()
        deadline = time.perf_counter() + 1e9
        while not done.is_set() and time.perf_counter() < deadline:
            pass

    rig.with_handlers(Worker=worker).play()
    thread.join()
    assert outside == [None]


@pytest.mark.parametrize("error", [NotImplementedError("later"), KeyError("inside moto")])
def test_moto_failing_is_unknown_and_not_the_handlers_fault(
    rig: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def route(url: str) -> Any:
        def handle(*arguments: Any) -> Any:
            raise error

        return handle

    def swallowing(event: Any, context: Any) -> None:
        with contextlib.suppress(Exception):
            put_parameter(STANDARD)

    monkeypatch.setattr(lanes, "_route", route)
    with pytest.raises(SimulationError) as refused:
        rig.with_handlers(Worker=swallowing).play()
    text = str(refused.value)
    assert "Worker" in text
    assert str(error) in text
    assert "POST https://ssm.us-east-1.amazonaws.com/" in text


def test_moto_that_knows_no_such_service_is_unknown(rig: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        boto3.client("location").list_maps()

    with pytest.raises(SimulationError, match="moto does not answer") as refused:
        rig.with_handlers(Worker=worker).play()
    assert (
        refused.value.remedy == "name another handler under [functions.Worker] in storagefirst.toml"
    )


def test_an_endpoint_of_the_users_own_is_never_called(rig: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        boto3.client("dynamodb", endpoint_url="http://localhost:4566").list_tables()

    with pytest.raises(SimulationError, match="localhost:4566"):
        rig.with_handlers(Worker=worker).play()


@pytest.mark.parametrize("service", ["dynamodb", "sqs", "s3", "sns", "unheard-of"])
def test_every_refusal_has_a_body(service: str) -> None:
    for variant in ("throttle", "server-error", "access-denied"):
        status, headers, body = refusal(service, variant, "https://x")
        assert status >= 400
        assert body
        assert headers["Content-Type"]
