"""All rules, by id, in the order in which reports list them."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_storagefirst.audit.rule import ERROR, NOTE, PREFIX, WARNING, Rule, Trial

_AWS = "https://docs.aws.amazon.com"
_SQS = f"{_AWS}/AWSSimpleQueueService/latest/SQSDeveloperGuide"
_LAMBDA = f"{_AWS}/lambda/latest/dg"
_API = f"{_AWS}/apigateway/latest/developerguide"

LOSS, TWICE, POISON, REDRIVE, DRAINS = (
    "no-message-loss",
    "no-duplicate-effects",
    "poison-isolated",
    "redrive-completes",
    "drains",
)
_REFUSED_FOR_LONG = Trial(LOSS, "writes", "refused", lasting=True)
_TARGET_REFUSES = (
    Trial(LOSS, "delivery", "target-refused", "access-denied"),
    Trial(LOSS, "delivery", "target-refused", lasting=True),
)
_ALL = (
    Rule(
        id="default-response-200",
        title="A backend's refusal is told to the sender as success",
        severity=ERROR,
        page=f"{_API}/api-gateway-integration-settings-integration-response.html",
        looks_for="a REST integration that writes to a service and answers a 4xx or 5xx of it with "
        "2xx, because its only response without a pattern is a default one",
        harm="what was not stored is acknowledged: it is lost",
        remedy=(
            "# beside the default response of <Route>",
            "responses:   # in CloudFormation IntegrationResponses, each with a SelectionPattern",
            '  "4\\\\d{2}": { statusCode: "400" }',
            '  "5\\\\d{2}": { statusCode: "500" }',
        ),
        trials=(
            Trial(LOSS, "request", "storage-refused", "server-error"),
            Trial(LOSS, "request", "storage-refused", "access-denied"),
        ),
        needs_code=False,
    ),
    Rule(
        id="body-not-encoded",
        title="A body is put into a form without URL encoding",
        severity=ERROR,
        page=f"{_API}/api-gateway-mapping-template-reference.html",
        looks_for="a REST integration with SQS or SNS whose request template says "
        "MessageBody=$input.body or the like, without $util.urlEncode",
        harm="what is stored is not what was sent, or is refused",
        remedy=(
            "requestTemplates:",
            "  <Type>: Action=SendMessage&MessageBody=$util.urlEncode($input.body)",
        ),
        trials=(Trial(LOSS, content=True),),
        needs_code=False,
    ),
    Rule(
        id="failed-entries-unchecked",
        title="Entries that a batch API did not take are told as success",
        severity=WARNING,
        page=f"{_AWS}/eventbridge/latest/APIReference/API_PutEvents.html",
        looks_for="a REST integration with PutEvents, PutRecords, SendMessageBatch or "
        "BatchWriteItem whose response does not look at the count of failures",
        harm="an entry that was not taken is acknowledged: it is lost",
        remedy=(
            "responseTemplates:   # of the response of <Route>",
            "  application/json: |",
            "    #if($input.path('$.<Field>') != 0)",
            "    #set($context.responseOverride.status = 500)#end",
            "    $input.body",
        ),
        trials=(Trial(POISON, bad=True), Trial(LOSS, bad=True)),
        needs_code=False,
    ),
    Rule(
        id="no-batch-item-failures",
        title="One failed message brings its whole batch back",
        severity=WARNING,
        page=f"{_LAMBDA}/services-sqs-errorhandling.html",
        looks_for="an SQS mapping with a batch size over 1 (10 where none is given) without "
        "ReportBatchItemFailures",
        harm="good messages are processed twice, or go to the dead-letter queue with a bad one; a "
        "list of failures that the handler returns is ignored and the messages are deleted",
        remedy=(
            '<Resource>:   # and <Function> returns {"batchItemFailures": […]}; or BatchSize: 1',
            "  FunctionResponseTypes:",
            "    - ReportBatchItemFailures",
        ),
        remarks=(
            'and <Function> returns {"batchItemFailures": […]}; where it can\'t, BatchSize: 1',
        ),
        trials=(
            Trial(LOSS, "writes", "refused", "access-denied", messages=2),
            Trial(TWICE, "writes", "refused", "access-denied", messages=2),
            Trial(POISON, bad=True, messages=3),
            Trial(LOSS, "writes", "refused", lasting=True, messages=2),
        ),
    ),
    Rule(
        id="no-dlq",
        title="A queue that is read has no dead-letter queue",
        severity=ERROR,
        page=f"{_SQS}/sqs-dead-letter-queues.html",
        looks_for="a queue that a mapping or a pipe of the template reads, without RedrivePolicy",
        harm="what can't be processed comes back until it expires, and is lost",
        remedy=(
            "<Queue>:",
            "  Properties:",
            "    RedrivePolicy:",
            "      deadLetterTargetArn: !GetAtt <Queue>DeadLetters.Arn",
            "      maxReceiveCount: 5",
            "<Queue>DeadLetters:",
            "  Type: AWS::SQS::Queue",
            "  Properties:",
            "    MessageRetentionPeriod: 1209600",
        ),
        trials=(_REFUSED_FOR_LONG, Trial(POISON, bad=True)),
    ),
    Rule(
        id="dlq-retention",
        title="A dead-letter queue keeps messages no longer than its source",
        severity=WARNING,
        page=f"{_SQS}/setting-up-dead-letter-queue-retention.html",
        looks_for="a standard queue whose dead-letter queue's MessageRetentionPeriod is not above "
        "its own (4 days where none is given)",
        harm="a message's time goes on from when it was sent, so that it expires in the "
        "dead-letter queue before anybody has looked: it is lost",
        remedy=(
            "<Letters>:   # and <Queue> keeps less than that",
            "  Properties:",
            "    MessageRetentionPeriod: 1209600",
        ),
        trials=(
            _REFUSED_FOR_LONG,
            Trial(LOSS, "invocation", "throttled", lasting=True),
            Trial(POISON, bad=True),
        ),
    ),
    Rule(
        id="visibility-timeout",
        title="A visibility timeout is short against the function's",
        severity=WARNING,
        page=f"{_LAMBDA}/services-sqs-configure.html",
        looks_for="a queue that a mapping reads whose VisibilityTimeout is under six times the "
        "function's Timeout, plus the batching window",
        harm="while the function is throttled a message comes again before its attempts are over: "
        "it is processed twice, or uses up its receives",
        remedy=("<Queue>:", "  Properties:", "    VisibilityTimeout: <Seconds>"),
        trials=(
            Trial(TWICE, "invocation", "throttled", lasting=True),
            Trial(TWICE, "writes", "slow"),
            Trial(LOSS, "invocation", "throttled", lasting=True),
        ),
    ),
    Rule(
        id="max-receive-count",
        title="A message is set aside after few receives",
        severity=NOTE,
        page=f"{_LAMBDA}/services-sqs-configure.html",
        looks_for="a queue that a mapping reads whose redrive policy has a maxReceiveCount under 5",
        harm="throttles count as receives: a message goes to the dead-letter queue that no handler "
        "ever saw",
        remedy=("<Queue>:", "  Properties:", "    RedrivePolicy:", "      maxReceiveCount: 5"),
        trials=(
            Trial(LOSS, "invocation", "throttled"),
            Trial(REDRIVE, "invocation", "throttled"),
        ),
    ),
    Rule(
        id="filter-deletes",
        title="A filter on a queue deletes what does not match",
        severity=WARNING,
        page=f"{_LAMBDA}/with-sqs-filtering.html",
        looks_for="an SQS mapping with FilterCriteria",
        harm="a message that no pattern matches is deleted unread, and not set aside",
        remedy=(
            "# send what <Queue> is not for elsewhere (a topic's FilterPolicy, a rule's pattern),",
            "# and let the function refuse the rest: that goes to the dead-letter queue",
        ),
    ),
    Rule(
        id="event-target-no-dlq",
        title="A target of an event rule has no dead-letter queue",
        severity=ERROR,
        page=f"{_AWS}/eventbridge/latest/userguide/eb-rule-dlq.html",
        looks_for="a target, without DeadLetterConfig, of a rule with an event pattern",
        harm="an event that the target does not take for 24 hours, or may not be given, is lost",
        remedy=(
            "<Resource>:   # at the target <Target>; in SAM at the event",
            "  DeadLetterConfig:",
            "    Arn: !GetAtt DeadLetters.Arn   # its queue policy allows events.amazonaws.com",
        ),
        trials=_TARGET_REFUSES,
        needs_code=False,
    ),
    Rule(
        id="subscription-no-dlq",
        title="A subscription has no dead-letter queue",
        severity=ERROR,
        page=f"{_AWS}/sns/latest/dg/sns-dead-letter-queues.html",
        looks_for="a subscription of a queue, function or HTTP endpoint without RedrivePolicy",
        harm="a message that can't be delivered is lost: at once where it may not be, else after "
        "the retries",
        remedy=(
            "<Resource>:",
            "  RedrivePolicy:",
            "    deadLetterTargetArn: !GetAtt DeadLetters.Arn   # allows sns.amazonaws.com",
        ),
        trials=_TARGET_REFUSES,
        needs_code=False,
    ),
    Rule(
        id="async-no-destination",
        title="A function that is called asynchronously has nowhere to put what fails",
        severity=ERROR,
        page=f"{_LAMBDA}/invocation-async-retain-records.html",
        looks_for="a function that an event rule, a topic, a bucket, IoT or a route calls without "
        "waiting, without a failure destination and without a dead-letter queue",
        harm="an event that fails three times, or waits for six hours, is lost",
        remedy=(
            "<Function>:",
            "  Properties:",
            "    EventInvokeConfig:      # AWS::Lambda::EventInvokeConfig, in CloudFormation",
            "      DestinationConfig:",
            "        OnFailure: { Type: SQS, Destination: !GetAtt DeadLetters.Arn }",
        ),
        trials=(
            _REFUSED_FOR_LONG,
            Trial(LOSS, "invocation", "crash", lasting=True),
            Trial(LOSS, bad=True),
            Trial(POISON, bad=True),
        ),
    ),
    Rule(
        id="stream-no-destination",
        title="A stream's mapping has no failure destination",
        severity=ERROR,
        page=f"{_LAMBDA}/kinesis-on-failure-destination.html",
        looks_for="a mapping of a stream of Kinesis or DynamoDB without OnFailure",
        harm="records that are given up leave no trace: they are lost",
        remedy=(
            "<Resource>:   # and the function's role may sqs:SendMessage there",
            "  DestinationConfig:",
            "    OnFailure: { Destination: !GetAtt FailedRecords.Arn }",
        ),
        trials=(_REFUSED_FOR_LONG, Trial(LOSS, bad=True), Trial(POISON, bad=True)),
    ),
    Rule(
        id="stream-no-cap",
        title="A stream's mapping retries without end",
        severity=ERROR,
        page=f"{_LAMBDA}/services-kinesis-parameters.html",
        looks_for="a mapping of a stream with neither MaximumRetryAttempts nor "
        "MaximumRecordAgeInSeconds",
        harm="one bad record stops its shard until it expires, and good ones expire behind it",
        remedy=(
            "<Resource>:   # with a failure destination, or what is given up is lost",
            "  MaximumRetryAttempts: 3",
            "  BisectBatchOnFunctionError: true",
        ),
        trials=(
            Trial(POISON, bad=True, messages=3),
            Trial(POISON, bad=True),
            Trial(LOSS, bad=True, messages=3),
        ),
    ),
    Rule(
        id="stream-no-bisect",
        title="A stream's batch is given up as a whole",
        severity=WARNING,
        page=f"{_LAMBDA}/services-kinesis-parameters.html",
        looks_for="a mapping of a stream with a batch size over 1 that neither bisects nor reports "
        "failures of items",
        harm="good records share the fate of a bad one: retried with it, and given up with it",
        remedy=("<Resource>:", "  BisectBatchOnFunctionError: true"),
        trials=(
            Trial(POISON, bad=True, messages=3),
            Trial(TWICE, "writes", "refused", "access-denied", messages=3),
        ),
    ),
    Rule(
        id="stream-latest",
        title="A stream is read from LATEST on",
        severity=WARNING,
        page=f"{_LAMBDA}/services-kinesis-create.html",
        looks_for="a mapping of a stream with StartingPosition LATEST",
        harm="what is put while the mapping is made, or made anew, may never be read",
        remedy=("<Resource>:", "  StartingPosition: TRIM_HORIZON"),
    ),
    Rule(
        id="constant-partition-key",
        title="Every record has the same partition key",
        severity=WARNING,
        page=f"{_AWS}/streams/latest/dev/key-concepts.html",
        looks_for="a route or event rule that puts into a stream under a key that is no variable",
        harm="all goes through one shard; what that can't take is refused, and one bad record "
        "stops everything",
        remedy=('# a key of the message itself, for instance "$context.requestId"',),
    ),
    Rule(
        id="iot-no-error-action",
        title="A rule of AWS IoT has no error action",
        severity=ERROR,
        page=f"{_AWS}/iot/latest/developerguide/rule-error-handling.html",
        looks_for="an AWS::IoT::TopicRule without ErrorAction",
        harm="a message that its action does not take is lost",
        remedy=(
            "<Rule>:",
            "  Properties:",
            "    TopicRulePayload:",
            "      ErrorAction:",
            "        Sqs: { QueueUrl: !Ref Errors, RoleArn: !GetAtt ErrorsRole.Arn }",
        ),
        trials=_TARGET_REFUSES,
        needs_code=False,
    ),
    Rule(
        id="missing-permission",
        title="Nothing allows what the stack does",
        severity=ERROR,
        page=f"{_AWS}/IAM/latest/UserGuide/reference_policies_evaluation-logic.html",
        looks_for="a route's role that may not write to its backend, a function's that may not "
        "read its queue or do anything with a store that its environment names, a delivery that no "
        "resource policy allows",
        harm="messages that are acknowledged are never processed; a test without IAM passes",
        remedy=("# allow <Allow>",),
        trials=(
            Trial(LOSS),
            Trial(REDRIVE),
            Trial(DRAINS),
            _REFUSED_FOR_LONG,
            *_TARGET_REFUSES,
        ),
    ),
    Rule(
        id="no-alarm",
        title="No alarm tells that messages wait or were set aside",
        severity=NOTE,
        page=f"{_SQS}/dead-letter-queues-alarms-cloudwatch.html",
        looks_for="a dead-letter queue without an alarm on it; a queue that is read without one on "
        "the age of its oldest message or on how many wait",
        harm="messages expire and nobody knew",
        remedy=(
            "<Queue>Alarm:",
            "  Type: AWS::CloudWatch::Alarm",
            "  Properties:",
            "    Namespace: AWS/SQS",
            "    MetricName: <Metric>",
            "    Dimensions: [{ Name: QueueName, Value: !GetAtt <Queue>.QueueName }]",
            "    Statistic: Maximum",
            "    Period: 60",
            "    EvaluationPeriods: 1",
            "    Threshold: 0            # of an age: what is too long, in seconds",
            "    ComparisonOperator: GreaterThanThreshold",
        ),
    ),
    Rule(
        id="compute-before-storage",
        title="Code runs before the request is stored",
        severity=NOTE,
        page=f"{_API}/api-gateway-api-integration-types.html",
        looks_for="a route that runs a function and waits for it, where the function's environment "
        "or policies name a queue, topic, stream, bus or table that it may write to",
        harm="this is not storage-first: while the function can't run, requests are refused",
        remedy=(
            "# let the gateway write by itself: an integration of type AWS with <Store>,",
            "# and the function reads from there",
        ),
    ),
    Rule(
        id="caller-waits",
        title="The caller waits for the result",
        severity=NOTE,
        page=f"{_AWS}/step-functions/latest/apireference/API_StartSyncExecution.html",
        looks_for="a route that starts a synchronous execution",
        harm="nothing is stored that would be tried again, so the pattern does not fit here",
        remedy=(
            "# StartExecution stores the request, and answers with its name; or keep it, knowing",
            "# that what fails is the caller's to send again",
        ),
    ),
)

_BY_ID: Mapping[str, Rule] = {rule.id: rule for rule in _ALL}


def rules() -> Mapping[str, Rule]:
    """All rules by id."""
    return _BY_ID


def rule_names() -> tuple[str, ...]:
    """What properties they become: "audit:no-dlq", …"""
    return tuple(PREFIX + name for name in _BY_ID)
