"""Stores each message once, keyed by its sender's id, as the flags say when its batch begins.

A handler of your own takes its place with `storagefirst("blueprint:NAME", handlers={"Worker": …})`.
"""

from __future__ import annotations

import json
import logging
import os
from decimal import Decimal
from typing import Any

import boto3
import flags

logger = logging.getLogger()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


class Paused(Exception):
    """Nothing is processed now."""


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


def process(body: str, enabled: frozenset[str]) -> None:
    if "processing" not in enabled:
        raise Paused(body)  # what is acknowledged now would be lost
    message = parse(body)
    if "counted" in enabled:
        message["words"] = len(str(message.get("text", "")).split())
    store(message)  # into the same item, whatever the flags say: once under both is once


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    enabled = flags.enabled()
    failures = []
    for record in event["Records"]:
        try:
            process(record["body"], enabled)
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
