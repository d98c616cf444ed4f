"""Rows about a stack as a whole: what it may do, who looks at it, whether it fits."""

from __future__ import annotations

from pytest_storagefirst.audit.catalogue.trials import (
    API,
    AWS,
    DRAINS,
    LOSS,
    REDRIVE,
    REFUSED_FOR_LONG,
    SQS,
    TARGET_REFUSES,
)
from pytest_storagefirst.audit.rule import ERROR, NOTE, WARNING, Rule, Trial

RULES = (
    Rule(
        id="missing-permission",
        title="Nothing allows what the stack does",
        severity=ERROR,
        page=f"{AWS}/IAM/latest/UserGuide/reference_policies_evaluation-logic.html",
        looks_for="a route's role that may not write to its backend, a function's that may not "
        "read its queue or do anything with a store that its environment names, a delivery that no "
        "resource policy allows",
        harm="messages that are acknowledged are never processed; a test without IAM passes",
        remedy=("# allow <Allow>",),
        trials=(
            Trial(LOSS),
            Trial(REDRIVE),
            Trial(DRAINS),
            REFUSED_FOR_LONG,
            *TARGET_REFUSES,
        ),
    ),
    Rule(
        id="function-never-runs",
        title="A function is kept from ever running",
        severity=WARNING,
        page=f"{AWS}/lambda/latest/dg/configuration-concurrency.html",
        looks_for="a function with `ReservedConcurrentExecutions: 0`, which stops all its events",
        harm="whatever it is given is throttled until it expires or is set aside",
        remedy=(
            "<Function>:",
            "  Properties:",
            "    ReservedConcurrentExecutions: 5",
        ),
        trials=(Trial(LOSS), Trial(REDRIVE), Trial(DRAINS)),
        remarks=("or no such line: then it shares what the account has",),
    ),
    Rule(
        id="no-alarm",
        title="No alarm tells that messages wait or were set aside",
        severity=NOTE,
        page=f"{SQS}/dead-letter-queues-alarms-cloudwatch.html",
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
            "    Threshold: <Threshold>",
            "    ComparisonOperator: GreaterThanThreshold",
        ),
    ),
    Rule(
        id="compute-before-storage",
        title="Code runs before the request is stored",
        severity=NOTE,
        page=f"{API}/api-gateway-api-integration-types.html",
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
        page=f"{AWS}/step-functions/latest/apireference/API_StartSyncExecution.html",
        looks_for="a route that starts a synchronous execution",
        harm="nothing is stored that would be tried again, so the pattern does not fit here",
        remedy=(
            "# StartExecution stores the request, and answers with its name; or keep it, knowing",
            "# that what fails is the caller's to send again",
        ),
    ),
)
