"""Hands each message to a third party that takes only so many a second, however many come.

Each call keeps its invocation for a slot of time. With at most MAXIMUM_CONCURRENCY invocations,
that makes PER_SECOND calls a second at most, whoever makes them.
A handler of your own takes its place with `storagefirst("blueprint:NAME", handlers={"Worker": …})`.
"""

from __future__ import annotations

import json
import logging
import os
import time
import urllib.request
from typing import Any

import boto3

logger = logging.getLogger()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])
# In a window that slides, a slot's call counts as long as any part of it may: hence no fractions.
CALLS_A_SLOT = int(os.environ["PER_SECOND"]) // int(os.environ["MAXIMUM_CONCURRENCY"])
SLOT_SECONDS = 1 / CALLS_A_SLOT


def parse(body: str) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(body)
    if not isinstance(message["id"], str) or not message["id"]:
        raise ValueError("id must be a text")
    return message


def call(message: dict[str, Any]) -> None:
    """Hand a message on; return or raise when its slot is over, and not before."""
    began = time.monotonic()
    request = urllib.request.Request(
        os.environ["DOWNSTREAM_URL"],
        data=json.dumps({"id": message["id"]}).encode(),
        headers={"Content-Type": "application/json", "Idempotency-Key": message["id"]},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            answer.read()
    finally:
        time.sleep(max(0.0, began + SLOT_SECONDS - time.monotonic()))


def process(message: dict[str, Any]) -> None:
    call(message)
    try:
        table.put_item(Item={"id": message["id"]}, ConditionExpression="attribute_not_exists(id)")
    except table.meta.client.exceptions.ConditionalCheckFailedException:
        logger.info("%s stands already", message["id"])


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    failures = []
    for record in event["Records"]:
        try:
            process(parse(record["body"]))
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
