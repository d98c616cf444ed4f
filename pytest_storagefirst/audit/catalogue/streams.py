"""Rows about streams and what reads them."""

from __future__ import annotations

from pytest_storagefirst.audit.catalogue.trials import (
    AWS,
    LAMBDA,
    LOSS,
    POISON,
    REFUSED_FOR_LONG,
    TWICE,
)
from pytest_storagefirst.audit.rule import ERROR, WARNING, Rule, Trial

RULES = (
    Rule(
        id="stream-no-destination",
        title="A stream's mapping has no failure destination",
        severity=ERROR,
        page=f"{LAMBDA}/kinesis-on-failure-destination.html",
        looks_for="a mapping of a stream of Kinesis or DynamoDB without OnFailure",
        harm="records that are given up leave no trace: they are lost",
        remedy=(
            "<Resource>:   # and the function's role may sqs:SendMessage there",
            "  DestinationConfig:",
            "    OnFailure: { Destination: !GetAtt FailedRecords.Arn }",
        ),
        trials=(REFUSED_FOR_LONG, Trial(LOSS, bad=True), Trial(POISON, bad=True)),
    ),
    Rule(
        id="stream-no-cap",
        title="A stream's mapping retries without end",
        severity=ERROR,
        page=f"{LAMBDA}/services-kinesis-parameters.html",
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
        page=f"{LAMBDA}/services-kinesis-parameters.html",
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
        page=f"{LAMBDA}/services-kinesis-create.html",
        looks_for="a mapping of a stream with StartingPosition LATEST",
        harm="what is put while the mapping is made, or made anew, may never be read",
        remedy=("<Resource>:", "  StartingPosition: TRIM_HORIZON"),
    ),
    Rule(
        id="constant-partition-key",
        title="Every record has the same partition key",
        severity=WARNING,
        page=f"{AWS}/streams/latest/dev/key-concepts.html",
        looks_for="a route or event rule that puts into a stream under a key that is no variable",
        harm="all goes through one shard; what that can't take is refused, and one bad record "
        "stops everything",
        remedy=('# a key of the message itself, for instance "$context.requestId"',),
    ),
)
