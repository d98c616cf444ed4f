"""Stores each message once, keyed by the id that its sender gave it. Serves both functions.

Handlers of your own take its place with
`storagefirst("blueprint:topic-fanout", handlers={"BillingWorker": …, "ShippingWorker": …})`.
"""

from __future__ import annotations

import json
import logging
import os
from decimal import Decimal
from typing import Any

import boto3

logger = logging.getLogger()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def parse(body: str) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(body, parse_float=Decimal)
    if not isinstance(message["id"], str) or not message["id"]:
        raise ValueError("id must be a text")
    return message


def store(message: dict[str, Any]) -> None:
    try:
        table.put_item(Item=message, ConditionExpression="attribute_not_exists(id)")
    except table.meta.client.exceptions.ConditionalCheckFailedException:
        logger.info("%s stands already", message["id"])


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    failures = []
    for record in event["Records"]:
        try:
            store(parse(record["body"]))
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
