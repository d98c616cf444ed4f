"""Keeps each step of a recipe."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def store(record):
    step = json.loads(record["body"])
    table.put_item(Item={"stepId": step["stepId"], "what": step["what"]})


def handler(event, context):
    left = [record["messageId"] for record in event["Records"]]
    for record in event["Records"]:
        try:
            store(record)
        except Exception:
            logger.exception("%s failed", record["messageId"])
            break
        left.pop(0)
    return {"batchItemFailures": [{"itemIdentifier": one} for one in left]}
