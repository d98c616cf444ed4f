"""Stores each photo once and works for about a second an invocation."""

import json
import logging
import os

import boto3
from botocore.config import Config

WORK_MILLISECONDS = 1_000

logger = logging.getLogger()
short = Config(connect_timeout=2, read_timeout=2)
table = boto3.resource("dynamodb", config=short).Table(os.environ["TABLE_NAME"])


def handler(event, context):
    failures = []
    stop_at = context.get_remaining_time_in_millis() - WORK_MILLISECONDS
    for record in event["Records"]:
        if context.get_remaining_time_in_millis() < stop_at:
            logger.warning("out of time at %s", record["messageId"])
            continue
        try:
            photo = json.loads(record["body"])
            table.put_item(Item={"photoId": photo["photoId"], "album": photo["album"]})
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
