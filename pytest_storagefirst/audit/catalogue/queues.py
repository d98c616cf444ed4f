"""Rows about queues and what reads them."""

from __future__ import annotations

from pytest_storagefirst.audit.catalogue.trials import (
    LAMBDA,
    LOSS,
    POISON,
    REDRIVE,
    REFUSED_FOR_LONG,
    SQS,
    TWICE,
)
from pytest_storagefirst.audit.rule import ERROR, NOTE, WARNING, Rule, Trial

RULES = (
    Rule(
        id="no-batch-item-failures",
        title="One failed message brings its whole batch back",
        severity=WARNING,
        page=f"{LAMBDA}/services-sqs-errorhandling.html",
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
            'and <Function> returns {"batchItemFailures": […]}',
            "or, so that batches stay: ReportBatchItemFailures, and <Function> returns "
            '{"batchItemFailures": […]}',
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
        page=f"{SQS}/sqs-dead-letter-queues.html",
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
        trials=(REFUSED_FOR_LONG, Trial(POISON, bad=True)),
    ),
    Rule(
        id="dlq-retention",
        title="A dead-letter queue keeps messages no longer than its source",
        severity=WARNING,
        page=f"{SQS}/setting-up-dead-letter-queue-retention.html",
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
            REFUSED_FOR_LONG,
            Trial(LOSS, "invocation", "throttled", lasting=True),
            Trial(POISON, bad=True),
        ),
    ),
    Rule(
        id="visibility-timeout",
        title="A visibility timeout is short against the function's",
        severity=WARNING,
        page=f"{LAMBDA}/services-sqs-configure.html",
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
        page=f"{LAMBDA}/services-sqs-configure.html",
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
        page=f"{LAMBDA}/with-sqs-filtering.html",
        looks_for="an SQS mapping with FilterCriteria",
        harm="a message that no pattern matches is deleted unread, and not set aside",
        remedy=(
            "# send what <Queue> is not for elsewhere (a topic's FilterPolicy, a rule's pattern),",
            "# and let the function refuse the rest: that goes to the dead-letter queue",
        ),
    ),
)
