"""Stores each message once, keyed by the id that its sender gave it, in its sender's order.

A handler of your own takes its place with `storagefirst("blueprint:NAME", handlers={"Worker": …})`.
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
    stopped = set()
    for record in event["Records"]:
        sender = record["attributes"]["MessageGroupId"]
        if sender not in stopped:
            try:
                store(parse(record["body"]))
                continue
            except Exception:
                logger.exception("%s failed", record["messageId"])
                stopped.add(sender)  # what is behind it must stay behind it
        failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
