"""Stores each price once."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            price = json.loads(record["body"])
            table.put_item(Item={"priceId": price["priceId"], "pence": price["pence"]})
        except Exception:
            logger.exception("%s failed", record["messageId"])
            raise
    return {"batchItemFailures": failures}
