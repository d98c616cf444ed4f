"""Charges each order once, through Powertools' circuit breaker; while it is open orders wait.

A handler of your own takes its place with `storagefirst("blueprint:NAME", handlers={"Worker": …})`.
"""

from __future__ import annotations

import json
import logging
import os
import urllib.request
from typing import Any

import boto3
from aws_lambda_powertools.utilities.circuit_breaker import (
    CircuitBreakerConfig,
    CircuitBreakerOpenError,
    circuit_breaker,
)
from aws_lambda_powertools.utilities.circuit_breaker.persistence import (
    CircuitBreakerDynamoDBPersistence,
)

logger = logging.getLogger()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def parse(body: str) -> dict[str, Any]:
    order: dict[str, Any] = json.loads(body)
    if not isinstance(order["id"], str) or not order["id"]:
        raise ValueError("id must be a text")
    return order


# Without on_circuit_open: what a fallback returns would acknowledge the order.
@circuit_breaker(
    name="downstream",
    persistence_store=CircuitBreakerDynamoDBPersistence(os.environ["CIRCUIT_TABLE_NAME"]),
    config=CircuitBreakerConfig(
        failure_threshold=3,
        recovery_timeout=60,  # a probe's lease, too: longer than the function may take
        success_threshold=1,  # a lease for one probe: the last of several would outlast it
        handled_exceptions=OSError,
    ),
)
def charge(order: dict[str, Any]) -> None:
    request = urllib.request.Request(
        os.environ["DOWNSTREAM_URL"],
        data=json.dumps({"id": order["id"]}).encode(),
        headers={"Content-Type": "application/json", "Idempotency-Key": order["id"]},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        answer.read()


def process(order: dict[str, Any]) -> None:
    charge(order)
    try:
        table.put_item(Item={"id": order["id"]}, ConditionExpression="attribute_not_exists(id)")
    except table.meta.client.exceptions.ConditionalCheckFailedException:
        logger.info("%s stands already", order["id"])


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    failures = []
    for record in event["Records"]:
        try:
            process(parse(record["body"]))
        except CircuitBreakerOpenError:
            failures.append({"itemIdentifier": record["messageId"]})
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
