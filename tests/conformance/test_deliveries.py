"""AWS's rules 26 to 33: what services deliver by themselves, how long they try, and what is gone.

Each test plays a stack end to end and names the page that its rule comes from.
"""

from __future__ import annotations

import base64
import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from pytest_storagefirst.errors import StorageFirstError
from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.faults.plan import parse_plan
from pytest_storagefirst.ledger.events import Event
from pytest_storagefirst.settings import Entry, Settings
from pytest_storagefirst.simulation.playing import Played, play
from pytest_storagefirst.simulation.schedule import Schedule, Send

HOUR_MS = 3_600_000
STACK = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Topic: {Type: AWS::SNS::Topic}
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: orders}}
  Bucket: {Type: AWS::S3::Bucket, Properties: {BucketName: taken-in%(notifies)s}}
  Queue: {Type: AWS::SQS::Queue}
  Letters: {Type: AWS::SQS::Queue}
  Allowed:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Queue, !Ref Letters]
      PolicyDocument:
        Statement: [{Effect: Allow, Principal: "*", Action: "sqs:*", Resource: "*"}]
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      InlineCode: "def handler(event, context): pass"
      Policies: [AdministratorAccess]
%(worker)s
%(more)s
"""
BODY = {"id": "{unique}"}


@pytest.fixture
def stand_up(tmp_path: Path) -> Callable[..., Callable[..., Played]]:
    """A stack of the common resources and more; returns what plays one message through it."""

    def make(
        kind: str,
        name: str,
        more: str = "",
        *,
        worker: str = "",
        notifies: str = "",
        **handlers: Any,
    ) -> Callable[..., Played]:
        template = tmp_path / "template.yaml"
        text = STACK % {"more": more, "worker": worker, "notifies": notifies}
        template.write_text(text, encoding="utf-8")
        deployed = prepare(
            template, Settings(entries=(Entry(kind, name, BODY),)), handlers
        ).deployed

        def run(*faults: str, body: Any = BODY, messages: int = 1, **more: Any) -> Played:
            sends = tuple(Send(f"m{number + 1}", name, body) for number in range(messages))
            return play(deployed, Schedule(sends, parse_plan(faults)), **more)

        return run

    return make


def subscription(protocol: str = "sqs", target: str = "!GetAtt Queue.Arn", **more: Any) -> str:
    own = "".join(f"\n      {name}: {json.dumps(value)}" for name, value in more.items())
    return f"""
  Subscription:
    Type: AWS::SNS::Subscription
    Properties:
      TopicArn: !Ref Topic
      Protocol: {protocol}
      Endpoint: {target}{own}
"""


def rule(pattern: Any, **target: Any) -> str:
    own = "".join(f"\n          {name}: {json.dumps(value)}" for name, value in target.items())
    return f"""
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !Ref Bus
      EventPattern: {json.dumps(pattern)}
      Targets:
        - Id: queue
          Arn: !GetAtt Queue.Arn{own}
"""


def kept(played: Played, place: str = "Queue") -> list[Any]:
    """What lies in a queue at the end."""
    done = [e.value for e in played.observation.effects if e.place == place]
    return done or [_read(held.text) for held in played.observation.held if held.where == place]


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def told(played: Played, kind: str) -> Iterator[str]:
    return (event.detail for event in played.observation.history if event.kind == kind)


def events(played: Played, kind: str, where: str) -> list[Event]:
    return [e for e in played.observation.history if (e.kind, e.where) == (kind, where)]


class Failing:
    """A handler that fails for so many invocations, and remembers when it was invoked."""

    def __init__(self, times: int = 1_000_000) -> None:
        self.times = times
        self.events: list[Any] = []

    def __call__(self, event: Any, context: Any) -> Any:
        self.events.append(event)
        if len(self.events) <= self.times:
            raise RuntimeError("not now")
        return {"said": "yes"}


# -- rule 26: asynchronous invocation ------------------------------------------------------------

INVOKES = """
      Events:
        Rule:
          Type: EventBridgeRule
          Properties: {EventBusName: !Ref Bus, Pattern: {source: [shop]}}
"""


def test_26_a_function_error_is_retried_after_one_and_two_minutes(stand_up):
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html"""
    worker = Failing()
    run = stand_up("bus", "Bus", worker=INVOKES, Worker=worker)

    played = run()

    at = [e.at_ms for e in played.observation.history if e.kind == "delivered"]
    assert [later - earlier for earlier, later in itertools.pairwise(at)] == pytest.approx(
        [60_000, 120_000], abs=100
    )
    assert "Lambda gives up, and nothing keeps it" in told(played, "dropped")


def test_26_on_failure_gets_the_invocation_record(stand_up):
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html"""
    configured = """
      EventInvokeConfig:
        MaximumRetryAttempts: 0
        DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Letters.Arn}}
"""
    run = stand_up("bus", "Bus", worker=INVOKES + configured, Worker=Failing())

    [record] = kept(run(), "Letters")

    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 1
    assert record["requestPayload"]["detail-type"]
    assert record["responsePayload"] == {"errorType": "RuntimeError", "errorMessage": "not now"}


def test_26_throttles_are_retried_up_to_the_event_age(stand_up):
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html"""
    run = stand_up("bus", "Bus", worker=INVOKES, Worker=Failing(0))

    healed = run("Worker: invocation #1: throttled for 3600 s")
    never = run("Worker: invocation #1: throttled for 25000 s")

    assert "succeeded" in {e.kind for e in healed.observation.history}
    assert "Lambda gives up, and nothing keeps it" in told(never, "dropped")
    assert never.observation.history[-1].at_ms >= 6 * HOUR_MS - 300_000


# -- rule 27: at least once ------------------------------------------------------------------------


def test_27_the_same_event_can_come_twice(stand_up):
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html"""
    worker = Failing(0)
    run = stand_up("bus", "Bus", worker=INVOKES, Worker=worker)

    run("Bus: delivery #1: duplicate")

    first, second = worker.events
    assert first["id"] == second["id"]


# -- rule 28: PutEvents, and who hears of an event -----------------------------------------------


def test_28_an_event_that_matches_no_rule_is_gone(stand_up):
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html"""
    run = stand_up("bus", "Bus", rule({"source": ["shop"]}))

    other = {"source": "warehouse", "detail-type": "x", "detail": BODY}
    played = run(body=other)

    assert "acknowledged" in {event.kind for event in played.observation.history}
    assert kept(played) == []
    assert list(told(played, "dropped")) == [
        'no rule matches it: for Rule, source is "warehouse", and wanted is ["shop"]'
    ]


def test_28_put_events_answers_200_with_failed_entries(stand_up):
    """https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html"""
    run = stand_up("bus", "Bus", rule({"source": ["shop"]}))

    played = run(body="no JSON")

    assert "rejected" in {event.kind for event in played.observation.history}
    assert "acknowledged" not in {event.kind for event in played.observation.history}


def test_28_a_target_gets_the_event_as_its_transformer_makes_it(stand_up):
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html"""
    transformer = {
        "InputPathsMap": {"id": "$.detail.id", "whole": "$.detail", "none": "$.detail.none"},
        "InputTemplate": '{"said": "order <id>", "is": <id>, "all": <whole>, "none": "<none>"}',
    }
    run = stand_up("bus", "Bus", rule({"source": ["shop"]}, InputTransformer=transformer))

    played = run()

    [shown] = kept(played)
    token = shown["is"]
    assert shown == {"said": f"order {token}", "is": token, "all": {"id": token}, "none": ""}


# -- rule 29: retries of a target, its dead-letter queue ------------------------------------------


def test_29_a_target_is_tried_for_24_hours(stand_up):
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html"""
    run = stand_up("bus", "Bus", rule({"source": ["shop"]}))

    healed = run("Bus: delivery #1: target-refused for 80000 s")
    never = run("Bus: delivery #1: target-refused for 90000 s")

    assert len(kept(healed)) == 1
    assert kept(never) == []
    assert "the delivery to Queue is given up, and nothing keeps it" in told(never, "dropped")
    last = max(e.at_ms for e in never.observation.history if e.kind == "errored")
    assert 23 * HOUR_MS < last <= 24 * HOUR_MS


def test_29_at_most_as_often_as_its_policy_says(stand_up):
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html"""
    policy = {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 3600}
    run = stand_up("bus", "Bus", rule({"source": ["shop"]}, RetryPolicy=policy))

    played = run("Bus: delivery #1: target-refused for 90000 s")

    assert len(list(told(played, "errored"))) == 3


def test_29_then_it_goes_to_the_dead_letter_queue(stand_up):
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html"""
    letters = """
          DeadLetterConfig: {Arn: !GetAtt Letters.Arn}
"""
    run = stand_up("bus", "Bus", rule({"source": ["shop"]}).rstrip() + letters)

    refused = run("Bus: delivery #1: target-refused for 90000 s")
    for_good = run("Bus: delivery #1: target-refused(access-denied)")

    assert len(kept(refused, "Letters")) == 1
    # An error that can't heal is not tried again.
    assert len(kept(for_good, "Letters")) == 1
    assert len(list(told(for_good, "errored"))) == 1


# -- rule 30: SNS ---------------------------------------------------------------------------------


def test_30_a_queue_gets_the_message_in_its_envelope(stand_up):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-sqs-as-subscriber.html"""
    run = stand_up("topic", "Topic", subscription())

    [envelope] = kept(run())

    assert envelope["Type"] == "Notification"
    assert set(json.loads(envelope["Message"])) == {"id"}


def test_30_a_message_without_text_is_refused(stand_up):
    """https://github.com/localstack/localstack/issues/5096, which tells what AWS does"""
    run = stand_up("topic", "Topic", subscription(RawMessageDelivery=True))

    played = run(body="")

    assert "acknowledged" not in {e.kind for e in played.observation.history}
    assert kept(played) == []


def test_30_raw_delivery_leaves_the_envelope_out(stand_up):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-large-payload-raw-message-delivery.html"""
    run = stand_up("topic", "Topic", subscription(RawMessageDelivery=True))

    [message] = kept(run())

    assert set(message) == {"id"}


@pytest.mark.parametrize(
    ("policy", "scope", "count"),
    [
        ({"id": [{"exists": True}]}, "MessageBody", 1),
        ({"kind": ["order"]}, "MessageBody", 0),
        ({"kind": [{"anything-but": ["order"]}]}, "MessageAttributes", 1),
        ({"kind": [{"exists": False}]}, "MessageAttributes", 1),
    ],
)
def test_30_a_filter_policy_drops_what_does_not_match(stand_up, policy, scope, count):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-filtering.html"""
    run = stand_up("topic", "Topic", subscription(FilterPolicy=policy, FilterPolicyScope=scope))

    played = run()

    assert len(kept(played)) == count
    assert ("filtered" in {e.kind for e in played.observation.history}) is not count


def test_30_a_refusal_by_the_server_is_retried(stand_up):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html"""
    run = stand_up("topic", "Topic", subscription())

    assert len(kept(run("Topic: delivery #1: target-refused for 300 s"))) == 1


@pytest.mark.parametrize("with_letters", [True, False])
def test_30_one_by_the_client_is_not(stand_up, with_letters):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html"""
    letters = "\n      RedrivePolicy: {deadLetterTargetArn: !GetAtt Letters.Arn}\n"
    more = subscription().rstrip() + (letters if with_letters else "\n")
    run = stand_up("topic", "Topic", more)

    played = run("Topic: delivery #1: target-refused(access-denied)")

    assert kept(played) == []
    assert len(kept(played, "Letters")) == with_letters
    assert len(list(told(played, "errored"))) == 1


def test_30_a_function_is_invoked_asynchronously(stand_up):
    """https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html"""
    worker = Failing(1)
    events = "\n      Events: {Topic: {Type: SNS, Properties: {Topic: !Ref Topic}}}\n"
    run = stand_up("topic", "Topic", worker=events, Worker=worker)

    run()

    first, second = worker.events  # the second is Lambda's own retry
    assert first == second
    [record] = first["Records"]
    assert record["EventSource"] == "aws:sns"
    assert set(json.loads(record["Sns"]["Message"])) == {"id"}


# -- rule 31: S3 ----------------------------------------------------------------------------------

TO_QUEUE = (
    ", NotificationConfiguration: {QueueConfigurations: [{Event: 's3:ObjectCreated:*', "
    "Queue: !GetAtt Queue.Arn, Filter: {S3Key: {Rules: [{Name: suffix, Value: .json}]}}}]}"
)


def test_31_a_queue_is_told_of_each_object(stand_up):
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html"""
    run = stand_up("bucket", "Bucket", notifies=TO_QUEUE)

    played = run()

    [event] = kept(played)
    [record] = event["Records"]
    assert record["eventName"] == "ObjectCreated:Put"
    [written] = [e.key for e in played.observation.effects if e.kind == "object"]
    assert record["s3"]["object"]["key"] == written
    assert written.endswith(".json")


@pytest.mark.parametrize(("fault", "count"), [("duplicate", 2), ("delayed", 1)])
def test_31_at_least_once_and_in_no_promised_order(stand_up, fault, count):
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html"""
    run = stand_up("bucket", "Bucket", notifies=TO_QUEUE)

    assert len(kept(run(f"Bucket: delivery #1: {fault}"))) == count


def test_31_later_objects_may_be_told_of_first(stand_up):
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html"""
    run = stand_up("bucket", "Bucket", notifies=TO_QUEUE)

    played = run("Bucket: delivery #1: reordered", messages=2)

    stored = [
        e.messages for e in played.observation.history if (e.kind, e.where) == ("stored", "Queue")
    ]
    assert stored == [("m2",), ("m1",)]


def test_31_event_bridge_hears_of_it_too(stand_up):
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html"""
    more = """
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventPattern:
        source: [aws.s3]
        detail-type: ["Object Created"]
        detail: {bucket: {name: [taken-in]}}
      Targets: [{Id: queue, Arn: !GetAtt Queue.Arn}]
"""
    notifies = ", NotificationConfiguration: {EventBridgeConfiguration: {EventBridgeEnabled: true}}"
    run = stand_up("bucket", "Bucket", more, notifies=notifies)

    [event] = kept(run())

    assert event["detail"]["reason"] == "PutObject"
    assert event["detail"]["object"]["key"]


# -- rule 32: pipes -------------------------------------------------------------------------------


def pipe(target: str, **more: Any) -> str:
    own = "".join(f"\n      {name}: {json.dumps(value)}" for name, value in more.items())
    return f"""
  In: {{Type: AWS::SQS::Queue, Properties: {{VisibilityTimeout: 30}}}}
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement:
          - {{Effect: Allow, Principal: {{Service: pipes.amazonaws.com}}, Action: "sts:AssumeRole"}}
      ManagedPolicyArns: [arn:aws:iam::aws:policy/AdministratorAccess]
  Pipe:
    Type: AWS::Pipes::Pipe
    Properties:
      RoleArn: !GetAtt Role.Arn
      Source: !GetAtt In.Arn
      Target: {target}{own}
"""


def test_32_a_batch_whose_target_fails_comes_back_as_the_source_brings_it(stand_up):
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-batching-concurrency.html"""
    worker = Failing(1)
    run = stand_up("queue", "In", pipe("!GetAtt Worker.Arn"), Worker=worker)

    played = run()

    at = [
        e.at_ms for e in played.observation.history if (e.kind, e.where) == ("delivered", "Worker")
    ]
    assert at[1] - at[0] == pytest.approx(30_000, abs=500)
    [[first], [second]] = worker.events
    assert first["body"] == second["body"]
    assert second["attributes"]["ApproximateReceiveCount"] == "2"
    assert "deleted" in {e.kind for e in played.observation.history}


def test_32_a_template_shapes_what_the_target_gets(stand_up):
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-input-transformation.html"""
    shaped = {"InputTemplate": '{"order": "<$.body.id>", "times": <$.attributes.none>}'}
    run = stand_up("queue", "In", pipe("!GetAtt Queue.Arn", TargetParameters=shaped))

    [message] = kept(run())

    assert message["times"] is None
    assert message["order"].startswith("m1-")


def test_32_what_no_filter_matches_is_deleted(stand_up):
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-event-filtering.html"""
    wanted = {"FilterCriteria": {"Filters": [{"Pattern": '{"body": {"kind": ["order"]}}'}]}}
    run = stand_up("queue", "In", pipe("!GetAtt Queue.Arn", SourceParameters=wanted))

    played = run()

    assert kept(played) == []
    assert "filtered" in {e.kind for e in played.observation.history}


# -- rule 33: scheduler ---------------------------------------------------------------------------

SCHEDULES = """
      Events: {Queue: {Type: SQS, Properties: {Queue: !GetAtt In.Arn}}}
"""
SCHEDULED = """
  In: {Type: AWS::SQS::Queue}
"""


def schedules(event: Any, context: Any) -> None:
    body = json.loads(event["Records"][0]["body"])
    boto3.client("scheduler").create_schedule(
        Name=body.get("name", body["id"]),
        ScheduleExpression="at(2026-01-02T00:00:00)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": "arn:aws:sqs:us-east-1:123456789012:storagefirst-Queue-placeholder",
            "RoleArn": "arn:aws:iam::123456789012:role/scheduler",
            "Input": json.dumps(body),
            **body["target"],
        },
    )


def test_33_what_was_scheduled_comes_at_its_time(stand_up, tmp_path):
    """https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html"""
    run = stand_up("queue", "In", SCHEDULED, worker=SCHEDULES, Worker=schedules)
    arn = _arn_of(tmp_path, "Queue")

    played = run(body={**BODY, "target": {"Arn": arn}})

    stored = events(played, "stored", "Queue")
    assert [event.messages for event in stored] == [("m1",)]
    assert stored[0].at_ms == pytest.approx(24 * HOUR_MS, abs=1000)


@pytest.mark.parametrize(
    ("fault", "arrives_in"),
    [
        ("target-refused for 80000 s", "Queue"),
        ("target-refused for 90000 s", "Letters"),
        ("target-refused(access-denied)", "Letters"),
    ],
)
def test_33_a_target_is_tried_for_24_hours_then_it_goes_to_the_dlq(
    stand_up, tmp_path, fault, arrives_in
):
    """https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html"""
    run = stand_up("queue", "In", SCHEDULED, worker=SCHEDULES, Worker=schedules)
    letters = {"DeadLetterConfig": {"Arn": _arn_of(tmp_path, "Letters")}}
    target = {"Arn": _arn_of(tmp_path, "Queue"), **letters}
    place = "scheduler:us-east-1:123456789012:schedule/default/named"

    played = run(f"{place}: delivery #1: {fault}", body={**BODY, "name": "named", "target": target})

    assert [len(kept(played, queue)) for queue in ("Queue", "Letters")] == [
        int(queue == arrives_in) for queue in ("Queue", "Letters")
    ]
    last_ms = max(event.at_ms for event in events(played, "stored", arrives_in))
    assert 24 * HOUR_MS <= last_ms <= 48 * HOUR_MS


@pytest.mark.parametrize(("action", "refusals"), [("DELETE", []), ("NONE", ["ConflictException"])])
def test_33_a_name_is_free_again_when_its_schedule_has_come(stand_up, tmp_path, action, refusals):
    """https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-delete.html"""
    codes = []

    def twice(event: Any, context: Any) -> None:
        client = boto3.client("scheduler")
        for _ in range(2):
            try:
                client.create_schedule(
                    Name="reminder",
                    ScheduleExpression="at(2020-01-02T00:00:00)",
                    FlexibleTimeWindow={"Mode": "OFF"},
                    Target={"Arn": arn, "RoleArn": "arn:aws:iam::123456789012:role/scheduler"},
                    ActionAfterCompletion=action,
                )
            except client.exceptions.ConflictException as error:
                codes.append(error.response["Error"]["Code"])
            time.sleep(1)

    run = stand_up("queue", "In", SCHEDULED, worker=SCHEDULES, Worker=twice)
    arn = _arn_of(tmp_path, "Queue")

    run()

    assert codes == refusals


def _arn_of(folder: Path, logical_id: str) -> str:
    settings = Settings(entries=(Entry("queue", "In", BODY),))
    topology = prepare(folder / "template.yaml", settings).deployed.topology
    return next(queue.arn for queue in topology.queues if queue.logical_id == logical_id)


def test_33_a_poller_is_woken_by_the_clock(stand_up):
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html"""
    polled = []

    def poller(event: Any, context: Any) -> None:
        polled.append(event["detail-type"])

    clock = "\n      Events: {Clock: {Type: Schedule, Properties: {Schedule: rate(5 minutes)}}}\n"
    run = stand_up("queue", "Queue", worker=clock, Worker=poller)

    run()

    assert set(polled) == {"Scheduled Event"}


# -- IoT ------------------------------------------------------------------------------------------

DEVICE_RULE = """
  Selects:
    Type: AWS::IoT::TopicRule
    Properties:
      TopicRulePayload:
        Sql: "SELECT *, timestamp() AS at FROM 'orders/#'"
        Actions: [{Sqs: {QueueUrl: !Ref Queue, RoleArn: !GetAtt Role.Arn, UseBase64: false}}]
        %s
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement:
          - {Effect: Allow, Principal: {Service: iot.amazonaws.com}, Action: "sts:AssumeRole"}
      ManagedPolicyArns: [arn:aws:iam::aws:policy/AdministratorAccess]
"""


def test_a_device_hears_yes_before_any_action_has_taken_it(stand_up):
    """https://docs.aws.amazon.com/iot/latest/developerguide/rule-error-handling.html"""
    run = stand_up("rule", "Selects", DEVICE_RULE % "")

    sound, broken = run(), run("Selects: delivery #1: target-refused")

    [message] = kept(sound)
    assert set(message) == {"id", "at"}
    assert "acknowledged" in {e.kind for e in broken.observation.history}
    assert kept(broken) == []


def test_the_error_action_gets_what_an_action_did_not_take(stand_up):
    """https://docs.aws.amazon.com/iot/latest/developerguide/rule-error-handling.html"""
    action = "ErrorAction: {Sqs: {QueueUrl: !Ref Letters, RoleArn: !GetAtt Role.Arn}}"
    run = stand_up("rule", "Selects", DEVICE_RULE % action)

    broken = run("Selects: delivery #1: target-refused")

    [letter] = kept(broken, "Letters")
    assert set(json.loads(base64.b64decode(letter["base64OriginalPayload"]))) == {"id"}
    assert [failure["failedAction"] for failure in letter["failures"]] == ["SqsAction"]


def test_the_error_action_gets_even_an_empty_payload(stand_up):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html"""
    action = "ErrorAction: {Sqs: {QueueUrl: !Ref Letters, RoleArn: !GetAtt Role.Arn}}"
    rule = (DEVICE_RULE % action).replace("*, timestamp() AS at", "*")
    run = stand_up("rule", "Selects", rule)

    [letter] = kept(run(body=""), "Letters")

    assert letter["base64OriginalPayload"] == ""


def test_a_rule_with_a_where_is_refused(stand_up):
    """https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-reference.html"""
    run = stand_up("rule", "Selects", (DEVICE_RULE % "").replace("'orders/#'", "'x' WHERE id > 3"))

    with pytest.raises(StorageFirstError, match="this SQL of an IoT rule can't be followed"):
        run()
