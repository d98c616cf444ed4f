"""Stores each invoice once; what is left over is reported and comes back."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def store(record):
    invoice = json.loads(record["body"])
    table.put_item(Item={"invoiceId": invoice["invoiceId"], "total": invoice["total"]})


def handler(event, context):
    left = [record["messageId"] for record in event["Records"]]
    for record in event["Records"]:
        try:
            store(record)
            left.remove(record["messageId"])
        except Exception:
            logger.exception("%s failed", record["messageId"])
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in left]}
