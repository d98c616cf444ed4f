"""What the rows of the catalogue share: the properties, runs that several try, AWS's pages."""

from __future__ import annotations

from pytest_storagefirst.audit.rule import Trial

AWS = "https://docs.aws.amazon.com"
SQS = f"{AWS}/AWSSimpleQueueService/latest/SQSDeveloperGuide"
LAMBDA = f"{AWS}/lambda/latest/dg"
API = f"{AWS}/apigateway/latest/developerguide"

LOSS, TWICE, POISON, REDRIVE, DRAINS = (
    "no-message-loss",
    "no-duplicate-effects",
    "poison-isolated",
    "redrive-completes",
    "drains",
)
REFUSED_FOR_LONG = Trial(LOSS, "writes", "refused", lasting=True)
TARGET_REFUSES = (
    Trial(LOSS, "delivery", "target-refused", "access-denied"),
    Trial(LOSS, "delivery", "target-refused", lasting=True),
)
