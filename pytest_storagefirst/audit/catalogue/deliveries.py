"""Rows about what delivers by itself: event rules, topics, asynchronous calls, IoT."""

from __future__ import annotations

from pytest_storagefirst.audit.catalogue.trials import (
    AWS,
    LAMBDA,
    LOSS,
    POISON,
    REFUSED_FOR_LONG,
    TARGET_REFUSES,
)
from pytest_storagefirst.audit.rule import ERROR, Rule, Trial

RULES = (
    Rule(
        id="event-target-no-dlq",
        title="A target of an event rule has no dead-letter queue",
        severity=ERROR,
        page=f"{AWS}/eventbridge/latest/userguide/eb-rule-dlq.html",
        looks_for="a target, without DeadLetterConfig, of a rule with an event pattern",
        harm="an event that the target does not take for 24 hours, or may not be given, is lost",
        remedy=(
            "<Resource>:   # at the target <Target>; in SAM at the event",
            "  DeadLetterConfig:",
            "    Arn: !GetAtt DeadLetters.Arn   # its queue policy allows events.amazonaws.com",
        ),
        trials=TARGET_REFUSES,
        needs_code=False,
    ),
    Rule(
        id="subscription-no-dlq",
        title="A subscription has no dead-letter queue",
        severity=ERROR,
        page=f"{AWS}/sns/latest/dg/sns-dead-letter-queues.html",
        looks_for="a subscription of a queue, function or HTTP endpoint without RedrivePolicy",
        harm="a message that can't be delivered is lost: at once where it may not be, else after "
        "the retries",
        remedy=(
            "<Resource>:",
            "  Properties:",
            "    RedrivePolicy:",
            "      deadLetterTargetArn: !GetAtt DeadLetters.Arn   # allows sns.amazonaws.com",
        ),
        trials=TARGET_REFUSES,
        needs_code=False,
    ),
    Rule(
        id="async-no-destination",
        title="A function that is called asynchronously has nowhere to put what fails",
        severity=ERROR,
        page=f"{LAMBDA}/invocation-async-retain-records.html",
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
            REFUSED_FOR_LONG,
            Trial(LOSS, "invocation", "crash", lasting=True),
            Trial(LOSS, bad=True),
            Trial(POISON, bad=True),
        ),
    ),
    Rule(
        id="iot-no-error-action",
        title="A rule of AWS IoT has no error action",
        severity=ERROR,
        page=f"{AWS}/iot/latest/developerguide/rule-error-handling.html",
        looks_for="an AWS::IoT::TopicRule without ErrorAction",
        harm="a message that its action does not take is lost",
        remedy=(
            "<Rule>:",
            "  Properties:",
            "    TopicRulePayload:",
            "      ErrorAction:",
            "        Sqs: { QueueUrl: !Ref Errors, RoleArn: !GetAtt ErrorsRole.Arn }",
        ),
        trials=TARGET_REFUSES,
        needs_code=False,
    ),
)
