"""Stores the message of each object once, keyed by the id that its sender gave it.

A handler of your own takes its place with `storagefirst("blueprint:NAME", handlers={"Worker": …})`.
"""

from __future__ import annotations

import json
import logging
import os
from decimal import Decimal
from typing import Any
from urllib.parse import unquote_plus

import boto3

logger = logging.getLogger()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])
s3 = boto3.client("s3")


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


def read(notice: dict[str, Any]) -> str:
    """The object that a notification is about; its key comes URL-encoded."""
    bucket = notice["s3"]["bucket"]["name"]
    key = unquote_plus(notice["s3"]["object"]["key"])
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()


def work(body: str) -> None:
    notification = json.loads(body)
    if notification.get("Event") == "s3:TestEvent":  # S3 sends one when it is set up
        return
    for notice in notification["Records"]:
        store(parse(read(notice)))


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    failures = []
    for record in event["Records"]:
        try:
            work(record["body"])
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
