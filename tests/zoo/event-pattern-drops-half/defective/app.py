"""Stores each order once; a message that fails is reported and comes back alone."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def store(record):
    order = json.loads(record["body"])
    table.put_item(Item={"orderId": order["orderId"], "kind": order["kind"]})


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            store(record)
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
