"""Rules 28 to 41: services that deliver by themselves, front doors, DynamoDB, Step Functions."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from emulators.probe import Lacks, Queue, World, code_of, probe

ANYONE = {"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}
OPEN = json.dumps({"Version": "2012-10-17", "Statement": [ANYONE]})
NONE_SUCH = "no-such-queue"


@probe(28, "PutEvents with a detail that is no JSON", "200 with a failed entry")
def failed_entry(world: World) -> str:
    entry = {"Source": "probe", "DetailType": "d", "Detail": "no JSON"}
    answers: list[Any] = []
    code = code_of(lambda: answers.append(world.connect("events").put_events(Entries=[entry])))
    if code:
        return f"the call is refused: {code}"
    return "200 with a failed entry" if answers[0]["FailedEntryCount"] else "200, no entry failed"


@probe(
    29,
    "a rule's target does not exist, and it has a dead-letter queue",
    "the dead-letter queue gets the event",
    page="eventbridge/latest/userguide/eb-rule-dlq.html",
)
def rule_without_target(world: World) -> str:
    dead = world.queue("rule-dead", Policy=OPEN)
    events = world.connect("events")
    events.put_rule(Name="probe", EventPattern=json.dumps({"source": ["probe-29"]}))
    target = {"Id": "t", "Arn": world.arn("sqs", NONE_SUCH), "DeadLetterConfig": {"Arn": dead.arn}}
    events.put_targets(Rule="probe", Targets=[target])
    entry = {"Source": "probe-29", "DetailType": "d", "Detail": "{}"}
    published = code_of(lambda: events.put_events(Entries=[entry]))
    if published:
        return f"the publisher is refused: {published}"
    said = world.until(dead.bodies)
    return "the dead-letter queue gets the event" if said else "nothing keeps the event"


def _published(world: World, name: str, target_arn: str, **attributes: str) -> None:
    sns = world.connect("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=target_arn, Attributes=attributes)
    sns.publish(TopicArn=topic, Message="m")


@probe(
    30,
    "a topic's subscribed queue is gone, and the subscription has a dead-letter queue",
    "the dead-letter queue gets the message",
    page="sns/latest/dg/sns-dead-letter-queues.html",
)
def subscription_without_queue(world: World) -> str:
    dead = world.queue("subscription-dead", Policy=OPEN)
    gone = world.queue("subscription-gone", Policy=OPEN)
    gone.sqs.delete_queue(QueueUrl=gone.url)
    policy = json.dumps({"deadLetterTargetArn": dead.arn})
    published = code_of(lambda: _published(world, "subscription", gone.arn, RedrivePolicy=policy))
    if published:
        return f"the publisher is refused: {published}"
    said = world.until(dead.bodies)
    return "the dead-letter queue gets the message" if said else "nothing keeps the message"


@probe(
    30,
    "a topic sends to a queue whose policy does not allow it",
    "the queue gets nothing",
    page="sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html",
)
def topic_without_permission(world: World) -> str:
    queue = world.queue("topic-denied")
    _published(world, "topic-denied", queue.arn)
    said = world.until(queue.bodies)
    return "the queue gets the message" if said else "the queue gets nothing"


@probe(
    30,
    "a filter policy does not match the message",
    "the queue gets nothing",
    page="sns/latest/dg/sns-message-filtering.html",
)
def filter_policy(world: World) -> str:
    queue = world.queue("filter-policy", Policy=OPEN)
    _published(world, "filter-policy", queue.arn, FilterPolicy=json.dumps({"kind": ["wanted"]}))
    said = world.until(queue.bodies)
    return "the queue gets the message" if said else "the queue gets nothing"


def _notified(world: World, queue: Queue, bucket: str) -> None:
    s3 = world.connect("s3")
    s3.create_bucket(Bucket=bucket)
    told = [{"QueueArn": queue.arn, "Events": ["s3:ObjectCreated:*"]}]
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": told}
    )


@probe(31, "an object is put into a bucket that notifies a queue", "the queue is told")
def notification(world: World) -> str:
    queue = world.queue("notified", Policy=OPEN)
    _notified(world, queue, "probe-notified")
    queue.bodies()  # the test event
    world.connect("s3").put_object(Bucket="probe-notified", Key="k", Body=b"x")
    said = world.until(lambda: [body for body in queue.bodies() if "ObjectCreated" in body])
    return "the queue is told" if said else "the queue is not told"


@probe(
    31,
    "a bucket is to notify a queue whose policy does not allow it",
    "refused",
    page="AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html",
)
def notification_without_permission(world: World) -> str:
    queue = world.queue("not-notified")
    return "refused" if code_of(lambda: _notified(world, queue, "probe-not-notified")) else "made"


@probe(32, "a pipe from a queue to a queue", "the target gets the message")
def pipe(world: World) -> str:
    source, target = world.queue("pipe-source"), world.queue("pipe-target", Policy=OPEN)
    world.connect("pipes").create_pipe(
        Name="probe", RoleArn=world.role(), Source=source.arn, Target=target.arn
    )
    source.send("m")
    return "the target gets the message" if world.until(target.bodies) else "nothing comes"


@probe(
    33,
    "a schedule for one minute from now",
    "the target gets its input",
    minutes=2,
    page="scheduler/latest/UserGuide/schedule-types.html",
)
def schedule(world: World) -> str:
    queue = world.queue("scheduled", Policy=OPEN)
    at = datetime.now(UTC) + timedelta(minutes=1)
    world.connect("scheduler").create_schedule(
        Name="probe",
        ScheduleExpression=f"at({at:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": queue.arn, "RoleArn": world.role(), "Input": "{}"},
    )
    world.let_pass(130)
    return "the target gets its input" if queue.bodies() else "the target gets nothing"


ENCODED = "Action=SendMessage&MessageBody=$util.urlEncode($input.body)"


def _needs_integrations(world: World, name: str) -> None:
    """What is asked of an integration means something only where one works at all."""
    queue = world.queue(name, Policy=OPEN)
    status, said = _posted(world, name, queue.name, ENCODED, "{}")
    if not world.until(queue.bodies):
        raise Lacks(f"a REST API's integration with SQS: {status}, {said[:60]}")


def _posted(world: World, name: str, queue: str, template: str, body: str) -> tuple[int, str]:
    """A REST API whose integration sends to a queue by SQS's form."""
    gateway = world.connect("apigateway")
    api = gateway.create_rest_api(name=name)["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    resource = gateway.create_resource(restApiId=api, parentId=root, pathPart="in")["id"]
    method = {"restApiId": api, "resourceId": resource, "httpMethod": "POST"}
    gateway.put_method(**method, authorizationType="NONE")
    form = "'application/x-www-form-urlencoded'"
    account = world.arn("sqs", "").split(":")[4]
    gateway.put_integration(
        **method,
        type="AWS",
        integrationHttpMethod="POST",
        credentials=world.role(),
        uri=f"arn:aws:apigateway:us-east-1:sqs:path/{account}/{queue}",
        requestParameters={"integration.request.header.Content-Type": form},
        requestTemplates={"application/json": template},
    )
    gateway.put_method_response(**method, statusCode="200")
    gateway.put_integration_response(**method, statusCode="200")
    gateway.create_deployment(restApiId=api, stageName="prod")
    return world.post(api, "REST", body)


@probe(
    34,
    "a REST API whose queue does not exist, with a default response of 200",
    "the sender is told 200",
)
def default_response(world: World) -> str:
    _needs_integrations(world, "default-response")
    status, _ = _posted(world, "default-response-none", NONE_SUCH, ENCODED, "{}")
    return f"the sender is told {status}"


@probe(35, "an HTTP API that sends its body to a queue by SQS-SendMessage", "the queue gets it")
def first_class(world: World) -> str:
    queue = world.queue("first-class", Policy=OPEN)
    gateway = world.connect("apigatewayv2")
    api = gateway.create_api(Name="first-class", ProtocolType="HTTP")["ApiId"]
    integration = gateway.create_integration(
        ApiId=api,
        IntegrationType="AWS_PROXY",
        IntegrationSubtype="SQS-SendMessage",
        CredentialsArn=world.role(),
        PayloadFormatVersion="1.0",
        RequestParameters={"QueueUrl": queue.url, "MessageBody": "$request.body"},
    )["IntegrationId"]
    gateway.create_route(ApiId=api, RouteKey="POST /in", Target=f"integrations/{integration}")
    gateway.create_stage(ApiId=api, StageName="prod", AutoDeploy=True)
    status, said = world.post(api, "HTTP", "{}")
    if not world.until(queue.bodies):
        raise Lacks(f"an HTTP API's integration with SQS: {status}, {said[:60]}")
    return "the queue gets it"


@probe(
    36,
    'a REST API that does not encode the body "1+1&more"',
    'the queue gets "1 1"',
)
def not_encoded(world: World) -> str:
    _needs_integrations(world, "encoded")
    queue = world.queue("not-encoded", Policy=OPEN)
    template = "Action=SendMessage&MessageBody=$input.body"
    status, _ = _posted(world, "not-encoded", queue.name, template, "1+1&more")
    arrived = world.until(queue.bodies)
    if not arrived:
        return f"the queue gets nothing, and the sender is told {status}"
    return f'the queue gets "{arrived[0]}"'


def _table(world: World, name: str) -> Any:
    table = world.connect("dynamodb")
    table.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return table


@probe(
    37,
    "items are read right after they are written, fifty times",
    "some reads may come too early",
    page="amazondynamodb/latest/developerguide/HowItWorks.ReadConsistency.html",
)
def stale_reads(world: World) -> str:
    table = _table(world, "stale")
    early = False
    for number in range(50):
        table.put_item(TableName="stale", Item={"id": {"S": "x"}, "n": {"N": str(number)}})
        found = table.get_item(TableName="stale", Key={"id": {"S": "x"}})["Item"]["n"]["N"]
        early = early or found != str(number)
    return "some reads may come too early" if early else "only ever the last write"


@probe(
    37,
    "a put whose condition fails",
    "refused: ConditionalCheckFailedException",
    page="amazondynamodb/latest/developerguide/Expressions.ConditionExpressions.html",
)
def condition(world: World) -> str:
    table = _table(world, "condition")
    put = {
        "TableName": "condition",
        "Item": {"id": {"S": "x"}},
        "ConditionExpression": "attribute_not_exists(id)",
    }
    table.put_item(**put)
    code = code_of(lambda: table.put_item(**put))
    return f"refused: {code}" if code else "written"


def _add(table: Any, name: str, by: str = "1") -> Any:
    update = {
        "TableName": name,
        "Key": {"id": {"S": "x"}},
        "UpdateExpression": "ADD n :by",
        "ExpressionAttributeValues": {":by": {"N": by}},
    }
    return table.transact_write_items(
        TransactItems=[{"Update": update}], ClientRequestToken=f"token-of-{name}"
    )


def _total(table: Any, name: str) -> str:
    return str(table.get_item(TableName=name, Key={"id": {"S": "x"}})["Item"]["n"]["N"])


@probe(37, "a transaction is sent twice with one ClientRequestToken", "it has one effect")
def token(world: World) -> str:
    table = _table(world, "token")
    _add(table, "token")
    _add(table, "token")
    return "it has one effect" if _total(table, "token") == "1" else "it has two effects"


@probe(
    37, "the same token with another transaction", "refused: IdempotentParameterMismatchException"
)
def other_parameters(world: World) -> str:
    table = _table(world, "other-parameters")
    _add(table, "other-parameters")
    code = code_of(lambda: _add(table, "other-parameters", "5")).rpartition("#")[2]
    if code:
        return f"refused: {code}"
    return "written" if _total(table, "other-parameters") == "6" else "taken for the first"


def _machine(world: World, name: str, kind: str) -> Any:
    states = world.connect("stepfunctions")
    definition = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
    arn = states.create_state_machine(
        name=name, definition=json.dumps(definition), roleArn=world.role(), type=kind
    )["stateMachineArn"]
    return states, arn


@probe(
    41,
    "two executions of a standard workflow under one name, with different inputs",
    "the second is refused: ExecutionAlreadyExists",
    page="step-functions/latest/apireference/API_StartExecution.html",
)
def one_name(world: World) -> str:
    states, arn = _machine(world, "one-name", "STANDARD")
    start = partial(states.start_execution, stateMachineArn=arn, name="same")
    start(input='{"n": 1}')
    code = code_of(lambda: start(input='{"n": 2}'))
    return f"the second is refused: {code}" if code else "both are started"


@probe(
    41,
    "the history of an express workflow's execution",
    "refused",
    page="step-functions/latest/apireference/API_GetExecutionHistory.html",
)
def express_history(world: World) -> str:
    states, arn = _machine(world, "express", "EXPRESS")
    started = states.start_execution(stateMachineArn=arn, name="one", input="{}")
    code = code_of(lambda: states.get_execution_history(executionArn=started["executionArn"]))
    return "refused" if code else "told"
